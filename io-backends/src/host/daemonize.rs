//! Going on in the background, with a word to the foreground when all is ready.

#![expect(unsafe_code, reason = "fork has no safe form")]

use std::fs::{File, OpenOptions, read_dir};
use std::io::{self, Read, Write};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, setsid, waitpid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::Error;

const NULL: &str = "/dev/null";
const THREADS: &str = "/proc/self/task";

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

/// The new process's side.
pub struct Background {
    word: File,
    /// `/dev/null`, for the standard streams.
    null: File,
}

/// Splits the process in two. Inherited descriptors go along.
///
/// # Errors
/// When the process has threads already, of which the new one would have only
/// this one, `/proc` or `/dev/null` is missing, or the kernel makes no more processes.
pub fn split() -> Result<Side, Error> {
    const WHAT: &str = "the background process";
    let threads = read_dir(THREADS).map_err(|error| Error::io(THREADS, &error))?;
    if threads.count() != 1 {
        return Err(Error::failed(WHAT, "the process has several threads"));
    }
    // Opened here, where a failure is the caller's message.
    let null = OpenOptions::new().read(true).write(true).open(NULL);
    let null = null.map_err(|error| Error::io(NULL, &error))?;
    let (read, write) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|errno| Error::io(WHAT, &errno.into()))?;
    // SAFETY: the process has one thread, so no lock is held by another one
    // that would be missing in the child, which may go on like any process.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(Error::io(WHAT, &io::Error::last_os_error()));
    }
    match Pid::from_raw(child) {
        Some(child) => Ok(Side::Foreground(Foreground { child, word: read.into() })),
        None => {
            drop(read);
            Ok(Side::Background(Background { word: write.into(), null }))
        }
    }
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
    /// Gives up the caller's session, standard streams and directory.
    ///
    /// # Errors
    /// When the kernel refuses; the caller is to be told by [`Background::say`].
    pub fn leave_caller(&self) -> io::Result<()> {
        setsid()?;
        dup2_stdin(&self.null)?;
        dup2_stdout(&self.null)?;
        dup2_stderr(&self.null)?;
        std::env::set_current_dir("/")
    }

    /// Says the word and lets the foreground go.
    pub fn say(mut self, word: &[u8]) {
        // A foreground that was interrupted no longer listens; the switch runs all the same.
        let _ = self.word.write_all(word);
    }
}
