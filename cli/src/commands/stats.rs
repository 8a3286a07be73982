//! `netloom stats [PORT] [--watch]`.

use std::io::{self, IsTerminal};
use std::thread;
use std::time::{Duration, Instant};

use crate::api::{Request, StatsDoc};
use crate::args::{Global, Stats};
use crate::client::Client;
use crate::error::CliError;
use crate::output;

const INTERVAL: Duration = Duration::from_secs(1);
/// Cursor to the top, and everything below it cleared.
const AGAIN: &str = "\u{1b}[H\u{1b}[J";

/// Prints the counters, once or every second.
///
/// # Errors
/// What the switch says; with `--watch`, also that it ended.
pub(super) fn run(global: &Global, stats: &Stats) -> Result<(), CliError> {
    let request = Request::Stats { port: stats.port.clone() };
    let mut client = super::reach(global)?;
    let reading: StatsDoc = client.ask(&request)?;
    if stats.watch {
        return watch(global, &mut client, &request, reading);
    }
    let whole = stats.port.is_none();
    output::show(global, &reading, |paint| output::stats(&reading, whole, paint))
}

/// Prints readings (`--json`) or the rates between them until the reader
/// hangs up, the user interrupts or the switch ends.
fn watch(
    global: &Global,
    client: &mut Client,
    request: &Request,
    first: StatsDoc,
) -> Result<(), CliError> {
    let redraw = io::stdout().is_terminal();
    let (mut before, mut next) = (first, Instant::now());
    if global.json && !printed(output::put(global, &before, |_| String::new()))? {
        return Ok(());
    }
    loop {
        next += INTERVAL;
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let now: StatsDoc = client.ask(request)?;
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

/// Whether somebody still reads.
fn printed(result: io::Result<()>) -> Result<bool, CliError> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(output::refused(&error)),
    }
}
