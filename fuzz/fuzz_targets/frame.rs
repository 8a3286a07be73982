//! A switch of ports in every VLAN mode takes any bytes with any virtio-net
//! header, panics on none, and its books balance.
//!
//! Input: frames, each a byte that picks the port, a virtio-net header, a length and so many bytes.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use switch_core::config::{BridgeRules, PortRules};
use switch_core::explain::explain;
use switch_core::fdb::Seed;
use switch_core::frame::Takes;
use switch_core::memory::{Wire, cable};
use switch_core::round_robin::RoundRobin;
use switch_core::tables::Link;
use switch_core::vlan::{Allowed, VlanMode};
use switch_core::{Frame, Switch, Tpid, Vid};

fn modes() -> Vec<VlanMode> {
    let vid = |n| Vid::new(n).expect("below 4095");
    let trunk = |native, tpid| VlanMode::Trunk { allowed: Allowed::All, native, tpid };
    vec![
        VlanMode::Transparent,
        VlanMode::Transparent,
        VlanMode::Access(vid(10)),
        VlanMode::Tunnel(vid(10)),
        trunk(None, Tpid::Customer),
        trunk(Some(vid(10)), Tpid::Customer),
        trunk(Some(vid(1)), Tpid::Service),
        VlanMode::Tunnel(vid(1)),
    ]
}

fuzz_target!(|input: &[u8]| {
    let seed = Seed([3, 5, 7, 11]);
    let (mut switch, mut workers) = Switch::new(BridgeRules::default(), 64, 1, seed);
    let mut engine = RoundRobin::new();
    let mut hosts = Vec::new();
    for (number, mode) in modes().into_iter().enumerate() {
        let takes = if number % 2 == 0 { Takes::EVERYTHING } else { Takes::NOTHING };
        let (port, host) = cable(64, takes);
        let rules = PortRules { vlan: mode, ..PortRules::default() };
        let link = Link { up: true, mtu: 1500, takes };
        let id = switch.add_port(&number.to_string(), rules, link).expect("a free number");
        engine.add(id, Box::new(port));
        hosts.push((id, host));
    }
    let mut rest = input;
    while let Some((head, tail)) = rest.split_first_chunk::<15>() {
        let (id, host) = &hosts[usize::from(head[0]) % hosts.len()];
        let header = head[1..13].try_into().expect("twelve bytes");
        let len = usize::from(u16::from_le_bytes([head[13], head[14]])).min(tail.len());
        let wire =
            Wire { bytes: tail[..len].to_vec(), offload: io_backends::vnet::decode(header) };
        rest = &tail[len..];
        let mut frame = Frame::from_bytes(&wire.bytes);
        frame.offload = wire.offload;
        explain(&switch.tables(), switch.fdb(), 0, *id, &frame).expect("the port is there");
        let _ = host.send(wire);
        while workers[0].turn(&mut engine, Duration::ZERO) > 0 {}
        for (_, host) in &hosts {
            while let Some(out) = host.receive() {
                assert!(out.bytes.len() >= 14, "a frame below 14 bytes went out");
            }
        }
        assert_eq!(switch.stats().imbalance(), 0, "the books do not balance");
    }
});
