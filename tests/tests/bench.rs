//! `netloom bench` end to end, as briefly as it goes: a figure for everybody,
//! and nothing left behind, also when it is interrupted or killed.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tests::lab::{FILES, Lab, PROGRAM, contains, eventually_in, has};

/// Runs of a tenth of a second, one of each.
const BRIEFLY: [&str; 4] = ["--rounds", "1", "--duration", "0.1"];

/// How long a bench may take to come to something, or to its end, in seconds.
const LONG: u64 = 60;

/// As few cases of a matrix as there can be.
const FEW: [&str; 10] =
    ["--sizes", "64", "--queues", "1", "--flows", "1", "--addresses", "256", "--ports", "20"];

/// What only benches leave: their directories.
fn directories(lab: &Lab) -> Vec<String> {
    let entries = fs::read_dir(lab.path("/run")).expect("the lab's /run").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("netloom-bench")).collect()
}

#[track_caller]
fn nothing_is_left(lab: &Lab) {
    lab.is_empty();
    assert_eq!(directories(lab), Vec::<String>::new());
}

fn rows(document: &Value, measurement: &str) -> Vec<Value> {
    let all = document["measurements"].as_array().expect("measurements");
    let found = all.iter().find(|it| it["name"] == measurement);
    found.unwrap_or_else(|| panic!("no {measurement}"))["rows"].as_array().expect("rows").clone()
}

#[test]
fn everybody_is_measured_and_nothing_stays() {
    let lab = Lab::new();
    let mut expected = vec!["netloom", "kernel-bridge", "plain", "plain-header"];
    for (tool, name) in [("ovs-vswitchd", "ovs"), ("vde_switch", "vde")] {
        if has(tool) {
            expected.push(name);
        }
    }
    let report = format!("{FILES}/report.html");
    let words = [&["bench", "matrix", "--json", "--report", &report], &BRIEFLY[..], &FEW].concat();
    let document = lab.spawn(&[&[PROGRAM], &words[..]].concat()).wait(300).json();
    for measurement in ["loop", "tcp", "udp", "rtt", "fdb-capacity", "fdb-learning", "throughput"] {
        let rows = rows(&document, measurement);
        // A cable learns nothing.
        let learns = |name: &&&str| !measurement.starts_with("fdb") || !name.starts_with("plain");
        for name in expected.iter().filter(learns) {
            let row = rows.iter().find(|row| row["contestant"] == *name);
            let row = row.unwrap_or_else(|| panic!("{measurement}: no {name}"));
            // On a busy machine nothing may come of a tenth of a second, and another switch may
            // lose what goes round in it; then its row says so.
            let is_measured = row["figure"]["median"].is_number();
            let is_explained = *name != "netloom" && row["failure"].is_string();
            assert!(is_measured || is_explained, "{measurement}: {row}");
            // There is a ratio to everybody else, unless they carried nothing.
            let is_compared = *name != "netloom" && is_measured && row["figure"]["median"] != 0.0;
            assert_eq!(row["netloom_ratio"].is_number(), is_compared, "{measurement}: {row}");
        }
    }
    for (measurement, circumstance, first, second) in [
        ("idle-ports", "idle_ports", Value::from(0), Value::from(20)),
        ("stopped-receiver-rate", "receiver", "reads".into(), "stopped".into()),
        ("stopped-receiver-latency", "receiver", "reads".into(), "stopped".into()),
    ] {
        let rows = rows(&document, measurement);
        let found: Vec<_> = rows.iter().map(|row| row[circumstance].clone()).collect();
        assert_eq!(found, [first, second], "{measurement}");
        assert!(rows.iter().all(|row| row["contestant"] == "netloom"), "{measurement}");
        assert!(rows[0]["undisturbed_ratio"].is_null(), "{measurement}: {rows:?}");
        let [undisturbed, disturbed] =
            [&rows[0], &rows[1]].map(|row| row["figure"]["median"].as_f64());
        // There is none of nothing.
        let has_ratio = undisturbed > Some(0.0);
        assert!(disturbed.is_some(), "{measurement}: {rows:?}");
        assert_eq!(rows[1]["undisturbed_ratio"].is_number(), has_ratio, "{measurement}: {rows:?}");
    }
    let page = fs::read_to_string(lab.path(&report)).expect("the report");
    for row in rows(&document, "fdb-capacity") {
        assert_eq!(row["figure"]["median"], 256.0, "{row}");
    }
    assert!(page.contains("<svg") && page.contains("plain-header"));
    nothing_is_left(&lab);
}

#[test]
fn cpus_may_be_kept_awake_meanwhile() {
    let lab = Lab::new();
    let words =
        [&["bench", "rtt", "--against", "none", "--awake", "--json"], &BRIEFLY[..]].concat();
    let document = lab.run(&[&[PROGRAM], &words[..]].concat()).json();
    assert_eq!(document["machine"]["awake"], true);
    assert!(rows(&document, "rtt").iter().all(|row| row["figure"]["median"].is_number()));
    nothing_is_left(&lab);
}

