//! The same program on the host itself, the way a person types it: nothing of
//! the lab's own namespaces around it, names that nobody else uses.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, id};

use serde_json::Value;
use tests::lab::{counter, eventually, program};

/// A switch's name and everything called after it, gone with the value.
struct Guard {
    run_dir: PathBuf,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // What the test did not take away itself, because it failed.
        let _ = netloom(&self.run_dir, &["down", "--all"]);
        let _ = std::fs::remove_dir_all(&self.run_dir);
    }
}

fn netloom(run_dir: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(words).env("NETLOOM_RUN_DIR", run_dir).output().expect("the program")
}

#[track_caller]
fn ok(output: &Output) -> String {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Which of these namespaces there are.
fn there_are(names: [&str; 2]) -> Vec<&str> {
    let is_there = |name: &&str| Path::new("/run/netns").join(name).exists();
    names.into_iter().filter(is_there).collect()
}

#[test]
fn up_ping_look_down_and_nothing_is_left() {
    let unique = id();
    let run_dir = std::env::temp_dir().join(format!("netloom-e2e-{unique}"));
    let guard = Guard { run_dir: run_dir.clone() };
    let (name, na, nb) = (format!("x{unique}"), format!("e2e{unique}a"), format!("e2e{unique}b"));
    let (ta, tb) = (format!("nl{unique}a"), format!("nl{unique}b"));
    let run = |words: &[&str]| netloom(&guard.run_dir, words);

    let a = format!("a=tap:{ta},netns={na},addr=10.9.0.1/24,addr=fd00::1/64");
    let b = format!("b=tap:{tb},netns={nb},addr=10.9.0.2/24,addr=fd00::2/64");
    ok(&run(&["up", "-d", "--name", &name, "--port", &a, "--port", &b]));
    ok(&run(&["exec", &na, "--", "ping", "-n", "-c", "1", "-W", "10", "fd00::2"]));
    let listed = ok(&Command::new("ip").args(["netns", "list"]).output().expect("ip"));
    assert!(listed.contains(&na) && listed.contains(&nb), "{listed}");

    ok(&run(&["exec", &na, "--", "ping", "-n", "-q", "-f", "-c", "1000", "10.9.0.2"]));
    // The kernel's count: `ping` does not wait long for the last reply.
    let replies = || {
        let snmp = ok(&run(&["exec", &na, "--", "cat", "/proc/net/snmp"]));
        counter(&snmp, "Icmp:", "InEchoReps")
    };
    eventually("1000 replies", replies, |count| *count == 1000);

    let json =
        |words: &[&str]| -> Value { serde_json::from_str(&ok(&run(words))).expect("a document") };
    let fdb = json(&["fdb", "ls", "--json"]);
    for (port, netns) in [("a", &na), ("b", &nb)] {
        let link = ok(&run(&["exec", netns, "--", "ip", "-o", "link", "show", "eth0"]));
        let rows = fdb.as_array().expect("rows").iter().filter(|row| row["port"] == port);
        let macs: Vec<_> = rows.map(|row| row["mac"].as_str().expect("a text")).collect();
        assert!(macs.len() == 1 && link.contains(macs[0]), "{macs:?} {link}");
    }
    assert_eq!(there_are([&na, &nb]), [&na, &nb]);
    ok(&run(&["down", &name]));
    assert_eq!(there_are([&na, &nb]), Vec::<&str>::new());
    assert!(!run_dir.exists(), "{}", run_dir.display());
}
