//! The rounds: every contestant in turn, case by case, again and again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime};

use hdrhistogram::Histogram;

use super::document::{ContestantDoc, Document, LatencyDoc, MeasurementDoc, RowDoc};
use super::lab::Lab;
use super::peers::Contestant;
use super::plan::{Case, Group, Plan, Work};
use super::progress::Progress;
use super::stats::{Summary, ratio};
use super::work::Stage;
use super::{leftovers, machine, work};
use crate::error::CliError;

/// After so many failures in a case a contestant is left alone.
const FAILURES: usize = 2;

/// Measures what the plan says. `stop` is the flag that an interrupt raises.
///
/// # Errors
/// When the lab can't be made or removed, Netloom itself does not start, or the user interrupts.
pub(super) fn run(plan: &Plan, stop: &Arc<AtomicBool>, silent: bool) -> Result<Document, CliError> {
    let (began, date) = (Instant::now(), SystemTime::now());
    let machine = machine::this();
    leftovers::remove();
    let lab = Lab::make(Arc::clone(stop))?;
    let measured = measure_all(plan, &lab, silent);
    // Whatever happened, everything goes; the first failure is the one to tell.
    let removed = lab.remove();
    let (contestants, measurements) = measured?;
    removed?;
    Ok(Document {
        netloom: env!("CARGO_PKG_VERSION"),
        date: humantime::format_rfc3339_seconds(date).to_string(),
        command: command(),
        machine,
        rounds: plan.rounds,
        duration: plan.duration.as_secs_f64(),
        seconds: began.elapsed().as_secs_f64(),
        contestants,
        measurements,
    })
}

/// The command line, without where the program is.
fn command() -> String {
    let mut words = vec!["netloom".to_owned()];
    words.extend(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Somebody who is measured, and what became of it.
struct Entry {
    contestant: Contestant,
    doc: ContestantDoc,
}

impl Entry {
    fn of(contestant: Contestant) -> Entry {
        let missing = contestant.missing();
        let doc = ContestantDoc {
            name: contestant.name(),
            version: if missing.is_none() { contestant.version() } else { None },
            state: if missing.is_none() { "measured" } else { "missing" },
            why: missing,
            configurations: Vec::new(),
            limits: Vec::new(),
        };
        Entry { contestant, doc }
    }

    fn is_netloom(&self) -> bool {
        matches!(self.contestant, Contestant::Netloom(_))
    }
}

type Measured = (Vec<ContestantDoc>, Vec<MeasurementDoc>);

fn measure_all(plan: &Plan, lab: &Lab, silent: bool) -> Result<Measured, CliError> {
    let mut entries: Vec<Entry> = plan.contestants().into_iter().map(Entry::of).collect();
    let groups: Vec<(Work, Vec<Group>)> =
        plan.works().into_iter().map(|work| (work, plan.groups(work))).collect();
    let present = entries.iter().filter(|entry| entry.doc.state != "missing").count();
    let cases: usize = groups.iter().flat_map(|(_, groups)| groups).map(|it| it.cases.len()).sum();
    let mut progress = Progress::begin(cases * present * plan.rounds, silent);
    let mut measurements = Vec::new();
    for (work, groups) in groups {
        let mut rows = Vec::new();
        for group in &groups {
            rows.extend(measure_group(plan, lab, work, group, &mut entries, &mut progress)?);
        }
        let told = work::describe(work);
        measurements.push(MeasurementDoc {
            name: told.name,
            title: told.title,
            unit: told.unit,
            less_is_better: told.less_is_better,
            how: told.how,
            bound: told.bound,
            rows,
        });
    }
    Ok((entries.into_iter().map(|entry| entry.doc).collect(), measurements))
}

/// One contestant's figures in one case, round by round.
struct Series {
    entry: usize,
    case: Case,
    samples: Vec<Option<f64>>,
    latency: Option<Histogram<u64>>,
    failure: Option<String>,
    failures: usize,
}

fn measure_group(
    plan: &Plan,
    lab: &Lab,
    work: Work,
    group: &Group,
    entries: &mut [Entry],
    progress: &mut Progress,
) -> Result<Vec<RowDoc>, CliError> {
    let (stages, mut all) = start(plan, lab, work, group, entries, progress)?;
    for _ in 0..plan.rounds {
        for series in &mut all {
            let Some(stage) = &stages[series.entry] else {
                series.samples.push(None);
                continue;
            };
            let name = &entries[series.entry].doc.name;
            progress.step(&format!("{}: {name}", label(work, &series.case)));
            one_round(plan, work, stage, series)?;
        }
    }
    Ok(all.iter().map(|series| row(series, entries, &all)).collect())
}

type Started<'l> = (Vec<Option<Stage<'l>>>, Vec<Series>);

/// Sets everybody up who is there and can do this, and begins their series.
fn start<'l>(
    plan: &Plan,
    lab: &'l Lab,
    work: Work,
    group: &Group,
    entries: &mut [Entry],
    progress: &mut Progress,
) -> Result<Started<'l>, CliError> {
    let mut stages = Vec::new();
    let mut failures = Vec::new();
    for entry in &mut *entries {
        let skipped = group.cases.len() * plan.rounds;
        if entry.doc.state == "missing" {
            stages.push(None);
            failures.push(None);
            continue;
        }
        if let Some(limit) = entry.contestant.cannot(&group.wiring) {
            note(&mut entry.doc.limits, limit);
            progress.skip(skipped);
            stages.push(None);
            failures.push(None);
            continue;
        }
        lab.check()?;
        let (contestant, wiring) = (entry.contestant.clone(), group.wiring);
        progress.say(&format!("{}: starting {}", work::describe(work).name, entry.doc.name));
        match entry.contestant.start(lab, &group.wiring) {
            Ok(rig) => {
                note(&mut entry.doc.configurations, &rig.configuration);
                let rig = (!work.begins_afresh()).then_some(rig);
                stages.push(Some(Stage { lab, contestant, wiring, rig }));
                failures.push(None);
            }
            Err(error) => {
                lab.check()?;
                if entry.is_netloom() {
                    return Err(error);
                }
                progress.skip(skipped);
                stages.push(None);
                failures.push(Some(error.to_string()));
            }
        }
    }
    let mut all = Vec::new();
    for case in &group.cases {
        for entry in 0..entries.len() {
            let failure = failures[entry].clone();
            if stages[entry].is_some() || failure.is_some() {
                all.push(Series {
                    entry,
                    case: *case,
                    samples: Vec::new(),
                    latency: None,
                    failure,
                    failures: 0,
                });
            }
        }
    }
    Ok((stages, all))
}

