//! Descriptors: opened on the lab's host by the test, left open for a command.

use std::os::fd::{AsRawFd, OwnedFd};

use io_backends::lab::Netns;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::running::Process;
use super::{Answer, Lab, PATIENCE};

impl Lab {
    /// The network namespace of the lab's host, as it is entered from outside.
    #[must_use]
    pub fn host(&self) -> Netns {
        Netns::Path(self.path("/proc/1/ns/net"))
    }

    /// Runs a command inside that inherits `fd` as its descriptor `number`, 3 to 9.
    ///
    /// # Panics
    /// When `number` is another one, or the command does not end.
    pub fn run_with(&self, number: u8, fd: OwnedFd, words: &[&str]) -> Answer {
        // It goes in as standard input: nothing else that starts meanwhile inherits it.
        assert!((3..=9).contains(&number), "a shell names one digit");
        let script = format!("exec \"$@\" {number}<&0 0</dev/null");
        let mut command = self.command(&[&["sh", "-c", &script, "sh"], words].concat());
        command.stdin(fd);
        Process::start(words, command).finish(PATIENCE)
    }
}

/// A duplicate of a descriptor that somebody else owns.
///
/// # Panics
/// When the kernel refuses.
pub fn duplicate(fd: &impl AsRawFd) -> OwnedFd {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).expect("this process");
    pidfd_getfd(own, fd.as_raw_fd(), PidfdGetfdFlags::empty()).expect("an open descriptor")
}
