//! Signals that stop a switch.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use rustix::net::{RecvFlags, recv};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// SIGINT, SIGTERM and SIGHUP, caught: the descriptor is readable from the first one on.
pub(super) struct Signals {
    came: UnixStream,
}

impl Signals {
    /// Catches the signals from here on.
    ///
    /// # Errors
    /// When the process may open no more descriptors.
    pub(super) fn catch() -> io::Result<Signals> {
        let (came, comes) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            pipe::register(signal, comes.try_clone()?)?;
        }
        Ok(Signals { came })
    }

    /// Whether one came, however long ago.
    pub(super) fn came(&self) -> bool {
        recv(&self.came, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT).is_ok()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.came.as_raw_fd()
    }
}
