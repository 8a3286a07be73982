//! A switch in memory: three hosts on it, frames in, frames out.
//!
//! `cargo run -p switch-core --example switch_in_memory`

use std::time::Duration;

use switch_core::config::{BridgeRules, PortRules};
use switch_core::fdb::Seed;
use switch_core::frame::Takes;
use switch_core::port::DeviceState;
use switch_core::ports::memory::{MemoryHost, cable};
use switch_core::ports::round_robin::RoundRobin;
use switch_core::{Mac, Switch};

/// The shortest Ethernet frame: two addresses, an EtherType for experiments, zeros.
fn frame(dst: Mac, src: Mac) -> Vec<u8> {
    let mut bytes = [dst.octets(), src.octets()].concat();
    bytes.extend([0x88, 0xb5]);
    bytes.resize(60, 0);
    bytes
}

/// The addresses that the next frame from the switch carries.
fn next(host: &MemoryHost) -> Option<(Mac, Mac)> {
    let bytes = host.receive()?.bytes;
    let mac = |at: usize| bytes[at..].first_chunk().map(|octets| Mac::new(*octets));
    Some((mac(0)?, mac(6)?))
}

fn main() {
    // The control side, and one worker. The seed keeps others from guessing where addresses lie
    // in the table; a real program takes it from the system.
    let (mut switch, mut workers) =
        Switch::new(BridgeRules::default(), 1024, 1, Seed([1, 2, 3, 4]));
    let mut worker = workers.remove(0);

    // A port is a name, rules and a device to the switch; to the engine it moves bytes.
    let mut engine = RoundRobin::new();
    let device = DeviceState { up: true, mtu: 1500, takes: Takes::NOTHING };
    let hosts = ["alice", "bob", "carol"].map(|name| {
        let (port, host) = cable(64, device.takes);
        let id = switch.add_port(name, PortRules::default(), device).expect("a free number");
        engine.add(id, Box::new(port));
        host
    });
    let [alice, bob] = [1, 2].map(|n| Mac::new([2, 0, 0, 0, 0, n]));

    // Nobody knows Bob yet: Alice's frame is flooded. It teaches where Alice is.
    hosts[0].send(&frame(bob, alice)[..]).expect("room in the cable");
    worker.turn(&mut engine, Duration::from_secs(1));
    assert_eq!((next(&hosts[1]), next(&hosts[2])), (Some((bob, alice)), Some((bob, alice))));

    // Bob's answer goes to Alice alone.
    hosts[1].send(&frame(alice, bob)[..]).expect("room in the cable");
    worker.turn(&mut engine, Duration::from_secs(2));
    assert_eq!((next(&hosts[0]), next(&hosts[2])), (Some((alice, bob)), None));

    for entry in switch.fdb().entries(2) {
        let port = switch.port(entry.port).map_or("?", |port| &port.name);
        println!("{} is behind {port}, seen {} s ago", entry.mac, entry.age);
    }
    println!("frames in less frames out: {}", switch.stats().imbalance());
}
