//! TCP from one of a lab's namespaces to another: what arrives is compared with what was sent.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Lab, eventually};

/// How long nothing may arrive: many times what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is sent over and over; its length is no multiple of anything that a stack counts in.
const LENGTH: usize = 65_521;

/// A stream under way; it ends with the value.
pub struct Streaming {
    stop: Arc<AtomicBool>,
    arrived: Arc<AtomicU64>,
    sender: Option<JoinHandle<u64>>,
    receiver: Option<JoinHandle<()>>,
}

impl Lab {
    /// Starts a stream from the namespace `from` to `address` in `to`, which goes on until
    /// it is told to stop.
    ///
    /// # Panics
    /// When it can't be connected.
    #[must_use]
    pub fn streaming(&self, from: &str, to: &str, address: &str) -> Streaming {
        self.stream(from, to, address, u64::MAX)
    }

    /// Sends so many bytes and waits until they have arrived, just as they were sent.
    ///
    /// # Panics
    /// When they don't.
    #[track_caller]
    pub fn transfer(&self, from: &str, to: &str, address: &str, bytes: u64) {
        let arrived = self.stream(from, to, address, bytes).join();
        assert_eq!(arrived, bytes, "from {from} to {address} in {to}");
    }

    fn stream(&self, from: &str, to: &str, address: &str, bytes: u64) -> Streaming {
        let address: IpAddr = address.parse().unwrap_or_else(|error| panic!("{address}: {error}"));
        let listen = || TcpListener::bind((address, 0)).expect("a listener");
        let listener = self.inside(to, listen);
        let at = listener.local_addr().expect("an address");
        let connect = || TcpStream::connect_timeout(&at, PATIENCE);
        let connected = self.inside(from, connect);
        let mut sender = connected.unwrap_or_else(|error| panic!("{from} to {at}: {error}"));
        sender.set_write_timeout(Some(PATIENCE)).expect("a deadline");
        // It is connected, so it waits to be accepted.
        let (mut receiver, _) = listener.accept().expect("a connection");
        receiver.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        let (stop, arrived) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (flag, count) = (Arc::clone(&stop), Arc::clone(&arrived));
        let pattern: Arc<[u8]> = (0..LENGTH).map(|at| (at * 7 + at / 251) as u8).collect();
        let sent = Arc::clone(&pattern);
        let sender = thread::spawn(move || send(&mut sender, &sent, bytes, &flag));
        let receiver = thread::spawn(move || receive(&mut receiver, &pattern, &count));
        Streaming { stop, arrived, sender: Some(sender), receiver: Some(receiver) }
    }
}

impl Streaming {
    /// Waits until so many more bytes have arrived.
    ///
    /// # Panics
    /// When they don't.
    #[track_caller]
    pub fn go_on_for(&self, bytes: u64) {
        let arrived = || self.arrived.load(Ordering::Relaxed);
        let goal = arrived() + bytes;
        eventually(&format!("{goal} bytes have arrived"), arrived, |now| *now >= goal);
    }

    /// Tells it to stop; how many bytes have arrived, all that were sent.
    ///
    /// # Panics
    /// When some did not, or others came.
    #[track_caller]
    pub fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    #[track_caller]
    fn join(mut self) -> u64 {
        let sent = self.sender.take().map(JoinHandle::join).expect("it was not joined");
        let received = self.receiver.take().map(JoinHandle::join).expect("it was not joined");
        if let Err(panic) = received {
            std::panic::resume_unwind(panic);
        }
        let arrived = self.arrived.load(Ordering::Relaxed);
        assert_eq!(Some(arrived), sent.ok(), "arrived, and sent");
        arrived
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.sender.take().map(JoinHandle::join);
        let _ = self.receiver.take().map(JoinHandle::join);
    }
}

fn send(stream: &mut TcpStream, pattern: &[u8], bytes: u64, stop: &AtomicBool) -> u64 {
    let mut sent = 0;
    while sent < bytes && !stop.load(Ordering::Relaxed) {
        let length = pattern.len().min(usize::try_from(bytes - sent).unwrap_or(usize::MAX));
        // The receiver tells what went wrong.
        if stream.write_all(&pattern[..length]).is_err() {
            break;
        }
        sent += length as u64;
    }
    let _ = stream.shutdown(Shutdown::Write);
    sent
}

fn receive(stream: &mut TcpStream, pattern: &[u8], arrived: &AtomicU64) {
    let mut buffer = vec![0; 1 << 18];
    let mut at = 0;
    loop {
        let so_far = arrived.load(Ordering::Relaxed);
        let length = stream
            .read(&mut buffer)
            .unwrap_or_else(|error| panic!("TCP hangs after {so_far} bytes: {error}"));
        if length == 0 {
            return;
        }
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let expected = &pattern[at..pattern.len().min(at + rest.len())];
            assert!(rest.starts_with(expected), "not as it was sent, after {so_far} bytes");
            rest = &rest[expected.len()..];
            at = (at + expected.len()) % pattern.len();
        }
        arrived.fetch_add(length as u64, Ordering::Relaxed);
    }
}
