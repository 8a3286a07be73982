//! The pipeline in memory: a million frames of every kind through ports of
//! every kind, while the table fills, entries age and rules change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use io_backends::testing::allocations::Count;
use switch_core::config::{BridgeRules, L2cp, PortRules};
use switch_core::fdb::Seed;
use switch_core::frame::{Frame, GsoKind, Takes};
use switch_core::port::DeviceState;
use switch_core::port::{Port, PortFault, TxError};
use switch_core::ports::memory::Wire;
use switch_core::ports::round_robin::RoundRobin;
use switch_core::switch::SwitchStats;
use switch_core::vlan::Allowed;
use switch_core::{Drop, Mac, Switch, Tpid, Vid, VlanMode, Worker};
use tests::frames;

const FRAMES: u64 = 1_000_000;
const WARM_UP: u64 = 50_000;
/// Entries in the table: fewer than the addresses that come in one [`SEASON`].
const CAPACITY: u32 = 4096;
/// Ageing time in seconds.
const AGEING: u32 = 10;
/// What the clock moves on at each turn, of up to 64 frames.
const TURN: Duration = Duration::from_millis(10);
/// Frames of a port with new addresses among them, then as many without: 30 seconds each.
const SEASON: u64 = 32_768;
/// The MTU of each port.
const MTU: u32 = 1500;
/// Addresses that bridges keep to themselves (IEEE 802.1Q, table 8-1).
const PAUSE: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 1];
const LLDP: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 0xe];
/// The number of a host that is not there.
const NOBODY: u8 = 0xee;

/// A device that always has frames: the templates one after the other, from ever other addresses.
struct Source {
    number: u8,
    templates: Arc<[Wire]>,
    takes: Takes,
    received: u64,
    sent: Arc<AtomicU64>,
}

impl Source {
    fn address(&self, frame: &mut Frame) {
        let Some(bytes) = frame.bytes_mut().get_mut(..12) else { return };
        let (count, number) = (self.received, self.number);
        let new = (count / SEASON).is_multiple_of(2) && count.is_multiple_of(3);
        let source = match count % 8 {
            // From a group, and from nobody.
            5 if count.is_multiple_of(7) => [0xff; 6],
            5 if count.is_multiple_of(11) => [0; 6],
            // One that is everywhere: a host that moves.
            6 => [2, 0, 0, 1, 0, 0],
            _ if new => {
                let [.., a, b, c] = count.to_be_bytes();
                [2, number, 1, a, b, c]
            }
            host => [2, number, 0, 0, 0, host as u8],
        };
        bytes[6..].copy_from_slice(&source);
        // To a host of any port, or nobody, where the template does not say otherwise.
        if bytes[0] & 1 == 0 {
            let to = count % 6;
            let host = if count.is_multiple_of(13) { NOBODY } else { (count / 8 % 5) as u8 };
            bytes[..6].copy_from_slice(&[2, to as u8, 0, 0, 0, host]);
        }
    }
}

impl Port for Source {
    fn receive(&mut self, into: &mut [Frame]) -> Result<usize, PortFault> {
        for frame in &mut *into {
            let wire = &self.templates[self.received as usize % self.templates.len()];
            frame.set(&wire.bytes);
            frame.offload = wire.offload;
            self.address(frame);
            self.received += 1;
        }
        Ok(into.len())
    }

    fn transmit(&mut self, _: &mut Frame) -> Result<(), TxError> {
        match self.sent.fetch_add(1, Ordering::Relaxed) % 1000 {
            0 => Err(TxError::Full),
            1 => Err(TxError::Refused),
            2 => Err(TxError::Down),
            _ => Ok(()),
        }
    }

    fn takes(&self) -> Takes {
        self.takes
    }
}

/// Frames of every kind; the addresses are put in when they are received.
fn templates() -> Arc<[Wire]> {
    let to = frames::ELSEWHERE;
    let tagged = |vid: u16, wire: Wire| {
        let mut frame = Frame::from_bytes(&wire.bytes);
        frame.offload = wire.offload;
        frame.push_tag(0x8100, vid);
        Wire { bytes: frame.bytes().to_vec(), offload: frame.offload }
    };
    let mut all = vec![
        frames::plain([0xff; 6], 60, 1),
        tagged(10, frames::plain([0xff; 6], 60, 2)),
        tagged(0xe000, frames::plain(to, 200, 3)),
        tagged(20, frames::plain(to, 900, 4)),
        tagged(30, frames::plain(to, 60, 5)),
        tagged(4095, frames::plain(to, 60, 6)),
        frames::plain(to, 3000, 7),
        frames::plain(PAUSE, 60, 8),
        frames::plain(LLDP, 60, 9),
        Wire::from(&[2; 13][..]),
    ];
    let mut cut_short = frames::plain(to, 15, 10);
    cut_short.bytes[12..14].copy_from_slice(&[0x81, 0]);
    let mut beyond_its_end = frames::unfinished(to, GsoKind::TcpV4, 100, None);
    beyond_its_end.bytes.truncate(40);
    let mut not_what_it_says = frames::unfinished(to, GsoKind::TcpV4, 1200, Some(400));
    not_what_it_says.bytes[12..14].copy_from_slice(&frames::EXPERIMENTAL);
    let too_fine = frames::unfinished(to, GsoKind::TcpV4, 400, Some(20));
    all.extend([cut_short, beyond_its_end, not_what_it_says, too_fine]);
    for kind in [GsoKind::TcpV4, GsoKind::TcpV6, GsoKind::UdpL4] {
        all.push(frames::unfinished(to, kind, 700, None));
        all.push(frames::unfinished(to, kind, 5000, Some(1000)));
        all.push(tagged(10, frames::unfinished(to, kind, 4000, Some(1400))));
    }
    // Most frames are plain ones; a number without a divisor in common with the others here.
    let plain = (all.len()..53).map(|seed| match seed % 4 {
        0 => tagged(10, frames::plain(to, 64, seed)),
        _ => frames::plain(to, 60 + seed, seed),
    });
    all.extend(plain.collect::<Vec<_>>());
    all.into()
}

