//! One client: what it sent, what it is owed, and its next step.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use mio::net::UnixStream;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};

use super::outgoing::{Outgoing, Rows, Sent};
use crate::control::api::{Hello, Reply, Request, VERSION};
use crate::control::incoming::{Heard, Incoming};
use crate::error::Error;

/// A conversation with a client. While answers wait for it to read them, it is not read either.
pub(super) struct Conversation {
    stream: UnixStream,
    incoming: Incoming,
    outgoing: Outgoing,
    /// One that came along and that no request has taken yet.
    descriptor: Option<OwnedFd>,
    /// Nothing is read any more: hang up as soon as everything is sent.
    ends: bool,
    /// When it last said or took anything.
    heard: Instant,
}

/// What came of a step.
pub(super) enum Step {
    /// It asks, and is owed an answer.
    Asked(Request, Option<OwnedFd>),
    /// It may have more to do.
    Again,
    /// It waits for its socket.
    Waits,
    /// It is over.
    Over,
}

impl Conversation {
    pub(super) fn new(stream: UnixStream) -> Conversation {
        Conversation {
            stream,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            descriptor: None,
            ends: false,
            heard: Instant::now(),
        }
    }

    /// Sends a piece of what waits or, when nothing does, goes on to the next request, reading
    /// at most once: as much as fits in `chunk`.
    pub(super) fn step(&mut self, chunk: &mut [u8]) -> Step {
        let mut has_read = false;
        loop {
            match self.send() {
                Ok(Sent::All) if self.ends => return Step::Over,
                Ok(Sent::All) => {}
                Ok(Sent::Piece) => return Step::Again,
                Ok(Sent::Full) => return Step::Waits,
                Err(_) => return Step::Over,
            }
            match self.incoming.hear() {
                Some(Heard::Hello) => self.outgoing.queue(&Hello { netloom: VERSION }),
                Some(Heard::Request(request)) => {
                    let takes = matches!(request, Request::PortAdd { .. });
                    let descriptor = if takes { self.descriptor.take() } else { None };
                    return Step::Asked(request, descriptor);
                }
                Some(Heard::Nonsense(why)) => self.refuse(why),
                None if has_read => return Step::Again,
                None => {
                    has_read = true;
                    match self.receive(chunk) {
                        Ok(0) => self.ends = true,
                        Ok(count) => self.incoming.push(&chunk[..count]),
                        Err(rustix::io::Errno::AGAIN) => return Step::Waits,
                        Err(rustix::io::Errno::INTR) => return Step::Again,
                        Err(_) => return Step::Over,
                    }
                }
            }
        }
    }

    /// Queues an answer.
    pub(super) fn reply(&mut self, reply: &Reply) {
        self.outgoing.queue(reply);
    }

    /// Queues a list.
    pub(super) fn list(&mut self, rows: Rows) {
        self.outgoing.queue_rows(rows);
    }

    /// Whether the client said anything that makes sense.
    pub(super) fn is_greeted(&self) -> bool {
        self.incoming.is_greeted()
    }

    /// When it last said or took anything.
    pub(super) fn heard(&self) -> Instant {
        self.heard
    }

    /// The memory it takes, in bytes.
    pub(super) fn held(&self) -> usize {
        self.incoming.held() + self.outgoing.held()
    }

    #[cfg(test)]
    pub(super) fn holds_descriptor(&self) -> bool {
        self.descriptor.is_some()
    }

    /// Its socket, unless an answer is on the way there.
    pub(super) fn quiet_stream(&self) -> Option<OwnedFd> {
        self.outgoing.is_empty().then(|| self.stream.as_fd().try_clone_to_owned().ok()).flatten()
    }

    /// Its socket, and what was to be sent there.
    pub(super) fn into_rest(self) -> (UnixStream, Outgoing) {
        (self.stream, self.outgoing)
    }

    fn send(&mut self) -> io::Result<Sent> {
        if self.outgoing.is_empty() {
            return Ok(Sent::All);
        }
        let before = self.outgoing.unsent().len();
        let sent = self.outgoing.send(&mut self.stream)?;
        if sent != Sent::Full || self.outgoing.unsent().len() != before {
            self.heard = Instant::now();
        }
        Ok(sent)
    }

    /// Receives once. A request takes one descriptor: whoever sends more is refused.
    fn receive(&mut self, chunk: &mut [u8]) -> rustix::io::Result<usize> {
        if self.incoming.is_empty() {
            // It came with a line that is over and had no use for it.
            self.descriptor = None;
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let mut iov = [IoSliceMut::new(chunk)];
        let message = recvmsg(self.stream.as_fd(), &mut iov, &mut ancillary, flags)?;
        self.heard = Instant::now();
        let mut too_many = message.flags.contains(ReturnFlags::CTRUNC);
        for part in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = part {
                for descriptor in descriptors {
                    too_many |= self.descriptor.replace(descriptor).is_some();
                }
            }
        }
        if too_many {
            self.refuse("more descriptors came than the one that a request takes");
            return Ok(0);
        }
        Ok(message.bytes)
    }

    fn refuse(&mut self, why: impl Into<String>) {
        if !self.incoming.is_greeted() {
            self.outgoing.queue(&Hello { netloom: VERSION });
        }
        let failure = Error::failed("control socket", why);
        self.outgoing.queue(&Reply::Failed(failure));
        self.descriptor = None;
        self.ends = true;
    }
}
