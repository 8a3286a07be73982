//! Bad input: each with its exit status, one clear line, and nothing changed on the host.

use tests::lab::{FILES, Lab};

/// A switch that goes on working beside all the mistakes.
pub fn with_a_switch() -> Lab {
    let lab = Lab::new();
    lab.up("x", &["a=tap,netns=na,addr=10.9.0.1/24", "b=tap,netns=nb,addr=10.9.0.2/24,access=10"]);
    lab.netloom(&["port", "set", "b", "transparent"]).ok();
    lab
}

/// Runs each command and checks its exit status, its message and its hint, and
/// that nothing has changed.
#[track_caller]
pub fn check(lab: &Lab, mistakes: &[(i32, &[&str], &str, &str)]) {
    let before = lab.inventory();
    let ports = lab.json(&["port", "ls", "--switch", "x"]);
    for (exit, words, message, hint) in mistakes {
        let answer = lab.netloom(words);
        let told = answer.refused(*exit);
        assert!(told.contains(message), "{message:?} is not in {answer:#?}");
        assert!(answer.hint().contains(hint), "{hint:?} is not in {answer:#?}");
        // The same with --json, as a document on standard error.
        let json = lab.netloom(&[&["--json"], *words].concat());
        assert_eq!((json.exit, json.out.as_str()), (Some(*exit), ""), "{json:#?}");
        let document: serde_json::Value =
            serde_json::from_str(&json.err).unwrap_or_else(|error| panic!("{error}: {json:#?}"));
        let part = |key: &str| document["error"][key].as_str().unwrap_or_default();
        assert_eq!(format!("{}: {}", part("what"), part("why")), told);
        assert_eq!(part("hint"), answer.hint());
        assert_eq!(lab.inventory(), before, "{words:?}");
    }
    assert_eq!(lab.json(&["port", "ls", "--switch", "x"]), ports);
    lab.ping("na", "10.9.0.2");
}

#[test]
fn wrong_specs() {
    let lab = with_a_switch();
    let specs: &[(&str, &str, &str)] = &[
        ("c=tap,acess=10", "unknown key \"acess\"", "did you mean \"access\"?"),
        ("c=tap,isolate", "unknown key \"isolate\"", "did you mean \"isolated\"?"),
        ("c=tap,nets=na", "unknown key \"nets\"", "did you mean \"netns\"?"),
        ("c=tap,mac_limit=3", "unknown key \"mac_limit\"", "did you mean \"mac-limit\"?"),
        ("c=tap,mode=bridge", "key \"mode\" does not belong to kind tap", "macvtap"),
        ("c=macvtap:eth9,addr=10.0.0.1/24", "key \"addr\" does not belong to kind macvtap", "tap"),
        ("c=fd:3,mtu=1400", "key \"mtu\" does not belong to kind fd", ""),
        ("c=tap,native=10", "native", ""),
        ("c=tap,tpid=0x88a8", "tpid goes with trunk only", ""),
        ("c=tap,access=10,trunk", "exclude each other", ""),
        ("c=tap,access=0", "not a VID from 1 to 4094", ""),
        ("c=tap,access=4095", "not a VID from 1 to 4094", ""),
        ("c=tap,tunnel=x", "not a VID from 1 to 4094", ""),
        ("c=tap,trunk=20-10", "20-10", ""),
        ("c=tap,addr=10.0.0.300/24", "10.0.0.300/24", ""),
        ("c=tap,addr=10.0.0.1", "10.0.0.1", ""),
        ("c=tap,gateway=nowhere", "nowhere", ""),
        ("c=tap,mac=02:00", "02:00", ""),
        ("c=tap,mac=ff:ff:ff:ff:ff:ff", "ff:ff:ff:ff:ff:ff", ""),
        ("c=tap,mtu=99999", "99999", ""),
        ("c=tap,mac-limit=-1", "-1", ""),
        ("c=tap,learning=perhaps", "perhaps", ""),
        ("c d=tap", "not a name", ""),
        ("=tap", "not a name", ""),
        ("c=bond", "not tap, veth, netdev, macvtap or fd", ""),
        ("c", "c", ""),
        ("a-name-of-over-15-bytes=tap", "too long for a netdev's name", "target"),
        ("c=tap:sixteen-bytes-xx", "not a netdev's name", ""),
        ("c=tap:a/b", "not a netdev's name", ""),
        ("c=tap:t%d", "not a netdev's name", ""),
        ("c=tap:..", "not a netdev's name", ""),
        ("c=macvtap", "", ""),
        ("c=fd:x", "", ""),
        ("c=tap,netns=a/b", "not a namespace's name", ""),
        ("c=tap,netns=nc,ifname=sixteen-bytes-xx", "ifname", ""),
        ("c=tap,ifname=eth7", "ifname", ""),
        ("c=tap,mtu=1400,mtu=1500", "mtu", ""),
    ];
    let mistakes: Vec<_> = specs
        .iter()
        .flat_map(|&(spec, message, hint)| {
            let words: [Vec<&str>; 2] =
                [vec!["up", "--name", "y", "--port", spec], vec!["port", "add", spec]];
            words.map(|words| (2, words, message, hint))
        })
        .collect();
    let mistakes: Vec<_> = mistakes
        .iter()
        .map(|(exit, words, message, hint)| (*exit, words.as_slice(), *message, *hint))
        .collect();
    check(&lab, &mistakes);
    lab.end();
}

