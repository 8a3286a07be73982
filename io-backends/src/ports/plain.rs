//! The shortest real backend: the `tun-tap` crate, one queue, no device
//! header, one frame a system call.
//!
//! It is what one gets without any of the rest: the baseline that benches
//! compare with, and an opener of TAPs that shares no code with [`crate::ports::tap`].
//! It joins a persistent TAP of the same name silently, which `tun-tap` can't prevent.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use switch_core::frame::{Frame, Takes};
use switch_core::port::{BURST, Port, PortFault, TxError};
use tun_tap::{Iface, Mode};

use crate::Error;
use crate::ports::tap::{check_name, open_error};
use crate::queue::tap::{lost_one_frame, tells_gone, tx_error};

/// A TAP by way of the `tun-tap` crate.
pub struct PlainPort {
    tap: Iface,
    gone: bool,
}

impl PlainPort {
    /// Makes a TAP called `name` in the calling thread's namespace. It goes away with the port.
    ///
    /// # Errors
    /// When the name can't be a netdev's or is taken, `/dev/net/tun` is missing, or CAP_NET_ADMIN is.
    pub fn open(name: &str) -> Result<PlainPort, Error> {
        check_name(name)?;
        let error = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => open_error(Errno::NOENT),
            io::ErrorKind::ResourceBusy => Error::failed(name, "is held by another process"),
            _ => Error::system(name, &error, "CAP_NET_ADMIN"),
        };
        let tap = Iface::without_packet_info(name, Mode::Tap).map_err(error)?;
        tap.set_non_blocking().map_err(error)?;
        Ok(PlainPort { tap, gone: false })
    }
}

impl Port for PlainPort {
    fn receive(&mut self, into: &mut [Frame]) -> Result<usize, PortFault> {
        let mut filled = 0;
        for _ in 0..into.len() {
            if self.gone {
                break;
            }
            let frame = &mut into[filled];
            match self.tap.recv(frame.receive_buffer(0)) {
                Ok(len) => {
                    frame.received(len, Default::default());
                    filled += 1;
                }
                Err(error) if tells_gone(errno(&error)) => self.gone = true,
                Err(error) if lost_one_frame(errno(&error)) => {}
                Err(_) => break,
            }
        }
        if filled == 0 && self.gone { Err(PortFault::Gone) } else { Ok(filled) }
    }

    fn transmit(&mut self, frame: &mut Frame) -> Result<(), TxError> {
        if !self.takes().accepts(&frame.offload) {
            return Err(TxError::Refused);
        }
        self.tap.send(frame.bytes()).map(|_| ()).map_err(|error| tx_error(errno(&error)))
    }

    fn takes(&self) -> Takes {
        Takes::NOTHING
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// A cable between two plain ports: the read and write loop that a switch is measured against.
pub struct Loop {
    poll: Poll,
    events: Events,
    ports: [PlainPort; 2],
    frames: Box<[Frame]>,
    /// Which ports may have frames. mio reports a port once, when frames come;
    /// until it is empty that is kept here.
    ready: [bool; 2],
}

impl Loop {
    /// Joins two ports.
    ///
    /// # Errors
    /// When the process may open no more descriptors.
    pub fn new(a: PlainPort, b: PlainPort) -> io::Result<Loop> {
        let poll = Poll::new()?;
        let ports = [a, b];
        for (index, port) in ports.iter().enumerate() {
            let fd = port.tap.as_raw_fd();
            poll.registry().register(&mut SourceFd(&fd), Token(index), Interest::READABLE)?;
        }
        let frames = (0..BURST).map(|_| Frame::new()).collect();
        Ok(Loop { poll, events: Events::with_capacity(2), ports, frames, ready: [false; 2] })
    }

    /// Forwards until `stop` is set, which is seen within 50 ms.
    ///
    /// # Errors
    /// When a port's device goes away, or waiting fails.
    pub fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            self.turn(Duration::from_millis(50))?;
        }
        Ok(())
    }

    /// Forwards up to a burst each way and returns how many frames it was;
    /// waits for the first at most `timeout`.
    ///
    /// # Errors
    /// When a port's device goes away, or waiting fails.
    pub fn turn(&mut self, timeout: Duration) -> io::Result<usize> {
        if self.ready == [false; 2] {
            match self.poll.poll(&mut self.events, Some(timeout)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        } else {
            self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
        }
        for event in &self.events {
            self.ready[event.token().0] = true;
        }
        Ok(self.carry(0, 1)? + self.carry(1, 0)?)
    }

    fn carry(&mut self, from: usize, to: usize) -> io::Result<usize> {
        if !self.ready[from] {
            return Ok(0);
        }
        let count = self.ports[from]
            .receive(&mut self.frames)
            .map_err(|_| io::Error::new(io::ErrorKind::NotConnected, "a TAP is gone"))?;
        self.ready[from] = count == self.frames.len() || self.ports[from].gone;
        for frame in &mut self.frames[..count] {
            // What the far end refuses is lost, as on any cable.
            let _ = self.ports[to].transmit(frame);
        }
        Ok(count)
    }
}
