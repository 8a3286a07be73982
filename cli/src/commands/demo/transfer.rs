//! A TCP transfer from one host to the other, as fast as it goes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use io_backends::error::describe;
use io_backends::lab::netns::in_netns;
use serde::Serialize;

use super::lab::Lab;
use crate::error::Error;

/// How long it sends.
const LENGTH: Duration = Duration::from_millis(1500);
/// How long either end waits for the other.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(2);
const CHUNK: usize = 256 * 1024;

/// What came through.
#[derive(Serialize)]
pub(super) struct Transfer {
    /// Bytes received, which are those that were sent.
    pub(super) bytes: u64,
    /// From the first of them to the last.
    pub(super) seconds: f64,
    /// Payload, in Gb/s.
    pub(super) gbps: f64,
}

/// Sends from the first host to the second.
pub(super) fn run(lab: &Lab) -> Result<Transfer, Error> {
    let [from, to] = &lab.hosts;
    let (tell, told) = channel();
    thread::scope(|scope| {
        let receiver =
            scope.spawn(|| in_netns(&to.netns, || receive(lab, to.address.into(), tell)));
        let sent = in_netns(&from.netns, move || {
            let address = told.recv_timeout(PATIENCE).map_err(|error| match error {
                RecvTimeoutError::Timeout => io::Error::from(io::ErrorKind::TimedOut),
                RecvTimeoutError::Disconnected => io::ErrorKind::ConnectionAborted.into(),
            })?;
            send(lab, address)
        });
        let received = receiver.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        lab.check()?;
        // The receiver's reason comes first: the sender fails after it.
        let (bytes, taken) = received.map_err(|error| broken(&error))?;
        let sent = sent?.map_err(|error| broken(&error))?;
        if bytes != sent || bytes == 0 {
            let why = format!("{sent} bytes were sent and {bytes} received");
            return Err(Error::failed("TCP transfer", why));
        }
        let seconds = taken.as_secs_f64();
        Ok(Transfer { bytes, seconds, gbps: bytes as f64 * 8.0 / seconds.max(1e-9) / 1e9 })
    })
}

fn broken(error: &io::Error) -> Error {
    let why = match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "nothing came through".to_owned(),
        _ => describe(error),
    };
    Error::failed("TCP transfer", why)
}

/// Writes for a while; how many bytes.
fn send(lab: &Lab, to: SocketAddr) -> io::Result<u64> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let chunk = vec![0x4e; CHUNK];
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < LENGTH && lab.check().is_ok() {
        sent += stream.write(&chunk)? as u64;
    }
    stream.shutdown(Shutdown::Write)?;
    // The other end closes when it has everything.
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.read_exact(&mut [0; 1])?;
    Ok(sent)
}

/// Reads all there is; how many bytes, and from the first to the last how long.
fn receive(
    lab: &Lab,
    own: std::net::IpAddr,
    tell: Sender<SocketAddr>,
) -> io::Result<(u64, Duration)> {
    let listener = TcpListener::bind((own, 0))?;
    // A sender that has gone shows below: no connection comes.
    let _ = tell.send(listener.local_addr()?);
    drop(tell);
    let mut stream = accept(lab, &listener)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut chunk = vec![0; CHUNK];
    let mut bytes = stream.read(&mut chunk)? as u64;
    let began = Instant::now();
    loop {
        match stream.read(&mut chunk)? {
            0 => break,
            read => bytes += read as u64,
        }
    }
    let taken = began.elapsed();
    stream.write_all(b".")?;
    Ok((bytes, taken))
}

fn accept(lab: &Lab, listener: &TcpListener) -> io::Result<TcpStream> {
    listener.set_nonblocking(true)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Err(_) if Instant::now() > deadline || lab.check().is_err() => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(_) => thread::sleep(LOOK),
        }
    }
}
