//! Any bytes with any offload state, into a switch with ports of any kind.
//!
//! Nothing may panic; frames are conserved; what a device is given is a whole
//! frame that it takes and that its MTU allows; and `explain` knows the verdict.
#![no_main]

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use switch_core::config::{BridgeRules, L2cp, PortRules};
use switch_core::explain::explain;
use switch_core::fdb::Seed;
use switch_core::frame::{Checksum, Gso, GsoKind, MAX_FRAME, Offload, Takes};
use switch_core::port::{Burst, Engine, Tx};
use switch_core::port::DeviceState;
use switch_core::vlan::{Allowed, VidSet};
use switch_core::{Frame, Mac, PortId, Switch, Tpid, Vid, VlanMode, Worker};

const PORTS: usize = 5;

#[derive(Arbitrary, Debug)]
struct Input {
    ports: [AnyPort; PORTS],
    standard: bool,
    /// Learned before the frames come in: address, VLAN and port.
    known: Vec<(u8, u8, u8)>,
    frames: Vec<AnyFrame>,
}

#[derive(Arbitrary, Debug)]
struct AnyPort {
    mode: u8,
    vids: [u8; 2],
    flags: u8,
    takes: u8,
    mtu: u16,
    mac_limit: u8,
}

#[derive(Arbitrary, Debug)]
struct AnyFrame {
    ingress: u8,
    /// Two of the known addresses, as destination and source.
    known: Option<(u8, u8)>,
    checksum: Option<(u16, u16)>,
    gso: Option<(u8, u16)>,
    /// Zero bytes behind the others.
    trailer: u16,
    bytes: Vec<u8>,
}

fn vid(number: u8) -> Vid {
    Vid::configured(u16::from(number % 8) + 1).expect("1 to 8")
}

fn host(number: u8) -> Mac {
    Mac::from_u64(0x0200_0000_0000 + u64::from(number % 16))
}

impl AnyPort {
    fn rules(&self) -> PortRules {
        let [first, second] = self.vids.map(vid);
        let tpid = if self.mode & 0x80 == 0 { Tpid::Customer } else { Tpid::Service };
        let allowed = match self.mode & 0x40 {
            0 => Allowed::Only([first, second].into_iter().collect::<VidSet>()),
            _ => Allowed::All,
        };
        let native = (self.mode & 0x20 != 0).then_some(second);
        let vlan = match self.mode % 4 {
            0 => VlanMode::Transparent,
            1 => VlanMode::Access(first),
            2 => VlanMode::Trunk { allowed, native, tpid },
            _ => VlanMode::Tunnel(first),
        };
        let flag = |bit: u8| self.flags & bit == 0;
        PortRules {
            vlan,
            learning: flag(1),
            flood: flag(2),
            mcast_flood: flag(4),
            bcast_flood: flag(8),
            isolated: !flag(16),
            mac_limit: u32::from(self.mac_limit % 4),
        }
    }

    fn device(&self) -> DeviceState {
        let takes = |bit: u8| self.takes & bit != 0;
        DeviceState {
            up: self.flags & 0x60 != 0x60,
            mtu: u32::from(self.mtu),
            takes: Takes {
                checksum: takes(1),
                tso4: takes(2),
                tso6: takes(4),
                tso_ecn: takes(8),
                uso: takes(16),
            },
        }
    }
}

impl AnyFrame {
    fn fill(&self, frame: &mut Frame) {
        let mut bytes = self.bytes.clone();
        bytes.resize((bytes.len() + usize::from(self.trailer)).min(MAX_FRAME), 0);
        if let (Some((dst, src)), true) = (self.known, bytes.len() >= 12) {
            bytes[..6].copy_from_slice(&host(dst).octets());
            bytes[6..12].copy_from_slice(&host(src).octets());
        }
        frame.set(&bytes);
        let kinds = [GsoKind::TcpV4, GsoKind::TcpV6, GsoKind::UdpL4];
        frame.offload = Offload {
            checksum: match self.checksum {
                Some((start, offset)) => Checksum::Partial { start, offset },
                None => Checksum::None,
            },
            gso: self.gso.map(|(kind, size)| Gso {
                kind: kinds[usize::from(kind % 3)],
                ecn: kind >= 128,
                size,
                hdr_len: 0,
            }),
        };
    }
}

