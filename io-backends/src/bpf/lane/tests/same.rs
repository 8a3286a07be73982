//! The same answer: the program held against `switch_core::forward`, with configurations, tables
//! and frames drawn by lot.

use switch_core::config::{BridgeRules, PortRules};
use switch_core::fdb::{Key, Learned};
use switch_core::forward::{self, Exit, Now, Target};
use switch_core::frame::{Checksum, Gso, GsoKind, Offload, Takes};
use switch_core::port::DeviceState;
use switch_core::tables::{PortTable, Tables};
use switch_core::vlan::TagEdit;
use switch_core::{Frame, Mac, Tpid};

use super::*;

const FRAMES: usize = 40;
const VIDS: [u16; 5] = [1, 2, 3, 64, 4094];
const AGEING: u32 = 10;

fn vid(number: u16) -> Vid {
    Vid::new(number).expect("a VID")
}

fn mac(number: u64) -> Mac {
    Mac::from_u64(0x0200_0000_0000 + number)
}

fn random_mode(dice: &mut Dice) -> VlanMode {
    let some = |dice: &mut Dice| vid(dice.one_of(&[1, 1, 1, 1, 4094, 4094, 2, 64]));
    match dice.below(20) {
        0..6 => VlanMode::Transparent,
        6..12 => VlanMode::Access(some(dice)),
        12..19 => VlanMode::Trunk {
            allowed: if dice.in_hundred(40) {
                Allowed::All
            } else {
                Allowed::Only(
                    VIDS.iter().filter(|_| dice.in_hundred(75)).map(|v| vid(*v)).collect(),
                )
            },
            native: dice.in_hundred(50).then(|| some(dice)),
            tpid: if dice.in_hundred(95) { Tpid::Customer } else { Tpid::Service },
        },
        _ => VlanMode::Tunnel(some(dice)),
    }
}

/// One configuration, told to the lane too.
struct Setup {
    tables: Tables,
    now: u32,
}

/// The address behind a port that takes frames past the veth.
fn far_address(port: u16) -> Option<Mac> {
    port.is_multiple_of(2).then(|| mac(port.into()))
}

fn configure(rig: &Rig, dice: &mut Dice, lie: Option<Lie>) -> Setup {
    rig.lane.close().expect("membarrier");
    let bridge =
        BridgeRules { ageing: AGEING * u32::from(dice.in_hundred(80)), ..BridgeRules::default() };
    let mut ports = Vec::new();
    for &id in &rig.ids {
        let rules = PortRules {
            vlan: random_mode(dice),
            learning: dice.in_hundred(80),
            isolated: dice.in_hundred(30),
            mac_limit: dice.one_of(&[0, 0, 1]),
            ..PortRules::default()
        };
        let up = dice.in_hundred(95);
        let mtu = dice.one_of(&[60, 100, 300, 1500]);
        rig.lane.set_port(&LanePort {
            id,
            rules: &rules,
            is_open: up,
            mtu,
            netdev: netdev(id.number),
            far_address: far_address(id.number),
        });
        let device = DeviceState { up, mtu, takes: Takes::EVERYTHING };
        ports.push(Some(PortTable::new(id, "port", rules, device)));
    }
    if dice.in_hundred(10) {
        let gone = dice.below(u64::from(PORTS)) as usize;
        rig.lane.remove_port(rig.ids[gone]);
        ports[gone] = None;
    }
    rig.lane.set_ageing(bridge.ageing);
    rig.fdb.set_ageing(bridge.ageing);
    if let Some(lie) = lie {
        rig.ids.iter().for_each(|id| lie.tell(&rig.lane, *id));
    }
    fill(rig, dice);
    if dice.in_hundred(97) {
        rig.lane.open();
    }
    Setup { tables: Tables::new(1, bridge, ports), now: rig.now() }
}

