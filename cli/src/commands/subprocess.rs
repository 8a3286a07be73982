//! This program, run by itself the way a person runs it: `demo` and `bench` do.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use io_backends::ErrorKind;
use io_backends::error::describe;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CapabilitySet, capabilities};
use serde::Deserialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::control::rundir::{RunDir, State};
use crate::error::Error;

const LOOK: Duration = Duration::from_millis(5);

/// A flag that Ctrl-C and its like raise instead of ending the process. `what`
/// is the command that wants it.
pub(crate) fn on_interrupt(what: &str) -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| Error::failed(what, describe(&error)))?;
    }
    Ok(stop)
}

/// Fails when the user has interrupted.
pub(crate) fn interrupted(what: &str, stop: &AtomicBool) -> Result<(), Error> {
    match stop.load(Ordering::Relaxed) {
        true => Err(Error::failed(what, "interrupted; all that it made is removed")),
        false => Ok(()),
    }
}

/// Fails with exit 4 unless the process holds these capabilities, by name, of
/// which the command `what` has need to do something.
pub(crate) fn needs(
    what: &str,
    something: &str,
    wanted: &[(&str, CapabilitySet)],
) -> Result<(), Error> {
    let held = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let missing: Vec<_> =
        wanted.iter().filter(|(_, set)| !held.contains(*set)).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let why = format!("needs {} {something}", missing.join(", "));
    Err(Error::new(ErrorKind::Privilege, what, why)
        .hint(format!("run it as root: sudo netloom {what}")))
}

/// This program with other arguments. Ctrl-C is for the caller alone, which then removes everything.
pub(crate) fn netloom<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    // The link works even when the file was replaced meanwhile.
    let own = std::env::current_exe().ok().filter(|path| path.exists());
    let mut command = Command::new(own.unwrap_or("/proc/self/exe".into()));
    command.args(["--json", "--quiet"]).args(arguments).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs it to its end. An interrupt waits for that too: what is half made could
/// not be removed. `what` is the command that wants it, `patience` how long it may take.
pub(crate) fn finish(what: &str, mut command: Command, patience: Duration) -> Result<(), Error> {
    let broken = |error: std::io::Error| Error::failed(what, describe(&error));
    let mut child = command.spawn().map_err(broken)?;
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().map_err(broken)? {
            return match status.success() {
                true => Ok(()),
                false => Err(reason(what, &mut child, status.code())),
            };
        }
        if Instant::now() > deadline {
            // What it has made is recorded, and removed with the rest.
            let _ = child.kill();
            let _ = child.wait();
            return Err(Error::failed(what, "the switch takes too long"));
        }
        thread::sleep(LOOK);
    }
}

/// Stops a switch of the run directory `parent` and removes what it made; with
/// force, if it does not stop when asked. `patience` is how long that may take.
pub(crate) fn take_down(
    what: &str,
    parent: &Path,
    switch: &str,
    patience: Duration,
) -> Result<(), Error> {
    let down = || {
        let mut command = netloom(["down", switch]);
        command.env("NETLOOM_RUN_DIR", parent);
        finish(what, command, patience)
    };
    let signal = |signal| {
        let Some(State::Running(process)) = RunDir::under(parent, switch).state() else {
            return false;
        };
        let process = i32::try_from(process).ok().and_then(Pid::from_raw);
        process.is_some_and(|process| kill_process(process, signal).is_ok())
    };
    // One that was stopped could not answer.
    signal(Signal::CONT);
    down().or_else(|error| if signal(Signal::KILL) { down() } else { Err(error) })
}

/// What the program says on standard error under `--json`.
#[derive(Deserialize)]
struct Told {
    error: Error,
}

fn reason(what: &str, child: &mut Child, exit: Option<i32>) -> Error {
    let kind = exit.and_then(|code| u8::try_from(code).ok()).map(ErrorKind::from);
    let kind = kind.unwrap_or_default();
    let mut text = String::new();
    if let Some(stderr) = &mut child.stderr {
        // An unreadable reason is as good as none.
        let _ = stderr.read_to_string(&mut text);
    }
    match serde_json::from_str(text.trim()) {
        Ok(Told { error }) => Error { kind, ..error },
        Err(_) => Error::new(kind, what, "the switch could not be started or stopped"),
    }
}
