//! Frame by frame: addresses nobody owns, groups, tags.

use tests::lab::{BROADCAST, Frame, Lab, mac};

use crate::{FAR, NEAR, cable, near};

/// A group nobody joins.
const GROUP: [u8; 6] = [0x01, 0x00, 0x5e, 0x01, 0x02, 0x03];
/// LLDP's, which bridges of the standard keep to themselves.
const LLDP: [u8; 6] = [0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e];

#[test]
fn passthru_carries_every_frame_both_ways() {
    let lab = Lab::new();
    cable(&lab, "low");
    lab.up("m", &[&near(""), "u=macvtap:low"]);
    let hosts = [(NEAR, "eth0"), (FAR, "far0")];
    for (from, to) in [(0, 1), (1, 0)] {
        let (nic, capture) =
            (lab.nic(hosts[from].0, hosts[from].1), lab.capture(hosts[to].0, hosts[to].1));
        let frame = |dst, text: &str| Frame::new(dst, mac(from as u16 + 1), text);
        let sent = [
            frame(mac(77), "a station nobody knows"),
            frame(BROADCAST, "everybody"),
            frame(GROUP, "a group"),
            frame(LLDP, "a control protocol"),
            frame(BROADCAST, "tagged").tag(0x8100, 0xe00a),
            frame(mac(78), "tagged").tag(0x8100, 4094),
            frame(BROADCAST, "a provider's tag").tag(0x88a8, 100),
            frame(mac(78), "twice").tag(0x8100, 7).tag(0x8100, 0x5009),
            frame(mac(78), "twice").tag(0x8100, 7).tag(0x88a8, 9),
            frame(BROADCAST, "as long as it gets").length(1514),
            frame(BROADCAST, "with its tag").tag(0x8100, 10).length(1518),
            frame(BROADCAST, "the last one"),
        ];
        for frame in &sent {
            nic.send(frame);
        }
        let mut seen = capture.until(&sent[sent.len() - 1]);
        // The kernel hands a macvtap its groups a little later than its unicast.
        let mut sent = sent.to_vec();
        sent.sort();
        seen.sort();
        assert!(seen == sent, "from {}: {seen:.60?}", hosts[from].0);
    }
}

#[test]
fn the_lower_netdev_carries_a_trunk() {
    let lab = Lab::new();
    cable(&lab, "low");
    let ports = ["a=tap,netns=a,access=10", "b=tap,netns=b,access=20", "u=macvtap:low,trunk=10+20"];
    lab.up("m", &ports);
    let (a, far) = (lab.nic("a", "eth0"), lab.nic(FAR, "far0"));
    let (seen_far, seen_b) = (lab.capture(FAR, "far0"), lab.nic("b", "eth0"));
    let frame = Frame::new(BROADCAST, mac(1), "from a");
    a.send(&frame);
    let frame = frame.tag(0x8100, 10);
    assert_eq!(seen_far.until(&frame), [frame]);
    let frame = Frame::new(BROADCAST, mac(2), "from far");
    for vid in [10, 30, 20] {
        far.send(&frame.clone().tag(0x8100, vid));
    }
    assert_eq!(seen_b.until(&frame), std::slice::from_ref(&frame));
    assert_eq!(a.until(&frame), std::slice::from_ref(&frame));
}
