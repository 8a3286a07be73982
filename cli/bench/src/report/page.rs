//! The page around the plots.

use std::fmt::Write;

use super::super::document::{Document, LatencyDoc, MeasurementDoc, RowDoc};
use super::plots::{self, Bar, Layout, Line};
use super::{by_case, case_text, colour, flows_text, sizes};
use crate::tables::{figure_text, is_disturbed, lost_text, machine, ratio_text, share_text};
use io_backends::Error;

const STYLE: &str = include_str!("page.css");
/// From so many frame sizes on, a line over them says more than bars.
const MANY_SIZES: usize = 3;
pub(super) fn write(document: &Document) -> String {
    let mut page = String::new();
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Netloom bench, {date}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        date = escape(&document.date),
    );
    head(&mut page, document);
    for measurement in &document.measurements {
        section(&mut page, document, measurement);
    }
    contestants(&mut page, document);
    page += "</main>\n</body>\n</html>\n";
    page
}

fn head(page: &mut String, document: &Document) {
    let machine_doc = &document.machine;
    let memory = machine_doc.memory.map_or_else(|| "unknown".into(), text::bytes);
    let load = machine_doc.load.map_or_else(|| "unknown".into(), |load| format!("{load:.2}"));
    let _ = write!(
        page,
        "<h1>Netloom bench</h1>\n<p class=\"soft\">Netloom beside other ways to join network \
         namespaces, measured on one machine in one run.</p>\n<dl>\n\
         <dt>Measured</dt><dd>{date}, in {took}</dd>\n<dt>Command</dt><dd><code>{command}</code></dd>\n\
         <dt>Machine</dt><dd>{machine}</dd>\n<dt>Memory</dt><dd>{memory}</dd>\n\
         <dt>Load before</dt><dd>{load} threads at work on average in the minute before</dd>\n\
         <dt>Netloom</dt><dd>{version}</dd>\n</dl>\n\
         <p>Bars and points are medians of {rounds} rounds of {seconds} s; thin lines span from the \
         least to the greatest round. In every round each contestant is measured in turn, so that \
         what else the machine does meets all alike. A ratio such as 1.50× says what Netloom's \
         figure is of the other's: the median of the rounds' ratios.</p>\n",
        date = escape(&document.date),
        took = text::duration(document.seconds),
        command = escape(&document.command),
        machine = escape(&machine(document)),
        version = document.netloom,
        rounds = document.rounds,
        seconds = document.duration,
    );
}

fn section(page: &mut String, document: &Document, measurement: &MeasurementDoc) {
    let less = if measurement.less_is_better { " Less is better." } else { "" };
    let _ = write!(
        page,
        "<h2 id=\"{name}\">{title}</h2>\n<p>{how}{less}</p>\n<p class=\"soft\">What bounds it: {bound}</p>\n",
        name = measurement.name,
        title = escape(measurement.title),
        how = escape(measurement.how),
        bound = escape(measurement.bound),
    );
    let sizes = sizes(measurement);
    let over_size = sizes.len() >= MANY_SIZES;
    for rows in by_case(measurement) {
        // Where lines follow, bars show the smallest frames only.
        let title = case_text(rows[0]);
        if !over_size || rows[0].frame_size == sizes.first().copied() {
            let bars: Vec<Bar> = rows.iter().map(|row| bar(document, row)).collect();
            figure(page, &title, measurement.title, |layout| {
                plots::bars(&bars, measurement.unit, layout)
            });
        }
        if rows.iter().any(|row| row.latency.is_some()) {
            latencies(page, document, &rows, &title);
        }
    }
    if over_size {
        let mut flows: Vec<_> = measurement.rows.iter().map(|row| row.flows).collect();
        flows.sort_unstable();
        flows.dedup();
        for flows in flows {
            let rows = measurement.rows.iter().filter(|row| row.flows == flows).collect();
            over_sizes(page, document, measurement, rows, &sizes);
        }
    }
    table(page, measurement);
}

