//! Many ports, ports that come and go, and numbers used again.

use std::time::Duration;

use switch_core::config::{BridgeRules, PortRules};
use switch_core::frame::Takes;
use switch_core::port::DeviceState;
use switch_core::port::{Burst, Engine, MAX_PORTS, Tx, TxError};
use switch_core::ports::memory::{Wire, cable};
use switch_core::ports::null::NullPort;
use switch_core::vlan::Allowed;
use switch_core::{Drop, Frame, Mac, PortId, Tpid, Vid, VlanMode};

use crate::frames::{Body, Spec, Tag};
use crate::lab::{DEVICE, Lab};

fn host(number: usize) -> Mac {
    Mac::from_u64(0x0200_0000_0000 + number as u64)
}

fn access(vid: u16) -> PortRules {
    let vid = Vid::configured(vid).expect("a VID");
    PortRules { vlan: VlanMode::Access(vid), ..PortRules::default() }
}

fn plain(src: Mac, dst: Mac) -> Spec {
    Spec::new(src, dst, Vec::new(), 7)
}

#[test]
fn sixteen_ports_all_talk_to_all() {
    let mut lab = Lab::new(BridgeRules::default(), 1024);
    let ports: Vec<PortId> =
        (0..16).map(|n| lab.add(&format!("p{n}"), PortRules::default(), DEVICE)).collect();
    for (n, &port) in ports.iter().enumerate() {
        lab.send(port, plain(host(n), Mac::BROADCAST).sent());
        lab.wait(Duration::from_secs(1));
    }
    for &port in &ports {
        assert_eq!(lab.received(port).len(), 15);
    }
    // All at once: every host to every other, itself included.
    for (n, &port) in ports.iter().enumerate() {
        for to in 0..16 {
            lab.send(port, plain(host(n), host(to)).sent());
        }
    }
    lab.run();
    for (n, &port) in ports.iter().enumerate() {
        let mut from: Vec<u8> = lab.received(port).iter().map(|wire| wire.bytes[11]).collect();
        from.sort_unstable();
        assert_eq!(from, (0..16).filter(|&other| other != n as u8).collect::<Vec<_>>());
        assert_eq!(lab.switch.stats().ports[n].1.dropped(Drop::SamePort), 1);
    }
    lab.check_conservation();
    assert_eq!(lab.switch.stats().flood_copies, 16 * 14);
}

#[test]
fn four_thousand_ports_and_not_one_more() {
    let mut lab = Lab::new(BridgeRules::default(), 64);
    let device = DeviceState { takes: Takes::EVERYTHING, ..DEVICE };
    let mut ids = Vec::new();
    for number in 0..MAX_PORTS {
        let vid = if number == 0 || number == MAX_PORTS - 1 { 1 } else { 2 };
        let id = lab.switch.add_port(&format!("p{number}"), access(vid), device);
        ids.push(id.expect("a free number"));
        lab.engine.add(ids[number], Box::new(NullPort));
        if number % 64 == 0 {
            lab.cross();
        }
    }
    lab.cross();
    assert!(lab.switch.add_port("one more", PortRules::default(), DEVICE).is_err());
    assert!(ids.iter().enumerate().all(|(n, id)| id.index() == n && id.generation == 0));

    for (from, others) in [(MAX_PORTS - 1, 1), (1000, MAX_PORTS - 3)] {
        let (port, host_end) = cable(4, Takes::NOTHING);
        lab.engine.add(ids[from], Box::new(port));
        host_end.send(&plain(host(1), Mac::BROADCAST).sent().bytes[..]).unwrap();
        let before: u64 = lab.switch.stats().ports.iter().map(|port| port.1.tx_frames).sum();
        lab.run();
        let stats = lab.switch.stats();
        let after: u64 = stats.ports.iter().map(|port| port.1.tx_frames).sum();
        assert_eq!(after - before, others as u64);
        assert!(stats.ports.iter().all(|port| port.1.tx_frames <= 1));
        lab.check_conservation();
    }

    lab.switch.remove_port(ids[77]);
    assert!(lab.switch.add_port("too early", PortRules::default(), DEVICE).is_err());
    lab.cross();
    let again = lab.switch.add_port("later", PortRules::default(), DEVICE).unwrap();
    assert_eq!((again.number, again.generation), (77, 1));
}

