//! Where a bench keeps what it makes: a directory and namespaces of its own, all gone with it.
//!
//! Everything is called `netloom-bench-PID…`. Namespaces are written into a
//! [`Journal`] before they are made, so that the next bench cleans up after
//! one that was killed ([`super::leftovers`]).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use io_backends::error::describe;
use io_backends::lab::netns::in_netns;
use io_backends::lab::{Journal, Netns};

use super::BENCH;
use super::program::Program;
use io_backends::Error;

/// Where the directories of benches are.
pub(super) const PARENT: &str = "/run";
/// What all their names begin with, before the process's number.
pub(super) const PREFIX: &str = "netloom-bench-";
/// The journal's folder inside a bench's directory.
pub(super) const RECORD: &str = "record";
/// The run directory of the bench's own switches, there too.
pub(super) const SWITCHES: &str = "switches";

/// How soon an interrupt is seen.
const LOOK: Duration = Duration::from_millis(20);

/// What the bench has made. It goes with the value.
pub(super) struct Lab {
    name: String,
    dir: PathBuf,
    journal: Mutex<Journal>,
    named: AtomicUsize,
    stop: Arc<AtomicBool>,
    program: Arc<dyn Program>,
}

impl Lab {
    /// Makes the directory. `program` is what is measured, `stop` the flag that an interrupt raises.
    pub(super) fn make(program: Arc<dyn Program>, stop: Arc<AtomicBool>) -> Result<Lab, Error> {
        let name = format!("{PREFIX}{}", std::process::id());
        let dir = Path::new(PARENT).join(&name);
        let journal = Mutex::new(Journal::open(&dir, RECORD)?);
        let lab = Lab { name, dir, journal, named: AtomicUsize::new(0), stop, program };
        let switches = lab.switches();
        fs::create_dir_all(&switches)
            .map_err(|error| Error::failed(switches.display().to_string(), describe(&error)))?;
        Ok(lab)
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The run directory of the bench's own switches.
    pub(super) fn switches(&self) -> PathBuf {
        self.dir.join(SWITCHES)
    }

    /// The program that is measured.
    pub(super) fn program(&self) -> Arc<dyn Program> {
        Arc::clone(&self.program)
    }

    /// A name that is the bench's alone.
    pub(super) fn name(&self, part: &str) -> String {
        format!("{}-{part}", self.name)
    }

    /// A name for one more switch in [`Lab::switches`]: short, as switches' names must be.
    pub(super) fn switch_name(&self) -> String {
        format!("bench-{}", self.named.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes the namespace [`Lab::name`] of `part`, without IPv6, so that no
    /// host in it says anything by itself.
    pub(super) fn namespace(&self, part: &str) -> Result<Namespace<'_>, Error> {
        let name = self.name(part);
        self.journal().namespace(part, &name)?;
        let namespace = Namespace { lab: self, part: part.to_owned(), netns: Netns::Name(name) };
        in_netns(&namespace.netns, || {
            for which in ["all", "default"] {
                // A kernel without IPv6 has no such file, and nothing to turn off.
                let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6"), "1");
            }
        })?;
        Ok(namespace)
    }

    /// Fails when the user has interrupted.
    pub(super) fn check(&self) -> Result<(), Error> {
        interrupted(&self.stop)
    }

    /// Waits; an interrupt ends that.
    pub(super) fn wait(&self, time: Duration) -> Result<(), Error> {
        let end = Instant::now() + time;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            // The time is what a measurement takes; its pieces are for an interrupt to be seen.
            thread::sleep(left.min(LOOK));
        }
    }

    /// Takes everything away.
    pub(super) fn remove(self) -> Result<(), Error> {
        match self.journal().undo().kept.into_iter().next() {
            Some(left) => Err(left),
            None => Ok(()),
        }
    }

    fn journal(&self) -> std::sync::MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let report = self.journal().undo();
        if report.kept.is_empty() {
            // What stays for want of a right to remove it, the next bench finds.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Fails when the user has interrupted.
pub(super) fn interrupted(stop: &AtomicBool) -> Result<(), Error> {
    match stop.load(Ordering::Relaxed) {
        true => Err(Error::failed(BENCH, "interrupted; all that it made is removed")),
        false => Ok(()),
    }
}

/// A namespace that goes with the value.
pub(super) struct Namespace<'l> {
    lab: &'l Lab,
    part: String,
    pub(super) netns: Netns,
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        // What can't be removed now is tried again with the lab.
        let _ = self.lab.journal().undo_port(&self.part);
    }
}