fn note(list: &mut Vec<String>, text: &str) {
    if !list.iter().any(|known| known == text) {
        list.push(text.to_owned());
    }
}

fn one_round(
    plan: &Plan,
    work: Work,
    stage: &Stage<'_>,
    series: &mut Series,
) -> Result<(), CliError> {
    if series.failures >= FAILURES {
        series.samples.push(None);
        return Ok(());
    }
    match work::measure(work, stage, &series.case, plan) {
        Ok(reading) => {
            series.samples.push(Some(reading.figure));
            match (&mut series.latency, reading.latency) {
                (Some(all), Some(new)) => *all += new,
                (all, new) => *all = new,
            }
        }
        Err(error) => {
            stage.lab.check()?;
            series.samples.push(None);
            series.failures += 1;
            series.failure.get_or_insert(error.to_string());
        }
    }
    Ok(())
}

/// The case in a few words.
fn label(work: Work, case: &Case) -> String {
    let mut label = work::describe(work).name.to_owned();
    if let Some(size) = case.size {
        label += &format!(" {size} B");
    }
    for (number, one, many) in [(case.queues, "queue", "queues"), (case.flows, "flow", "flows")] {
        if let Some(number) = number {
            label += &format!(" {number} {}", if number == 1 { one } else { many });
        }
    }
    label
}

fn row(series: &Series, entries: &[Entry], all: &[Series]) -> RowDoc {
    // The first contestant is Netloom as the user has it.
    let ours = all.iter().find(|other| other.entry == 0 && other.case == series.case);
    let compared = ours.filter(|_| series.entry != 0);
    RowDoc {
        contestant: entries[series.entry].doc.name.clone(),
        frame_size: series.case.size,
        queues: series.case.queues,
        flows: series.case.flows,
        figure: Summary::of(&series.samples),
        samples: series.samples.clone(),
        netloom_ratio: compared.and_then(|ours| ratio(&ours.samples, &series.samples)),
        latency: series.latency.as_ref().map(percentiles),
        failure: series.failure.clone(),
    }
}

fn percentiles(latency: &Histogram<u64>) -> LatencyDoc {
    let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
    let at = |quantile| seconds(latency.value_at_quantile(quantile));
    LatencyDoc {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: seconds(latency.max()),
        count: latency.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(entry: usize, size: u32, samples: &[Option<f64>]) -> Series {
        Series {
            entry,
            case: Case { size: Some(size), ..Case::default() },
            samples: samples.to_vec(),
            latency: None,
            failure: None,
            failures: 0,
        }
    }

    #[test]
    fn others_are_compared_with_the_first_in_the_same_case() {
        let entries = [
            Entry::of(Contestant::Plain { header: false }),
            Entry::of(Contestant::Plain { header: true }),
        ];
        let all = [
            series(0, 64, &[Some(3.0), Some(4.0)]),
            series(1, 64, &[Some(1.5), None]),
            series(0, 128, &[Some(9.0), Some(9.0)]),
        ];
        let rows: Vec<RowDoc> = all.iter().map(|series| row(series, &entries, &all)).collect();
        assert_eq!(rows[0].netloom_ratio, None);
        assert_eq!(rows[1].netloom_ratio, Some(2.0));
        assert_eq!(rows[1].figure.map(|figure| figure.median), Some(1.5));
        assert_eq!(rows[1].contestant, "plain-header");
    }

    #[test]
    fn cases_in_words() {
        let case = Case { size: Some(64), queues: Some(1), flows: None };
        assert_eq!(label(Work::Loop, &case), "loop 64 B 1 queue");
        let case = Case { size: None, queues: None, flows: Some(8) };
        assert_eq!(label(Work::Tcp, &case), "tcp 8 flows");
    }

    #[test]
    fn latencies_are_seconds() {
        let mut latency = Histogram::new_with_bounds(1, 1_000_000_000, 3).unwrap();
        for microseconds in 1..=1000 {
            latency.record(microseconds * 1000).unwrap();
        }
        let told = percentiles(&latency);
        assert!((told.p50 - 500e-6).abs() < 1e-6, "{told:?}");
        assert!((told.p99 - 990e-6).abs() < 1e-6, "{told:?}");
        assert_eq!(told.count, 1000);
    }
}