/// Who it is, and what tells it from others in the same plot.
fn name(row: &RowDoc) -> String {
    let mut name = row.contestant.clone();
    if let Some(queues @ 2..) = row.queues {
        name += &format!(", {queues} queues");
    }
    match row.idle_ports {
        Some(0) => name += ", no idle port",
        Some(ports) => name += &format!(", {} idle ports", text::count(ports.into())),
        None => {}
    }
    if let Some(receiver) = row.receiver {
        name += &format!(", receiver {receiver}");
    }
    name
}

/// Whether it shares its colour with a row that comes first.
fn is_variation(row: &RowDoc) -> bool {
    row.queues.is_some_and(|queues| queues > 1) || row.undisturbed_ratio.is_some()
}

/// What a figure is of another, as far as there is another.
fn ratio(row: &RowDoc) -> Option<String> {
    row.undisturbed_ratio.map(share_text).or_else(|| row.netloom_ratio.map(ratio_text))
}

fn bar(document: &Document, row: &RowDoc) -> Bar {
    let note = match (&row.figure, ratio(row)) {
        (None, _) => row.failure.clone().unwrap_or_else(|| "not measured".into()),
        (_, Some(ratio)) => format!("({ratio})"),
        _ => String::new(),
    };
    Bar {
        name: name(row),
        colour: colour(document, &row.contestant),
        figure: row.figure.map(|figure| (figure.median, figure.min, figure.max)),
        note,
    }
}

/// Figures of rows with as many flows, over the size of their frames.
fn over_sizes(
    page: &mut String,
    document: &Document,
    measurement: &MeasurementDoc,
    rows: Vec<&RowDoc>,
    sizes: &[u32],
) {
    let flows = rows.first().and_then(|row| flows_text(row));
    let flows = flows.map_or_else(String::new, |flows| format!("{flows}, "));
    let title = format!("{flows}by frame size in bytes");
    let mut lines: Vec<(String, Line)> = Vec::new();
    for row in rows {
        let Some(figure) = row.figure else { continue };
        let at = sizes.iter().position(|size| Some(*size) == row.frame_size).unwrap_or(0);
        let name = name(row);
        let point = (at, (figure.median, figure.min, figure.max));
        match lines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, line)) => line.points.push(point),
            None => {
                let colour = colour(document, &row.contestant);
                let dashed = is_variation(row);
                lines.push((name, Line { colour, dashed, points: vec![point] }));
            }
        }
    }
    let places: Vec<String> = sizes.iter().map(u32::to_string).collect();
    drawn_lines(page, &title, measurement.title, lines, &places, measurement.unit, false);
}

fn latencies(page: &mut String, document: &Document, rows: &[&RowDoc], title: &str) {
    let line = |row: &&RowDoc| {
        let times = percentiles(&row.latency?).map(|(_, time)| (time, time, time));
        let points = times.into_iter().enumerate().collect();
        let colour = colour(document, &row.contestant);
        Some((name(row), Line { colour, dashed: is_variation(row), points }))
    };
    let lines = rows.iter().filter_map(line).collect();
    let any = rows.iter().find_map(|row| row.latency);
    let names =
        any.iter().flat_map(|latency| percentiles(latency).map(|(name, _)| name.to_owned()));
    let places: Vec<String> = names.collect();
    let title = format!("{title}: so many took no longer, all rounds together");
    drawn_lines(page, &title, "Latency percentiles", lines, &places, "seconds", true);
}

