//! The control socket's listener and its conversations, without blocking.
//!
//! A client that sends garbage is told so and hung up on; one that does not
//! read its answers keeps only its own connection waiting.

use std::collections::HashMap;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use io_backends::error::describe;
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use serde::Serialize;

use super::patience::Patience;
use crate::control::api::{Failure, Hello, LONGEST_REQUEST, Reply, Request, VERSION};
use crate::error::CliError;

/// Conversations at once; another client takes the place of one that has said the least for the longest.
const CLIENTS: usize = 64;
/// Descriptors that may come with one message.
const DESCRIPTORS: usize = 4;
/// How long a stopping switch waits for the client that stopped it.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Bytes read at once.
const CHUNK: usize = 16 * 1024;

/// What a client asked, and the descriptors it sent along.
pub(in crate::daemon) struct Asked {
    pub(in crate::daemon) client: Token,
    pub(in crate::daemon) request: Request,
    pub(in crate::daemon) descriptors: Vec<OwnedFd>,
}

pub(in crate::daemon) struct Server {
    listener: UnixListener,
    first: usize,
    next: usize,
    clients: HashMap<Token, Client>,
}

struct Client {
    stream: UnixStream,
    greeted: bool,
    received: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    unsent: Vec<u8>,
    sent: usize,
    /// Requests it waits for the answers to.
    asked: usize,
    /// Hang up as soon as everything is answered and sent.
    ends: bool,
}

impl Server {
    /// Listens at `path`, in place of a socket nobody serves any more. Clients get tokens above `listener`'s.
    pub(in crate::daemon) fn listen(
        path: &Path,
        registry: &Registry,
        token: Token,
    ) -> Result<Server, CliError> {
        let refused = |error: io::Error| {
            CliError::failed(path.display().to_string(), describe(&error))
                .hint("set NETLOOM_RUN_DIR to a directory that you may write to")
        };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
            _ => {}
        }
        let mut listener = UnixListener::bind(path).map_err(refused)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o660)).map_err(refused)?;
        registry.register(&mut listener, token, Interest::READABLE).map_err(refused)?;
        Ok(Server { listener, first: token.0 + 1, next: token.0 + 1, clients: HashMap::new() })
    }

    /// Takes in new clients.
    pub(in crate::daemon) fn accept(&mut self, registry: &Registry) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            if self.clients.len() >= CLIENTS {
                self.make_room();
            }
            let token = Token(self.next);
            self.next = self.next.checked_add(1).unwrap_or(self.first);
            if registry
                .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)
                .is_ok()
            {
                let client = Client {
                    stream,
                    greeted: false,
                    received: Vec::new(),
                    descriptors: Vec::new(),
                    unsent: Vec::new(),
                    sent: 0,
                    asked: 0,
                    ends: false,
                };
                self.clients.insert(token, client);
            }
        }
    }

    /// Carries on a conversation: sends what is left, reads what came; the requests in it.
    pub(in crate::daemon) fn serve(&mut self, token: Token, registry: &Registry) -> Vec<Asked> {
        let Some(client) = self.clients.get_mut(&token) else { return Vec::new() };
        let mut asked = Vec::new();
        let open = client.send() && client.read(token, &mut asked) && client.send();
        if !open || client.is_over() {
            self.hang_up(token, registry);
        }
        asked
    }

    /// Answers a request.
    pub(in crate::daemon) fn reply(&mut self, token: Token, reply: &Reply, registry: &Registry) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        client.asked = client.asked.saturating_sub(1);
        client.queue(reply);
        if !client.send() || client.is_over() {
            self.hang_up(token, registry);
        }
    }

    /// Sends a client the rest of its answer, waiting for it, and hangs up: the last act.
    pub(in crate::daemon) fn finish(&mut self, token: Token) {
        if let Some(Client { stream, unsent, sent, .. }) = self.clients.remove(&token) {
            let mut stream = std::os::unix::net::UnixStream::from(stream);
            // A client that no longer reads has what it wanted: the switch stops.
            let _ = stream
                .set_nonblocking(false)
                .and_then(|()| stream.set_write_timeout(Some(LAST_WORDS)))
                .and_then(|()| stream.write_all(&unsent[sent..]));
        }
    }

    /// What tells a client that waits for its answer that the switch is at work on it.
    pub(in crate::daemon) fn patience(&self, token: Token) -> Patience {
        let client = self.clients.get(&token).filter(|client| client.unsent.is_empty());
        let stream = client.and_then(|client| client.stream.as_fd().try_clone_to_owned().ok());
        Patience::with(stream)
    }

    /// Ends a conversation nobody seems to need: many silent ones keep no one out.
    fn make_room(&mut self) {
        let least = |(token, client): &(&Token, &Client)| (client.greeted, token.0);
        if let Some((&token, _)) = self.clients.iter().min_by_key(least) {
            self.clients.remove(&token);
        }
    }

    fn hang_up(&mut self, token: Token, registry: &Registry) {
        if let Some(mut client) = self.clients.remove(&token) {
            // It is closed next, which also ends the registration.
            let _ = registry.deregister(&mut client.stream);
        }
        self.accept(registry);
    }
}

