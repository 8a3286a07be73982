//! Rule 3 to the millisecond, and what a long sleep or stop does to it.

use std::time::Duration;

use switch_core::config::{BridgeRules, PortRules};
use switch_core::{Mac, PortId, Vid};

use crate::frames::Spec;
use crate::lab::{DEVICE, Lab};

const A: Mac = Mac::new([2, 0, 0, 0, 0, 0xa]);
const B: Mac = Mac::new([2, 0, 0, 0, 0, 0xb]);
const C: Mac = Mac::new([2, 0, 0, 0, 0, 0xc]);

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn lab() -> (Lab, [PortId; 3]) {
    let mut lab = Lab::new(BridgeRules::default(), 64);
    let ports = ["a", "b", "c"].map(|name| lab.add(name, PortRules::default(), DEVICE));
    (lab, ports)
}

fn say(lab: &Lab, port: PortId, src: Mac, dst: Mac) {
    lab.send(port, Spec::new(src, dst, Vec::new(), 0).sent());
}

fn is_known(lab: &Lab, mac: Mac) -> bool {
    lab.entries().iter().any(|entry| entry.mac == mac && entry.vid == Vid::UNTAGGED)
}

#[test]
fn an_entry_is_never_out_of_use_early_and_at_most_two_seconds_late() {
    for phase in (0..1000).step_by(90) {
        let (mut lab, [a, b, c]) = lab();
        lab.now = ms(50_000 + phase);
        say(&lab, a, A, C);
        lab.run();
        lab.received(b);
        for (wait, in_use) in [(299_999, true), (1, true), (2_000, false)] {
            lab.wait(ms(wait));
            say(&lab, c, C, A);
            lab.run();
            assert_eq!(lab.received(a).len(), 1);
            assert_eq!(lab.received(b).is_empty(), in_use, "phase {phase}, after {wait} more");
        }
    }
}

#[test]
fn the_shortest_ageing_time_holds_too() {
    let (mut lab, [a, ..]) = lab();
    lab.switch.set_bridge(BridgeRules { ageing: 10, ..BridgeRules::default() });
    lab.cross();
    lab.now = ms(20_999);
    say(&lab, a, A, B);
    lab.run();
    lab.wait(ms(10_000));
    assert!(is_known(&lab, A));
    lab.wait(ms(2_000));
    assert!(!is_known(&lab, A));
    assert_eq!(lab.switch.stats().fdb.entries, 0);
}

/// A worker sleeps while nothing comes; the frame that wakes it counts from when it is seen.
#[test]
fn a_sighting_after_a_quiet_spell_counts_in_full() {
    let (mut lab, [a, b, c]) = lab();
    say(&lab, a, A, B);
    lab.run();
    for _ in 0..5 {
        lab.now += ms(290_000);
        say(&lab, a, A, B);
        lab.run();
    }
    lab.wait(ms(299_000));
    lab.received(b);
    say(&lab, c, C, A);
    lab.run();
    assert_eq!((lab.received(a).len(), lab.received(b).len()), (1, 0));
}

/// SIGSTOP: what its queues hold says who is still there.
#[test]
fn after_a_long_stop_waiting_frames_come_before_ageing() {
    let (mut lab, [a, b, c]) = lab();
    say(&lab, a, A, Mac::BROADCAST);
    say(&lab, b, B, Mac::BROADCAST);
    say(&lab, c, C, Mac::BROADCAST);
    lab.run();
    for port in [a, b, c] {
        lab.received(port);
    }

    lab.now += ms(4_000_000);
    for _ in 0..1500 {
        say(&lab, a, A, B);
        say(&lab, b, B, A);
    }
    lab.run();
    let arrived = [a, b, c].map(|port| lab.received(port).len());
    assert_eq!(arrived, [1500, 1500, 0], "nobody's entry was out of use");
    assert!(is_known(&lab, A) && is_known(&lab, B));
    assert!(!is_known(&lab, C), "nothing of C's waited");
    assert_eq!(lab.switch.stats().fdb.aged, 1);
}

/// Frames that never cease are no reason to keep entries for ever.
#[test]
fn ageing_runs_within_two_seconds_though_frames_keep_coming() {
    let (mut lab, [a, b, ..]) = lab();
    say(&lab, a, A, Mac::BROADCAST);
    lab.run();
    lab.now += ms(299_500);
    let due = lab.now + ms(500);
    while lab.now < due + ms(2_000) {
        say(&lab, b, B, C);
        assert_eq!(lab.worker.turn(&mut lab.engine, lab.now), 1);
        lab.now += ms(100);
    }
    assert_eq!(lab.switch.stats().fdb.aged, 1);
}

/// Frames that each come after a long pause neither.
#[test]
fn slow_traffic_holds_no_entry() {
    let (mut lab, [a, b, ..]) = lab();
    say(&lab, a, A, Mac::BROADCAST);
    lab.run();
    for _ in 0..102 {
        lab.now += ms(3_000);
        say(&lab, b, B, C);
        assert_eq!(lab.worker.turn(&mut lab.engine, lab.now), 1);
    }
    assert_eq!(lab.switch.stats().fdb.aged, 1);
}