/// Entries of all kinds, and others so that many lie in their second bucket.
fn fill(rig: &Rig, dice: &mut Dice) {
    rig.fdb.flush(0, |_| true);
    let now = rig.now();
    let learn = |key: Key, port: PortId, stamp: u32| {
        rig.fdb.learn(&rig.fdb.seek(key), port, 0, stamp);
    };
    for n in 0..30 + dice.below(34) {
        learn(Key::new(mac(1000 + n), vid(1)), rig.ids[0], now);
    }
    for number in 0..6 {
        for vlan in [0].iter().chain(&VIDS) {
            let key = Key::new(mac(number), vid(*vlan));
            // Mostly where the address' number says, so that many frames are known unicast.
            let home = if dice.in_hundred(88) { number } else { dice.below(PORTS.into()) };
            let port = rig.ids[home as usize % usize::from(PORTS)];
            match dice.below(100) {
                0..5 => {}
                5..18 => rig.fdb.add_static(key, port).expect("room"),
                18..21 => {
                    let generation = port.generation.wrapping_add(1);
                    learn(key, PortId { generation, ..port }, now);
                }
                // The second may change while frames are decided: nobody stands at the threshold.
                21..26 => learn(key, port, now - AGEING - 3),
                26..35 => learn(key, port, now + 1),
                _ => learn(key, port, now - dice.below(u64::from(AGEING) - 3) as u32),
            }
        }
    }
}

fn random_frame(setup: &Setup, dice: &mut Dice) -> (u16, Skb) {
    let ingress = dice.below(PORTS.into()) as u16;
    let station = |dice: &mut Dice, own: u64| match dice.below(100) {
        0..80 => mac(own),
        80..93 => mac(dice.below(7)),
        93 => Mac::BROADCAST,
        94 => Mac::from_u64(0x0180_c200_000e),
        95..97 => Mac::from_u64(0x0100_5e00_0001),
        _ => Mac::from_u64(0),
    };
    let src = station(dice, ingress.into());
    let other = dice.below(PORTS.into());
    let dst = station(dice, other);
    let tci = |dice: &mut Dice| {
        let vid = dice.one_of(&[1, 1, 1, 1, 1, 1, 4094, 4094, 4094, 0, 0, 2, 3, 64, 5, 4095]);
        let priority = if dice.in_hundred(50) { dice.next() as u16 & 0xf000 } else { 0 };
        priority | vid
    };
    // Mostly as the port wants it.
    let mode =
        setup.tables.ports().find(|port| port.id.number == ingress).map(|port| &port.rules.vlan);
    let tagged = match mode {
        Some(VlanMode::Access(_)) => 15,
        Some(VlanMode::Trunk { native: None, .. }) => 90,
        _ => 60,
    };
    let tag = dice.in_hundred(tagged).then(|| Beside {
        tpid: if dice.in_hundred(97) { 0x8100 } else { 0x88a8 },
        tci: tci(dice),
    });
    let mut bytes = [dst.octets(), src.octets()].concat();
    if dice.in_hundred(if tag.is_some() { 20 } else { 5 }) {
        // A tag inside another; without one beside, what should not be.
        let inside = if dice.in_hundred(80) { 0x8100_u16 } else { 0x88a8 };
        bytes.extend(inside.to_be_bytes());
        bytes.extend(tci(dice).to_be_bytes());
    }
    let mtus: Vec<u32> = setup.tables.ports().map(|port| port.device.mtu).collect();
    let len = if dice.in_hundred(70) || mtus.is_empty() {
        20 + dice.below(56) as usize
    } else {
        dice.one_of(&mtus) as usize + dice.one_of(&[0, 13, 14, 15, 18, 19, 22, 23])
    };
    // A test run takes no IP packet without a whole header.
    let ethertypes: &[u16] = if len < 70 { &[0x88b5] } else { &[0x88b5, 0x0800, 0x86dd] };
    bytes.extend(dice.one_of(ethertypes).to_be_bytes());
    bytes.resize_with(len, || dice.next() as u8);
    let gso_size = if len >= 80 && dice.in_hundred(10) { dice.one_of(&[1, 40, 1000]) } else { 0 };
    (ingress, Skb { bytes, tag, gso_size })
}

/// The frame as the pipeline reads it from the handle.
fn received(skb: &Skb) -> Frame {
    let mut frame = Frame::from_bytes(&skb.wire());
    if skb.gso_size != 0 {
        let start = 34 + 4 * u16::from(skb.tag.is_some());
        frame.offload = Offload {
            checksum: Checksum::Partial { start, offset: 16 },
            gso: Some(Gso {
                kind: GsoKind::TcpV4,
                ecn: false,
                size: skb.gso_size,
                hdr_len: start + 20,
            }),
        };
    }
    frame
}

