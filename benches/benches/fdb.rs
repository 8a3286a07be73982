//! The FDB alone: look-ups that hit and miss, sightings, new addresses, and
//! the memory an entry takes.
//!
//! 4096 addresses at a time are drawn outside the clock and handled in bursts
//! of 64, as a worker does. Rates are addresses.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use benches::rounds::{self, Spread};
use benches::traffic::{self, Dice};
use criterion::{Criterion, Throughput, criterion_group};
use switch_core::Vid;
use switch_core::fdb::{Fdb, FdbStats, Key, Seed, Sought};
use switch_core::port::BURST;

const BATCH: usize = 4096;
/// Addresses of a learning run, and the table's capacity.
const NEWCOMERS: u64 = 240 * BATCH as u64;
const LEARNING_CAPACITY: u32 = 1 << 20;
const LEARNING_ROUNDS: usize = 7;

fn table(addresses: u64, capacity: u32) -> Fdb {
    let fdb = Fdb::new(capacity, 300, Seed::random());
    for n in 0..addresses {
        fdb.learn(&fdb.seek(key(n)), traffic::port(1), 0, 0);
    }
    fdb
}

fn key(n: u64) -> Key {
    traffic::key(n, Vid::UNTAGGED)
}

/// Handles all keys in bursts; how long that took.
fn run(fdb: &Fdb, keys: &[Key], mut each: impl FnMut(&Sought)) -> Duration {
    let mut sought = [Sought::default(); BURST];
    let begin = Instant::now();
    for keys in keys.chunks_exact(BURST) {
        fdb.prefetch(keys, &mut sought);
        sought.iter().for_each(&mut each);
    }
    begin.elapsed()
}

fn look_ups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fdb");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.sample_size(20).throughput(Throughput::Elements(BATCH as u64));
    for (name, addresses) in [("1k", 1 << 10), ("64k", 65_536), ("1M", 1 << 20)] {
        let fdb = table(addresses, addresses.max(65_536) as u32);
        let mut dice = Dice::new(7);
        let mut case = |what: &str, first: u64, each: &dyn Fn(&Sought, u32)| {
            let mut keys = vec![Key::default(); BATCH];
            let mut now = 0;
            group.bench_function(format!("{what}/{name}"), |bencher| {
                bencher.iter_custom(|iterations| {
                    rounds::iterations(iterations, BATCH, || {
                        keys.fill_with(|| key(first + dice.below(addresses)));
                        now += 1;
                        run(&fdb, &keys, |sought| each(sought, now))
                    })
                });
            });
        };
        case("hit", 0, &|sought, _| {
            black_box(fdb.lookup(sought, 1));
        });
        case("miss", 1 << 40, &|sought, _| {
            black_box(fdb.lookup(sought, 1));
        });
        case("seen this second", 0, &|sought, _| {
            black_box(fdb.learn(sought, traffic::port(1), 0, 0));
        });
        // The clock moves on a second a batch, so nearly every sighting writes.
        case("seen again", 0, &|sought, now| {
            black_box(fdb.learn(sought, traffic::port(1), 0, now));
        });
    }
    group.finish();
}

/// Millions of new addresses a second that `threads` workers together learn
/// into an empty table, each from a port of its own.
fn learning_rate(threads: u64) -> f64 {
    let fdb = Fdb::new(LEARNING_CAPACITY, 300, Seed::random());
    let start = Barrier::new(threads as usize);
    let learn = |thread: u64| {
        let each = NEWCOMERS / threads;
        let keys: Vec<Key> = (thread * each..(thread + 1) * each).map(key).collect();
        let port = traffic::port(thread as u16);
        let learn = |sought: &Sought| {
            black_box(fdb.learn(sought, port, 0, 1));
        };
        let batch = |keys| (run(&fdb, keys, learn), BATCH);
        start.wait();
        let runs: Vec<_> = keys.chunks_exact(BATCH).map(batch).collect();
        1000.0 / rounds::round(&runs)
    };
    let rate = std::thread::scope(|scope| {
        let learn = &learn;
        let runs: Vec<_> = (0..threads).map(|thread| scope.spawn(move || learn(thread))).collect();
        runs.into_iter().map(|run| run.join().expect("a learner")).sum()
    });
    // Two that meet in one bucket may give an entry up; the address's next frame brings it back.
    let FdbStats { learned, entries, .. } = fdb.stats();
    assert_eq!(learned, NEWCOMERS);
    assert!(u64::from(entries) > NEWCOMERS - NEWCOMERS / 1000, "{entries} entries");
    rate
}

fn learning() {
    println!("\nnew addresses a second, millions, median (min–max) of {LEARNING_ROUNDS} rounds");
    let rounds: Vec<(f64, f64)> =
        (0..LEARNING_ROUNDS).map(|_| (learning_rate(1), learning_rate(2))).collect();
    println!("one worker  {}", Spread::of(rounds.iter().map(|round| round.0)));
    println!("two workers {}", Spread::of(rounds.iter().map(|round| round.1)));
    println!("\nbytes an entry of the table's capacity");
    for capacity in [1_024, 65_536, 1 << 20] {
        let fdb = Fdb::new(capacity, 300, Seed::random());
        println!("{capacity:>8} {:6.1}", fdb.memory() as f64 / f64::from(capacity));
    }
}

criterion_group!(benches, look_ups);

fn main() {
    benches();
    // Without `--bench` this is `cargo test`, which only wants to see it run.
    if std::env::args().any(|arg| arg == "--bench") {
        learning();
    }
    Criterion::default().configure_from_args().final_summary();
}
