//! What a switch uses of the machine.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tests::lab::Lab;

/// CPU time of a process with all its threads.
pub fn cpu_time(lab: &Lab, pid: u32) -> Duration {
    let tasks = fs::read_dir(lab.path(format!("/proc/{pid}/task"))).expect("threads");
    let nanoseconds = tasks.flatten().map(|task| {
        // The first number is the time on a CPU; `stat` has it in hundredths of a second only.
        let text = fs::read_to_string(task.path().join("schedstat")).expect("the time");
        text.split(' ').next().and_then(|number| number.parse::<u64>().ok()).expect("a number")
    });
    Duration::from_nanos(nanoseconds.sum())
}

#[test]
fn an_idle_switch_uses_little_memory_and_hardly_any_time() {
    let lab = Lab::new();
    lab.up("x", &["a=tap,netns=na,addr=10.9.0.1/24", "b=tap,netns=nb,addr=10.9.0.2/24"]);
    assert_eq!(lab.flood_ping("na", "10.9.0.2", 100).received, 100);
    let pid = lab.pid("x");
    let status = fs::read_to_string(lab.path(format!("/proc/{pid}/status"))).expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 40 * 1024, "{kib} KiB resident");

    let (begin, before) = (Instant::now(), cpu_time(&lab, pid));
    sleep(Duration::from_secs(4));
    let (passed, used) = (begin.elapsed(), cpu_time(&lab, pid) - before);
    let share = used.as_secs_f64() / passed.as_secs_f64();
    assert!(share < 0.005, "{used:?} of CPU time in {passed:?}");
    lab.end();
}

#[test]
fn up_and_down_take_moments() {
    let lab = Lab::new();
    let begin = Instant::now();
    lab.up("x", &["a=tap,netns=na,addr=fd00::1/64", "b=tap,netns=nb,addr=fd00::2/64"]);
    let up = begin.elapsed();
    lab.netloom(&["down", "x"]).ok();
    let both = begin.elapsed();
    // Far above what they take, far below waiting for duplicate address detection.
    assert!(up < Duration::from_millis(1500) && both < Duration::from_secs(3), "{up:?} {both:?}");
    lab.is_empty();
}