/// What the pipeline does with a frame that it forwards to one port.
struct Answer {
    port: PortId,
    bytes: Vec<u8>,
    /// The lane has no reason to leave it to the pipeline.
    is_plain: bool,
}

/// `None` where the pipeline does anything else than forward it to one port, or learns news.
fn pipeline(rig: &Rig, setup: &Setup, port: u16, skb: &Skb) -> Option<Answer> {
    let Setup { tables, now } = setup;
    let ingress = tables.port(rig.ids[usize::from(port)])?;
    let mut frame = received(skb);
    let (admitted, [src, dst]) = forward::admit(tables, ingress, &frame).ok()?;
    let is_fresh = rig.fdb.entry(src, *now).is_some();
    if ingress.learns() {
        let limit = ingress.rules.mac_limit;
        let known = rig.fdb.would_learn(src, ingress.id, limit) == Learned::Known;
        known.then_some(())?;
    }
    let mut stations = Now { fdb: &rig.fdb, seen: *now, expiry: *now };
    let sought = [src, dst].map(|key| rig.fdb.seek(key));
    let decided = forward::decide(tables, &mut stations, ingress, admitted.vid, &sought);
    let Ok(Target::One(egress)) = decided else { return None };
    match egress.edit(admitted.vid, admitted.tag) {
        TagEdit::Keep => {}
        TagEdit::Pop => frame.pop_tag(),
        TagEdit::Push(tag) => frame.push_tag(tag.tpid.get(), tag.tci.0),
        TagEdit::Rewrite(tag) => frame.write_tag(tag.tpid.get(), tag.tci.0),
    }
    matches!(forward::leave(egress, &frame), Ok(Exit::AsItIs)).then_some(())?;
    let tag_is_beside = match skb.tag {
        None => skb.bytes[12..14] != [0x81, 0],
        Some(tag) => tag.tpid == 0x8100,
    };
    let is_plain = tag_is_beside
        && Lane::takes(&ingress.rules).is_ok()
        && Lane::takes(&egress.rules).is_ok()
        && ingress.device.up
        && (!ingress.learns() || is_fresh)
        && skb.bytes.len() <= egress.device.mtu as usize + 14
        && rig.lane.control[0].open.load(Ordering::Relaxed) == 1;
    Some(Answer { port: egress.id, bytes: frame.bytes().to_vec(), is_plain })
}

/// What came of so many cases.
#[derive(Default, Debug)]
struct Tally {
    by_lane: u64,
    up_known: u64,
    up: u64,
}

/// Decides one frame both ways.
fn one_case(rig: &Rig, setup: &Setup, dice: &mut Dice, tally: &mut Tally) -> Result<(), String> {
    let (port, skb) = random_frame(setup, dice);
    let before = rig.ids.iter().map(|id| rig.lane.counts(*id)).collect::<Vec<_>>();
    let mut left = skb.clone();
    let verdict = rig.run_on(port, &mut left);
    let answer = pipeline(rig, setup, port, &skb);
    let wrong = |what: &str| {
        let lines: Vec<String> = setup
            .tables
            .ports()
            .map(|port| format!("{} {:?} {:?}", port.id.number, port.rules, port.device))
            .collect();
        Err(format!(
            "{what}: port {port}, {skb:02x?}\n{verdict:?}, {left:02x?}\npipeline: {:?}\n{}",
            answer.as_ref().map(|answer| (answer.port, answer.is_plain)),
            lines.join("\n")
        ))
    };
    if verdict.end == End::Up {
        tally.up += 1;
        let answer = answer.as_ref();
        tally.up_known += u64::from(answer.is_some());
        if verdict.netdev != handle(port) {
            return wrong("up by another's handle");
        }
        if left != (Skb { gso_size: left.gso_size, ..skb.clone() }) {
            return wrong("changed on its way up");
        }
        if answer.is_some_and(|answer| answer.is_plain) {
            return wrong("left to the pipeline for no reason");
        }
        let passed =
            rig.doors[usize::from(port)].doorstep.0[0].passed.frames.load(Ordering::Relaxed);
        let done = rig.doors[usize::from(port)].doorstep.0[0].read.done.load(Ordering::Relaxed);
        if passed != done + 1 {
            return wrong("not counted as passed up");
        }
        rig.settle(port);
        let after = rig.ids.iter().map(|id| rig.lane.counts(*id)).collect::<Vec<_>>();
        return if before == after { Ok(()) } else { wrong("counted as sent, but passed up") };
    }
    tally.by_lane += 1;
    let Some(answer) = answer.as_ref() else { return wrong("not the pipeline's answer") };
    let to = Mac::new(std::array::from_fn(|n| skb.bytes[n]));
    let past = far_address(answer.port.number) == Some(to);
    let end = if past { End::Peer } else { End::Out };
    if verdict != (Verdict { end, netdev: netdev(answer.port.number) }) {
        return wrong("another way out");
    }
    if left.wire() != answer.bytes {
        return wrong("other bytes");
    }
    let mut expected = before;
    expected[usize::from(port)].rx_frames += 1;
    expected[usize::from(port)].rx_bytes += skb.wire().len() as u64;
    expected[answer.port.index()].tx_frames += 1;
    expected[answer.port.index()].tx_bytes += answer.bytes.len() as u64;
    let after = rig.ids.iter().map(|id| rig.lane.counts(*id)).collect::<Vec<_>>();
    if after != expected { wrong("counted wrongly") } else { Ok(()) }
}

