//! A receiver that can be stopped and goes on.

use io_backends::Error;
use rustix::process::{Pid, Signal, kill_process};

/// A process in the place of a guest.
pub(crate) struct Guest(Pid);

impl Guest {
    /// The one with this process.
    pub(super) fn of(process: Pid) -> Guest {
        Guest(process)
    }

    /// Stops it as SIGSTOP does, until the value is dropped.
    pub(crate) fn stop(&self) -> Result<Standstill, Error> {
        let refused = |_| Error::failed("the receiver", "can't be stopped");
        kill_process(self.0, Signal::STOP).map_err(refused)?;
        Ok(Standstill(self.0))
    }
}

/// A process that stands still; it goes on when this is dropped.
pub(crate) struct Standstill(Pid);

impl Drop for Standstill {
    fn drop(&mut self) {
        // One that has ended meanwhile needs no telling.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::getpid;

    use super::*;

    #[test]
    fn a_process_stands_still_and_goes_on() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let process = Pid::from_child(&child);
        assert_ne!(process, getpid());
        let state = || {
            let text = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
            text.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap()
        };
        let becomes = |wanted: bool| {
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
            while (state() == 'T') != wanted {
                assert!(std::time::Instant::now() < deadline, "{}", state());
            }
        };
        let standstill = Guest(process).stop().unwrap();
        becomes(true);
        drop(standstill);
        becomes(false);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
