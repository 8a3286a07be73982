//! `netloom stats [PORT] [--watch]`.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use io_backends::error::describe;

use crate::args::{Global, Stats};
use crate::commands::interrupt::Interrupt;
use crate::control::api::{Request, StatsDoc};
use crate::control::client::dies;
use crate::control::rundir::{RunDir, State};
use crate::error::Error;
use crate::output;

const INTERVAL: Duration = Duration::from_secs(1);
/// Cursor to the top, and everything below it cleared.
const AGAIN: &str = "\u{1b}[H\u{1b}[J";

/// Prints the counters, once or every second.
///
/// # Errors
/// What the switch says; with `--watch`, also that it has stopped.
pub(super) fn run(global: &Global, stats: &Stats) -> Result<(), Error> {
    let request = Request::Stats { port: stats.port.clone() };
    if stats.watch {
        return watch(global, &request);
    }
    let reading: StatsDoc = super::reach(global)?.ask(&request)?;
    let whole = stats.port.is_none();
    output::show(global, &reading, |paint| output::stats(&reading, whole, paint))
}

/// Prints readings (`--json`) or the rates between them until the reader
/// hangs up, the user interrupts or the switch ends.
fn watch(global: &Global, request: &Request) -> Result<(), Error> {
    let redraw = io::stdout().is_terminal();
    let (dir, mut client) = super::find(global)?;
    let mut interrupt =
        Interrupt::catch().map_err(|error| Error::failed("signals", describe(&error)))?;
    let (mut before, mut next): (StatsDoc, _) = (client.ask(request)?, Instant::now());
    if global.json && !printed(output::put(global, &before, |_| String::new()))? {
        return Ok(());
    }
    loop {
        next += INTERVAL;
        if interrupt.comes_before(next) {
            return Ok(());
        }
        let now: StatsDoc = client.ask(request).map_err(|error| ended(&dir, error))?;
        let text = |paint| match redraw {
            true => format!("{AGAIN}{}", output::rates(&before, &now, paint)),
            false => output::rates(&before, &now, paint) + "\n",
        };
        if !printed(output::put(global, &now, text))? {
            return Ok(());
        }
        before = now;
    }
}

/// Why there is no further reading: most often that the switch is no more.
fn ended(dir: &RunDir, error: Error) -> Error {
    if !dies(dir) {
        return error;
    }
    let what = format!("switch {}", dir.name());
    match dir.state() {
        Some(State::Dead) => Error::failed(what, "it was killed")
            .hint(format!("`netloom down {}` removes what it left", dir.name())),
        _ => Error::failed(what, "it has stopped"),
    }
}

/// Whether standard output still has a reader.
fn printed(result: io::Result<()>) -> Result<bool, Error> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(output::refused(&error)),
    }
}
