//! `netloom down`.

use io_backends::lab::Journal;

use io_backends::ErrorKind;

use crate::args::{Down, Global};
use crate::control::api::{Changed, Request};
use crate::control::change::{Action, Change, Thing};
use crate::control::client::{Client, dies};
use crate::control::rundir::{self, RunDir, State};
use crate::daemon;
use crate::error::Error;
use crate::output;

/// Stops switches and removes what they made; cleans up after killed ones.
///
/// # Errors
/// Exit 3 when there is no such switch, 1 when something could not be removed.
pub(super) fn run(global: &Global, down: &Down) -> Result<(), Error> {
    contradiction(global, down)?;
    let chosen = if down.all {
        rundir::switches()
    } else {
        vec![one(down.name.as_deref().or(global.switch.as_deref()))?]
    };
    let mut all = Changed::default();
    let mut failed = None;
    for (dir, state) in chosen {
        match stop(&dir, state) {
            Ok(Changed { changed, hints }) => {
                all.changed.extend(changed);
                all.hints.extend(hints);
            }
            // One that can't be stopped does not keep the others running.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        // Where nothing was done, there is nothing to report.
        Some(error) if all.changed.is_empty() => return Err(error),
        _ => output::changed(global, &all)?,
    }
    failed.map_or(Ok(()), Err)
}

/// `--switch` next to `--all`, or to another name, says two things at once.
fn contradiction(global: &Global, down: &Down) -> Result<(), Error> {
    let Some(switch) = &global.switch else { return Ok(()) };
    let why = match &down.name {
        Some(name) if name != switch => format!("can't go with the name {name}"),
        None if down.all => "can't go with --all".into(),
        _ => return Ok(()),
    };
    Err(Error::usage(format!("--switch {switch}"), why))
}

/// The switch a name means, dead or running; without a name the only one there is.
fn one(name: Option<&str>) -> Result<(RunDir, State), Error> {
    if let Some(name) = name {
        let dir = RunDir::of(name);
        return match dir.state() {
            Some(state) => Ok((dir, state)),
            None => Err(Error::unknown(format!("switch {name}"), "there is no such switch")
                .hint("`netloom ls` lists the switches")),
        };
    }
    let mut found = rundir::switches();
    match found.len() {
        0 => Err(Error::unknown("switch", "there is none")),
        1 => Ok(found.remove(0)),
        _ => {
            let names: Vec<_> = found.iter().map(|(dir, _)| dir.name()).collect();
            Err(Error::usage("down", format!("there are several switches: {}", names.join(", ")))
                .hint("say which, or --all"))
        }
    }
}

fn stop(dir: &RunDir, state: State) -> Result<Changed, Error> {
    if state == State::Dead {
        return clean_up(dir);
    }
    let answer = Client::connect(dir).and_then(|mut client| client.ask(&Request::Stop {}));
    match (answer, state) {
        (Err(_), _) if dies(dir) => clean_up(dir),
        // It lives, but its socket was removed.
        (Err(error), State::Running(pid)) if error.kind == ErrorKind::Unknown && pid != 0 => {
            Err(Error::failed(error.what, error.why)
                .hint(format!("`kill {pid}` stops it, and it removes what it made")))
        }
        (answer, _) => answer,
    }
}

/// Removes what a killed switch left.
fn clean_up(dir: &RunDir) -> Result<Changed, Error> {
    let mut changed = vec![Change::new(Action::Removed, Thing::Switch, dir.name())];
    let mut hints = Vec::new();
    if let Some(mut journal) = Journal::left_behind(&rundir::parent(), dir.name())? {
        let report = journal.undo();
        hints = daemon::leftovers(&report);
        changed.extend(report.undone.into_iter().map(Change::from));
        if let Some(error) = report.kept.into_iter().next() {
            return Err(error);
        }
    }
    dir.remove()?;
    Ok(Changed { changed, hints })
}