fn vid(number: u16) -> Vid {
    Vid::configured(number).expect("a VID")
}

fn modes() -> [(VlanMode, Takes); 6] {
    let allowed = Allowed::Only("10+20".parse().expect("VIDs"));
    let trunk = |native, tpid| VlanMode::Trunk { allowed: allowed.clone(), native, tpid };
    [
        (VlanMode::Access(vid(10)), Takes::EVERYTHING),
        (VlanMode::Access(vid(10)), Takes::NOTHING),
        (trunk(None, Tpid::Customer), Takes::NOTHING),
        (trunk(Some(vid(10)), Tpid::Service), Takes::EVERYTHING),
        (VlanMode::Tunnel(vid(20)), Takes::NOTHING),
        (VlanMode::Transparent, Takes { checksum: true, ..Takes::NOTHING }),
    ]
}

/// A switch with all its ports at work.
struct Rig {
    switch: Switch,
    worker: Worker,
    engine: RoundRobin,
    now: Duration,
}

impl Rig {
    fn new() -> Rig {
        let rules = BridgeRules { ageing: AGEING, l2cp: L2cp::Standard };
        let (mut switch, mut workers) = Switch::new(rules, CAPACITY, 1, Seed([1, 2, 3, 4]));
        let mut engine = RoundRobin::new();
        let templates = templates();
        for (number, (vlan, takes)) in (0..).zip(modes()) {
            let rules = PortRules { vlan, ..PortRules::default() };
            let device = DeviceState { up: true, mtu: MTU, takes };
            let id = switch.add_port(&format!("p{number}"), rules, device).expect("a number");
            let (templates, sent) = (Arc::clone(&templates), Arc::default());
            let source = Source { number, templates, takes, received: 0, sent };
            engine.add(id, Box::new(source));
        }
        // Of the port that is no member of that VLAN.
        let nobody = Mac::new([2, 4, 0, 0, 0, NOBODY]);
        let tunnel = switch.port_named("p4").expect("the port").id;
        switch.add_static(nobody, vid(10), tunnel).expect("room");
        Rig { switch, worker: workers.remove(0), engine, now: Duration::ZERO }
    }

    /// Forwards so many frames; returns how often the worker's turns called the allocator.
    fn forward(&mut self, frames: u64, count: Count) -> u64 {
        let (mut received, mut calls) = (0_u64, 0);
        let mut changes = 0;
        while received < frames {
            let before = count.calls();
            received += self.worker.turn(&mut self.engine, self.now) as u64;
            calls += count.calls() - before;
            self.now += TURN;
            // The control side may allocate, but leaves nothing to the worker to free.
            if received / 10_000 > changes {
                changes += 1;
                self.change(changes.is_multiple_of(2));
            }
        }
        calls
    }

    fn change(&mut self, isolated: bool) {
        for name in ["p0", "p1"] {
            let port = self.switch.port_named(name).expect("the port");
            let (id, rules) = (port.id, PortRules { isolated, ..port.rules.clone() });
            self.switch.set_rules(id, rules);
        }
        while !self.switch.crossed() {
            self.worker.cross();
        }
    }
}

#[test]
fn a_million_frames_through_the_pipeline_allocate_nothing() {
    let count = Count::of_this_thread();
    let mut rig = Rig::new();
    rig.forward(WARM_UP, count);
    let before = rig.switch.stats();
    assert_eq!(rig.forward(FRAMES, count), 0, "calls of the allocator");
    all_of_it_happened(&before, &rig.switch.stats());
}

/// Checks that nothing was spared that could have needed memory.
fn all_of_it_happened(before: &SwitchStats, after: &SwitchStats) {
    assert_eq!(after.imbalance(), 0);
    for (name, more) in [
        ("flood copies", after.flood_copies - before.flood_copies),
        ("segments", after.made_frames - before.made_frames),
        ("addresses learned", after.fdb.learned - before.fdb.learned),
        ("moves", after.fdb.moved - before.fdb.moved),
        ("entries aged", after.fdb.aged - before.fdb.aged),
        ("entries evicted", after.fdb.evicted - before.fdb.evicted),
    ] {
        assert!(more > 1000, "{name}: {more}: {after:?}");
    }
    for ((id, before), (_, after)) in before.ports.iter().zip(&after.ports) {
        assert!(after.rx_frames - before.rx_frames > FRAMES / 10, "from {id:?}");
        assert!(after.tx_frames - before.tx_frames > 1000, "to {id:?}");
    }
    let dropped = |stats: &SwitchStats, reason: Drop| -> u64 {
        stats.ports.iter().map(|(_, totals)| totals.dropped(reason)).sum()
    };
    for reason in Drop::ALL {
        assert!(dropped(after, *reason) > dropped(before, *reason), "none is {}", reason.name());
    }
}
