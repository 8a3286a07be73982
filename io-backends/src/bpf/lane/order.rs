//! Order within a flow that changes from the pipeline to the lane (rule 7).
//!
//! A frame that was passed up is for a while on its way: out by the handle, in the
//! handle's ring, in a worker's burst. Until it is delivered, no later frame of its
//! flow may take the lane. The program counts each frame before it passes it up,
//! the worker each frame once it is delivered. When the two counts agree, nothing
//! is on its way, wherever that may be: all frames up to that number are settled,
//! and a flow whose last frame has such a number may take the lane. This needs no
//! clock, and no frame that has been counted can be missed.
//!
//! What could make the counts disagree for ever is dealt with apart:
//!
//! - The handle's ring never overflows, since the program passes up no more
//!   frames than it holds, and counts what it drops for that.
//! - A frame that is lost on the way all the same (the handle was down) or that
//!   comes out as several (a super-frame that a TAP does not take) leaves a
//!   difference that stays. The worker takes it for what it is when it has not
//!   been smaller for [`LOST`] whenever the handle was found empty.
//! - Where the pipeline is never done, since more comes than it can take, its
//!   ring is in the order in which frames were counted, but for a few that were
//!   counted on two CPUs at one time: what was counted [`OVERTAKEN`] frames
//!   before the last one delivered is settled.
//!
//! Only these two bounds, and neither without an overload or a loss, stand
//! between this and a proof: a frame that stays for more than 100 ms, or while
//! 4096 others of its port pass by, between the program that counted it and the
//! handle's ring could be overtaken.
//!
//! A flow that is faster than the pipeline would never be settled: its next frame
//! is always on its way. After 20 ms the program drops the flow's frames, for
//! 20 ms at most, until those on their way have arrived.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::layout::Doorstep;

/// A difference that has not been smaller for so long is a loss.
pub(super) const LOST: Duration = Duration::from_millis(100);
/// Frames of one port that can pass one by which is between its count and the ring.
pub(super) const OVERTAKEN: u64 = 4096;

/// A worker's account of one handle.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Frames delivered, corrected by what was lost.
    done: u64,
    /// Frames read, but perhaps not delivered.
    in_hand: u64,
    /// What the program had counted before the last read: frames, and super-frames that
    /// may come out as several.
    passed: u64,
    uncertain: u64,
    /// Of the latter, as many as were counted when the counts were last known to be right.
    pub(super) certain_up_to: u64,
    doubt: Option<Doubt>,
}

/// A difference between the counts that should not be.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    since: Instant,
    /// The smallest difference since then.
    least: i64,
    /// `uncertain` then.
    uncertain: u64,
}

impl Account {
    /// All that was read is delivered. Called before the handle is read again.
    pub(super) fn delivered(&mut self, doorstep: &Doorstep) {
        self.done += std::mem::take(&mut self.in_hand);
        let read = &doorstep.read;
        read.done.store(self.done, Ordering::Release);
        self.uncertain = doorstep.passed.uncertain.load(Ordering::Acquire);
        self.passed = doorstep.passed.frames.load(Ordering::Acquire);
        if self.uncertain != self.certain_up_to {
            return;
        }
        if self.passed == self.done {
            self.doubt = None;
            read.settled.store(self.passed, Ordering::Release);
        } else if self.done.saturating_sub(OVERTAKEN) > read.settled.load(Ordering::Relaxed) {
            read.settled.store(self.done - OVERTAKEN, Ordering::Release);
        }
    }

    /// So many frames were read; with none, the handle was found empty.
    pub(super) fn read(&mut self, frames: usize, now: impl FnOnce() -> Instant) {
        self.in_hand += frames as u64;
        let is_right = self.passed == self.done && self.uncertain == self.certain_up_to;
        if frames == 0 && !is_right {
            self.look_into(now());
        }
    }

    /// The handle is empty, so frames that were counted before it was read and are not done are
    /// lost, or have not reached it yet.
    fn look_into(&mut self, now: Instant) {
        let least = self.passed.wrapping_sub(self.done).cast_signed();
        let new = Doubt { since: now, least, uncertain: self.uncertain };
        let doubt = self.doubt.get_or_insert(new);
        if doubt.uncertain != self.uncertain {
            *doubt = new;
        }
        doubt.least = doubt.least.min(least);
        if now.saturating_duration_since(doubt.since) >= LOST {
            self.done = self.done.wrapping_add_signed(doubt.least);
            self.certain_up_to = self.uncertain;
            self.doubt = None;
        }
    }
}
