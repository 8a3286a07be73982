//! A switch of in-memory ports under a simulated clock, in a few lines.

use std::time::Duration;

use switch_core::Switch;
use switch_core::config::{BridgeRules, PortRules};
use switch_core::fdb::Seed;
use switch_core::frame::Takes;
use switch_core::memory::cable;
use switch_core::round_robin::RoundRobin;
use switch_core::tables::Link;

#[test]
fn two_hosts_find_each_other() {
    let (mut switch, mut workers) = Switch::new(BridgeRules::default(), 64, 1, Seed([1, 2, 3, 4]));
    let worker = &mut workers[0];
    let mut engine = RoundRobin::new();
    let mut hosts = Vec::new();
    for name in ["a", "b", "c"] {
        let (port, host) = cable(16, Takes::NOTHING);
        let link = Link { up: true, mtu: 1500, takes: Takes::NOTHING };
        let id = switch.add_port(name, PortRules::default(), link).unwrap();
        engine.add(id, Box::new(port));
        hosts.push(host);
    }
    let frame = |dst: u8, src: u8| {
        let mut bytes = vec![2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src, 0x88, 0xb5];
        bytes.resize(60, 0);
        bytes
    };
    hosts[0].send(&frame(2, 1)[..]).unwrap();
    assert_eq!(worker.turn(&mut engine, Duration::ZERO), 1);
    assert!(switch.settle());
    assert!(hosts[1].receive().is_some() && hosts[2].receive().is_some());
    hosts[1].send(&frame(1, 2)[..]).unwrap();
    worker.turn(&mut engine, Duration::ZERO);
    assert!(hosts[0].receive().is_some() && hosts[2].receive().is_none());
    assert_eq!(switch.stats().imbalance(), 0);
    assert_eq!(switch.stats().flood_copies, 1);
}
