//! A switch killed at each point of its work, one after the other: what it made
//! goes, and what it borrowed is given back as it was, by the next `down` or `up`.
//!
//! A point is a system call that changes the host: see [`io_backends::testing::points`].
//! Each test begins with the first and ends when a run got through; so it tries
//! every point there is, on any machine.

mod interrupted;

use io_backends::testing::points::{Points, Stop};
use serde_json::Value;
use tests::lab::{Lab, Running, within};

/// Longer than any test here has points; one more and it goes in circles.
const MOST: usize = 400;

/// How long one step may take, in seconds: each call that may be a point goes by way of the test,
/// which has to wait for a CPU of a busy machine each time.
const PATIENCE: u64 = 120;

/// Ports that make everything there is to make: a TAP here, one in a namespace
/// of its own, a macvtap, a veth pair, somebody else's netdev attached where it is,
/// and a borrowed TAP with all that can be changed of it.
const PORTS: [&str; 6] = ["here=tap", AWAY, "over=macvtap:low", PAIR, THEIRS, BORROWED];
const AWAY: &str = "away=tap,netns=na,addr=10.9.0.1/24,addr=fd00::1/64,gateway=10.9.0.254,mtu=1400";
const PAIR: &str = "pair=veth,netns=nv,addr=10.7.0.1/24";
const THEIRS: &str = "theirs=netdev:theirs";
const BORROWED: &str = "lent=tap:mine,existing,netns=given,ifname=lent,\
    addr=10.8.0.1/24,addr=fd08::1/64,gateway=10.8.0.254,mac=02:00:00:00:08:01,mtu=1500";

/// A host with a netdev for a macvtap, one to attach, and a TAP to borrow, which is up or down.
struct Host {
    lab: Lab,
    /// The netdev to attach as it was.
    theirs: Value,
    /// The TAP as it was.
    mine: Value,
    /// All that was there.
    before: Vec<String>,
}

impl Host {
    fn new(state: &str) -> Host {
        let lab = Lab::new();
        for words in [
            "link add low type veth peer name far",
            "link set far up",
            "link set low up",
            "link add theirs type veth peer name other",
            "link set other up",
            "link set theirs up",
            "tuntap add dev mine mode tap",
            "link set mine address 02:00:00:00:08:08 mtu 1400",
            "addr add 192.0.2.1/24 dev mine",
            "addr add 10.8.0.1/24 dev mine",
        ] {
            ip(&lab, words);
        }
        ip(&lab, &format!("link set mine {state}"));
        ip(&lab, "addr add fd09::1/64 dev mine nodad");
        lab.file("x.toml", "[switch]\nworkers = 1\nengine = \"epoll\"\n");
        let theirs = attached(&lab);
        let (mine, before) = (borrowed(&lab), lab.inventory());
        Host { lab, theirs, mine, before }
    }

    /// Starts the switch in the foreground, stopped where `stop` says.
    fn up(&self, ports: &[&str], stop: Option<Stop>) -> (Running<'_>, Points) {
        let mut words = vec!["up", "/run/files/x.toml"];
        words.extend(ports.iter().flat_map(|port| ["--port", port]));
        self.lab.spawn_watched(&words, stop)
    }

    /// Checks that all is as it was.
    #[track_caller]
    fn is_as_it_was(&self, point: &str) {
        let left = within(10, || {
            let left = self.lab.inventory();
            if left == self.before { Ok(()) } else { Err(left) }
        });
        if let Err(left) = left {
            panic!("killed at {point}, this is left: {left:?}, not {:?}", self.before);
        }
        assert_eq!(borrowed(&self.lab), self.mine, "killed at {point}");
        assert_eq!(attached(&self.lab), self.theirs, "killed at {point}");
    }

    /// Cleans up after a switch that was killed there, by `down` or by an `up` of the same name.
    #[track_caller]
    fn clean_up(&self, point: &str, by_up: bool) {
        if by_up {
            self.lab.try_up("x", &[]).ok();
        }
        let down = self.lab.netloom(&["down", "x"]);
        let never_began = down.exit == Some(3) && down.err.contains("no such switch");
        assert!(down.exit == Some(0) || never_began && !by_up, "killed at {point}: {down:#?}");
        self.is_as_it_was(point);
    }
}

fn ip(lab: &Lab, words: &str) -> String {
    lab.run(&[&["ip"], &words.split(' ').collect::<Vec<_>>()[..]].concat()).ok()
}