/// Hands over the frames it is told and looks at what it is given.
struct Witness<'w> {
    incoming: VecDeque<(PortId, &'w AnyFrame)>,
    devices: &'w [(PortId, DeviceState)],
    left: BTreeSet<u16>,
}

impl Engine for Witness<'_> {
    fn receive(&mut self, burst: &mut Burst) {
        while !burst.room().is_empty()
            && let Some((port, frame)) = self.incoming.pop_front()
        {
            frame.fill(&mut burst.room()[0]);
            burst.filled(port, 1);
        }
    }

    fn transmit(&mut self, frames: &mut [Frame], queue: &mut [Tx]) {
        for tx in queue {
            let frame = &mut frames[usize::from(tx.slot)];
            let (_, device) = self.devices.iter().find(|(id, _)| *id == tx.port).expect("a port");
            assert!(device.up && frame.len() >= 14 && frame.len() == tx.len as usize);
            assert!(device.takes.accepts(&frame.offload) && frame.offload.fits(frame.len()));
            assert!(frame.offload.gso.is_some() || frame.len() <= device.mtu as usize + 22);
            self.left.insert(tx.port.number);
            if tx.last {
                frame.set(b"another engine's frame");
            }
        }
    }
}

/// A switch is costly to make, so one serves all runs.
struct World {
    switch: Switch,
    worker: Worker,
    ids: Vec<PortId>,
}

impl World {
    fn new() -> World {
        let seed = Seed([
            0x243f_6a88_85a3_08d3,
            0x1319_8a2e_0370_7344,
            0xa409_3822_299f_31d0,
            0x082e_fa98_ec4e_6c89,
        ]);
        let (mut switch, mut workers) = Switch::new(BridgeRules::default(), 64, 1, seed);
        let device = DeviceState { up: true, mtu: 1500, takes: Takes::NOTHING };
        let ids = (0..PORTS)
            .map(|n| switch.add_port(&format!("p{n}"), PortRules::default(), device).expect("room"))
            .collect();
        World { switch, worker: workers.remove(0), ids }
    }

    fn configure(&mut self, input: &Input) -> Vec<(PortId, DeviceState)> {
        let l2cp = if input.standard { L2cp::Standard } else { L2cp::Transparent };
        self.switch.set_bridge(BridgeRules { l2cp, ..BridgeRules::default() });
        let mut devices = Vec::new();
        for (&id, port) in self.ids.iter().zip(&input.ports) {
            self.switch.set_rules(id, port.rules());
            self.switch.set_device(id, port.device());
            devices.push((id, port.device()));
        }
        self.worker.cross();
        assert!(self.switch.crossed());
        self.switch.fdb().flush(0, |_| true);
        for &(mac, number, port) in input.known.iter().take(16) {
            let id = self.ids[usize::from(port) % PORTS];
            self.switch.add_static(host(mac), vid(number), id).expect("room");
        }
        devices
    }

    fn run(&mut self, input: &Input) {
        let devices = self.configure(input);
        let mut copy = Frame::new();
        for frame in &input.frames {
            let id = self.ids[usize::from(frame.ingress) % PORTS];
            frame.fill(&mut copy);
            let tables = self.switch.tables();
            let answer = explain(&tables, self.switch.fdb(), 1, id, &copy).expect("a port");
            let incoming = [(id, frame)].into();
            let mut witness = Witness { incoming, devices: &devices, left: BTreeSet::new() };
            self.worker.turn(&mut witness, Duration::from_secs(1));
            let left: BTreeSet<String> =
                witness.left.iter().map(|number| format!("p{number}")).collect();
            let said: BTreeSet<String> =
                answer.egress.iter().map(|egress| egress.port.clone()).collect();
            assert_eq!(said, left, "{:?}", answer.steps);
            assert_eq!(answer.drop.is_some(), left.is_empty());
            assert_eq!(self.switch.stats().imbalance(), 0);
        }
    }
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

fuzz_target!(|input: Input| WORLD.with_borrow_mut(|world| world.run(&input)));