#[test]
fn one_flood_to_more_ports_than_a_queue_or_a_burst_holds() {
    let mut lab = Lab::new(BridgeRules::default(), 64);
    let everything = DeviceState { takes: Takes::EVERYTHING, ..DEVICE };
    let sender = lab.add("sender", PortRules::default(), everything);
    let receivers: Vec<PortId> = (0..1500)
        .map(|n| {
            let device = if n % 2 == 0 { DEVICE } else { everything };
            let id = lab.switch.add_port(&format!("p{n}"), PortRules::default(), device).unwrap();
            lab.engine.add(id, Box::new(NullPort));
            lab.cross();
            id
        })
        .collect();
    let unfinished = Spec { body: Body::Unfinished, ..plain(host(1), Mac::BROADCAST) };
    let ten = Tag { tpid: 0x8100, vid: 10, pcp: 3, dei: false };
    for _ in 0..40 {
        lab.send(sender, unfinished.sent());
        lab.send(sender, Spec { tags: vec![ten], ..unfinished.clone() }.sent());
    }
    lab.run();
    for (id, totals) in &lab.switch.stats().ports[1..] {
        assert_eq!((totals.tx_frames, totals.all_drops()), (80, 0), "{id:?}");
    }
    assert_eq!(lab.switch.stats().flood_copies, 80 * (receivers.len() as u64 - 1));
    lab.check_conservation();
}

/// More copies than a worker has room for: none is written over before it is sent.
#[test]
fn a_full_burst_of_floods_in_every_form_keeps_each_frame() {
    let mut lab = Lab::new(BridgeRules::default(), 64);
    let everything = DeviceState { takes: Takes::EVERYTHING, ..DEVICE };
    let senders: Vec<PortId> =
        (0..4).map(|n| lab.add(&format!("s{n}"), PortRules::default(), everything)).collect();
    let ten = Vid::configured(10).expect("a VID");
    let s_trunk = VlanMode::Trunk { allowed: Allowed::All, native: None, tpid: Tpid::Service };
    let rules = |vlan: &VlanMode| PortRules { vlan: vlan.clone(), ..PortRules::default() };
    let modes = [VlanMode::Transparent, VlanMode::Access(ten), s_trunk];
    let mut receivers = Vec::new();
    for (n, mode) in modes.iter().enumerate() {
        for device in [DEVICE, everything] {
            receivers.push((
                mode,
                device,
                lab.add(&format!("r{n}{}", device == DEVICE), rules(mode), device),
            ));
        }
    }
    let tag = |tpid| Tag { tpid, vid: 10, pcp: 3, dei: true };
    let spec = |sender: usize, length: usize| Spec {
        tags: vec![tag(0x8100)],
        body: Body::Unfinished,
        len: Some(100 + 20 * length + sender),
        ..plain(host(sender), Mac::BROADCAST)
    };
    for length in 0..16 {
        for (n, &sender) in senders.iter().enumerate() {
            lab.send(sender, spec(n, length).sent());
        }
    }
    lab.run();
    for (mode, device, id) in receivers {
        let got = lab.received(id);
        assert_eq!(got.len(), 64);
        let tags = match mode {
            VlanMode::Transparent => vec![tag(0x8100)],
            VlanMode::Access(_) => Vec::new(),
            _ => vec![tag(0x88a8)],
        };
        for sender in 0..4 {
            let its = got.iter().filter(|wire| wire.bytes[11] == sender as u8);
            for (length, wire) in its.enumerate() {
                let expected = match device.takes {
                    Takes::NOTHING => Wire::from(&spec(sender, length).finished(&tags)[..]),
                    _ => spec(sender, length).with_tags(&tags),
                };
                assert_eq!(*wire, expected, "{mode:?}");
            }
        }
    }
    lab.check_conservation();
}

