//! What a worker counts. Each counter has one writer, its worker; readers sum over workers.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::utils::CachePadded;

use crate::drops::Drop;
use crate::port::{MAX_PORTS, PortId};

/// A counter with one writer.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`; only the counter's one writer may.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// The count now.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes the count and starts anew; only while no writer is at work.
    fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// One worker's counts for one port.
#[derive(Default)]
#[repr(align(64))]
pub struct PortCounters {
    /// Frames received from it.
    pub rx_frames: Counter,
    /// Their bytes, without FCS and device header.
    pub rx_bytes: Counter,
    /// Frames sent to it.
    pub tx_frames: Counter,
    /// Their bytes.
    pub tx_bytes: Counter,
    drops: [Counter; Drop::COUNT],
}

impl PortCounters {
    /// Counts frames received together.
    #[inline]
    pub(crate) fn received(&self, frames: usize, bytes: u64) {
        self.rx_frames.add(frames as u64);
        self.rx_bytes.add(bytes);
    }

    /// Counts a frame sent.
    #[inline]
    pub(crate) fn sent(&self, bytes: u32) {
        self.tx_frames.add(1);
        self.tx_bytes.add(bytes.into());
    }

    /// Counts a drop.
    #[inline]
    pub fn drop(&self, reason: Drop) {
        self.drops[reason as usize].add(1);
    }
}

/// Everything one worker counts.
pub struct WorkerCounters {
    ports: Box<[PortCounters]>,
    /// What it counts beside ports.
    pub work: CachePadded<WorkCounters>,
}

/// What a worker counts beside ports.
#[derive(Default)]
pub struct WorkCounters {
    /// Frames received.
    pub frames: Counter,
    /// Their bytes.
    pub bytes: Counter,
    /// Turns that received any.
    pub bursts: Counter,
    /// Copies beyond the first of frames sent to several ports.
    pub flood_copies: Counter,
    /// Frames made beyond those received and their copies: segments.
    pub made_frames: Counter,
    /// Nanoseconds of CPU time used.
    pub busy: Counter,
    /// Nanoseconds in which they were used, asleep or waiting for a CPU included.
    pub total: Counter,
}

impl WorkerCounters {
    /// Counters for every port there can be, all zero.
    pub fn new() -> WorkerCounters {
        WorkerCounters {
            ports: (0..MAX_PORTS).map(|_| PortCounters::default()).collect(),
            work: CachePadded::default(),
        }
    }

    /// The counters of a port number.
    #[inline]
    pub fn port(&self, port: PortId) -> &PortCounters {
        &self.ports[port.index()]
    }
}

impl Default for WorkerCounters {
    fn default() -> Self {
        WorkerCounters::new()
    }
}

/// A port's counts, summed over workers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PortTotals {
    /// Frames the switch received from it.
    pub rx_frames: u64,
    /// Their bytes, without FCS and device header.
    pub rx_bytes: u64,
    /// Frames the switch sent to it.
    pub tx_frames: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    drops: [u64; Drop::COUNT],
}

impl PortTotals {
    /// How many frames, or copies, were dropped for `reason`.
    pub fn dropped(&self, reason: Drop) -> u64 {
        self.drops[reason as usize]
    }

    /// The reasons that occurred, with their counts.
    pub fn drops(&self) -> impl Iterator<Item = (Drop, u64)> + '_ {
        Drop::ALL.iter().map(|&reason| (reason, self.dropped(reason))).filter(|&(_, n)| n > 0)
    }

    /// All drops together.
    pub fn all_drops(&self) -> u64 {
        self.drops.iter().sum()
    }

    pub(crate) fn add(&mut self, from: &PortCounters) {
        self.gather(from, Counter::get);
    }

    /// Adds a removed port's counts and sets them to zero for the number's next port.
    pub(crate) fn absorb(&mut self, from: &PortCounters) {
        self.gather(from, Counter::take);
    }

    fn gather(&mut self, from: &PortCounters, read: impl Fn(&Counter) -> u64) {
        self.rx_frames += read(&from.rx_frames);
        self.rx_bytes += read(&from.rx_bytes);
        self.tx_frames += read(&from.tx_frames);
        self.tx_bytes += read(&from.tx_bytes);
        for (sum, counter) in self.drops.iter_mut().zip(&from.drops) {
            *sum += read(counter);
        }
    }
}
