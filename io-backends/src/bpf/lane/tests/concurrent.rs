//! Programs and workers in one table at the same time.

use std::sync::atomic::AtomicBool;
use std::thread;

use super::seen::{frame, key, simple};
use super::*;

const MOVING: u64 = 40;
const TIME: Duration = Duration::from_secs(2);

/// The two ports that an address moves between.
fn homes(number: u64) -> [u16; 2] {
    [1 + (number % 4) as u16, 1 + (number / 4 % 4) as u16]
}

/// While entries are learned, moved, flushed, aged and pushed about by others in a table nearly
/// full, a frame never goes to a port that its address was never behind, and no stamp goes back.
#[test]
fn frames_go_only_where_their_address_was_while_workers_change_everything() {
    let rig = &simple(100);
    let stop = &AtomicBool::new(false);
    let ended = |begun: &Instant| begun.elapsed() > TIME || stop.load(Ordering::Relaxed);
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for seed in 0..2 {
            threads.push(scope.spawn(move || {
                let (begun, mut dice) = (Instant::now(), Dice(seed));
                while !ended(&begun) {
                    change(rig, &mut dice);
                }
                0
            }));
        }
        threads.push(scope.spawn(move || {
            let (begun, mut last) = (Instant::now(), 0);
            while !ended(&begun) {
                last = stamp_goes_on(rig, last);
            }
            0
        }));
        for seed in 10..12 {
            threads.push(scope.spawn(move || {
                let (begun, mut dice, mut by_lane) = (Instant::now(), Dice(seed), 0);
                while !ended(&begun) {
                    by_lane += u64::from(forward(rig, dice.below(MOVING)));
                }
                by_lane
            }));
        }
        let by_lane: u64 = threads
            .into_iter()
            .map(|thread| {
                let result = thread.join();
                stop.store(result.is_err(), Ordering::Relaxed);
                result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .sum();
        assert!(by_lane > 1000, "{by_lane} frames by the lane");
    });
}

fn change(rig: &Rig, dice: &mut Dice) {
    let number = dice.below(MOVING);
    let now = rig.now();
    match dice.below(100) {
        0..70 => {
            let port = rig.ids[usize::from(dice.one_of(&homes(number)))];
            rig.fdb.learn(&rig.fdb.seek(key(100 + number)), port, 0, now);
        }
        70..90 => {
            // Newcomers by which others are moved, and are evicted.
            let stranger = key(5000 + dice.below(300));
            rig.fdb.learn(&rig.fdb.seek(stranger), rig.ids[4], 0, now);
        }
        90..97 => {
            rig.fdb.remove(key(100 + number));
        }
        97..99 => {
            rig.fdb.flush(now, |entry| {
                entry.mac.to_u64() % 7 == number % 7 && entry.mac != key(0).mac()
            });
        }
        _ => while rig.fdb.age(now) {},
    }
}

/// Whether the lane took the frame.
fn forward(rig: &Rig, number: u64) -> bool {
    let door = &rig.doors[0].doorstep.0[0];
    let verdict = rig.run_on(0, &mut frame(0, 100 + number));
    if verdict.end == End::Out {
        let allowed = homes(number).map(netdev);
        assert!(allowed.contains(&verdict.netdev), "{number} went to {verdict:?}, not {allowed:?}");
    } else {
        // Delivered at once, whatever the other thread has on its way: this is not about order.
        let passed = door.passed.frames.load(Ordering::Relaxed);
        door.read.done.store(passed, Ordering::Relaxed);
        door.read.settled.store(passed, Ordering::Relaxed);
    }
    verdict.end == End::Out
}

/// The stamp of the frames' source, which nobody moves or takes out; at least `last`.
fn stamp_goes_on(rig: &Rig, last: u32) -> u32 {
    let far_future = 1_000_000;
    match rig.fdb.entry(key(0), far_future) {
        Some(entry) => {
            let stamp = far_future - entry.age;
            assert!(stamp >= last, "{stamp} after {last}");
            stamp
        }
        None => last,
    }
}
