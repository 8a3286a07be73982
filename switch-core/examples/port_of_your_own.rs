//! A port of your own: it sends each frame back to where it came from, addresses
//! swapped, as a mirror on the wire would.
//!
//! `cargo run -p switch-core --example port_of_your_own`
//!
//! ARCHITECTURE.md says what a port kind of the program `netloom` needs besides.

use std::collections::VecDeque;
use std::time::Duration;

use switch_core::config::{BridgeRules, PortRules};
use switch_core::fdb::Seed;
use switch_core::frame::Takes;
use switch_core::port::{DeviceState, Port, PortFault, TxError};
use switch_core::ports::memory::cable;
use switch_core::ports::round_robin::RoundRobin;
use switch_core::{Frame, Switch};

/// Frames that a mirror holds until the switch takes them.
const DEPTH: usize = 16;

/// What it was sent and has not given back yet.
#[derive(Default)]
struct MirrorPort(VecDeque<Vec<u8>>);

impl Port for MirrorPort {
    /// Never blocks: no frame is no error.
    fn receive(&mut self, into: &mut [Frame]) -> Result<usize, PortFault> {
        let mut filled = 0;
        for frame in into {
            let Some(bytes) = self.0.pop_front() else { break };
            frame.set(&bytes);
            filled += 1;
        }
        Ok(filled)
    }

    /// Never queues without bound: what it can't take now is lost, and counted as `tx-full`.
    fn transmit(&mut self, frame: &mut Frame) -> Result<(), TxError> {
        if self.0.len() == DEPTH {
            return Err(TxError::Full);
        }
        let mut bytes = frame.bytes().to_vec();
        let (dst, rest) = bytes.split_at_mut(6);
        dst.swap_with_slice(&mut rest[..6]);
        self.0.push_back(bytes);
        Ok(())
    }

    /// The switch computes checksums and cuts super-frames for it.
    fn takes(&self) -> Takes {
        Takes::NOTHING
    }
}

fn main() {
    let (mut switch, mut workers) =
        Switch::new(BridgeRules::default(), 1024, 1, Seed([1, 2, 3, 4]));
    let mut engine = RoundRobin::new();
    let (port, host) = cable(64, Takes::NOTHING);
    let ports: [(&str, Box<dyn Port>); 2] =
        [("host", Box::new(port)), ("mirror", Box::<MirrorPort>::default())];
    for (name, port) in ports {
        let device = DeviceState { up: true, mtu: 1500, takes: port.takes() };
        let id = switch.add_port(name, PortRules::default(), device).expect("a free number");
        engine.add(id, port);
    }

    let mut frame = [0; 60];
    (frame[0], frame[5], frame[6], frame[11]) = (2, 0xb, 2, 0xa);
    host.send(&frame[..]).expect("room in the cable");
    while workers[0].turn(&mut engine, Duration::ZERO) > 0 {}

    let back = host.receive().expect("the frame comes back").bytes;
    assert_eq!((&back[..6], &back[6..12]), (&frame[6..12], &frame[..6]));
    println!("sent {:02x?}, got {:02x?}", &frame[..12], &back[..12]);
}
