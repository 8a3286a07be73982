//! What the switch expects of every port, whatever moves its bytes.
//!
//! A backend's test builds a [`Rig`]: the port, and somebody at its other end.
//! [`check`] then holds the port to the promises of [`switch_core::port::Port`].
//! Where devices differ by nature (what they tell when they are down, deleted
//! or blocked) the rig says which it is, so that a change shows.

use std::thread;
use std::time::{Duration, Instant};

use switch_core::frame::checksum::finish;
use switch_core::frame::{Frame, GsoKind, Offload, Takes};
use switch_core::port::{Port, PortFault, TxError};
use switch_core::ports::memory::Wire;

use crate::frames::{ELSEWHERE, finished_payload, plain, unfinished};

/// How long frames under way may take.
const SOON: Duration = Duration::from_secs(10);

/// Frames under way at once, where every one must arrive: all devices' queues hold that many.
const WINDOW: usize = 32;

/// A port under test and its surroundings, which end with the value.
pub struct Rig {
    /// The port.
    pub port: Box<dyn Port>,
    /// Who is at the port's other end, if a port of this kind has one.
    pub far: Option<Box<dyn FarEnd>>,
    /// Where frames for the port are addressed: some devices take only their own.
    pub address: [u8; 6],
    /// The longest frame it carries, bytes.
    pub longest: usize,
    /// Whether the device cuts UDP super-frames itself before the port gets
    /// them, though it takes them whole.
    pub cuts_udp: bool,
    /// What becomes of a frame to a device that is down; `None` where nothing can be.
    pub down: Option<Fate>,
    /// What becomes of a frame to a device that was deleted; `None` where nothing can be.
    pub deleted: Option<Fate>,
    /// What becomes of frames when nobody takes them at the other end.
    pub blocked: Fate,
}

/// How the kernel, or whatever is behind the port, treats a frame it can't deliver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It refuses: the port's answer is an error.
    Told,
    /// It takes the frame and drops it.
    Silent,
}

/// The other end.
pub trait FarEnd {
    /// Sends a frame towards the port; `false` when no more is taken now.
    fn send(&mut self, frame: &Wire) -> bool;
    /// The next frame from the port, if one waits.
    fn receive(&mut self) -> Option<Wire>;
    /// Takes the device up or down.
    fn set_up(&mut self, up: bool);
    /// Deletes the device.
    fn delete(&mut self);
    /// Lets nothing out of the device any more.
    fn block(&mut self);
}

/// Holds the ports that `make` builds to all promises.
///
/// # Panics
/// When a promise is broken.
pub fn check(make: impl Fn() -> Rig) {
    has_nothing_to_give(&mut make());
    leaves_the_frame_alone(&mut make());
    carries_every_length(&mut make());
    hands_over_a_burst_piece_by_piece(&mut make());
    passes_offloads_on_or_gets_frames_finished(&mut make());
    never_blocks(&mut make());
    survives_its_device_down(&mut make());
    for reads_first in [true, false] {
        says_that_its_device_is_gone(&mut make(), reads_first);
    }
}

fn has_nothing_to_give(rig: &mut Rig) {
    let mut into = frames(4);
    assert_eq!(rig.port.receive(&mut into), Ok(0));
    assert_eq!(rig.port.receive(&mut []), Ok(0));
}

fn leaves_the_frame_alone(rig: &mut Rig) {
    let mut frame = Frame::from_bytes(&plain(ELSEWHERE, 60, 1).bytes);
    for tags in 0..3 {
        let before = frame.bytes().to_vec();
        rig.port.transmit(&mut frame).expect("a frame is taken");
        assert_eq!(frame.bytes(), before, "with {tags} tags pushed");
        assert_eq!(frame.offload, Offload::default());
        frame.push_tag(0x88a8, 5);
    }
}

