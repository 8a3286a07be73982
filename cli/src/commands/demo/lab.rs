//! The demo's switch and namespaces: made, and in any case removed.

use std::io::Read;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use io_backends::attachment::Netns;
use io_backends::error::describe;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::{CliError, FAILED};
use crate::rundir::{RunDir, State};

/// How long `up` or `down` may take.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(5);

/// One of the two hosts.
pub(super) struct Host {
    /// Its port on the switch, and its name in the story.
    pub(super) port: String,
    /// Its namespace.
    pub(super) netns: Netns,
    pub(super) address: Ipv4Addr,
}

/// What the demo has made. It goes with the value.
pub(super) struct Lab {
    pub(super) switch: String,
    pub(super) hosts: [Host; 2],
    stop: Arc<AtomicBool>,
    removed: bool,
}

/// A flag that Ctrl-C and its like raise instead of ending the process.
pub(super) fn on_interrupt() -> Result<Arc<AtomicBool>, CliError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| CliError::failed("demo", describe(&error)))?;
    }
    Ok(stop)
}

/// Fails when the user has interrupted.
pub(super) fn interrupted(stop: &AtomicBool) -> Result<(), CliError> {
    match stop.load(Ordering::Relaxed) {
        true => Err(CliError::failed("demo", "interrupted; all that it made is removed")),
        false => Ok(()),
    }
}

impl Lab {
    /// Starts the switch with its two hosts, under names that no other demo has.
    pub(super) fn build(stop: &Arc<AtomicBool>) -> Result<Lab, CliError> {
        let process = std::process::id();
        let switch = format!("netloom-demo-{process}");
        let host = |port: &str, last| Host {
            port: port.into(),
            netns: Netns::Name(format!("{switch}-{port}")),
            address: Ipv4Addr::new(10, 9, 0, last),
        };
        let hosts = [host("alice", 1), host("bob", 2)];
        let mut command = netloom(&["up", "--detach", "--name", &switch]);
        for Host { port, netns, address } in &hosts {
            // The netdev's name here, before it moves: 15 bytes at most.
            let target = format!("nl{process}{}", &port[..1]);
            command.arg("--port");
            command.arg(format!("{port}=tap:{target},netns={netns},addr={address}/24"));
        }
        // From here on there may be something to remove.
        let lab = Lab { switch, hosts, stop: Arc::clone(stop), removed: false };
        lab.check()?;
        finish(command)?;
        lab.check()?;
        Ok(lab)
    }

    pub(super) fn run_dir(&self) -> RunDir {
        RunDir::of(&self.switch)
    }

    /// Fails when the user has interrupted.
    pub(super) fn check(&self) -> Result<(), CliError> {
        interrupted(&self.stop)
    }

    /// Takes everything away.
    pub(super) fn remove(mut self) -> Result<(), CliError> {
        self.removed = true;
        take_down(&self.switch)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.removed && self.run_dir().state().is_some() {
            // The failure that led here is the one that is told.
            let _ = take_down(&self.switch);
        }
    }
}

fn take_down(switch: &str) -> Result<(), CliError> {
    let down = || finish(netloom(&["down", switch]));
    down().or_else(|error| match RunDir::of(switch).state() {
        // One that does not stop when asked is stopped, and cleaned up after.
        Some(State::Running(process)) => {
            let process = i32::try_from(process).ok().and_then(Pid::from_raw);
            process.and_then(|process| kill_process(process, Signal::KILL).ok());
            down()
        }
        _ => Err(error),
    })
}

/// This program with other arguments. Ctrl-C is for the demo alone, which then removes everything.
fn netloom(arguments: &[&str]) -> Command {
    // The link works even when the file was replaced meanwhile.
    let own = std::env::current_exe().ok().filter(|path| path.exists());
    let mut command = Command::new(own.unwrap_or("/proc/self/exe".into()));
    command.args(["--json", "--quiet"]).args(arguments).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs it to its end. An interrupt waits for that too: what is half made could not be removed.
fn finish(mut command: Command) -> Result<(), CliError> {
    let broken = |error: std::io::Error| CliError::failed("demo", describe(&error));
    let mut child = command.spawn().map_err(broken)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().map_err(broken)? {
            return match status.success() {
                true => Ok(()),
                false => Err(reason(&mut child, status.code())),
            };
        }
        if Instant::now() > deadline {
            // What it has made is recorded, and removed with the lab.
            let _ = child.kill();
            let _ = child.wait();
            return Err(CliError::failed("demo", "the switch takes too long"));
        }
        thread::sleep(LOOK);
    }
}

/// What the program says on standard error under `--json`.
#[derive(Deserialize)]
struct Told {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    what: String,
    why: String,
    hint: Option<String>,
}

fn reason(child: &mut Child, exit: Option<i32>) -> CliError {
    let exit = exit.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED);
    let mut text = String::new();
    if let Some(stderr) = &mut child.stderr {
        // An unreadable reason is as good as none.
        let _ = stderr.read_to_string(&mut text);
    }
    match serde_json::from_str(text.trim()) {
        Ok(Told { error: Reason { what, why, hint } }) => CliError { exit, what, why, hint },
        Err(_) => CliError::new(exit, "demo", "the switch could not be started or stopped"),
    }
}
