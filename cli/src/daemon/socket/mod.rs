//! The control socket: who is let in, whose turn it is, and what each may take.
//!
//! One loop serves all. A client's turn is one step: a piece of its answer sent, or one read and
//! one request. Those that ask without end, never read, or send what makes no sense keep nobody
//! waiting but themselves: a client whose answers wait is not read, a long answer is made as it
//! is taken, and what all clients hold together is bounded.

mod conversation;
mod outgoing;
mod patience;
mod round;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use mio::net::UnixListener;
use mio::{Interest, Registry, Token};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Resource, getrlimit};

use crate::control::api::{Reply, Request};
use crate::error::Error;

pub(super) use outgoing::Rows;
pub(super) use patience::Patience;

use conversation::{Conversation, Step};
use round::Round;

/// Conversations at once, where the process may open four times as many descriptors; another
/// client takes the place of the one that has been silent the longest.
const CONVERSATIONS: usize = 1024;
/// What all conversations hold together, in bytes: requests under way and answers not yet taken.
const HELD: usize = 64 << 20;
/// One that holds less than this is not worth ending for its memory, in bytes.
const WORTH_ENDING: usize = 16 << 10;
/// Bytes read at once.
const CHUNK: usize = 16 * 1024;
/// Connections taken in one after the other before the others have their turns.
const ARRIVALS: usize = 64;
/// How long clients are served before signals, netdevs and lost ports have their turn.
const TURN: Duration = Duration::from_millis(5);
/// How long a stopping switch waits for the client that stopped it.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long new clients wait when they can't be taken in at all.
const RETRY: Duration = Duration::from_millis(100);

/// What a client asked, and the descriptor it sent along.
pub(super) struct Asked {
    pub(super) client: Token,
    pub(super) request: Request,
    pub(super) descriptor: Option<OwnedFd>,
}

/// The listener and its conversations.
pub(super) struct Server {
    listener: UnixListener,
    arrivals: Arrivals,
    /// Given up for a client when the process may open no more descriptors.
    spare: Option<OwnedFd>,
    most: usize,
    first: usize,
    next: usize,
    conversations: HashMap<Token, Conversation>,
    round: Round,
    held: usize,
    chunk: Box<[u8]>,
}

/// Whether clients wait to be let in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arrivals {
    /// None that the poll would not tell of.
    None,
    /// Perhaps more.
    Some,
    /// They can't be let in for now.
    Barred,
}