fn carries_every_length(rig: &mut Rig) {
    let Some(far) = &mut rig.far else { return };
    let long = [2048, 4096, 9014].into_iter().filter(|&len| len <= rig.longest);
    let lengths: Vec<usize> = (14..=rig.longest.min(1514)).chain(long).collect();
    for (round, window) in lengths.chunks(WINDOW).enumerate() {
        let made = |address| -> Vec<Wire> {
            window.iter().map(|&len| plain(address, len, round + len)).collect()
        };
        let sent = made(rig.address);
        assert!(sent.iter().all(|frame| far.send(frame)));
        assert_eq!(to_port(&mut *rig.port, sent.len()), sent);
        let sent = made(ELSEWHERE);
        for frame in &sent {
            assert_eq!(rig.port.transmit(&mut Frame::from_bytes(&frame.bytes)), Ok(()));
        }
        assert_eq!(from_port(&mut **far, sent.len()), sent);
    }
}

fn hands_over_a_burst_piece_by_piece(rig: &mut Rig) {
    let Some(far) = &mut rig.far else { return };
    let sent: Vec<Wire> = (0..WINDOW).map(|n| plain(rig.address, 60 + n, n)).collect();
    assert!(sent.iter().all(|frame| far.send(frame)));
    let mut into = frames(5);
    let mut received = Vec::new();
    let deadline = Instant::now() + SOON;
    while received.len() < sent.len() {
        assert!(Instant::now() < deadline, "{} of {} frames came", received.len(), sent.len());
        let count = rig.port.receive(&mut into).expect("the device is there");
        assert!(count <= into.len());
        received.extend(into[..count].iter().map(wire));
    }
    assert_eq!(received, sent);
    assert_eq!(rig.port.receive(&mut into), Ok(0));
}

fn passes_offloads_on_or_gets_frames_finished(rig: &mut Rig) {
    let takes = rig.port.takes();
    assert_eq!(takes.checksum, takes != Takes::NOTHING, "no super-frame has a finished checksum");
    let Some(far) = &mut rig.far else { return };
    for (kind, payload, size) in [
        (GsoKind::TcpV4, 500, None),
        (GsoKind::UdpL4, 500, None),
        (GsoKind::TcpV4, 20_000, Some(1400)),
        (GsoKind::TcpV6, 20_000, Some(1200)),
        (GsoKind::UdpL4, 20_000, Some(1000)),
    ] {
        let sent = unfinished(rig.address, kind, payload, size);
        assert!(far.send(&sent));
        let cut = size.filter(|_| rig.cuts_udp && kind == GsoKind::UdpL4);
        if takes.accepts(&sent.offload) && cut.is_none() {
            same(&to_port(&mut *rig.port, 1)[0], &sent);
        } else {
            let pieces = size.map_or(1, |size| payload.div_ceil(usize::from(size)));
            let received = to_port(&mut *rig.port, pieces);
            assert!(
                received.iter().all(|piece| takes.accepts(&piece.offload)),
                "{kind:?} {size:?}"
            );
            let joined: Vec<u8> = received.iter().flat_map(payload_when_finished).collect();
            assert_eq!(joined, sent.bytes[sent.bytes.len() - payload..], "{kind:?} {size:?}");
        }
        if takes.accepts(&sent.offload) {
            let sent = unfinished(ELSEWHERE, kind, payload, size);
            let mut frame = Frame::from_bytes(&sent.bytes);
            frame.offload = sent.offload;
            assert_eq!(rig.port.transmit(&mut frame), Ok(()));
            assert_eq!((frame.bytes(), frame.offload), (&sent.bytes[..], sent.offload));
            same(&from_port(&mut **far, 1)[0], &sent);
        }
    }
}

fn payload_when_finished(piece: &Wire) -> Vec<u8> {
    let mut frame = Frame::from_bytes(&piece.bytes);
    frame.offload = piece.offload;
    assert!(finish(&mut frame));
    finished_payload(frame.bytes())
}

/// Whether two frames are the same but for the hint of their headers' length.
fn same(one: &Wire, other: &Wire) {
    let without_hint = |wire: &Wire| {
        let gso = wire.offload.gso.map(|gso| (gso.kind, gso.ecn, gso.size));
        (wire.offload.checksum, gso)
    };
    assert_eq!(without_hint(one), without_hint(other));
    assert_eq!(one.bytes, other.bytes);
}

