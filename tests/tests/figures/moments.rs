//! How soon: what a person who types commands waits for.

use std::thread::sleep;
use std::time::{Duration, Instant};

use tests::lab::{Frame, Lab, eventually_in, mac, within};

use crate::median;

/// Within this a port follows its netdev.
const PROMPTLY: Duration = Duration::from_secs(2);

const PORTS: [&str; 2] = ["a=tap,netns=na,addr=10.9.0.1/24", "b=tap,netns=nb,addr=10.9.0.2/24"];

/// Runs `change`, and checks that the port `a` comes to this state promptly.
#[track_caller]
fn promptly(lab: &Lab, state: &str, change: impl FnOnce()) {
    change();
    let begin = Instant::now();
    lab.port_is("x", "a", state);
    let passed = begin.elapsed();
    assert!(passed < PROMPTLY, "{state} after {passed:?}");
}

#[test]
fn a_port_follows_its_netdev_within_two_seconds() {
    let lab = Lab::new();
    lab.up("x", &PORTS);
    let ip = |words: &str| {
        lab.run(&[&["ip"], &words.split(' ').collect::<Vec<_>>()[..]].concat()).ok();
    };
    promptly(&lab, "down", || ip("-n na link set eth0 down"));
    promptly(&lab, "up", || ip("-n na link set eth0 up"));
    promptly(&lab, "up", || {
        ip("-n na link del eth0");
        // It may be up again before anybody looks.
        let begin = Instant::now();
        let is_there = || lab.run(&["ip", "-n", "na", "link", "show", "eth0"]).exit == Some(0);
        let back = within(10, || if is_there() { Ok(()) } else { Err("gone") });
        assert_eq!((back, begin.elapsed() < PROMPTLY), (Ok(()), true), "{:?}", begin.elapsed());
    });
    ip("link add alive type veth peer name end netns na");
    promptly(&lab, "fault", || ip("netns del na"));
    let begin = Instant::now();
    lab.netdev_goes("alive");
    assert!(begin.elapsed() < PROMPTLY, "kept alive for {:?}", begin.elapsed());
    promptly(&lab, "up", || ip("netns add na"));
    lab.ping("na", "10.9.0.2");
    lab.netloom(&["down", "x"]).ok();
    // That one is not the switch's.
    ip("netns del na");
    lab.is_empty();
}

#[test]
fn no_address_is_waited_for() {
    let lab = Lab::new();
    let round = |addresses: [&str; 2]| {
        let [a, b] = addresses.map(|address| format!("tap,netns=n{address}"));
        let begin = Instant::now();
        lab.up("x", &[&format!("a={a}"), &format!("b={b}")]);
        lab.netloom(&["down", "x"]).ok();
        begin.elapsed()
    };
    // Duplicate address detection takes more than a second.
    let pairs = (0..5).map(|_| {
        (
            round(["a,addr=10.9.0.1/24", "b,addr=10.9.0.2/24"]),
            round(["a,addr=fd00::1/64", "b,addr=fd00::2/64"]),
        )
    });
    let (v4, v6): (Vec<_>, Vec<_>) = pairs.unzip();
    let (v4, v6) = (median(v4), median(v6));
    println!("up and down: {v4:?} with IPv4 addresses, {v6:?} with IPv6");
    assert!(v6 < 2 * v4 + Duration::from_millis(100), "{v6:?} with IPv6, {v4:?} with IPv4");
    lab.is_empty();
}

#[test]
fn the_demo_takes_moments() {
    let lab = Lab::new();
    let begin = Instant::now();
    lab.netloom(&["demo"]).ok();
    let passed = begin.elapsed();
    println!("the demo takes {passed:?}");
    assert!(passed < Duration::from_secs(10), "{passed:?}");
}

#[test]
fn an_address_ages_out_when_its_time_is_over() {
    let lab = Lab::new();
    let port = "[[port]]\nname = \"a\"\nkind = \"tap\"\n";
    lab.up_file("x", &format!("[switch]\nageing = 10\n{port}"));
    let nic = lab.host_nic("a");
    nic.send(&Frame::new(mac(2), mac(1), "the only one"));
    let begin = Instant::now();
    let entry = |fdb: &_| -> bool {
        let fdb: &std::collections::BTreeMap<(String, u64), String> = fdb;
        fdb.contains_key(&("02:00:00:00:00:01".to_owned(), 0))
    };
    eventually_in(10, "it is learned", || lab.fdb("x"), entry);
    let look = || {
        sleep(Duration::from_millis(50));
        lab.fdb("x")
    };
    eventually_in(30, "it is gone", look, |fdb| !entry(fdb));
    let passed = begin.elapsed();
    assert!(passed < Duration::from_millis(12_500), "{passed:?}");
}