/// Numbers are used again, but not by who had them: neither what the old port
/// taught, nor what it sent last, nor what was meant for it reaches the new one.
#[test]
fn nothing_of_a_removed_port_reaches_its_successor() {
    let mut lab = Lab::new(BridgeRules::default(), 64);
    let old = lab.add("old", PortRules::default(), DEVICE);
    let other = lab.add("other", PortRules::default(), DEVICE);
    lab.send(old, plain(host(1), host(9)).sent());
    lab.run();
    lab.received(other);
    lab.switch.add_static(host(3), Vid::UNTAGGED, old).unwrap();

    lab.remove(old);
    let new = lab.add("new", PortRules::default(), DEVICE);
    assert_eq!((new.number, new.generation), (old.number, old.generation + 1));
    assert!(lab.entries().is_empty());

    // An engine that still holds frames of the old port, and one for it.
    let mut late = Late { from: old, sent: Vec::new() };
    lab.worker.turn(&mut late, lab.now);
    assert!(late.sent.is_empty(), "its last frame goes nowhere");
    assert!(lab.entries().is_empty(), "and teaches nothing");
    let mut queue = [Tx::new(old, 0, 60)];
    lab.engine.transmit(&mut [Frame::from_bytes(&[0; 60])], &mut queue);
    assert_eq!(queue[0].result, Err(TxError::Down));
    assert!(lab.received(new).is_empty());
    assert_eq!(lab.switch.stats().ports[0].1.rx_frames, 0);
    lab.check_conservation();
}

/// A worker that has not seen a port's removal yet.
#[test]
fn between_removal_and_settling_nothing_is_lost_from_the_books() {
    let mut lab = Lab::new(BridgeRules::default(), 64);
    let old = lab.add("old", PortRules::default(), DEVICE);
    let other = lab.add("other", PortRules::default(), DEVICE);
    lab.send(old, plain(host(1), host(9)).sent());
    lab.send(other, plain(host(2), host(1)).sent());
    lab.run();
    lab.switch.remove_port(old);
    lab.check_conservation();
    let removed = lab.switch.stats().removed;
    assert_eq!((removed.rx_frames, removed.tx_frames), (1, 1));
    assert!(!lab.switch.crossed(), "the worker has not crossed");
    let next = lab.switch.add_port("next", PortRules::default(), DEVICE).unwrap();
    assert_ne!(next.number, old.number, "its number is not free yet");
    lab.cross();
    assert_eq!(lab.switch.stats().removed, removed);
    lab.check_conservation();
}

#[test]
fn a_generation_wraps_without_harm() {
    let mut lab = Lab::new(BridgeRules::default(), 64);
    let other = lab.add("other", PortRules::default(), DEVICE);
    for round in 0..70_000u32 {
        let id = lab.switch.add_port("again", PortRules::default(), DEVICE).unwrap();
        assert_eq!((id.number, id.generation), (1, round as u16));
        if round % 10_000 == 0 {
            lab.switch.add_static(host(5), Vid::UNTAGGED, id).unwrap();
        }
        lab.switch.remove_port(id);
        lab.cross();
        assert_eq!(lab.switch.fdb().stats().entries, 0);
    }
    assert_eq!(lab.port(other).id, other);
}

/// An engine that hands over one frame of one port, then none.
struct Late {
    from: PortId,
    sent: Vec<PortId>,
}

impl Engine for Late {
    fn receive(&mut self, burst: &mut Burst) {
        burst.room()[0].set(&plain(host(1), Mac::BROADCAST).sent().bytes);
        burst.filled(self.from, 1);
    }

    fn transmit(&mut self, _frames: &mut [Frame], queue: &mut [Tx]) {
        self.sent.extend(queue.iter().map(|tx| tx.port));
    }
}