fn never_blocks(rig: &mut Rig) {
    const MANY: usize = 5000;
    let begun = Instant::now();
    if let Some(far) = &mut rig.far {
        // Nobody reads the port: the first so many arrive, in order, and the rest are lost.
        for seed in 0..MANY {
            far.send(&plain(rig.address, 60, seed));
        }
        let mut last = 0;
        let mut into = frames(64);
        loop {
            let count = rig.port.receive(&mut into).expect("the device is there");
            for frame in &into[..count] {
                let is_it = |&seed: &usize| frame.bytes() == plain(rig.address, 60, seed).bytes;
                last = (last..MANY).find(is_it).expect("a frame that was sent, in order");
            }
            if count == 0 {
                break;
            }
        }
        assert!(last > 0, "none came");
        far.block();
    }
    let mut frame = Frame::from_bytes(&plain(ELSEWHERE, 1000, 0).bytes);
    let answers: Vec<_> = (0..MANY).map(|_| rig.port.transmit(&mut frame)).collect();
    let is_known = |answer: &Result<_, _>| matches!(answer, Ok(()) | Err(TxError::Full));
    assert!(answers.iter().all(is_known), "{answers:?}");
    assert_eq!(answers.contains(&Err(TxError::Full)), rig.blocked == Fate::Told);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

fn survives_its_device_down(rig: &mut Rig) {
    let (Some(fate), Some(far)) = (rig.down, &mut rig.far) else { return };
    let sent = plain(ELSEWHERE, 60, 1);
    let mut frame = Frame::from_bytes(&sent.bytes);
    far.set_up(false);
    let expected = if fate == Fate::Told { Err(TxError::Down) } else { Ok(()) };
    assert_eq!(rig.port.transmit(&mut frame), expected);
    assert_eq!(rig.port.receive(&mut frames(1)), Ok(0), "it is down, not gone");
    far.set_up(true);
    assert_eq!(rig.port.transmit(&mut frame), Ok(()));
    same(&from_port(&mut **far, 1)[0], &sent);
    let sent = plain(rig.address, 60, 1);
    assert!(far.send(&sent));
    same(&to_port(&mut *rig.port, 1)[0], &sent);
}

fn says_that_its_device_is_gone(rig: &mut Rig, reads_first: bool) {
    let (Some(fate), Some(far)) = (rig.deleted, &mut rig.far) else { return };
    far.delete();
    let mut frame = Frame::from_bytes(&plain(ELSEWHERE, 60, 1).bytes);
    let mut into = frames(8);
    let (gone, down) = match fate {
        Fate::Told => (Err(PortFault::Gone), Err(TxError::Down)),
        Fate::Silent => (Ok(0), Ok(())),
    };
    for call in 0..6 {
        if (call % 2 == 0) == reads_first {
            assert_eq!(rig.port.receive(&mut into), gone);
        } else {
            assert_eq!(rig.port.transmit(&mut frame), down);
        }
    }
}

fn frames(count: usize) -> Vec<Frame> {
    (0..count).map(|_| Frame::new()).collect()
}

fn wire(frame: &Frame) -> Wire {
    Wire { bytes: frame.bytes().to_vec(), offload: frame.offload }
}

/// The next `count` frames the port hands over.
fn to_port(port: &mut dyn Port, count: usize) -> Vec<Wire> {
    let mut into = frames(WINDOW);
    collect(count, || {
        let filled = port.receive(&mut into).expect("the device is there");
        into[..filled].iter().map(wire).collect()
    })
}

/// The next `count` frames that arrive at the other end.
fn from_port(far: &mut dyn FarEnd, count: usize) -> Vec<Wire> {
    collect(count, || far.receive().into_iter().collect())
}

fn collect(count: usize, mut next: impl FnMut() -> Vec<Wire>) -> Vec<Wire> {
    let mut received = Vec::new();
    let deadline = Instant::now() + SOON;
    while received.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} frames came", received.len());
        let more = next();
        if more.is_empty() {
            thread::yield_now();
        }
        received.extend(more);
    }
    assert_eq!(received.len(), count, "more frames than were sent");
    received
}
