//! What the switch decides for a frame, without an engine around it: the
//! ingress filter, learning, where to, and the tag for each port it leaves by.
//!
//! 256 frames at a time get their addresses outside the clock and are decided
//! in bursts of 64, as a worker does. Rates are frames.

use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::rig::{access, device, vlan};
use benches::rounds;
use benches::traffic::{self, Dice};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use switch_core::config::{BridgeRules, PortRules};
use switch_core::fdb::{Fdb, Key, Seed, Sought};
use switch_core::forward::{self, Admitted, Now, Target};
use switch_core::port::BURST;
use switch_core::tables::{PortTable, Tables};
use switch_core::vlan::{Allowed, Tpid, VlanMode};
use switch_core::{Frame, Vid};

const FRAMES: usize = 4 * BURST;
/// The first of the addresses that no case knows beforehand.
const NEW: u64 = 1 << 32;

/// Frames come in by port 0. Known hosts are behind port 1, the other ports only take floods.
struct Bench {
    tables: Tables,
    fdb: Fdb,
    addresses: u64,
    dice: Dice,
    frames: Vec<Frame>,
    keys: [[Key; 2]; BURST],
    sought: [[Sought; 2]; BURST],
}

impl Bench {
    fn new(addresses: u64, from: &VlanMode, to: &VlanMode, ports: u16) -> Bench {
        let fdb = Fdb::new(addresses.max(65_536) as u32, 300, Seed::random());
        for n in 0..addresses {
            // Even ones are sources, odd ones destinations.
            fdb.learn(&fdb.seek(traffic::key(n, vlan())), traffic::port((n % 2) as u16), 0, 0);
        }
        let port = |number| {
            let vlan = match number {
                0 => from.clone(),
                1 => to.clone(),
                _ => access(),
            };
            let rules = PortRules { vlan, ..PortRules::default() };
            Some(PortTable::new(traffic::port(number), "port", rules, device()))
        };
        Bench {
            tables: Tables::new(1, BridgeRules::default(), (0..ports).map(port).collect()),
            fdb,
            addresses,
            dice: Dice::new(7),
            frames: (0..FRAMES).map(|_| Frame::new()).collect(),
            keys: [[Key::default(); 2]; BURST],
            sought: [[Sought::default(); 2]; BURST],
        }
    }

    /// Some host behind port 0 or 1.
    fn host(&mut self, port: u64) -> u64 {
        self.dice.below(self.addresses / 2) * 2 + port
    }

    /// Decides all frames; how long that took.
    fn run(&mut self) -> Duration {
        let begin = Instant::now();
        for burst in 0..FRAMES / BURST {
            self.burst(burst * BURST);
        }
        begin.elapsed()
    }

    fn burst(&mut self, first: usize) {
        let Bench { tables, fdb, frames, keys, sought, .. } = self;
        let frames = &mut frames[first..first + BURST];
        let ingress = tables.port(traffic::port(0)).expect("port 0");
        let mut admitted = [Admitted { vid: vlan(), tag: None }; BURST];
        for ((frame, admitted), keys) in frames.iter().zip(&mut admitted).zip(&mut *keys) {
            (*admitted, *keys) = forward::admit(tables, ingress, frame).expect("admitted");
        }
        fdb.prefetch(keys.as_flattened(), sought.as_flattened_mut());
        let mut stations = Now { fdb, seen: 1, expiry: 1 };
        for ((frame, admitted), addresses) in frames.iter_mut().zip(&admitted).zip(&*sought) {
            let target = forward::decide(tables, &mut stations, ingress, admitted.vid, addresses);
            match target.expect("a target") {
                Target::One(port) => frame.edit_tag(port.edit(admitted.vid, admitted.tag)),
                Target::Flood(class) => {
                    for port in forward::flood_targets(tables, ingress, admitted.vid, class) {
                        black_box(port.edit(admitted.vid, admitted.tag));
                    }
                }
            }
        }
    }
}

/// An untagged frame of 60 bytes, or a tagged one of 64.
fn template(tag: Option<Vid>) -> Vec<u8> {
    let mut frame = traffic::plain_frame();
    if let Some(vid) = tag {
        frame.push_tag(Tpid::Customer.get(), vid.get());
    }
    frame.bytes().to_vec()
}

fn trunk() -> VlanMode {
    VlanMode::Trunk { allowed: Allowed::All, native: None, tpid: Tpid::Customer }
}

fn decision(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.sample_size(20).throughput(Throughput::Elements(FRAMES as u64));
    let mut case = |name: &str,
                    mut bench: Bench,
                    tag: Option<Vid>,
                    addresses: &mut dyn FnMut(&mut Bench) -> (u64, u64)| {
        let template = template(tag);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                rounds::iterations(iterations, FRAMES, || {
                    for n in 0..FRAMES {
                        let (dst, src) = addresses(&mut bench);
                        bench.frames[n].set(&template);
                        traffic::address(&mut bench.frames[n], dst, src);
                    }
                    bench.run()
                })
            });
        });
    };
    let known = &mut |bench: &mut Bench| (bench.host(1), bench.host(0));
    for (name, addresses) in [("1k", 1 << 10), ("64k", 65_536), ("1M", 1 << 20)] {
        let bench = Bench::new(addresses, &access(), &access(), 2);
        case(&format!("known unicast/{name}"), bench, None, known);
    }
    case("push a tag/1k", Bench::new(1 << 10, &access(), &trunk(), 2), None, known);
    case("pop a tag/1k", Bench::new(1 << 10, &trunk(), &access(), 2), Some(vlan()), known);
    let unknown = &mut |bench: &mut Bench| (NEW, bench.host(0));
    case("flood to 8/1k", Bench::new(1 << 10, &access(), &access(), 9), None, unknown);
    // Most of the time the table is full and a newcomer replaces an older one of its own port.
    let mut newcomer = NEW;
    let new = &mut |bench: &mut Bench| {
        newcomer += 1;
        (bench.host(1), newcomer)
    };
    case("learning, table full/64k", Bench::new(1 << 10, &access(), &access(), 2), None, new);
    group.finish();
}

criterion_group!(benches, decision);
criterion_main!(benches);
