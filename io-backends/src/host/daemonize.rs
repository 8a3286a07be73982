//! Going on in the background, with a word to the foreground when all is ready.

#![expect(unsafe_code, reason = "fork has no safe form")]

use std::fs::{File, OpenOptions, read_dir};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, setsid, waitpid};
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
    /// Waits for word; empty when the new process ended without any. As soon as
    /// `interrupt` is readable the new process is told to end by SIGTERM, and
    /// its word is waited for all the same; whether that was so.
    pub fn wait(&mut self, interrupt: impl AsFd) -> (Vec<u8>, bool) {
        let (mut word, mut is_told) = (Vec::new(), false);
        // What a process that dies leaves unsaid is no word.
        while let Ok(true) = self.hears(&interrupt, &mut is_told, &mut word) {}
        (word, is_told)
    }

    /// Waits for the next piece of the word; false at its end.
    fn hears(
        &mut self,
        interrupt: &impl AsFd,
        is_told: &mut bool,
        word: &mut Vec<u8>,
    ) -> io::Result<bool> {
        let mut ready =
            [PollFd::new(&self.word, PollFlags::IN), PollFd::new(interrupt, PollFlags::IN)];
        let count = if *is_told { 1 } else { 2 };
        match poll(&mut ready[..count], None) {
            Err(Errno::INTR) => return Ok(true),
            polled => polled?,
        };
        if !*is_told && !ready[1].revents().is_empty() {
            *is_told = true;
            kill_process(self.child, Signal::TERM)?;
        }
        if ready[0].revents().is_empty() {
            return Ok(true);
        }
        let mut piece = [0; 4096];
        let length = self.word.read(&mut piece)?;
        word.extend(&piece[..length]);
        Ok(length > 0)
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

    /// Whether the foreground still waits for word.
    pub fn is_awaited(&self) -> bool {
        let mut pipe = [PollFd::new(&self.word, PollFlags::empty())];
        let polled = poll(&mut pipe, Some(&Timespec::default()));
        polled.is_err() || !pipe[0].revents().contains(PollFlags::ERR)
    }

    /// Says the word and lets the foreground go.
    ///
    /// # Errors
    /// When the foreground is gone, so that nobody heard it.
    pub fn say(mut self, word: &[u8]) -> io::Result<()> {
        self.word.write_all(word)
    }
}
