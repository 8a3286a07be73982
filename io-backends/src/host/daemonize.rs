//! Going on in the background, with a word to the foreground when all is ready.

#![expect(unsafe_code, reason = "fork has no safe form")]

use std::fs::{File, OpenOptions, read_dir};
use std::io::{self, Read, Write};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, setsid, waitpid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

/// The two sides after [`split`].
pub enum Side {
    /// The caller's process, which waits for word from the other.
    Foreground(Foreground),
    /// The new process.
    Background(Background),
}

/// The caller's side.
pub struct Foreground {
    child: Pid,
    word: File,
}

/// The new process's side: a session of its own, none of the caller's standard streams.
pub struct Background {
    word: File,
}

/// Splits the process in two. Inherited descriptors go along.
///
/// # Errors
/// When the process has threads already, of which the new one would have only
/// this one, or the kernel makes no more processes.
pub fn split() -> io::Result<Side> {
    if read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("the process has several threads"));
    }
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    // SAFETY: the process has one thread, so no lock is held by another one
    // that would be missing in the child, which may go on like any process.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(io::Error::last_os_error());
    }
    match Pid::from_raw(child) {
        Some(child) => Ok(Side::Foreground(Foreground { child, word: read.into() })),
        None => {
            drop(read);
            leave_caller()?;
            Ok(Side::Background(Background { word: write.into() }))
        }
    }
}

/// Gives up the caller's session, standard streams and directory.
fn leave_caller() -> io::Result<()> {
    setsid()?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    std::env::set_current_dir("/")
}

impl Foreground {
    /// Waits for word; empty when the new process ended without any.
    pub fn wait(&mut self) -> Vec<u8> {
        let mut word = Vec::new();
        // What a process that dies leaves unsaid is no word.
        let _ = self.word.read_to_end(&mut word);
        word
    }

    /// Waits for the end of the new process, which has said that it can't go on.
    pub fn end(self) {
        let _ = waitpid(Some(self.child), WaitOptions::empty());
    }
}

impl Background {
    /// Says the word and lets the foreground go.
    pub fn say(mut self, word: &[u8]) {
        // A foreground that was interrupted no longer listens; the switch runs all the same.
        let _ = self.word.write_all(word);
    }
}
