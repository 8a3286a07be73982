//! Waiting that Ctrl-C ends.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// A wait that Ctrl-C and its like end, instead of the process. A second one
/// ends the process, should it no longer get to waiting.
pub(crate) struct Interrupt {
    came: UnixStream,
}

impl Interrupt {
    /// Catches the signals from here on.
    ///
    /// # Errors
    /// When the system has no room for a handler.
    pub(crate) fn catch() -> io::Result<Interrupt> {
        let (came, comes) = UnixStream::pair()?;
        let again = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // In this order: the first signal does not yet find the flag raised.
            flag::register_conditional_default(signal, Arc::clone(&again))?;
            flag::register(signal, Arc::clone(&again))?;
            low_level::pipe::register(signal, comes.try_clone()?)?;
        }
        Ok(Interrupt { came })
    }

    /// Waits until `end`, or for an interrupt; whether one came.
    pub(crate) fn comes_before(&mut self, end: Instant) -> bool {
        loop {
            let rest = end.saturating_duration_since(Instant::now());
            // No time at all would mean for ever.
            let rest = rest.max(Duration::from_micros(1));
            if self.came.set_read_timeout(Some(rest)).is_err() {
                return true;
            }
            match self.came.read(&mut [0]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                _ => return true,
            }
        }
    }
}

/// Readable from the first interrupt on.
impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.came.as_fd()
    }
}
