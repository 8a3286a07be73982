//! Programs of others that a bench starts, stopped with the value.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use io_backends::error::describe;
use io_backends::lab::Netns;
use io_backends::lab::netns::in_netns;
use rustix::process::{Pid, Signal, kill_process};

use io_backends::Error;

/// Where administrators' programs are that the user's path may lack.
const MORE_PLACES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
/// How long a program may take to end when asked.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(5);

/// Where the program of that name is.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(MORE_PLACES.map(PathBuf::from));
    places.map(|place| place.join(program)).find(|path| path.is_file())
}

/// The program, ready for arguments.
pub(super) fn command(program: &str) -> Result<Command, Error> {
    let path = find(program).ok_or_else(|| Error::failed(program, "is not installed"))?;
    let mut command = Command::new(path);
    // Ctrl-C is for the bench alone, which then stops it.
    command.process_group(0);
    Ok(command)
}

/// What the program says first when asked for its version.
pub(super) fn version(program: &str) -> Option<String> {
    let output = command(program).ok()?.arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| !line.trim().is_empty())?;
    Some(line.trim().to_owned())
}

/// Runs a program to its end in the namespace.
pub(super) fn run(netns: &Netns, mut command: Command) -> Result<(), Error> {
    let what = name(&command);
    let output =
        in_netns(netns, move || command.stdin(Stdio::null()).stdout(Stdio::null()).output())?
            .map_err(|error| Error::failed(&what, describe(&error)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let why = said.lines().next().map_or("it failed", str::trim);
    Err(Error::failed(what, why))
}

/// A running program.
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// Starts it in the namespace, with a standard input that stays open and without output.
    pub(super) fn start(netns: &Netns, mut command: Command) -> Result<Process, Error> {
        let what = name(&command);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = in_netns(netns, move || command.spawn())?
            .map_err(|error| Error::failed(what, describe(&error)))?;
        Ok(Process { child })
    }

    /// Fails when it has ended.
    pub(super) fn check(&mut self, what: &str) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(Error::failed(what, "it ended by itself")),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(process) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(process, Signal::TERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            // The kernel tells of a child's end by a signal alone, which is the program's own.
            thread::sleep(LOOK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn name(command: &Command) -> String {
    let path = std::path::Path::new(command.get_program());
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_and_missing_ones_told() {
        assert!(find("sh").is_some());
        let error = command("no-such-program-for-netloom").unwrap_err();
        assert_eq!(error.why, "is not installed");
        assert_eq!(version("no-such-program-for-netloom"), None);
    }

    #[test]
    fn a_process_ends_with_its_value() {
        let own = Netns::Path("/proc/thread-self/ns/net".into());
        let mut sleeper = command("sleep").unwrap();
        sleeper.arg("1000");
        let mut process = Process::start(&own, sleeper).unwrap();
        process.check("sleep").unwrap();
        let path = PathBuf::from(format!("/proc/{}", process.child.id()));
        assert!(path.exists());
        drop(process);
        assert!(!path.exists());
    }
}
