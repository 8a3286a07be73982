//! Frames that the bench itself sends on the hosts' netdevs: how fast, and what arrives.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use hdrhistogram::Histogram;
use io_backends::lab::netns::in_netns;
use measure::packet_socket::PacketSocket;
use measure::xdp_loop::{ETHERTYPE, frame};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use switch_core::Mac;

use super::super::lab::Lab;
use super::super::peers::{Host, NETDEV};
use super::{broken, latencies};
use io_backends::Error;

const WHAT: &str = "frames";
/// Where a frame says which trial it belongs to, and when it was sent.
const TRIAL: usize = 14;
const SENT: usize = 18;
const END: usize = 26;
/// Frames sent before the clock is looked at for an interrupt.
const STRIDE: u64 = 256;
/// What a sleep may be late by: shorter waits are spent awake.
const SLACK: Duration = Duration::from_micros(100);
/// How long nothing arrives before nothing more is expected.
const QUIET: Duration = Duration::from_millis(60);

/// A host's netdev, open for sending and receiving.
pub(super) struct Station {
    socket: PacketSocket,
    pub(super) mac: Mac,
}

impl Station {
    pub(super) fn open(host: &Host) -> Result<Station, Error> {
        let socket =
            in_netns(&host.netns, || PacketSocket::open(NETDEV, ETHERTYPE))?.map_err(failed)?;
        Ok(Station { socket, mac: host.mac })
    }

    /// Sends a frame; whether the netdev took it.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<bool, Error> {
        match self.socket.send(bytes) {
            Ok(()) => Ok(true),
            Err(Errno::NOBUFS | Errno::AGAIN) => Ok(false),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Calls `take` for each frame that waits.
    pub(super) fn receive(&self, mut take: impl FnMut(&[u8], SystemTime)) -> Result<(), Error> {
        let mut buffer = [0; END];
        while let Some((length, time)) = self.socket.receive_at(&mut buffer).map_err(failed)? {
            take(&buffer[..length.min(END)], time);
        }
        Ok(())
    }

    /// Waits for a frame at most that long.
    pub(super) fn wait(&self, time: Duration) -> Result<(), Error> {
        let time = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&time)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(failed(errno)),
        }
    }
}

/// What became of frames sent at some rate.
pub(super) struct Trial {
    pub(super) sent: u64,
    pub(super) received: u64,
    /// Seconds it took to send them.
    pub(super) took: f64,
    pub(super) latency: Histogram<u64>,
}

impl Trial {
    /// Frames sent a second.
    pub(super) fn rate(&self) -> f64 {
        self.sent as f64 / self.took
    }
}

/// Sends frames of `length` bytes from one station to another for a while, so
/// many a second, and counts what arrives. `number` is this trial's alone.
pub(super) fn trial(
    lab: &Lab,
    [from, to]: [&Station; 2],
    length: usize,
    rate: f64,
    time: Duration,
    number: u32,
) -> Result<Trial, Error> {
    let mut bytes = frame(to.mac, from.mac, length.max(END));
    bytes[TRIAL..SENT].copy_from_slice(&number.to_ne_bytes());
    to.receive(|_, _| {})?;
    let sender_is_done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| count(to, number, &sender_is_done));
        let sent = send(lab, from, &mut bytes, rate, time);
        sender_is_done.store(true, std::sync::atomic::Ordering::Relaxed);
        let received = receiver.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (sent, took) = sent?;
        let (received, latency) = received?;
        Ok(Trial { sent, received, took, latency })
    })
}

/// Sends at an even rate; how many, and in how many seconds.
fn send(
    lab: &Lab,
    from: &Station,
    bytes: &mut [u8],
    rate: f64,
    time: Duration,
) -> Result<(u64, f64), Error> {
    let (began, mut sent) = (Instant::now(), 0_u64);
    loop {
        let elapsed = began.elapsed();
        if elapsed >= time {
            return Ok((sent, elapsed.as_secs_f64()));
        }
        if sent.is_multiple_of(STRIDE) {
            lab.check()?;
        }
        let ahead = (sent as f64 / rate) - elapsed.as_secs_f64();
        if ahead > 0.0 {
            match Duration::from_secs_f64(ahead.min(time.as_secs_f64())).checked_sub(SLACK) {
                // The sender is ahead of its rate; the last bit is spun, since sleep is coarse.
                Some(pause) => thread::sleep(pause),
                None => std::hint::spin_loop(),
            }
            continue;
        }
        bytes[SENT..END].copy_from_slice(&nanoseconds(SystemTime::now()).to_ne_bytes());
        // One that the netdev refuses, its ring being full, is sent and lost.
        from.send(bytes)?;
        sent += 1;
    }
}

/// Counts the trial's frames and how long they took, until no more come.
fn count(
    to: &Station,
    number: u32,
    sender_is_done: &std::sync::atomic::AtomicBool,
) -> Result<(u64, Histogram<u64>), Error> {
    let (mut received, mut latency) = (0, latencies()?);
    let mut last = Instant::now();
    loop {
        let before = received;
        to.receive(|bytes, time| {
            if let Some(sent) = sent_at(bytes, number) {
                received += 1;
                latency.saturating_record(nanoseconds(time).saturating_sub(sent).max(1));
            }
        })?;
        let done = sender_is_done.load(std::sync::atomic::Ordering::Relaxed);
        if received > before || !done {
            last = Instant::now();
        }
        if last.elapsed() > QUIET {
            return Ok((received, latency));
        }
        to.wait(QUIET / 4)?;
    }
}

/// When a frame of this trial was sent.
fn sent_at(bytes: &[u8], number: u32) -> Option<u64> {
    let trial = bytes.get(TRIAL..SENT)?.first_chunk()?;
    let sent = bytes.get(SENT..END)?.first_chunk()?;
    (u32::from_ne_bytes(*trial) == number).then(|| u64::from_ne_bytes(*sent))
}

/// Since 1970.
fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

fn failed(errno: Errno) -> Error {
    broken(WHAT)(errno.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_tells_its_trial_and_its_time() {
        let mac = Mac::new([2, 0, 0, 0, 0, 1]);
        let mut bytes = frame(mac, mac, 60);
        bytes[TRIAL..SENT].copy_from_slice(&7_u32.to_ne_bytes());
        bytes[SENT..END].copy_from_slice(&99_u64.to_ne_bytes());
        assert_eq!(sent_at(&bytes, 7), Some(99));
        assert_eq!(sent_at(&bytes, 8), None);
        assert_eq!(sent_at(&bytes[..END - 1], 7), None);
    }
}
