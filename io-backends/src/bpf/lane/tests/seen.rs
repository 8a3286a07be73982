//! What passing frames do to the FDB, and how the clock is read.

use switch_core::config::PortRules;
use switch_core::fdb::Key;
use switch_core::{Mac, Vid};

use super::*;

pub(super) fn key(number: u64) -> Key {
    Key::new(Mac::from_u64(0x0200_0000_0000 + number), Vid::UNTAGGED)
}

pub(super) fn frame(src: u64, dst: u64) -> Skb {
    let address = |number| Mac::from_u64(0x0200_0000_0000 + number).octets();
    let mut bytes = [address(dst), address(src)].concat();
    bytes.extend([0x88, 0xb5]);
    bytes.resize(60, 7);
    Skb { bytes, tag: None, gso_size: 0 }
}

/// All ports transparent, the address of each number behind it.
pub(super) fn simple(capacity: u32) -> Rig {
    let rig = Rig::new(capacity, 3);
    let rules = PortRules::default();
    for &id in &rig.ids {
        let netdev = netdev(id.number);
        rig.lane.set_port(&LanePort {
            id,
            rules: &rules,
            is_open: true,
            mtu: 1500,
            netdev,
            far_address: None,
        });
        let known = rig.fdb.seek(key(id.number.into()));
        rig.fdb.learn(&known, id, 0, 1);
    }
    rig.lane.set_ageing(0);
    rig.lane.open();
    rig
}

#[test]
fn a_frame_on_the_lane_refreshes_its_source_and_nothing_else() {
    let rig = simple(64);
    let before = rig.now();
    assert_eq!(rig.run_on(0, &mut frame(0, 1)).end, End::Out);
    let age = |number| rig.fdb.entry(key(number), before).unwrap().age;
    assert_eq!(age(0), 0);
    assert_eq!(age(1), before - 1, "of the destination nothing was seen");
}

#[test]
fn a_static_entry_is_no_place_for_a_stamp() {
    let rig = simple(64);
    rig.fdb.add_static(key(0), rig.ids[0]).unwrap();
    assert_eq!(rig.run_on(0, &mut frame(0, 1)).end, End::Out);
    let entry = rig.fdb.entry(key(0), 100).unwrap();
    assert!(entry.is_static && entry.port == rig.ids[0]);
}

#[test]
fn the_next_frame_sees_what_a_worker_changed() {
    let rig = simple(64);
    let to = |verdict: Verdict| verdict.netdev;
    assert_eq!(to(rig.run_on(0, &mut frame(0, 1))), netdev(1));
    rig.fdb.learn(&rig.fdb.seek(key(1)), rig.ids[2], 0, 1);
    assert_eq!(to(rig.run_on(0, &mut frame(0, 1))), netdev(2));
    rig.fdb.flush(0, |entry| entry.port == rig.ids[2]);
    assert_eq!(rig.run_on(0, &mut frame(0, 1)).end, End::Up);
}

#[test]
fn a_closed_lane_takes_nothing() {
    let rig = simple(64);
    rig.lane.close().unwrap();
    assert_eq!(rig.run_on(0, &mut frame(0, 1)).end, End::Up);
    rig.settle(0);
    rig.lane.open();
    assert_eq!(rig.run_on(0, &mut frame(0, 1)).end, End::Out);
}

#[test]
fn the_clock_is_the_switchs() {
    let rig = simple(64);
    let seconds: Vec<u32> = vec![rig.now()];
    rig.run_on(0, &mut frame(0, 1));
    let second = rig.lane.control[0].second.load(Ordering::Relaxed) as u32;
    assert!((seconds[0].saturating_sub(1)..=rig.now()).contains(&second), "{second}, {seconds:?}");
}
