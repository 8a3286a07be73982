//! A host's netdev, on which a test sends and receives frames itself.

use io_backends::lab::Netns;
use io_backends::lab::netns::in_netns;
use io_backends::testing::RawSocket;
use rustix::io::Errno;
use switch_core::ports::memory::Wire;

use super::{Frame, Lab, SOON, eventually, within};

/// A netdev in a namespace of a lab. The value keeps the namespace alive.
pub struct Nic {
    socket: RawSocket,
}

impl Lab {
    /// Opens the netdev `netdev` of the namespace `netns`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn nic(&self, netns: &str, netdev: &str) -> Nic {
        let socket = self.inside(netns, || RawSocket::open(netdev, false));
        Nic { socket: socket.unwrap_or_else(|error| panic!("{netdev} in {netns}: {error}")) }
    }

    /// Opens the netdev `netdev` of the lab's host itself.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn host_nic(&self, netdev: &str) -> Nic {
        let socket = in_netns(&self.host(), || RawSocket::open(netdev, false));
        let socket = socket.expect("the lab's host");
        Nic { socket: socket.unwrap_or_else(|error| panic!("{netdev}: {error}")) }
    }

    /// What `/proc/net/FILE` says in the namespace `netns`.
    ///
    /// # Panics
    /// When there is no such namespace or file.
    #[must_use]
    pub fn proc_net(&self, netns: &str, file: &str) -> String {
        let read = || std::fs::read_to_string(format!("/proc/thread-self/net/{file}"));
        self.inside(netns, read).unwrap_or_else(|error| panic!("{file} in {netns}: {error}"))
    }

    pub(super) fn inside<R: Send>(&self, netns: &str, work: impl FnOnce() -> R + Send) -> R {
        let path = Netns::Path(self.path("/run/netns").join(netns));
        in_netns(&path, work).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Nic {
    /// Sends a frame.
    ///
    /// # Panics
    /// When the netdev does not take it.
    pub fn send(&self, frame: &Frame) {
        self.send_bytes(&frame.bytes());
    }

    /// Sends any bytes as a frame.
    ///
    /// # Panics
    /// When the netdev does not take them.
    pub fn send_bytes(&self, bytes: &[u8]) {
        let wire = Wire::from(bytes);
        let send = || match self.socket.send(&wire) {
            Err(error) if !matches!(error, Errno::NOBUFS | Errno::AGAIN) => {
                panic!("a frame of {} bytes: {error}", bytes.len())
            }
            sent => sent,
        };
        let _ = eventually("the netdev takes a frame", send, Result::is_ok);
    }

    /// The frames of ours that came in and were not asked for yet. An outer tag
    /// does not show here: the kernel takes it off.
    #[must_use]
    pub fn received(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        // A socket says once that its netdev was down.
        while let Ok(Some(wire)) = self.socket.receive() {
            frames.extend(Frame::read(&wire.bytes));
        }
        frames
    }

    /// The frames of ours that come in up to and including `last`.
    ///
    /// # Panics
    /// When `last` does not come.
    #[track_caller]
    pub fn until(&self, last: &Frame) -> Vec<Frame> {
        let mut frames = Vec::new();
        let seen = within(SOON, || {
            frames.extend(self.received());
            if frames.contains(last) { Ok(()) } else { Err(()) }
        });
        assert!(seen.is_ok(), "{last:?} did not come, but {frames:?}");
        frames
    }
}
