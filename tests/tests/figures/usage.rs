//! What a switch uses of the machine.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tests::lab::Lab;

/// CPU time of a process with all its threads.
fn cpu_time(lab: &Lab, pid: u32) -> Duration {
    let tasks = fs::read_dir(lab.path(format!("/proc/{pid}/task"))).expect("threads");
    let nanoseconds = tasks.flatten().map(|task| {
        // The first number is the time on a CPU; `stat` has it in hundredths of a second only.
        let text = fs::read_to_string(task.path().join("schedstat")).expect("the time");
        text.split(' ').next().and_then(|number| number.parse::<u64>().ok()).expect("a number")
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// How much of a CPU a switch uses at most that has nothing to do.
const IDLE: f64 = 0.005;

const PORTS: [&str; 2] = ["a=tap,netns=na,addr=10.9.0.1/24", "b=tap,netns=nb,addr=10.9.0.2/24"];

/// Checks that a switch uses hardly any time while nothing happens.
#[track_caller]
fn is_idle(lab: &Lab, circumstance: &str) {
    let pid = lab.pid("x");
    let (begin, before) = (Instant::now(), cpu_time(lab, pid));
    sleep(Duration::from_secs(3));
    let (passed, used) = (begin.elapsed(), cpu_time(lab, pid) - before);
    println!("{circumstance}: {used:?} of CPU time in {passed:?}");
    let share = used.as_secs_f64() / passed.as_secs_f64();
    assert!(share < IDLE, "{circumstance}: {used:?} of CPU time in {passed:?}");
}

#[test]
fn an_idle_switch_uses_little_memory_and_hardly_any_time() {
    let lab = Lab::new();
    lab.up("x", &PORTS);
    assert_eq!(lab.flood_ping("na", "10.9.0.2", 100).received, 100);
    let status = fs::read_to_string(lab.path(format!("/proc/{}/status", lab.pid("x"))));
    let status = status.expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    println!("{kib} KiB resident");
    assert!(kib < 40 * 1024, "{kib} KiB resident");
    is_idle(&lab, "idle");
    // A namespace is gone: that is logged once, and nothing is tried in a hurry.
    lab.run(&["ip", "netns", "del", "na"]).ok();
    lab.port_is("x", "a", "fault");
    is_idle(&lab, "without a namespace");
    lab.end();
}

#[test]
fn every_engine_rests() {
    for engine in ["epoll", "io_uring"] {
        for workers in [1, 3] {
            let lab = Lab::new();
            let port = |name: &str, host: u8| {
                format!(
                    "[[port]]\nname = \"{name}\"\nkind = \"tap\"\nnetns = \"n{name}\"\n\
                     addr = [\"10.9.0.{host}/24\"]\n"
                )
            };
            let (a, b) = (port("a", 1), port("b", 2));
            let switch = format!("[switch]\nengine = \"{engine}\"\nworkers = {workers}\n");
            lab.up_file("x", &format!("{switch}{a}{b}"));
            assert_eq!(lab.flood_ping("na", "10.9.0.2", 1000).received, 1000);
            is_idle(&lab, &format!("{engine}, {workers} workers"));
            lab.end();
        }
    }
}
