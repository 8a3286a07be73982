//! Which engine is the faster one on this host, found by trying.
//!
//! What a system call costs, and what an operation of io_uring costs, depend on
//! the processor and on what the kernel does against its flaws: on one host a
//! batch wins by half, on the next plain calls win by a fifth. Both are tried
//! on a device that does next to nothing, so that what differs is what the
//! engines differ in. It takes about a millisecond.

use std::fs::File;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::read;

use super::ring::{Event, Ring};
use super::{missing, probe};
use crate::error::Error;

/// Reads in a row, as many as frames in a full turn.
const READS: usize = 64;
/// How often each way is tried; the best counts, since others disturb.
const ROUNDS: usize = 24;
/// Bytes a read: about a short frame.
const BYTES: usize = 64;

/// What one read took, at best.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trial {
    /// In a batch, as [`UringEngine`](super::UringEngine) reads.
    pub batched: Duration,
    /// As a system call of its own, as [`EpollEngine`](crate::engine::epoll::EpollEngine) reads.
    pub alone: Duration,
}

impl Trial {
    /// Whether batches are the faster way.
    pub fn favours_batches(&self) -> bool {
        self.batched < self.alone
    }
}

/// Tries both ways.
///
/// # Errors
/// When this process can't have a [`UringEngine`](super::UringEngine).
pub fn trial() -> Result<Trial, Error> {
    probe()?;
    // Where there is a second thread a system call counts references, as beside workers.
    let tried = thread::spawn(run).join();
    tried.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(|error| missing(&error))
}

fn run() -> io::Result<Trial> {
    let device = File::open("/dev/zero")?;
    let mut ring = Ring::new()?;
    let file = ring.register(&device)?;
    let mut best = Trial { batched: Duration::MAX, alone: Duration::MAX };
    for _ in 0..ROUNDS {
        best.batched = best.batched.min(batched(&mut ring, file)?);
        best.alone = best.alone.min(alone(&device)?);
    }
    ring.unregister(file);
    Ok(best)
}

fn batched(ring: &mut Ring, file: u32) -> io::Result<Duration> {
    let mut buffers = [[0; BYTES]; READS];
    let begun = Instant::now();
    let mut batch = ring.batch();
    for (tag, buffer) in buffers.iter_mut().enumerate() {
        // SAFETY: `buffers` outlives the batch and is not touched before it is finished.
        unsafe { batch.read(file, buffer, tag) };
    }
    let mut failed = None;
    batch.finish(|event| {
        if let Event::Moved(_, Err(errno)) = event {
            failed = Some(errno);
        }
    });
    let taken = begun.elapsed() / READS as u32;
    failed.map_or(Ok(taken), |errno| Err(errno.into()))
}

fn alone(device: &File) -> io::Result<Duration> {
    let mut buffers = [[0; BYTES]; READS];
    let begun = Instant::now();
    for buffer in &mut buffers {
        read(device, buffer)?;
    }
    Ok(begun.elapsed() / READS as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_are_tried_and_take_some_time() {
        let tried = trial().unwrap();
        for time in [tried.batched, tried.alone] {
            assert!(time > Duration::ZERO, "{tried:?}");
        }
    }

    #[test]
    fn the_shorter_time_is_the_better() {
        let [short, long] = [Duration::from_nanos(200), Duration::from_nanos(270)];
        assert!(Trial { batched: short, alone: long }.favours_batches());
        assert!(!Trial { batched: long, alone: short }.favours_batches());
    }
}
