//! A start that is told to stop: heard between two ports, undone, and no success.

use io_backends::testing::points::Stop;
use tests::lab::{Lab, eventually};

/// Enough that a start that goes on for all of them is told from one that stops.
const PORTS: usize = 20;

/// The points of the first port and of what comes before it, and some: in the middle of a port.
const MIDDLE: usize = 30;

fn words(ports: &[String], detach: bool) -> Vec<&str> {
    let up = if detach { &["up", "-d", "--name", "x"][..] } else { &["up", "--name", "x"] };
    up.iter().copied().chain(ports.iter().flat_map(|port| ["--port", port])).collect()
}

fn ports() -> Vec<String> {
    (0..PORTS).map(|n| format!("p{n}=tap,netns=n{n}")).collect()
}

/// How many points the whole start has.
fn all_points(lab: &Lab) -> usize {
    let ports = ports();
    let (switch, points) = lab.spawn_watched(&words(&ports, true), None);
    switch.wait(60).ok();
    let all = points.passed();
    lab.netloom(&["down", "x"]).ok();
    all
}

#[test]
fn by_a_signal_to_the_command() {
    let lab = Lab::new();
    let (ports, all) = (ports(), all_points(&lab));
    for (detach, signal) in [(false, "INT"), (false, "TERM"), (true, "INT"), (true, "TERM")] {
        let (switch, points) = lab.spawn_watched(&words(&ports, detach), Some(Stop::Hold(MIDDLE)));
        eventually("it is in the middle", || points.stopped(), Option::is_some);
        switch.signal(signal);
        points.let_pass();
        let message = switch.wait(60).refused(1);
        assert_eq!(message, "switch x: it was told to stop before every port forwarded");
        // Undoing has points too, and the port that was under way is finished first.
        assert!(points.passed() < all / 2, "{} of {all} points", points.passed());
        lab.is_empty();
    }
}

/// One that hears nothing, since it is killed: nobody knows that the switch comes.
#[test]
fn by_a_kill_of_the_command_that_waits_for_it() {
    let lab = Lab::new();
    let (ports, all) = (ports(), all_points(&lab));
    let (switch, points) = lab.spawn_watched(&words(&ports, true), Some(Stop::Hold(MIDDLE)));
    eventually("it is in the middle", || points.stopped(), Option::is_some);
    switch.signal("KILL");
    points.let_pass();
    lab.is_empty();
    assert!(points.passed() < all / 2, "{} of {all} points", points.passed());
}