#[test]
fn who_is_missing_is_told() {
    let lab = Lab::new();
    // Somewhere without any other program.
    lab.run(&["mkdir", "/run/empty"]).ok();
    for directory in ["/usr/local/sbin", "/usr/sbin", "/sbin"] {
        if Path::new(directory).is_dir() {
            lab.run(&["mount", "--bind", "/run/empty", directory]).ok();
        }
    }
    let words = [&["env", "PATH=/run/empty", PROGRAM, "bench", "tcp", "--json"], &BRIEFLY[..]];
    let document = lab.run(&[&["/usr/bin/env"], &words.concat()[1..]].concat()).json();
    for contestant in document["contestants"].as_array().expect("contestants") {
        let missing = ["ovs", "vde"].iter().any(|name| contestant["name"] == *name);
        let state = if missing { "missing" } else { "measured" };
        assert_eq!(contestant["state"], state, "{contestant}");
        assert_eq!(contestant["why"].is_null(), !missing, "{contestant}");
    }
    assert!(rows(&document, "tcp").iter().all(|row| row["contestant"] != "ovs"));
}

#[test]
fn an_interrupt_takes_everything_away() {
    let lab = Lab::new();
    let bench = lab.spawn(&[PROGRAM, "bench", "tcp", "--duration", "600"]);
    traffic_runs(&lab);
    bench.signal("INT");
    let answer = bench.wait(LONG);
    contains(&answer.refused(1), "interrupted");
    nothing_is_left(&lab);
}

#[test]
fn after_a_kill_the_next_one_cleans_up() {
    let lab = Lab::new();
    let bench = lab.spawn(&[PROGRAM, "bench", "tcp", "--duration", "600"]);
    traffic_runs(&lab);
    bench.signal("KILL");
    drop(bench);
    assert!(!directories(&lab).is_empty());
    let words = [&["bench", "rtt", "--against", "none"], &BRIEFLY[..]].concat();
    lab.netloom(&words).ok();
    nothing_is_left(&lab);
}

/// Waits until traffic runs through the contestant that is the last to start.
#[track_caller]
fn traffic_runs(lab: &Lab) {
    let processes = || lab.processes();
    let is_there = |names: &Vec<String>| names.iter().any(|name| name == "vde_switch");
    eventually_in(LONG, "traffic", processes, is_there);
}

/// Waits until some netloom stands still.
#[track_caller]
fn one_is_stopped(lab: &Lab) {
    let stats = || {
        let entries = fs::read_dir(lab.path("/proc")).expect("the lab's /proc").flatten();
        let stats = entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
        stats.collect::<Vec<_>>()
    };
    let is_stopped = |stats: &Vec<String>| stats.iter().any(|stat| stat.contains("(netloom) T"));
    eventually_in(LONG, "a standstill", stats, is_stopped);
}

/// Waits until the namespace of the ports that are to be idle is there, and they are being made.
#[track_caller]
fn idle_ports_are_made(lab: &Lab) {
    let names = || {
        let entries = fs::read_dir(lab.path("/run/netns")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let is_there = |names: &Vec<String>| names.iter().any(|name| name.ends_with("-idle-0"));
    eventually_in(LONG, "idle ports", names, is_there);
}

#[test]
fn an_interrupt_ends_a_standstill() {
    let lab = Lab::new();
    let words = [PROGRAM, "bench", "stopped-receiver", "--duration", "3", "--rounds", "1"];
    let bench = lab.spawn(&words);
    one_is_stopped(&lab);
    bench.signal("INT");
    contains(&bench.wait(LONG).refused(1), "interrupted");
    nothing_is_left(&lab);
}

#[test]
fn an_interrupt_does_not_wait_for_all_idle_ports() {
    let lab = Lab::new();
    let bench = lab.spawn(&[PROGRAM, "bench", "idle-ports", "--ports", "4000"]);
    idle_ports_are_made(&lab);
    bench.signal("INT");
    contains(&bench.wait(LONG).refused(1), "interrupted");
    nothing_is_left(&lab);
}

#[test]
fn who_was_killed_in_a_standstill_is_cleaned_up_after() {
    let lab = Lab::new();
    let words = [PROGRAM, "bench", "stopped-receiver", "--duration", "3", "--rounds", "1"];
    let bench = lab.spawn(&words);
    one_is_stopped(&lab);
    bench.signal("KILL");
    drop(bench);
    one_is_stopped(&lab);
    let words = [&["bench", "rtt", "--against", "none"], &BRIEFLY[..]].concat();
    lab.netloom(&words).ok();
    nothing_is_left(&lab);
}

#[test]
fn nobody_may_not() {
    let lab = Lab::new();
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
    let answer = lab.run(&[&nobody[..], &[PROGRAM, "bench", "tcp"]].concat());
    assert!(answer.refused(4).contains("needs CAP_NET_ADMIN"), "{answer:#?}");
    assert!(answer.hint().contains("root"), "{answer:#?}");
    nothing_is_left(&lab);
}

#[test]
fn mistakes_touch_nothing() {
    let lab = Lab::new();
    for words in [
        &["bench"][..],
        &["bench", "speed"],
        &["bench", "tcp", "--against", "snabb"],
        &["bench", "tcp", "--engine", "dpdk"],
        &["bench", "loop", "--workers", "0"],
        &["bench", "loop", "--sizes", "63"],
        &["bench", "rtt", "--rounds", "0"],
        &["bench", "idle-ports", "--ports", "0"],
        &["bench", "tcp", "--sizes", "64"],
        &["bench", "idle-ports", "--against", "vde"],
    ] {
        lab.netloom(words).refused(2);
    }
    let message = lab.netloom(&["bench", "tcp", "--report", "/no/such/place.html"]).refused(1);
    assert!(message.contains("/no/such/place.html"), "{message}");
    nothing_is_left(&lab);
}
