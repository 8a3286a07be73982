//! `stats --watch`: a reading a second, and an end as soon as it is told to.

use std::time::{Duration, Instant};

use serde_json::Value;
use tests::lab::{Lab, PROGRAM};

#[test]
fn a_reading_comes_each_second_and_an_interrupt_waits_for_none() {
    let lab = Lab::new();
    lab.up("x", &["a=tap"]);
    for signal in ["INT", "TERM"] {
        let watch = lab.spawn(&[PROGRAM, "stats", "--watch", "--json"]);
        let readings = |count: usize| watch.out().lines().count() >= count;
        tests::lab::eventually("three readings", || readings(3), |seen| *seen);
        let text = watch.out();
        let uptime = |line: &str| {
            let reading: Value = serde_json::from_str(line).expect("JSON");
            reading["uptime"].as_f64().expect("seconds")
        };
        let uptimes: Vec<_> = text.lines().take(3).map(uptime).collect();
        let apart = (uptimes[2] - uptimes[0]) / 2.0;
        assert!((0.9..1.2).contains(&apart), "{apart} s apart: {uptimes:?}");
        // Right after a reading, so that the next is a second away.
        let begin = Instant::now();
        watch.signal(signal);
        watch.wait(10).ok();
        let passed = begin.elapsed();
        println!("readings {apart:.3} s apart; ends {passed:?} after SIG{signal}");
        assert!(passed < Duration::from_millis(700), "it waited for the next reading: {passed:?}");
    }
    lab.end();
}