fn cases(rig: &Rig, seed: u64, count: usize, lie: Option<Lie>) -> Result<Tally, String> {
    let mut dice = Dice(seed);
    let mut tally = Tally::default();
    for _ in 0..count / FRAMES {
        let setup = configure(rig, &mut dice, lie);
        for _ in 0..FRAMES {
            one_case(rig, &setup, &mut dice, &mut tally)?;
        }
    }
    Ok(tally)
}

/// `NETLOOM_LANE_CASES` asks for more than ten thousand, `NETLOOM_LANE_SEED` for others.
#[test]
fn the_lane_does_what_the_pipeline_does_or_leaves_the_frame_to_it() {
    let number = |name: &str, usual: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let rig = Rig::new(100, number("NETLOOM_LANE_SEED", 1));
    let count = number("NETLOOM_LANE_CASES", 10_000);
    let tally = cases(&rig, number("NETLOOM_LANE_SEED", 1), count as usize, None)
        .unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{tally:?}");
    assert!(tally.by_lane > count / 8, "{tally:?}: the test must see the lane at work");
}

/// What the lane may be told wrongly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lie {
    NotIsolated,
    LargerMtu,
    MemberOfAll,
    TakesTags,
    NeverAges,
    Up,
    NoPvid,
    OtherPvid,
    OtherGeneration,
    LearnsNothing,
    NoStation,
}

impl Lie {
    const ALL: [Lie; 11] = [
        Lie::NotIsolated,
        Lie::LargerMtu,
        Lie::MemberOfAll,
        Lie::TakesTags,
        Lie::NeverAges,
        Lie::Up,
        Lie::NoPvid,
        Lie::OtherPvid,
        Lie::OtherGeneration,
        Lie::LearnsNothing,
        Lie::NoStation,
    ];

    fn tell(self, lane: &Lane, id: PortId) {
        let record = &lane.records[id.index()];
        let set = |flag: u32| record.flags.fetch_or(flag, Ordering::Relaxed);
        let unset = |flag: u32| record.flags.fetch_and(!flag, Ordering::Relaxed);
        let order = Ordering::Relaxed;
        match self {
            Lie::NotIsolated => drop(unset(flag::ISOLATED)),
            Lie::LargerMtu => drop(record.mtu.fetch_add(1, order)),
            Lie::MemberOfAll => record.members.iter().for_each(|word| word.store(!0, order)),
            Lie::TakesTags => drop(set(flag::TAKES_TAGS)),
            Lie::NeverAges => lane.set_ageing(0),
            Lie::Up => drop(set(flag::USABLE)),
            Lie::NoPvid => record.pvid.store(NO_VLAN, order),
            Lie::OtherPvid => record.pvid.store(1, order),
            Lie::OtherGeneration => drop(record.id.fetch_add(1 << 16, order)),
            Lie::LearnsNothing => drop(unset(flag::LEARNS)),
            Lie::NoStation => record.station.store(NO_STATION, order),
        }
    }
}

/// The comparison finds a lane that is wrong.
#[test]
fn a_lane_that_was_told_wrongly_is_found_out() {
    let rig = Rig::new(100, 2);
    for lie in Lie::ALL {
        let found = cases(&rig, 2, 20_000, Some(lie));
        assert!(found.is_err(), "{lie:?} made no difference");
    }
}