#[test]
fn wrong_command_lines() {
    let lab = with_a_switch();
    check(
        &lab,
        &[
            (2, &["upp"], "no such command", "did you mean \"up\"?"),
            (2, &[], "needs a command", ""),
            (2, &["port"], "needs a command", "add"),
            (2, &["up", "--nmae", "y"], "no such option", "did you mean \"--name\"?"),
            (2, &["up", "--port", "-c=tap"], "-c", "usage: netloom up"),
            (2, &["up", "--name", "a b"], "a b", ""),
            (2, &["up", "--name", "y", "--port", "c=tap", "--port", "c=tap:d"], "used twice", ""),
            (2, &["up", "--name", "y", "--port", "c=tap", "--port", "d=tap:c"], "c", ""),
            (2, &["ls", "--color", "sometimes"], "sometimes", ""),
            // What a port of the switch has is taken, like a name.
            (1, &["port", "add", "a=tap:c"], "a port of this name already", ""),
            (1, &["port", "add", "c=tap:a"], "already the netdev of port \"a\"", ""),
            (2, &["bench", "loop", "--sizes", "63"], "not a number from 64 to 9000", ""),
            (2, &["port", "set", "a"], "missing", ""),
            (2, &["port", "set", "a", "kind=macvtap"], "kind", "add it again"),
            (2, &["port", "set", "a", "target=z"], "target", "add it again"),
            (2, &["port", "set", "a", "netns=z"], "netns", "add it again"),
            (2, &["port", "set", "a", "acces=1"], "unknown key", "did you mean \"access\"?"),
            (2, &["port", "set", "a", "access=4095"], "4095", ""),
            (2, &["port", "set", "a", "native=4"], "native", ""),
            (2, &["fdb", "add", "02-00", "a"], "02-00", ""),
            (2, &["fdb", "add", "01:00:00:00:00:01", "a"], "01:00:00:00:00:01", ""),
            (2, &["fdb", "add", "00:00:00:00:00:00", "a"], "00:00:00:00:00:00", ""),
            (2, &["fdb", "add", "02:00:00:00:00:01", "a", "--vlan", "4095"], "4095", ""),
            (2, &["fdb", "flush", "--vlan", "x"], "x", ""),
            (2, &["explain", "--in", "a", "xyz"], "not hexadecimal", ""),
            (2, &["explain", "--in", "a", "dst=1"], "not a MAC address", ""),
            (2, &["explain", "dst=02:00:00:00:00:01"], "--in", ""),
            (2, &["exec", "na"], "CMD", ""),
            (3, &["ls", "--switch", "nowhere"], "nowhere", ""),
            (3, &["port", "ls", "--switch", "nowhere"], "nowhere", "netloom ls"),
            (3, &["down", "nowhere"], "nowhere", "netloom ls"),
            (3, &["port", "del", "nowhere"], "nowhere", "port ls"),
            (3, &["port", "set", "nowhere", "access=1"], "nowhere", "port ls"),
            (3, &["stats", "nowhere"], "nowhere", "port ls"),
            (3, &["explain", "--in", "nowhere", "00"], "nowhere", "port ls"),
            (3, &["fdb", "add", "02:00:00:00:00:01", "nowhere"], "nowhere", "port ls"),
            (3, &["fdb", "flush", "--port", "nowhere"], "nowhere", "port ls"),
            (3, &["fdb", "del", "02:00:00:00:00:01"], "02:00:00:00:00:01", "fdb ls"),
            (3, &["fdb", "del", "02:00:00:00:00:01", "--vlan", "7"], "VLAN 7", "fdb ls"),
        ],
    );
    lab.end();
}

#[test]
fn things_of_the_host_that_are_not_there_or_taken() {
    let lab = with_a_switch();
    lab.run(&["ip", "link", "add", "taken", "type", "veth", "peer", "name", "far"]).ok();
    lab.run(&["ip", "netns", "add", "vanished"]).ok();
    lab.run(&["ip", "netns", "del", "vanished"]).ok();
    lab.file("plain", "no namespace");
    let plain = format!("c=tap,netns={FILES}/plain");
    let mut mistakes: Vec<(i32, Vec<&str>, &str, &str)> = Vec::new();
    for (spec, message) in [
        ("c=macvtap:nowhere", "nowhere"),
        ("c=tap:nowhere,existing", "nowhere"),
        ("c=tap:taken", "a netdev of that name is already there"),
        ("c=tap:taken,existing", "taken"),
        ("c=tap:all", "netdev all: the kernel keeps this name"),
        ("c=tap:default", "netdev default: the kernel keeps this name"),
        ("c=tap,netns=nc,ifname=all", "netdev all: the kernel keeps this name"),
        ("c=tap,netns=nc,ifname=lo", "lo"),
        ("c=tap,netns=na,ifname=eth0", "eth0"),
        ("c=tap,netns=/run/netns/vanished", "/run/netns/vanished"),
        ("c=macvtap:eth0,netns=vanished", "vanished"),
        (&plain, "not a network namespace"),
    ] {
        mistakes.push((1, vec!["up", "-d", "--name", "y", "--port", spec], message, ""));
        mistakes.push((1, vec!["port", "add", spec], message, ""));
    }
    mistakes.push((1, vec!["port", "add", "a=tap:c"], "already", ""));
    mistakes.push((1, vec!["up", "--name", "x"], "it already runs", "netloom down x"));
    mistakes.push((1, vec!["up", "--name", "y", "--port", "c=fd:77"], "fd 77", ""));
    let borrowed: Vec<_> = mistakes
        .iter()
        .map(|(exit, words, message, hint)| (*exit, words.as_slice(), *message, *hint))
        .collect();
    check(&lab, &borrowed);
    lab.run(&["ip", "link", "del", "taken"]).ok();
    lab.end();
}