/// All that the kernel tells about the TAP `mine`, but its counters and what only being opened
/// changes: its queueing, its header, and the link-local address that comes with a carrier.
fn borrowed(lab: &Lab) -> Value {
    let answer = lab.run(&["ip", "-d", "-j", "addr", "show", "mine"]);
    let Ok(mut all) = serde_json::from_str::<Value>(&answer.out) else {
        return Value::String(answer.err);
    };
    let mut link = all[0].take();
    for key in ["qdisc", "ifindex"] {
        link[key].take();
    }
    link["linkinfo"]["info_data"]["vnet_hdr"].take();
    if let Some(addresses) = link["addr_info"].as_array_mut() {
        addresses.retain(|address| address["scope"] != "link");
    }
    link
}

/// All that the kernel tells about the netdev `theirs`, but its counters.
fn attached(lab: &Lab) -> Value {
    let answer = lab.run(&["ip", "-d", "-j", "link", "show", "theirs"]);
    serde_json::from_str(&answer.out).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// Waits until the switch forwards or is killed; whether it forwards.
fn forwards(switch: &mut Running<'_>, points: &Points) -> bool {
    let settled = within(PATIENCE, || {
        let forwards = switch.out().contains("forwards with");
        if forwards || points.stopped().is_some() || !switch.runs() {
            Ok(forwards)
        } else {
            Err(())
        }
    });
    settled.unwrap_or_else(|()| panic!("it does not get on: {}", switch.err()))
}

/// Kills a switch at one point after the other while `command` has it do something,
/// until it gets through; in the beginning the switch has `ports`.
fn kill_while(host: &Host, ports: &[&str], command: &[&str]) -> usize {
    for nth in 1..MOST {
        let (mut switch, points) = host.up(ports, None);
        assert!(forwards(&mut switch, &points), "{}", switch.err());
        points.kill_at(nth);
        let answer = host.lab.netloom(command);
        let Some(point) = points.stopped() else {
            answer.ok();
            host.lab.netloom(&["down", "--all"]).ok();
            drop(switch);
            host.is_as_it_was("no point");
            return nth - 1;
        };
        let point = format!("{point} of {command:?}");
        // The switch is gone, and `down` did what it could not do any more.
        let whole = command == ["down", "x"] && answer.exit == Some(0);
        if !whole {
            answer.refused(1);
        }
        switch.wait(PATIENCE);
        if whole {
            host.is_as_it_was(&point);
        } else {
            host.clean_up(&point, nth % 2 == 0);
        }
    }
    panic!("{command:?} has no end")
}

#[test]
fn while_it_starts() {
    let host = Host::new("down");
    for nth in 1..MOST {
        let (mut switch, points) = host.up(&PORTS, Some(Stop::Kill(nth)));
        if forwards(&mut switch, &points) {
            points.let_pass();
            switch.signal("TERM");
            switch.wait(PATIENCE).ok();
            host.is_as_it_was("no point");
            println!("{} points", nth - 1);
            return;
        }
        let point = points.stopped().unwrap_or_else(|| panic!("{}", switch.err()));
        switch.wait(PATIENCE);
        host.clean_up(&point, nth % 2 == 0);
    }
    panic!("it never starts");
}

#[test]
fn while_it_adds_a_port() {
    let host = Host::new("up");
    for port in [BORROWED, PAIR, THEIRS] {
        let points = kill_while(&host, &[], &["port", "add", port]);
        println!("{points} points");
    }
}

#[test]
fn while_it_removes_a_port() {
    for (state, port) in
        [("down", BORROWED), ("up", BORROWED), ("down", AWAY), ("up", PAIR), ("up", THEIRS)]
    {
        let host = Host::new(state);
        let name = port.split('=').next().expect("a name");
        let points = kill_while(&host, &[port], &["port", "del", name]);
        println!("{points} points");
    }
}

#[test]
fn while_it_stops() {
    let host = Host::new("up");
    let points = kill_while(&host, &PORTS, &["down", "x"]);
    println!("{points} points");
}

/// `down` cleans up after a killed switch, and is killed while it does.
#[test]
fn while_another_cleans_up_after_it() {
    let host = Host::new("up");
    for nth in 1..MOST {
        let (mut switch, points) = host.up(&PORTS, None);
        assert!(forwards(&mut switch, &points), "{}", switch.err());
        switch.signal("KILL");
        switch.wait(PATIENCE);
        let (down, points) = host.lab.spawn_watched(&["down", "x"], Some(Stop::Kill(nth)));
        let answer = down.wait(PATIENCE);
        let Some(point) = points.stopped() else {
            answer.ok();
            host.is_as_it_was("no point");
            println!("{} points", nth - 1);
            return;
        };
        host.clean_up(&format!("{point} of down"), nth % 2 == 0);
    }
    panic!("down has no end");
}
