//! The whole pipeline in memory: receive, decide, transmit, with VLANs,
//! counters and ageing; 64-byte known unicast over four access ports.
//!
//! criterion's figures come first. Then the pipeline and the bare loop take
//! turns in short rounds, and so do one worker and two, so that what disturbs
//! one disturbs the other too; ratios are worked out round by round.
//! `cargo bench -p benches --bench pipeline -- rounds` runs those alone, and
//! with `1k`, `64k` or `1M` behind that, one size.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use benches::bare::BareLoop;
use benches::rig::{Lane, Rig};
use benches::rounds::{self, Spread, round};
use criterion::{Criterion, Throughput};

/// Addresses, and the table's capacity: never less than the default.
const SIZES: [(&str, u64, u32); 3] =
    [("1k", 1 << 10, 65_536), ("64k", 65_536, 65_536), ("1M", 1 << 20, 1 << 20)];
const PORTS: u16 = 4;
const ROUNDS: usize = 21;
/// How long one side of a round takes.
const ROUND: Duration = Duration::from_millis(40);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let is_given = |wanted: &str| args.iter().any(|arg| arg == wanted);
    // Without `--bench` this is `cargo test`, which only wants to see it run.
    let full = is_given("--bench");
    let (rounds, time) = if full { (ROUNDS, ROUND) } else { (1, Duration::from_millis(1)) };
    if !is_given("rounds") {
        criterion_figures();
    }
    let one_size = SIZES.iter().any(|size| is_given(size.0));
    let sizes = || SIZES.iter().filter(|size| is_given(size.0) || !one_size && full);
    println!("\nnanoseconds a frame (less is better), median (min–max) of {rounds} rounds");
    println!("{:<5}{:>26}{:>26}{:>24}{:>8}", "", "pipeline", "bare loop", "ratio", "Mpps");
    for &(name, addresses, capacity) in sizes() {
        against_bare(name, addresses, capacity, rounds, time);
    }
    println!("\nframes a second of two threads against one, median (min–max) of {rounds} rounds");
    println!("{:<5}{:>26}{:>26}{:>24}", "", "pipeline", "bare loops", "ratio");
    for &(name, addresses, capacity) in sizes() {
        two_against_one(name, addresses, capacity, rounds, time);
    }
}

fn criterion_figures() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("pipeline");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.sample_size(30);
    for (name, addresses, capacity) in SIZES {
        let mut rig = Rig::new(addresses, capacity, PORTS, 1);
        let lane = &mut rig.lanes[0];
        let frames = lane.refill();
        lane.forward(frames);
        group.throughput(Throughput::Elements(frames as u64));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                rounds::iterations(iterations, frames, || one_run(lane).0)
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

fn one_run(lane: &mut Lane) -> (Duration, usize) {
    let frames = lane.refill();
    (lane.forward(frames), frames)
}

fn one_bare_run(lane: &mut Lane, bare: &mut BareLoop) -> (Duration, usize) {
    let frames = lane.refill();
    (lane.forward_bare(bare, frames), frames)
}

/// Nanoseconds a frame, of runs that together take some `time`.
fn one_round(time: Duration, mut run: impl FnMut() -> (Duration, usize)) -> f64 {
    let until = Instant::now() + time;
    let mut runs = Vec::new();
    while runs.is_empty() || Instant::now() < until {
        runs.push(run());
    }
    round(&runs)
}

fn against_bare(name: &str, addresses: u64, capacity: u32, rounds: usize, time: Duration) {
    let mut rig = Rig::new(addresses, capacity, PORTS, 1);
    let mut bare = rig.bare(addresses);
    let lane = &mut rig.lanes[0];
    let mut pairs = Vec::new();
    for _ in 0..rounds {
        let pipeline = one_round(time, || one_run(lane));
        let loops = one_round(time, || one_bare_run(lane, &mut bare));
        pairs.push((pipeline, loops));
    }
    assert_eq!(bare.misses(), 0);
    let pipeline = Spread::of(pairs.iter().map(|pair| pair.0));
    let loops = Spread::of(pairs.iter().map(|pair| pair.1));
    let ratio = Spread::of(pairs.iter().map(|pair| pair.0 / pair.1));
    let mpps = 1000.0 / pipeline.median;
    println!("{name:<5}{pipeline:>26}{loops:>26}{ratio:>24}{mpps:>8.1}");
}

/// Two workers, each on a thread with its own queues of the same four ports,
/// share FDB and configuration. Beside them two bare loops, which share
/// nothing: what two CPUs of this machine are of one.
fn two_against_one(name: &str, addresses: u64, capacity: u32, rounds: usize, time: Duration) {
    let mut rig = Rig::new(addresses, capacity, PORTS, 2);
    let mut bare = [rig.bare(addresses), rig.bare(addresses)];
    let mut pairs = Vec::new();
    for _ in 0..rounds {
        let mut workers: Vec<_> =
            rig.lanes.iter_mut().map(|lane| move || one_round(time, || one_run(lane))).collect();
        let workers = speed_up(&mut workers);
        let mut loops: Vec<_> = rig
            .lanes
            .iter_mut()
            .zip(&mut bare)
            .map(|(lane, bare)| move || one_round(time, || one_bare_run(lane, bare)))
            .collect();
        pairs.push((workers, speed_up(&mut loops)));
    }
    let workers = Spread::of(pairs.iter().map(|pair| pair.0));
    let loops = Spread::of(pairs.iter().map(|pair| pair.1));
    let ratio = Spread::of(pairs.iter().map(|pair| pair.0 / pair.1));
    println!("{name:<5}{workers:>26}{loops:>26}{ratio:>24}");
}

/// How many times the frames of the first alone all do together, each on a
/// thread; what they return are nanoseconds a frame.
fn speed_up(all: &mut [impl FnMut() -> f64 + Send]) -> f64 {
    let alone = all[0]();
    let start = Barrier::new(all.len());
    let together = std::thread::scope(|scope| {
        let start = &start;
        let begin = |run| scope.spawn(move || timed_after(start, run));
        let threads: Vec<_> = all.iter_mut().map(begin).collect();
        threads.into_iter().map(|thread| 1.0 / thread.join().expect("a worker")).sum::<f64>()
    });
    together * alone
}

fn timed_after(start: &Barrier, run: &mut impl FnMut() -> f64) -> f64 {
    start.wait();
    run()
}
