//! The boundary to whatever moves bytes: ports, and the engine that turns over all of a worker's ports.
//!
//! To add a port kind, implement [`Port`] (see [`crate::ports::null`] and
//! [`crate::ports::memory`] for the shortest examples) and run the conformance suite
//! of the `tests` package on it. A port never blocks, never queues without
//! bound and never retries: what it cannot take now, it says so.

use std::hash::{Hash, Hasher};
use std::ops::Range;

use crate::frame::{Frame, Takes};

/// How many ports a switch can hold at once.
pub const MAX_PORTS: usize = 4096;

/// The most frames one turn of an engine receives.
pub const BURST: usize = 64;

/// Frames a worker can hold at once: a burst, copies of frames that leave in
/// more than one form, and the segments of a super-frame.
pub const SLOTS: usize = 3 * BURST;

const _: () = assert!(MAX_PORTS <= 1 << 16 && SLOTS <= 1 << 16);

/// A port's number and how often that number was given out before.
///
/// A frame or FDB entry for a removed port carries the old generation and so
/// never reaches the port that took its number.
#[derive(Clone, Copy, Eq, Debug)]
#[repr(C)]
pub struct PortId {
    /// Below [`MAX_PORTS`]; the lowest free number is given out first.
    pub number: u16,
    /// Wraps after 65,536 uses of a number; removing a port removes its entries, so none lives that long.
    pub generation: u16,
}

impl PortId {
    /// The number as an index.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.number)
    }

    /// Both parts as one number: in memory they are one, and the hot path
    /// compares them at once.
    #[inline]
    pub fn bits(self) -> u32 {
        u32::from(self.number) | u32::from(self.generation) << 16
    }

    /// The id that has these [`PortId::bits`].
    #[inline]
    pub(crate) fn from_bits(bits: u32) -> PortId {
        PortId { number: bits as u16, generation: (bits >> 16) as u16 }
    }
}

impl PartialEq for PortId {
    #[inline]
    fn eq(&self, other: &PortId) -> bool {
        self.bits() == other.bits()
    }
}

impl Hash for PortId {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.bits().hash(hasher);
    }
}

/// Why a port has no frame to give: what the caller must do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortFault {
    /// The device is gone; close the port and make it again.
    Gone,
}

/// Why one frame was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TxError {
    /// The device takes nothing more at present. The frame is lost; nothing is retried.
    Full,
    /// The device is down, or gone.
    Down,
    /// The device refused this frame.
    Refused,
}

/// A port's device as it is now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceState {
    /// Whether it carries frames.
    pub up: bool,
    /// The netdev's MTU in bytes.
    pub mtu: u32,
    /// What it takes unfinished.
    pub takes: Takes,
}

/// One attachment point, seen from the data plane.
pub trait Port: Send {
    /// Fills `into` from the front and returns how many frames it filled; 0
    /// when none waits. Never blocks.
    ///
    /// # Errors
    /// [`PortFault::Gone`] when the device no longer exists.
    fn receive(&mut self, into: &mut [Frame]) -> Result<usize, PortFault>;

    /// Sends one frame that [`Port::takes`] accepts. Never blocks. Bytes before
    /// the frame may be overwritten by a device header; the frame's own are not.
    ///
    /// # Errors
    /// When the frame was not sent; it is lost.
    fn transmit(&mut self, frame: &mut Frame) -> Result<(), TxError>;

    /// What this port takes unfinished.
    fn takes(&self) -> Takes;
}

/// The frames one turn received, and room for copies of them.
pub struct Burst {
    frames: Box<[Frame]>,
    runs: Vec<Run>,
    len: usize,
}

/// Frames of a burst that lie side by side and came in by the same port: what
/// holds for the port is looked up once for all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// The port.
    pub ingress: PortId,
    first: u16,
    end: u16,
}

impl Run {
    /// The slots of its frames.
    #[inline]
    pub fn slots(&self) -> Range<usize> {
        self.first.into()..self.end.into()
    }
}

