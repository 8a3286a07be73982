//! The same frames through Netloom and through switches that others wrote: the
//! kernel bridge and Open vSwitch. The same frames come out of both, byte for
//! byte, except where Netloom chooses otherwise; then a table names the rule.
//!
//! How it works. A lab holds both switches with a netdev for each port. One
//! frame at a time goes into the same port of both, followed by sentinels: frames
//! of its VLAN, from the same port, that reach every port the frame could. Order
//! is kept, so once the sentinels are out, so is everything the frame became.

mod compare;
mod differences;
mod kernel;
mod layout;
mod ovs;
mod sequences;
mod wire;

use compare::Comparison;
use layout::{Layout, Mode};
use sequences::Random;
use tests::lab::Lab;

const TRANSPARENT: Layout = &[Mode::Transparent; 4];

const VLANS: Layout = &[
    Mode::Access(10),
    Mode::Access(10),
    Mode::Access(20),
    Mode::Trunk { vids: &[10, 20, 30], native: None },
    Mode::Trunk { vids: &[20, 30], native: Some(10) },
    Mode::Trunk { vids: &[30], native: Some(20) },
];

const MIXED: Layout = &[
    Mode::Transparent,
    Mode::Transparent,
    Mode::Access(10),
    Mode::Trunk { vids: &[10, 20], native: None },
    Mode::Trunk { vids: &[20], native: Some(10) },
];

const TUNNELS: Layout = &[
    Mode::Tunnel(100),
    Mode::Tunnel(100),
    Mode::Tunnel(200),
    Mode::Trunk { vids: &[100, 200], native: None },
    Mode::Trunk { vids: &[200], native: Some(100) },
    Mode::Access(100),
];

/// Random frames a layout is tried with.
const RANDOM_FRAMES: usize = 500;

#[test]
fn kernel_bridge() {
    let lab = Lab::new();
    let netloom = layout::netloom(&lab, TRANSPARENT, "");
    let bridge = kernel::bridge(&lab, TRANSPARENT.len());
    let mut comparison = Comparison::new(TRANSPARENT, netloom, bridge, differences::KERNEL);
    comparison.all(sequences::untagged());
    comparison.all(sequences::reserved());
    comparison.all(sequences::odd(TRANSPARENT));
    comparison.all(sequences::vlans_apart());
    // The bridge has one FDB for all VLANs, so each address stays in one.
    comparison.all(Random::new(TRANSPARENT).one_vlan_an_address().take(RANDOM_FRAMES));
    comparison.end();
}

#[test]
fn kernel_bridge_and_the_standards_reserved_addresses() {
    let lab = Lab::new();
    let netloom = layout::netloom(&lab, TRANSPARENT, "l2cp = \"standard\"");
    let bridge = kernel::bridge(&lab, TRANSPARENT.len());
    kernel::relay_no_reserved_address(&lab);
    let mut comparison = Comparison::new(TRANSPARENT, netloom, bridge, differences::KERNEL_L2CP);
    comparison.all(sequences::reserved());
    comparison.end();
}

#[test]
fn open_vswitch_without_vlans() {
    against_ovs(TRANSPARENT, differences::OVS_TRANSPARENT);
}

#[test]
fn open_vswitch_access_and_trunk() {
    against_ovs(VLANS, differences::OVS_VLANS);
}

#[test]
fn open_vswitch_transparent_beside_others() {
    against_ovs(MIXED, differences::OVS_MIXED);
}

#[test]
fn open_vswitch_tunnels() {
    against_ovs(TUNNELS, differences::OVS_TUNNELS);
}

#[test]
fn open_vswitch_and_the_standards_reserved_addresses() {
    let lab = Lab::new();
    let netloom = layout::netloom(&lab, TRANSPARENT, "l2cp = \"standard\"");
    let ovs = ovs::Ovs::start(&lab, TRANSPARENT, false);
    let mut comparison = Comparison::new(TRANSPARENT, netloom, ovs.rig(), &[]);
    comparison.all(sequences::reserved());
    comparison.end();
}

fn against_ovs(layout: Layout, differences: &'static [differences::Difference]) {
    let lab = Lab::new();
    let netloom = layout::netloom(&lab, layout, "");
    let ovs = ovs::Ovs::start(&lab, layout, true);
    let mut comparison = Comparison::new(layout, netloom, ovs.rig(), differences);
    if layout == TRANSPARENT {
        comparison.all(sequences::untagged());
        comparison.all(sequences::reserved());
        comparison.all(sequences::vlans_apart());
    }
    comparison.all(sequences::odd(layout));
    comparison.all(Random::new(layout).take(RANDOM_FRAMES));
    comparison.end();
}
