//! One side of a conversation with a running switch: ask, and get the answer or why not.

use std::io::{self, BufRead, BufReader, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use io_backends::ErrorKind;
use io_backends::error::describe;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, sendmsg, socket_with,
    sockopt::{Timeout, set_socket_timeout},
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::control::api::{FdbRow, Hello, LONGEST_LINE, Request, VERSION};
use crate::control::rundir::{RunDir, State};
use crate::error::Error;

/// How long a switch may be silent before an answer; making a port of many queues takes a
/// second, and one that takes thousands away gives signs of life meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a switch that does not answer may look dead without being on its way out.
const DYING: Duration = Duration::from_secs(5);

/// The time between two looks at it.
const LOOK: Duration = Duration::from_millis(10);

/// A conversation with a running switch.
#[derive(Debug)]
pub struct Client {
    /// The switch, as errors call it.
    what: String,
    name: String,
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Reaches the switch and agrees on the protocol.
    ///
    /// # Errors
    /// Exit 3 when no process serves its socket, 4 when the socket is not for this
    /// user, 1 when it speaks another protocol or does not answer.
    pub fn connect(dir: &RunDir) -> Result<Client, Error> {
        Client::connect_within(dir, PATIENCE)
    }

    /// The same, giving up after `patience` without a sign of life, here and in every answer.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect_within(dir: &RunDir, patience: Duration) -> Result<Client, Error> {
        dir.check_socket()?;
        let stream = open(dir, patience).map_err(|error| unreachable_socket(dir, &error))?;
        Client::over(stream, dir.name())
    }

    /// Agrees on the protocol over an open connection.
    fn over(stream: UnixStream, name: &str) -> Result<Client, Error> {
        let what = format!("switch {name}");
        let mut client = Client { what, name: name.into(), stream: BufReader::new(stream) };
        client.send(&Hello { netloom: VERSION }, None)?;
        let line = client.line()?;
        let hello: Hello = serde_json::from_slice(&line)
            .map_err(|_| client.failed("what answers on its control socket is no switch"))?;
        if hello.netloom != VERSION {
            let why = format!(
                "it speaks version {} of the control protocol, this program version {VERSION}",
                hello.netloom
            );
            let hint = "use the program that started it, or stop it and start it again";
            return Err(client.failed(why).hint(hint));
        }
        Ok(client)
    }

    /// Asks, and waits for the document.
    ///
    /// # Errors
    /// What the switch says, or exit 1 when it does not answer.
    pub fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, Error> {
        self.ask_with(request, None)
    }

    /// The same with a descriptor on the way to the switch.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn ask_with<T: DeserializeOwned>(
        &mut self,
        request: &Request,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<T, Error> {
        self.send(request, descriptor)?;
        let line = self.line()?;
        match serde_json::from_slice(&line) {
            Ok(Answer::Done(document)) => Ok(document),
            Ok(Answer::Failed(failure)) => Err(failure),
            Err(_) => Err(self
                .failed("its answer makes no sense to this program")
                .hint("is it another version of Netloom? stop it and start it again")),
        }
    }

    /// The FDB's entries by VLAN and address; the switch tells them in no order.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn fdb(&mut self) -> Result<Vec<FdbRow>, Error> {
        let mut rows: Vec<FdbRow> = self.ask(&Request::Fdb {})?;
        rows.sort_unstable_by(|a, b| (a.vid, &a.mac).cmp(&(b.vid, &b.mac)));
        Ok(rows)
    }

    fn send(
        &mut self,
        message: &impl serde::Serialize,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), Error> {
        let mut line = serde_json::to_vec(message)
            .map_err(|error| self.failed(format!("a request that can't be told: {error}")))?;
        line.push(b'\n');
        let stream = self.stream.get_mut();
        let sent = match descriptor {
            Some(descriptor) => send_with(stream, &line, descriptor),
            None => Ok(0),
        };
        sent.and_then(|sent| stream.write_all(&line[sent..])).map_err(|error| self.lost(&error))
    }

    /// The next line. Each byte of it may take the whole patience: blanks, which mean nothing in
    /// JSON, come before an answer that takes long.
    fn line(&mut self) -> Result<Vec<u8>, Error> {
        let mut line = Vec::new();
        let mut limited = self.stream.by_ref().take(LONGEST_LINE as u64);
        limited.read_until(b'\n', &mut line).map_err(|error| self.lost(&error))?;
        match line.last() {
            Some(b'\n') => Ok(line),
            _ => Err(self.lost(&io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn failed(&self, why: impl Into<String>) -> Error {
        Error::failed(&self.what, why)
    }

    /// The conversation has broken off.
    fn lost(&self, error: &io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self
                .failed("it does not answer")
                .hint(format!("if it hangs, kill it and run: netloom down {}", self.name)),
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => self.failed("it ended without an answer"),
            _ => self.failed(describe(error)),
        }
    }
}

/// Waits for the end of a switch that was killed: the kernel takes a while to
/// end a process, the longer the more TAPs it held. Whether that is so; not
/// when the switch answers, or goes on not answering.
pub fn dies(dir: &RunDir) -> bool {
    let deadline = Instant::now() + DYING;
    loop {
        let pid = match dir.state() {
            None | Some(State::Dead) => return true,
            Some(State::Running(pid)) => pid,
        };
        if !is_exiting(pid) {
            let answer = Client::connect_within(dir, LOOK);
            let lives = answer.map_or_else(|error| error.kind == ErrorKind::Privilege, |_| true);
            if lives || Instant::now() >= deadline {
                return false;
            }
        }
        thread::sleep(LOOK);
    }
}

/// Whether a process is on its way out: a descriptor table is one of the first
/// things it gives up, and long before the descriptors are closed.
fn is_exiting(pid: u32) -> bool {
    match std::fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(mut descriptors) => descriptors.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// [`crate::control::api::Reply`] with the document read straight into its type.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer<T> {
    Done(T),
    Failed(Error),
}

fn open(dir: &RunDir, patience: Duration) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(dir.socket())?;
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // Before connecting: a switch that hangs lets clients wait there already.
    for direction in [Timeout::Send, Timeout::Recv] {
        set_socket_timeout(&socket, direction, Some(patience))?;
    }
    connect(&socket, &address)?;
    Ok(UnixStream::from(socket))
}

/// Sends the first bytes of `line` with the descriptor; how many.
fn send_with(stream: &UnixStream, line: &[u8], descriptor: BorrowedFd<'_>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let flags = SendFlags::NOSIGNAL;
    Ok(sendmsg(stream.as_fd(), &[IoSlice::new(line)], &mut ancillary, flags)?)
}

/// Why the socket in `dir` can't be reached.
fn unreachable_socket(dir: &RunDir, error: &io::Error) -> Error {
    let (what, name) = (format!("switch {}", dir.name()), dir.name());
    let socket = dir.socket().display().to_string();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::Privilege, socket, "needs permission to read and write it")
                .hint("run it as the switch's user or as root")
        }
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
            Error::unknown(what, "nobody serves its control socket")
                .hint(format!("if it was killed, `netloom down {name}` removes what it left"))
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Error::failed(what, "it does not answer")
                .hint(format!("if it hangs, kill it and run: netloom down {name}"))
        }
        _ => Error::failed(socket, describe(error)),
    }
}

#[cfg(test)]
mod tests;