impl Client {
    fn is_over(&self) -> bool {
        self.ends && self.asked == 0 && self.unsent.is_empty()
    }

    fn queue(&mut self, message: &impl Serialize) {
        // These documents hold nothing that JSON cannot say.
        self.unsent.extend(serde_json::to_vec(message).unwrap_or_default());
        self.unsent.push(b'\n');
    }

    /// Sends as much as goes; `false` when the client is gone.
    fn send(&mut self) -> bool {
        while self.sent < self.unsent.len() {
            match self.stream.write(&self.unsent[self.sent..]) {
                Ok(0) => return false,
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.unsent.clear();
        self.sent = 0;
        true
    }

    /// Reads until nothing is left; `false` when the client is gone. One that
    /// has said all may still be there for the answers.
    fn read(&mut self, token: Token, asked: &mut Vec<Asked>) -> bool {
        let mut chunk = [0; CHUNK];
        loop {
            match self.receive(&mut chunk) {
                Ok(0) => {
                    self.ends = true;
                    return true;
                }
                Ok(count) => self.received.extend(&chunk[..count]),
                Err(rustix::io::Errno::AGAIN) => return true,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return false,
            }
            while let Some(end) = self.received.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                self.take_line(&line, token, asked);
            }
            if self.received.len() > LONGEST_REQUEST {
                self.refuse("a request is one line of at most 1 MiB");
            }
            if self.ends {
                return true;
            }
        }
    }

    fn receive(&mut self, chunk: &mut [u8]) -> rustix::io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let mut iov = [IoSliceMut::new(chunk)];
        let message = recvmsg(self.stream.as_fd(), &mut iov, &mut ancillary, flags)?;
        for part in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = part {
                self.descriptors.extend(descriptors);
            }
        }
        if message.flags.contains(ReturnFlags::CTRUNC) {
            self.descriptors.clear();
        }
        Ok(message.bytes)
    }

    fn take_line(&mut self, line: &[u8], token: Token, asked: &mut Vec<Asked>) {
        if self.ends {
            return;
        }
        if !self.greeted {
            return self.greet(line);
        }
        match serde_json::from_slice(line) {
            Ok(request) => {
                let descriptors = std::mem::take(&mut self.descriptors);
                self.asked += 1;
                asked.push(Asked { client: token, request, descriptors });
            }
            Err(error) => self.refuse(format!("this is not a request: {error}")),
        }
    }

    fn greet(&mut self, line: &[u8]) {
        self.queue(&Hello { netloom: VERSION });
        match serde_json::from_slice(line) {
            Ok(Hello { netloom: VERSION }) => self.greeted = true,
            Ok(Hello { netloom }) => self.refuse(format!(
                "the client speaks protocol {netloom}, this switch protocol {VERSION}"
            )),
            Err(_) => self.refuse("the first line has to be {\"netloom\":1}"),
        }
    }

    fn refuse(&mut self, why: impl Into<String>) {
        self.queue(&Reply::Failed(Failure::from(CliError::failed("control socket", why))));
        self.ends = true;
    }
}