impl Burst {
    /// Makes all buffers a worker ever uses: [`SLOTS`] of them. Untouched pages cost nothing.
    pub fn new() -> Burst {
        Burst {
            frames: (0..SLOTS).map(|_| Frame::new()).collect(),
            runs: Vec::with_capacity(BURST),
            len: 0,
        }
    }

    /// Forgets the frames received.
    #[inline]
    pub fn clear(&mut self) {
        self.runs.clear();
        self.len = 0;
    }

    /// How many frames were received.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was received.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The buffers still free for received frames, at most [`BURST`].
    #[inline]
    pub fn room(&mut self) -> &mut [Frame] {
        &mut self.frames[self.len..BURST]
    }

    /// Says that the first `count` buffers of [`Burst::room`] hold frames that came in by `port`.
    ///
    /// # Panics
    /// When `count` is more than the room.
    #[inline]
    pub fn filled(&mut self, port: PortId, count: usize) {
        assert!(count <= BURST - self.len, "{count} frames more than {}", self.len);
        if count == 0 {
            return;
        }
        let (first, end) = (self.len as u16, (self.len + count) as u16);
        self.len += count;
        match self.runs.last_mut() {
            Some(run) if run.ingress == port => run.end = end,
            // No run is empty, so there is room for another.
            _ => self.runs.push(Run { ingress: port, first, end }),
        }
    }

    /// The port the frame in this slot came in by.
    ///
    /// # Panics
    /// When the slot holds no received frame.
    pub fn ingress(&self, slot: usize) -> PortId {
        let run = self.runs.iter().find(|run| run.slots().contains(&slot));
        run.expect("a slot that holds a received frame").ingress
    }

    /// The frames received, run by run in order, and all slots, to be changed.
    #[inline]
    pub fn runs_and_frames(&mut self) -> (&[Run], &mut [Frame]) {
        (&self.runs, &mut self.frames)
    }

    /// All slots: the frames received, then those for copies.
    #[inline]
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// All slots, to be changed.
    #[inline]
    pub fn frames_mut(&mut self) -> &mut [Frame] {
        &mut self.frames
    }
}

impl Default for Burst {
    fn default() -> Self {
        Burst::new()
    }
}

/// One frame to one port, in an engine's transmit queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tx {
    /// Where to.
    pub port: PortId,
    /// Which of the burst's frames.
    pub slot: u16,
    /// The frame's length in bytes.
    pub len: u32,
    /// Whether this is the slot's last use: an engine in memory may then take
    /// the frame by swapping another into the slot.
    pub last: bool,
    /// What became of it; the engine sets this.
    pub result: Result<(), TxError>,
}

impl Tx {
    /// A frame of `len` bytes in `slot`, for `port`; not the slot's last use, and not sent yet.
    #[inline]
    pub fn new(port: PortId, slot: usize, len: usize) -> Tx {
        Tx { port, slot: slot as u16, len: len as u32, last: false, result: Ok(()) }
    }
}

/// A worker's I/O: one turn over all its ready ports, so that one system call
/// may carry many frames of many ports.
///
/// Turns are fair in work, not in frames: the worker reports with
/// [`Engine::charge`] what a port's frames cost, and a port that was charged
/// goes on when the others had as much (see [`Account`](crate::account::Account)).
pub trait Engine {
    /// Adds frames to `burst` from ports that have some, in fair turns. Never blocks.
    fn receive(&mut self, burst: &mut Burst);

    /// Adds frames to `burst`, in the middle of long work for the ports in `held`: none of
    /// theirs, which would overtake, and none of a port whose frames make long work too. An
    /// engine that keeps no accounts gives none. Never blocks.
    fn receive_light(&mut self, burst: &mut Burst, held: &[PortId]) {
        let _ = (burst, held);
    }

    /// Takes note that `frames` frames of a port cost `work`, in
    /// [units](crate::account::work_of).
    fn charge(&mut self, port: PortId, frames: usize, work: u32) {
        let _ = (port, frames, work);
    }

    /// Sends `queue` in order, every frame from its slot of `frames`, and sets
    /// each `result`. An unknown [`PortId`] is [`TxError::Down`]. Never blocks.
    fn transmit(&mut self, frames: &mut [Frame], queue: &mut [Tx]);
}
