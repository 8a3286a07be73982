//! Changes of a running switch that fail: nothing of them is left, and everything is as it was.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use tests::lab::{Answer, Lab, at_rest, within};

/// Everything that can be seen of a switch but for what frames change.
fn seen(lab: &Lab, pid: u32) -> Vec<String> {
    let netdevs = lab.run(&["ip", "-br", "link"]).ok();
    let ports = lab.json(&["port", "ls"]).to_string();
    let mut all = lab.inventory();
    all.extend(netdevs.lines().map(str::to_owned));
    all.extend([ports, journal(lab).join("\n")]);
    let entries = lab.json(&["fdb", "ls"]);
    let entries = entries.as_array().expect("entries").iter();
    all.extend(entries.filter(|row| row["kind"] == "static").map(Value::to_string));
    let descriptors = fs::read_dir(lab.path(format!("/proc/{pid}/fd"))).expect("its descriptors");
    all.push(format!("{} descriptors", descriptors.count()));
    all
}

/// What the record says is made.
fn journal(lab: &Lab) -> Vec<String> {
    let text = fs::read_to_string(lab.path("/run/netloom/x/made")).expect("the record");
    let mut made = std::collections::BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        let entry = line["entry"].as_u64().expect("a number");
        match line["thing"].is_null() {
            true => drop(made.remove(&entry)),
            false => drop(made.insert(entry, line.to_string())),
        }
    }
    made.into_values().collect()
}

/// Waits until what is seen is what was seen before.
fn is_as_before(lab: &Lab, pid: u32, before: &[String], why: &Answer) {
    let same = within(10, || {
        let now = seen(lab, pid);
        if now == before { Ok(()) } else { Err(now) }
    });
    if let Err(now) = same {
        let (was, now) = (set(before), set(&now));
        let (gone, new): (Vec<_>, Vec<_>) =
            (was.difference(&now).collect(), now.difference(&was).collect());
        panic!("gone: {gone:#?}\nnew: {new:#?}\nafter {why:#?}");
    }
}

fn set(lines: &[String]) -> BTreeSet<&String> {
    lines.iter().collect()
}

/// A switch of two ports, in a host where something is in the way of others.
fn lab() -> (Lab, u32) {
    let lab = Lab::new();
    lab.run(&["ip", "link", "add", "taken", "type", "veth", "peer", "name", "peer"]).ok();
    lab.run(&["ip", "netns", "add", "theirs"]).ok();
    lab.run(&["ip", "tuntap", "add", "dev", "own", "mode", "tap"]).ok();
    lab.up("x", &["a=tap,netns=na,addr=10.9.0.1/24", "b=tap,netns=nb,addr=10.9.0.2/24"]);
    lab.ping("na", "10.9.0.2");
    lab.netloom(&["fdb", "add", "02:00:00:00:00:99", "a"]).ok();
    let pid = lab.pid("x");
    (lab, pid)
}

fn ends(lab: &Lab) {
    at_rest(lab, "x");
    lab.ping("na", "10.9.0.2");
    lab.netloom(&["down", "x"]).ok();
    for words in
        [&["link", "del", "taken"][..], &["netns", "del", "theirs"], &["link", "del", "own"]]
    {
        lab.run(&[&["ip"], words].concat()).ok();
    }
    lab.is_empty();
}

#[test]
fn what_the_host_refuses_changes_nothing() {
    let (lab, pid) = lab();
    let before = seen(&lab, pid);
    for spec in [
        "c=tap:taken",
        "c=tap,netns=theirs,ifname=lo",
        "c=tap,netns=/run/nowhere",
        "c=tap,netns=nc,gateway=10.9.9.9",
        "c=tap:own,existing,netns=theirs,gateway=10.9.9.9",
        "c=macvtap:absent",
        "c=macvtap:taken",
        "a=tap:other",
        "c=tap:a",
    ] {
        let answer = lab.netloom(&["port", "add", spec]);
        answer.refused(1);
        is_as_before(&lab, pid, &before, &answer);
    }
    for words in [&["set", "a", "access=5000"][..], &["set", "z", "access=5"], &["del", "z"]] {
        let answer = lab.netloom(&[&["port"], words].concat());
        answer.refused(if words[1] == "a" { 2 } else { 3 });
        is_as_before(&lab, pid, &before, &answer);
    }
    ends(&lab);
}

#[test]
fn a_port_that_finds_no_descriptors_changes_nothing() {
    let (lab, pid) = lab();
    let before = seen(&lab, pid);
    let open = fs::read_dir(lab.path(format!("/proc/{pid}/fd"))).expect("its descriptors").count();
    let limit = |soft: usize| {
        let limit = format!("--nofile={soft}:");
        lab.run(&["prlimit", "--pid", &pid.to_string(), &limit]).ok();
    };
    for spec in ["c=tap,netns=nc,addr=10.9.0.3/24", "c=tap:own,existing,netns=theirs"] {
        let mut refused = 0;
        for more in 0..64 {
            limit(open + more);
            let answer = lab.netloom(&["port", "add", spec]);
            limit(4096);
            if answer.exit == Some(0) {
                break;
            }
            refused += 1;
            is_as_before(&lab, pid, &before, &answer);
        }
        assert!((1..64).contains(&refused), "{spec}: refused {refused} times");
        lab.netloom(&["port", "del", "c"]).ok();
        let after = lab.netloom(&["port", "ls"]);
        is_as_before(&lab, pid, &before, &after);
    }
    ends(&lab);
}
