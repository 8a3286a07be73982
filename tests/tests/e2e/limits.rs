//! At the limit of open descriptors: what can't be made is said so, and nothing of it is left.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use tests::lab::{Answer, Lab, PROGRAM, at_rest};

/// From fewer than the program needs to begin with to more than three ports need.
const LIMITS: RangeInclusive<usize> = 5..=56;

/// From fewer than `down` needs to more.
const LIMITS_OF_DOWN: RangeInclusive<usize> = 4..=16;

/// `netloom WORDS` in a process that may open so many descriptors.
fn within(lab: &Lab, limit: usize, words: &[&str]) -> Answer {
    let limit = format!("--nofile={limit}:{limit}");
    lab.run(&[&["prlimit", &limit, PROGRAM], words].concat())
}

#[test]
fn a_start_that_fails_for_want_of_descriptors_leaves_nothing() {
    let lab = Lab::new();
    let ports = ["a=tap,netns=na,addr=10.9.0.1/24", "b=tap:b", "c=tap,netns=nc,addr=10.9.0.3/24"];
    let ports = ports.iter().flat_map(|port| ["--port", port]);
    let up: Vec<_> = ["up", "-d", "--name", "x"].into_iter().chain(ports).collect();
    let mut outcomes = Vec::new();
    for limit in LIMITS {
        let answer = within(&lab, limit, &up);
        outcomes.push(answer.exit);
        if answer.exit == Some(0) {
            lab.ping("na", "10.9.0.3");
            at_rest(&lab, "x");
            lab.netloom(&["down", "x"]).ok();
        } else {
            answer.refused(1);
            assert!(answer.err.contains("too many open files"), "{limit}: {answer:#?}");
            assert!(answer.hint().contains("ulimit"), "{limit}: {answer:#?}");
        }
        lab.is_empty();
        lab.netloom(&["down", "x"]).refused(3);
    }
    // Both sides of the limit were tried, and there is only one such limit.
    assert!(outcomes.is_sorted_by(|a, b| a == b || *b == Some(0)), "{outcomes:?}");
    assert!(outcomes.first() != outcomes.last(), "{outcomes:?}");
}

#[test]
fn a_clean_up_that_fails_for_want_of_descriptors_forgets_nothing() {
    let lab = Lab::new();
    let mut outcomes = Vec::new();
    for limit in LIMITS_OF_DOWN {
        lab.run(&["ip", "tuntap", "add", "dev", "mine", "mode", "tap"]).ok();
        lab.run(&["ip", "link", "add", "low", "type", "veth", "peer", "name", "far"]).ok();
        lab.run(&["ip", "link", "set", "low", "up"]).ok();
        lab.up("x", &["a=tap,netns=na", "b=tap:mine,existing,netns=nb", "c=macvtap:low"]);
        lab.signal(lab.pid("x"), "KILL");
        lab.switch_is("dead");
        let answer = within(&lab, limit, &["down", "x"]);
        outcomes.push(answer.exit);
        if answer.exit != Some(0) {
            answer.refused(1);
            assert!(answer.err.contains("too many open files"), "{limit}: {answer:#?}");
            lab.netloom(&["down", "x"]).ok();
        }
        lab.run(&["ip", "link", "del", "mine"]).ok();
        lab.run(&["ip", "link", "del", "low"]).ok();
        lab.is_empty();
    }
    assert!(outcomes.first() != outcomes.last(), "{outcomes:?}");
}

#[test]
fn a_switch_full_of_ports_notices_and_answers() {
    let lab = Lab::new();
    lab.run(&["ip", "tuntap", "add", "dev", "mine", "mode", "tap"]).ok();
    let up = ["up", "-d", "--name", "x", "--port", "mine=tap,existing", "--port", "a=tap,netns=na"];
    within(&lab, 70, &up).ok();
    let full = (0..100).map(|n| lab.netloom(&["port", "add", &format!("p{n}=tap,netns=n{n}")]));
    let refused = full.into_iter().find(|answer| answer.exit != Some(0)).expect("a limit");
    assert!(refused.refused(1).contains("too many open files"), "{refused:#?}");
    lab.run(&["ip", "link", "del", "mine"]).ok();
    lab.run(&["ip", "netns", "del", "na"]).ok();
    let begun = Instant::now();
    for port in ["mine", "a"] {
        lab.port_is("x", port, "fault");
    }
    // A client that is not let in waits for 30 seconds.
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    lab.netloom(&["port", "add", "late=tap"]).ok();
    lab.netloom(&["down", "x"]).ok();
    lab.is_empty();
}