impl Server {
    /// Listens at `path`, in place of a socket nobody serves any more. Clients get tokens above
    /// `listener`'s.
    pub(super) fn listen(path: &Path, registry: &Registry, token: Token) -> Result<Server, Error> {
        let refused = |error: io::Error| {
            let error = Error::io(path.display().to_string(), &error);
            match error.hint {
                Some(_) => error,
                None => error.hint("set NETLOOM_RUN_DIR to a directory that you may write to"),
            }
        };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
            _ => {}
        }
        let mut listener = UnixListener::bind(path).map_err(refused)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o660)).map_err(refused)?;
        registry.register(&mut listener, token, Interest::READABLE).map_err(refused)?;
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let spare = spare(&listener);
        Ok(Server {
            listener,
            arrivals: Arrivals::None,
            spare,
            most: CONVERSATIONS.min((limit / 4) as usize).max(1),
            first: token.0 + 1,
            next: token.0 + 1,
            conversations: HashMap::new(),
            round: Round::default(),
            held: 0,
            chunk: vec![0; CHUNK].into(),
        })
    }

    /// The poll tells that clients want to be let in.
    pub(super) fn note_arrivals(&mut self) {
        self.arrivals = Arrivals::Some;
    }

    /// The poll tells that a client's socket is ready.
    pub(super) fn note_ready(&mut self, token: Token) {
        self.round.begin(token);
    }

    /// How long the poll may wait for others; `None` is for ever.
    pub(super) fn may_wait(&self) -> Option<Duration> {
        match self.arrivals {
            Arrivals::None if self.round.is_over() => None,
            Arrivals::Barred if self.round.is_over() => Some(RETRY),
            _ => Some(Duration::ZERO),
        }
    }

    /// When a turn that begins now ends.
    pub(super) fn turn() -> Instant {
        Instant::now() + TURN
    }

    /// Lets new clients in.
    pub(super) fn accept(&mut self, registry: &Registry) {
        if self.arrivals == Arrivals::None {
            return;
        }
        self.arrivals = Arrivals::Some;
        for _ in 0..ARRIVALS {
            match self.listener.accept() {
                Ok((stream, _)) => self.welcome(stream, registry),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.arrivals = Arrivals::None;
                    return;
                }
                Err(error) if is_out_of_descriptors(&error) => {
                    if self.spare.take().is_none() && !self.end_silent() {
                        self.arrivals = Arrivals::Barred;
                        return;
                    }
                }
                // Gone before it was let in.
                Err(_) => {}
            }
        }
    }

    /// The next request, and whose it is; `None` when nobody asks anything at present, or the turn
    /// is over.
    pub(super) fn next_request(&mut self, until: Instant) -> Option<Asked> {
        loop {
            let client = self.round.next()?;
            if let Some(conversation) = self.conversations.get_mut(&client) {
                let before = conversation.held();
                let step = conversation.step(&mut self.chunk);
                self.held = self.held + conversation.held() - before;
                match step {
                    Step::Asked(request, descriptor) => {
                        return Some(Asked { client, request, descriptor });
                    }
                    Step::Again => self.round.again(client),
                    Step::Waits => {}
                    Step::Over => self.end(client),
                }
                self.bound();
            }
            if Instant::now() >= until {
                return None;
            }
        }
    }

    /// Answers a request.
    pub(super) fn reply(&mut self, client: Token, reply: &Reply) {
        self.answer(client, |conversation| conversation.reply(reply));
    }

    /// Answers a request with a list, which is made as it is taken.
    pub(super) fn list(&mut self, client: Token, rows: Rows) {
        self.answer(client, |conversation| conversation.list(rows));
    }

    /// Sends a client the rest of its answer, waiting for it, and hangs up: the last act.
    pub(super) fn finish(&mut self, client: Token) {
        if let Some(conversation) = self.conversations.remove(&client) {
            let (stream, outgoing) = conversation.into_rest();
            let mut stream = std::os::unix::net::UnixStream::from(stream);
            // A client that no longer reads has what it wanted: the switch stops.
            let _ = stream
                .set_nonblocking(false)
                .and_then(|()| stream.set_write_timeout(Some(LAST_WORDS)))
                .and_then(|()| stream.write_all(outgoing.unsent()));
        }
    }

    /// What tells a client that waits for its answer that the switch is at work on it.
    pub(super) fn patience(&self, client: Token) -> Patience {
        Patience::with(self.conversations.get(&client).and_then(Conversation::quiet_stream))
    }

    fn answer(&mut self, client: Token, answer: impl FnOnce(&mut Conversation)) {
        let Some(conversation) = self.conversations.get_mut(&client) else { return };
        let before = conversation.held();
        answer(conversation);
        self.held = self.held + conversation.held() - before;
        self.round.again(client);
        self.bound();
    }

    fn welcome(&mut self, mut stream: mio::net::UnixStream, registry: &Registry) {
        if self.conversations.len() >= self.most {
            self.end_silent();
        }
        let token = Token(self.next);
        self.next = self.next.checked_add(1).unwrap_or(self.first);
        let ready = Interest::READABLE | Interest::WRITABLE;
        if registry.register(&mut stream, token, ready).is_ok() {
            self.conversations.insert(token, Conversation::new(stream));
            self.round.begin(token);
        }
    }

    /// Ends the conversation of the client that has been silent the longest, first among those
    /// that did not even greet. Whether there was any.
    fn end_silent(&mut self) -> bool {
        let key = |(token, conversation): &(&Token, &Conversation)| {
            (conversation.is_greeted(), conversation.heard(), token.0)
        };
        let silent = self.conversations.iter().min_by_key(key).map(|(&token, _)| token);
        silent.inspect(|&token| self.end(token)).is_some()
    }

    /// While all hold more than they may, ends the one that holds much and has been silent the
    /// longest.
    fn bound(&mut self) {
        while self.held > HELD {
            let silent = self
                .conversations
                .iter()
                .filter(|(_, conversation)| conversation.held() >= WORTH_ENDING)
                .min_by_key(|(_, conversation)| conversation.heard());
            let Some((&token, _)) = silent else { return };
            self.end(token);
        }
    }

    fn end(&mut self, token: Token) {
        if let Some(conversation) = self.conversations.remove(&token) {
            // Closing also ends its registration.
            self.held -= conversation.held();
            drop(conversation);
            if self.spare.is_none() {
                self.spare = spare(&self.listener);
            }
            if self.arrivals == Arrivals::Barred {
                self.arrivals = Arrivals::Some;
            }
        }
    }
}

/// A descriptor to give up later.
fn spare(listener: &UnixListener) -> Option<OwnedFd> {
    fcntl_dupfd_cloexec(listener.as_fd(), 0).ok()
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error).map(Some).contains(&error.raw_os_error())
}
