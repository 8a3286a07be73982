//! Turns are fair in work, and no frame waits for long behind another port's.

use std::sync::{Arc, Mutex};

use switch_core::config::{BridgeRules, PortRules};
use switch_core::frame::{GsoKind, Takes};
use switch_core::port::{BURST, DeviceState, Port, PortFault, TxError};
use switch_core::ports::memory::Wire;
use switch_core::{Frame, Mac, PortId};

use crate::frames::Spec;
use crate::lab::{DEVICE, Lab};
use crate::super_frame::Super;

fn host(number: u64) -> Mac {
    Mac::from_u64(0x0200_0000_0000 + number)
}

fn plain(src: Mac, dst: Mac) -> Spec {
    Spec::new(src, dst, Vec::new(), 7)
}

/// The source of each frame that any port sent, in order, and its first payload bytes.
type Log = Arc<Mutex<Vec<(Mac, Vec<u8>)>>>;

/// A port that gives so many frames at once, again and again, and writes down what it is sent.
struct Busy {
    frames: Vec<Wire>,
    log: Log,
}

impl Port for Busy {
    fn receive(&mut self, into: &mut [Frame]) -> Result<usize, PortFault> {
        for (frame, wire) in into.iter_mut().zip(&self.frames) {
            frame.set(&wire.bytes);
            frame.offload = wire.offload;
        }
        Ok(into.len().min(self.frames.len()))
    }

    fn transmit(&mut self, frame: &mut Frame) -> Result<(), TxError> {
        let src = Mac::new(*frame.bytes()[6..].first_chunk().unwrap());
        self.log.lock().unwrap().push((src, frame.bytes()[38..42].to_vec()));
        Ok(())
    }

    fn takes(&self) -> Takes {
        Takes::NOTHING
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(*bytes.first_chunk().unwrap())
}

fn add(lab: &mut Lab, name: &str, device: DeviceState, frames: Vec<Wire>, log: &Log) -> PortId {
    let id = lab.switch.add_port(name, PortRules::default(), device).unwrap();
    lab.engine.add(id, Box::new(Busy { frames, log: Arc::clone(log) }));
    lab.cross();
    id
}

/// A TCP super-frame of 64,000 bytes in segments of `size`, from host `n` to all.
fn flooded(n: u64, size: u16) -> Wire {
    let mut frame = Super::new(GsoKind::TcpV4, true, size, 64_000).frame();
    frame.bytes_mut()[..6].copy_from_slice(&Mac::BROADCAST.octets());
    frame.bytes_mut()[6..12].copy_from_slice(&host(n).octets());
    Wire { bytes: frame.bytes().to_vec(), offload: frame.offload }
}

#[test]
fn frames_pass_in_the_middle_of_other_ports_long_work() {
    let mut lab = Lab::new(BridgeRules::default(), 64);
    let log = Log::default();
    let everything = DeviceState { takes: Takes::EVERYTHING, ..DEVICE };
    for (n, name) in [(1, "hostile"), (2, "hostile too")] {
        let frames = (0..BURST).map(|_| flooded(n, 36)).collect();
        add(&mut lab, name, everything, frames, &log);
    }
    for name in ["a", "b", "c"] {
        add(&mut lab, name, DEVICE, Vec::new(), &log);
    }
    add(&mut lab, "light", DEVICE, vec![plain(host(3), Mac::BROADCAST).sent()], &log);
    for _ in 0..40 {
        lab.worker.turn(&mut lab.engine, lab.now);
    }
    let log = log.lock().unwrap();
    let (mut gaps, mut gap) = (Vec::new(), 0);
    for (src, _) in log.iter() {
        if *src == host(3) {
            gaps.push(std::mem::take(&mut gap));
        } else {
            gap += 1;
        }
    }
    assert!(log.len() > 100_000, "{} frames sent", log.len());
    let longest = gaps.iter().max().unwrap();
    assert!(*longest <= 2 * BURST, "{longest} frames sent between two of the light port's");
    lab.check_conservation();
}

#[test]
fn the_segments_of_a_port_keep_their_order_while_others_pass() {
    let mut lab = Lab::new(BridgeRules::default(), 64);
    let log = Log::default();
    let everything = DeviceState { takes: Takes::EVERYTHING, ..DEVICE };
    // A super-frame, and a frame behind it that must not overtake it.
    let mut last = plain(host(1), Mac::BROADCAST).sent();
    last.bytes[38..42].copy_from_slice(&[0xff; 4]);
    add(&mut lab, "long", everything, vec![flooded(1, 1000), last], &log);
    add(&mut lab, "to", DEVICE, Vec::new(), &log);
    add(&mut lab, "light", DEVICE, vec![plain(host(3), Mac::BROADCAST).sent()], &log);
    lab.worker.turn(&mut lab.engine, lab.now);
    let log = log.lock().unwrap();
    // The light port gets all of it too.
    let marks: Vec<_> =
        log.iter().filter(|(src, _)| *src == host(1)).map(|(_, mark)| mark.clone()).collect();
    let (segments, behind) = marks.split_at(marks.len() - 2);
    assert_eq!(segments.len(), 2 * 64, "64 segments by each of two ports");
    for port in segments.chunks(64) {
        let numbers: Vec<_> = port.iter().map(|mark| word(mark)).collect();
        let in_order = numbers.windows(2).all(|two| two[1].wrapping_sub(two[0]) == 1000);
        assert!(in_order, "{numbers:08x?}");
    }
    assert_eq!(behind, [[0xff; 4], [0xff; 4]]);
    lab.check_conservation();
}

#[test]
fn ports_that_are_never_empty_share_the_work_not_the_frames() {
    let mut lab = Lab::new(BridgeRules::default(), 64);
    let log = Log::default();
    let burst = |n, to| (0..BURST).map(|_| plain(host(n), to).sent()).collect::<Vec<_>>();
    add(&mut lab, "one", DEVICE, burst(1, host(9)), &log);
    add(&mut lab, "floods", DEVICE, burst(2, Mac::BROADCAST), &log);
    let known = add(&mut lab, "known", DEVICE, Vec::new(), &log);
    for n in 0..40 {
        add(&mut lab, &format!("p{n}"), DEVICE, Vec::new(), &log);
    }
    lab.switch.add_static(host(9), switch_core::Vid::UNTAGGED, known).unwrap();
    for _ in 0..1000 {
        lab.worker.turn(&mut lab.engine, lab.now);
    }
    let sent = |n| log.lock().unwrap().iter().filter(|(src, _)| *src == host(n)).count() as f64;
    let (one, floods) = (sent(1), sent(2));
    // A frame may cost two units for nothing owed, and costs one here: so up to twice as much.
    assert!((0.8..2.5).contains(&(floods / one)), "{floods} by floods, {one} by the other");
    lab.check_conservation();
}
