//! A bench for a person at a terminal: a table a measurement.

use super::document::{Document, MeasurementDoc, RowDoc, TallyDoc};
use text::{Align, Paint, Table};

/// Stands where nothing applies.
const NONE: &str = "-";

/// All of it.
pub fn text(document: &Document, paint: Paint) -> String {
    let mut text = String::new();
    for measurement in &document.measurements {
        let direction = if measurement.less_is_better { ", less is better" } else { "" };
        text += &format!("{}{direction}\n", paint.bold(measurement.title));
        text += &table(measurement, paint);
        for note in notes(measurement) {
            text += &format!("{note}\n");
        }
        text.push('\n');
    }
    for contestant in &document.contestants {
        if let Some(why) = &contestant.why {
            text += &paint.yellow(format!("{} {}: {why}\n", contestant.name, contestant.state));
        }
        for limit in &contestant.limits {
            text += &format!("{}: {limit}\n", contestant.name);
        }
    }
    text += &format!(
        "Medians of {} rounds, {:.1} s each, in turn; on {}.\n",
        document.rounds,
        document.duration,
        machine(document)
    );
    text
}

/// The machine in a few words.
pub(super) fn machine(document: &Document) -> String {
    let machine = &document.machine;
    let cpu = machine.cpu.clone().unwrap_or_else(|| "an unknown CPU".into());
    let cpus = machine.cpus.map_or(String::new(), |cpus| format!("{cpus} × "));
    let virtual_machine = if machine.virtual_machine { " in a virtual machine" } else { "" };
    let kernel = machine.kernel.clone().unwrap_or_default();
    let awake = if machine.awake { ", idle CPUs kept awake" } else { "" };
    format!("{cpus}{cpu}{virtual_machine}, Linux {kernel}{awake}")
}

fn table(measurement: &MeasurementDoc, paint: Paint) -> String {
    let mut table = Table::new(&[
        ("FRAME", Align::Right),
        ("QUEUES", Align::Right),
        ("FLOWS", Align::Right),
        ("IDLE PORTS", Align::Right),
        ("RECEIVER", Align::Left),
        ("SWITCH", Align::Left),
        ("MEDIAN", Align::Right),
        ("MIN", Align::Right),
        ("MAX", Align::Right),
        ("P99", Align::Right),
        ("LOST", Align::Right),
        (if is_disturbed(measurement) { "OF UNDISTURBED" } else { "NETLOOM IS" }, Align::Left),
    ]);
    for row in &measurement.rows {
        table.row(cells(row, measurement));
    }
    for column in ["FRAME", "QUEUES", "FLOWS", "IDLE PORTS", "RECEIVER", "P99", "LOST"] {
        table.drop_if_all(column, NONE);
    }
    let better = |text: &str| {
        if is_disturbed(measurement) {
            return text.to_owned();
        }
        let Some(ratio) = text.strip_suffix('×').and_then(|text| text.parse::<f64>().ok()) else {
            return text.to_owned();
        };
        let wins = if measurement.less_is_better { ratio <= 1.0 } else { ratio >= 1.0 };
        if wins { paint.green(text) } else { paint.yellow(text) }
    };
    table.render(paint, better)
}

/// What a reader of the table could take wrongly.
fn notes(measurement: &MeasurementDoc) -> Vec<String> {
    let mut notes = Vec::new();
    let rows = &measurement.rows;
    let variants = rows.iter().filter(|row| row.contestant.starts_with("netloom-"));
    if let Some(first) = rows.first().filter(|first| {
        !is_disturbed(measurement) && variants.clone().any(|row| row.contestant != first.contestant)
    }) {
        notes.push(format!("NETLOOM IS: what {} is of the row's.", first.contestant));
    }
    if rows.iter().any(|row| row.latency.is_some()) {
        notes.push("P99: of all rounds together, each row at its own rate.".into());
    }
    if rows.iter().any(|row| is_at_ceiling(row, measurement)) {
        notes.push("≥: the search went no further (--addresses).".into());
    }
    notes
}

/// Whether the figure is only where the search for it ended.
fn is_at_ceiling(row: &RowDoc, measurement: &MeasurementDoc) -> bool {
    measurement.ceiling.zip(row.figure).is_some_and(|(ceiling, figure)| figure.median >= ceiling)
}

fn cells(row: &RowDoc, measurement: &MeasurementDoc) -> Vec<String> {
    let number = |number: Option<String>| number.unwrap_or_else(|| NONE.into());
    let shown = |figure: f64| figure_text(figure, measurement.unit);
    let last = match (&row.figure, &row.failure) {
        (None, Some(failure)) => failure.clone(),
        _ if is_disturbed(measurement) => {
            row.undisturbed_ratio.map_or_else(String::new, share_text)
        }
        _ if is_at_ceiling(row, measurement) => String::new(),
        _ => row.netloom_ratio.map_or_else(String::new, ratio_text),
    };
    let least = if is_at_ceiling(row, measurement) { "≥ " } else { "" };
    vec![
        number(row.frame_size.map(|size| size.to_string())),
        number(row.queues.map(|queues| queues.to_string())),
        number(row.flows.map(|flows| flows.to_string())),
        number(row.idle_ports.map(|ports| text::count(ports.into()))),
        number(row.receiver.map(Into::into)),
        row.contestant.clone(),
        number(row.figure.map(|figure| format!("{least}{}", shown(figure.median)))),
        number(row.figure.map(|figure| shown(figure.min))),
        number(row.figure.map(|figure| shown(figure.max))),
        number(row.latency.map(|latency| figure_text(latency.p99, "seconds"))),
        number(row.frames.map(|frames| lost_text(&frames))),
        last,
    ]
}

/// Whether rows of it are compared with others of the same switch.
pub(super) fn is_disturbed(measurement: &MeasurementDoc) -> bool {
    measurement.rows.iter().any(|row| row.idle_ports.is_some() || row.receiver.is_some())
}

/// `3 of 1,000`
pub(super) fn lost_text(frames: &TallyDoc) -> String {
    format!("{} of {}", text::count(frames.lost), text::count(frames.sent))
}

/// `0.987×`, of what should be 1.
pub(super) fn share_text(ratio: f64) -> String {
    format!("{ratio:.3}×")
}

/// `1.83×`
pub(super) fn ratio_text(ratio: f64) -> String {
    format!("{ratio:.2}×")
}

/// A figure with its unit, to three digits or so.
pub(super) fn figure_text(figure: f64, unit: &str) -> String {
    match unit {
        "seconds" if figure < 1e-3 => format!("{:.1} µs", figure * 1e6),
        "seconds" => format!("{:.2} ms", figure * 1e3),
        "bit/s" => format!("{:.2} Gb/s", figure / 1e9),
        "addresses" => text::count(figure as u64),
        _ if figure < 999.5 => format!("{figure:.0} /s"),
        _ if figure < 999.5e3 => format!("{:.0} k/s", figure / 1e3),
        _ => format!("{:.2} M/s", figure / 1e6),
    }
}
