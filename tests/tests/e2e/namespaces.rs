//! Namespaces: made when missing, shared, gone with the last port, and never those of others.

use tests::lab::{Lab, contains, eventually, lacks};

const A: &str = "a=tap,netns=na,addr=10.9.0.1/24,addr=fd00::1/64";
const B: &str = "b=tap,netns=nb,addr=10.9.0.2/24,addr=fd00::2/64";

#[test]
fn two_ports_in_one_namespace() {
    let lab = Lab::new();
    lab.up("x", &["a=tap,netns=n,addr=10.9.1.1/24", "b=tap,netns=n", "c=tap,netns=n,ifname=own"]);
    let names: Vec<_> = ["a", "b", "c"].map(|port| lab.port("x", port)["ifname"].clone()).into();
    assert_eq!(names, ["eth0", "eth1", "own"]);
    lab.netloom(&["port", "del", "a"]).ok();
    assert_ne!(lab.run_in("n", &["ip", "link", "show", "eth0"]).exit, Some(0));
    // The lowest free name, and the namespace stays while a port is in it.
    lab.netloom(&["port", "add", "d=tap,netns=n"]).ok();
    assert_eq!(lab.port("x", "d")["ifname"], "eth0");
    for port in ["b", "c", "d"] {
        contains(&lab.inventory().join(" "), "/run/netns/n");
        lab.netloom(&["port", "del", port]).ok();
    }
    lacks(&lab.inventory().join(" "), "/run/netns/n");
    lab.end();
}

#[test]
fn a_name_that_is_said_is_kept_from_those_that_are_chosen() {
    let lab = Lab::new();
    lab.up("x", &["a=tap,netns=n", "b=tap,netns=n,ifname=eth0", "c=tap,netns=n"]);
    let names = || ["a", "b", "c"].map(|port| lab.port("x", port)["ifname"].clone());
    assert_eq!(names(), ["eth1", "eth0", "eth2"]);
    lab.end();
}

#[test]
fn a_namespace_goes_with_the_last_port_of_any_switch() {
    let lab = Lab::new();
    lab.up("x", &["a=tap:xa,netns=n"]);
    lab.up("y", &["a=tap:ya,netns=n"]);
    lab.netloom(&["down", "x"]).ok();
    lab.run_in("n", &["ip", "link", "show", "eth1"]).ok();
    assert_ne!(lab.run_in("n", &["ip", "link", "show", "eth0"]).exit, Some(0));
    lab.netloom(&["down", "y"]).ok();
    lab.is_empty();
    // The same with the first one killed: its claim does not count for ever.
    lab.up("x", &["a=tap:xa,netns=n"]);
    lab.up("y", &["a=tap:ya,netns=n"]);
    lab.signal(lab.pid("x"), "KILL");
    lab.netloom(&["down", "x"]).ok();
    lab.run_in("n", &["ip", "link", "show", "eth1"]).ok();
    lab.netloom(&["down", "y"]).ok();
    lab.is_empty();
}

#[test]
fn what_was_there_before_stays() {
    let lab = Lab::new();
    lab.run(&["ip", "netns", "add", "mine"]).ok();
    lab.run_in("mine", &["ip", "link", "add", "own", "type", "veth", "peer", "far"]).ok();
    lab.up("x", &["a=tap,netns=mine,addr=10.9.0.1/24", "b=tap,netns=/run/netns/mine"]);
    // `lo` is brought up along with the port.
    let links = lab.run_in("mine", &["ip", "-br", "link"]).ok();
    assert!(links.lines().any(|line| line.starts_with("lo ") && line.contains("UP")), "{links}");
    assert_eq!(lab.port("x", "b")["netns"], "/run/netns/mine");
    lab.netloom(&["down", "x"]).ok();
    let links = lab.run_in("mine", &["ip", "-br", "link"]).ok();
    assert!(links.contains("own@") && !links.contains("eth"), "{links}");
    lab.run(&["ip", "netns", "del", "mine"]).ok();
    lab.is_empty();
}

/// Waits until so many processes are in a namespace: one that was started may not be there yet.
fn has_inside(lab: &Lab, netns: &str, count: usize) {
    let pids = || lab.run(&["ip", "netns", "pids", netns]).ok();
    let what = format!("{count} processes are in {netns}");
    eventually(&what, pids, |pids| pids.lines().count() == count);
}

#[test]
fn down_says_which_processes_live_on() {
    let lab = Lab::new();
    lab.up("x", &[A, B]);
    let one = lab.spawn_in("na", &["sleep", "1000"]);
    let two = lab.spawn_in("na", &["sleep", "1000"]);
    has_inside(&lab, "na", 2);
    let answer = lab.netloom(&["down", "x"]);
    answer.ok();
    let hint = "hint: 2 processes live on in what was namespace na";
    assert!(answer.err.lines().any(|line| line == hint), "{answer:?}");
    let (mut one, mut two) = (one, two);
    assert!(one.runs() && two.runs(), "not killed");
    drop((one, two));
    lab.is_empty();
    // The same of a switch that was killed.
    lab.up("x", &[A]);
    let one = lab.spawn_in("na", &["sleep", "1000"]);
    has_inside(&lab, "na", 1);
    lab.signal(lab.pid("x"), "KILL");
    let answer = lab.netloom(&["down", "x", "--json"]).json();
    assert!(answer["hints"][0].as_str().is_some_and(|hint| hint.contains("1 process")), "{answer}");
    drop(one);
    lab.is_empty();
}

#[test]
fn exec_runs_a_command_in_a_namespace() {
    let lab = Lab::new();
    lab.up("x", &[A]);
    let exec = |words: &[&str]| lab.netloom(&[&["exec"], words].concat());
    let link = exec(&["na", "--", "ip", "-br", "link", "show", "eth0"]).ok();
    assert!(link.starts_with("eth0"), "{link}");
    exec(&["/run/netns/na", "--", "ip", "link", "show", "eth0"]).ok();
    assert_eq!(exec(&["na", "--", "sh", "-c", "exit 42"]).exit, Some(42));
    // The command's own options and streams are its own.
    let echo = exec(&["na", "--", "echo", "--json", "-q"]);
    assert_eq!(echo.ok(), "--json -q\n");
    exec(&["na", "--", "no-such-command"]).refused(127);
    exec(&["nowhere", "--", "true"]).refused(3);
    exec(&["/run/netns/nowhere", "--", "true"]).refused(3);
    exec(&["/etc/passwd", "--", "true"]).refused(3);
    exec(&["na"]).refused(2);
    lab.end();
}
