//! The rounds: every contestant in turn, case by case, again and again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime};

use super::awake::keep_awake;
use super::cases::{Group, Work};
use super::document::{ContestantDoc, Document, MeasurementDoc, RowDoc};
use super::lab::{Lab, interrupted};
use super::peers::Contestant;
use super::plan::Plan;
use super::program::Program;
use super::progress::Progress;
use super::series::{Series, label};
use super::work::Stage;
use super::{leftovers, machine, work};
use io_backends::Error;

/// Measures what the plan says. `stop` is the flag that an interrupt raises; `silent`
/// leaves the line of progress out.
///
/// # Errors
/// When the lab can't be made or removed, Netloom itself does not start, or the user interrupts.
pub fn run(
    plan: &Plan,
    program: &Arc<dyn Program>,
    stop: &Arc<AtomicBool>,
    silent: bool,
) -> Result<Document, Error> {
    let (began, date) = (Instant::now(), SystemTime::now());
    let machine = machine::this(plan.awake);
    let _awake = plan.awake.then(keep_awake).transpose()?;
    leftovers::remove(&**program);
    let lab = Lab::make(Arc::clone(program), Arc::clone(stop))?;
    let measured = measure_all(plan, &lab, silent);
    // Whatever happened, everything goes; the first failure is the one to tell.
    let removed = lab.remove();
    let (contestants, measurements) = measured?;
    removed?;
    interrupted(stop)?;
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

/// A contestant, and what became of it.
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

fn measure_all(plan: &Plan, lab: &Lab, silent: bool) -> Result<Measured, Error> {
    let mut entries: Vec<Entry> = Contestant::all(plan).into_iter().map(Entry::of).collect();
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
            ceiling: (told.unit == "addresses").then_some(plan.addresses.into()),
            rows,
        });
    }
    Ok((entries.into_iter().map(|entry| entry.doc).collect(), measurements))
}

fn measure_group(
    plan: &Plan,
    lab: &Lab,
    work: Work,
    group: &Group,
    entries: &mut [Entry],
    progress: &mut Progress,
) -> Result<Vec<RowDoc>, Error> {
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
    let names: Vec<&str> = entries.iter().map(|entry| &*entry.doc.name).collect();
    Ok(all.iter().map(|series| series.row(&names, &all)).collect())
}

type Started<'l> = (Vec<Option<Stage<'l>>>, Vec<Series>);

/// Sets up the contestants that are installed and can do this, and begins their series.
fn start<'l>(
    plan: &Plan,
    lab: &'l Lab,
    work: Work,
    group: &Group,
    entries: &mut [Entry],
    progress: &mut Progress,
) -> Result<Started<'l>, Error> {
    let mut stages = Vec::new();
    let mut failures = Vec::new();
    for entry in &mut *entries {
        let skipped = group.cases.len() * plan.rounds;
        if work.is_netloom_alone() && !entry.is_netloom() {
            progress.skip(if entry.doc.state == "missing" { 0 } else { skipped });
            stages.push(None);
            failures.push(None);
            continue;
        }
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
        progress.say(&format!("{}: starting {}", work::describe(work).name, entry.doc.name));
        match set_up(lab, work, group, entry) {
            Ok(stage) => {
                stages.push(Some(stage));
                failures.push(None);
            }
            Err(error) => {
                lab.check()?;
                if entry.is_netloom() && !work.is_netloom_alone() {
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
                all.push(Series::begin(entry, *case, failure));
            }
        }
    }
    Ok((stages, all))
}

/// Has a contestant start in every wiring that the group needs.
fn set_up<'l>(
    lab: &'l Lab,
    work: Work,
    group: &Group,
    entry: &mut Entry,
) -> Result<Stage<'l>, Error> {
    let mut rigs = Vec::new();
    for wiring in group.wirings() {
        let rig = entry.contestant.start(lab, &wiring)?;
        note(&mut entry.doc.configurations, &rig.configuration);
        if !work.begins_afresh() {
            rigs.push((wiring, rig));
        }
    }
    Ok(Stage { lab, contestant: entry.contestant.clone(), wiring: group.wiring, rigs })
}

fn note(list: &mut Vec<String>, text: &str) {
    if !list.iter().any(|known| known == text) {
        list.push(text.to_owned());
    }
}

fn one_round(plan: &Plan, work: Work, stage: &Stage<'_>, series: &mut Series) -> Result<(), Error> {
    if series.has_given_up() {
        series.samples.push(None);
        return Ok(());
    }
    match work::measure(work, stage, &series.case, plan) {
        Ok(reading) => series.add(reading),
        Err(error) => {
            stage.lab.check()?;
            series.fail(&error);
        }
    }
    Ok(())
}