/// The latencies that are shown, and what they are called.
fn percentiles(latency: &LatencyDoc) -> [(&'static str, f64); 4] {
    let LatencyDoc { p50, p90, p99, p999, .. } = *latency;
    [("half of them", p50), ("90 %", p90), ("99 %", p99), ("99.9 %", p999)]
}

fn drawn_lines(
    page: &mut String,
    title: &str,
    about: &str,
    lines: Vec<(String, Line)>,
    places: &[String],
    unit: &str,
    log: bool,
) {
    let mut legend = "<ul class=\"legend\">\n".to_owned();
    for (name, line) in &lines {
        let (red, green, blue) = line.colour;
        let dashed = if line.dashed { " class=\"dashed\"" } else { "" };
        let _ = writeln!(
            legend,
            "<li><i{dashed} style=\"border-color:rgb({red},{green},{blue})\"></i>{}</li>",
            escape(name)
        );
    }
    legend += "</ul>\n";
    let lines: Vec<Line> = lines.into_iter().map(|(_, line)| line).collect();
    figure(page, title, about, |layout| plots::lines(&lines, places, unit, log, layout));
    *page += &legend;
}

/// A plot with its heading, drawn for wide and for narrow pages; one that can't be drawn says why.
fn figure(
    page: &mut String,
    title: &str,
    about: &str,
    plot: impl Fn(Layout) -> Result<String, Error>,
) {
    let mut heading = title.to_owned();
    if let Some(first) = heading.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let heading = escape(&heading);
    if !title.is_empty() {
        let _ = writeln!(page, "<h3>{heading}</h3>");
    }
    let label = format!("{} {heading}", escape(about));
    *page += "<figure>\n";
    for (layout, class) in [(Layout::Wide, "broad"), (Layout::Narrow, "slim")] {
        let plot =
            plot(layout).unwrap_or_else(|error| format!("<p>{}</p>", escape(&error.to_string())));
        let named = format!("<svg role=\"img\" aria-label=\"{label}\" ");
        let plot = plot.replacen("<svg ", &named, 1);
        let _ = writeln!(page, "<div class=\"{class}\">{plot}</div>");
    }
    *page += "</figure>\n";
}

fn table(page: &mut String, measurement: &MeasurementDoc) {
    let shown = |figure: Option<f64>| {
        figure.map_or_else(|| "–".to_owned(), |figure| figure_text(figure, measurement.unit))
    };
    *page += "<details>\n<summary>All figures</summary>\n<div class=\"wide\"><table class=\"figures\">\n<tr><th>Case</th>\
              <th>Switch</th><th class=\"number\">Median</th><th class=\"number\">Least</th>\
              <th class=\"number\">Greatest</th><th class=\"number\">";
    *page += if is_disturbed(measurement) { "Of undisturbed" } else { "Netloom is" };
    *page += "</th><th>Round by round</th></tr>\n";
    for row in &measurement.rows {
        let samples: Vec<String> = row.samples.iter().map(|sample| shown(*sample)).collect();
        let mut rounds = samples.join(", ");
        if let Some(frames) = &row.frames {
            rounds += &format!("; lost {}", lost_text(frames));
        }
        if let Some(failure) = &row.failure {
            rounds = format!("{failure} ({rounds})");
        }
        let class =
            if ratio(row).is_none() && row.figure.is_some() { " class=\"ours\"" } else { "" };
        let _ = writeln!(
            page,
            "<tr{class}><td>{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
            escape(&case_text(row)),
            escape(&name(row)),
            shown(row.figure.map(|figure| figure.median)),
            shown(row.figure.map(|figure| figure.min)),
            shown(row.figure.map(|figure| figure.max)),
            ratio(row).unwrap_or_default(),
            escape(&rounds),
        );
    }
    *page += "</table></div>\n</details>\n";
}

fn contestants(page: &mut String, document: &Document) {
    *page += "<h2 id=\"contestants\">Who was measured, and how each was set up</h2>\n\
              <p>Every contestant has hosts of its own: a namespace each, with one netdev, the same \
              MTU, IPv4 only.</p>\n<div class=\"wide\"><table>\n\
              <tr><th>Switch</th><th>Version</th><th>Set-up</th></tr>\n";
    for contestant in &document.contestants {
        let mut lines: Vec<String> =
            contestant.configurations.iter().map(|line| escape(line)).collect();
        lines.extend(contestant.limits.iter().map(|limit| format!("Limit: {}", escape(limit))));
        if let Some(why) = &contestant.why {
            lines.push(format!("<strong>{}</strong>: {}", contestant.state, escape(why)));
        }
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&contestant.name),
            escape(contestant.version.as_deref().unwrap_or("–")),
            lines.iter().map(|line| format!("<p>{line}</p>")).collect::<String>(),
        );
    }
    *page += "</table></div>\n";
}

/// Text as it stands in HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            letter => escaped.push(letter),
        }
    }
    escaped
}
