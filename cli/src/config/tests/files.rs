//! TOML files.

use std::path::Path;

use io_backends::lab::Netns;
use io_backends::ports::fd::Fd;
use switch_core::config::{BridgeRules, L2cp};
use switch_core::port::MAX_PORTS;
use switch_core::vlan::Allowed;
use switch_core::{Tpid, Vid, VlanMode};

use super::*;

fn file(text: &str) -> Result<SwitchConfig, Error> {
    parse_file(Path::new("lab.toml"), text)
}

/// The port that `keys`, one a line, make.
fn port(keys: &str) -> PortConfig {
    let text = format!("[[port]]\nname = \"a\"\nkind = \"tap\"\n{keys}");
    file(&text).unwrap().ports.remove(0)
}

#[test]
fn the_example_of_the_documentation() {
    let lab = file(
        r#"
[switch]
name = "lab"
ageing = "300s"
fdb-capacity = 4096
workers = "0-1,3"
engine = "io_uring"
l2cp = "standard"

[[port]]
name = "alice"
kind = "tap"
netns = "alice"
addr = ["10.0.0.1/24", "fd00::1/64"]
access = 10

[[port]]
name = "uplink"
kind = "macvtap"
target = "eth1"
trunk = [10, "20-29"]      # or true, or "10+20-29"
native = 1
isolated = true
"#,
    )
    .unwrap();
    assert_eq!(lab.name.as_deref(), Some("lab"));
    assert_eq!((lab.fdb_capacity, lab.engine), (4096, Engine::IoUring));
    assert_eq!(lab.workers, Workers::Cpus(vec![0, 1, 3]));
    assert_eq!(lab.bridge, BridgeRules { ageing: 300, l2cp: L2cp::Standard });
    let [alice, uplink] = &lab.ports[..] else { panic!("two ports") };
    assert_eq!(alice.attachment.netns, Some(Netns::Name("alice".into())));
    assert_eq!(alice.attachment.addr.len(), 2);
    assert_eq!(alice.rules.vlan, VlanMode::Access(Vid::configured(10).unwrap()));
    assert_eq!(uplink.attachment.kind.target(), "eth1");
    assert!(uplink.rules.isolated);
    assert_eq!(
        uplink.rules.vlan,
        VlanMode::Trunk {
            allowed: Allowed::Only("10+20-29".parse().unwrap()),
            native: Vid::configured(1),
            tpid: Tpid::Customer,
        }
    );
}

#[test]
fn an_empty_file_is_a_switch_of_defaults() {
    assert_eq!(file("").unwrap(), SwitchConfig::default());
    assert_eq!(file("# nothing\n").unwrap(), SwitchConfig::default());
    let default = SwitchConfig::default();
    assert_eq!((default.fdb_capacity, default.bridge.ageing), (65_536, 300));
}

#[test]
fn one_value_has_several_notations() {
    let none = port("");
    for (first, second) in [("trunk = true", "trunk = \"1-4093\""), ("access = 10", "tunnel = 10")]
    {
        assert_ne!(port(first).rules, port(second).rules);
    }
    for (first, second) in [
        ("access = 10", "access = \"10\""),
        ("access = 10", "access = 0xa"),
        ("trunk = 10", "trunk = [10]"),
        ("trunk = \"10+20-29\"", "trunk = [10, \"20-29\"]"),
        ("trunk = true\ntpid = 0x88_a8", "tpid = \"0x88a8\"\ntrunk = true"),
        ("addr = \"10.0.0.1/8\"", "addr = [\"10.0.0.1/8\"]"),
        ("gateway = [\"10.0.0.1\", \"::1\"]", "gateway = ['10.0.0.1', '::1']"),
        ("isolated = true", "isolated = \"on\""),
        ("learning = false", "learning = \"off\""),
        ("existing = true", "existing = \"on\""),
        ("mtu = 1_500", "mtu = \"1500\""),
        ("target = 'a'", "existing = false"),
    ] {
        assert_eq!(port(first), port(second), "{first} | {second}");
    }
    assert_eq!(port("transparent = true"), none);
    assert_ne!(port("isolated = true"), none);
    let fd = |target: &str| {
        file(&format!("port = [{{ name = \"a\", kind = \"fd\", target = {target} }}]")).unwrap()
    };
    assert_eq!(fd("7"), fd("\"7\""));
    assert_eq!(fd("7").ports[0].attachment.kind, Fd(7).into());
    let switch = |keys: &str| file(&format!("[switch]\n{keys}")).unwrap();
    assert_eq!(switch("ageing = 20"), switch("ageing = \"20s\""));
    assert_eq!(switch("ageing = 0").bridge.ageing, 0);
    assert_eq!(switch("workers = 2").workers, Workers::Count(2));
    assert_eq!(switch("workers = \"2\"").workers, Workers::Cpus(vec![2]));
    assert_eq!(switch("workers = \"auto\""), SwitchConfig::default());
}

#[test]
fn mistakes_in_tables() {
    check(
        &[
            (
                "[swich]\n",
                "netloom: lab.toml:1:2: unknown key \"swich\"\nhint: did you mean [switch]?",
            ),
            (
                "\n[[ports]]\n",
                "netloom: lab.toml:2:3: unknown key \"ports\"\nhint: did you mean [[port]]?",
            ),
            (
                "vlans = 5",
                "netloom: lab.toml:1:1: unknown key \"vlans\"\n\
                 hint: a file has [switch] and [[port]] tables",
            ),
            (
                "[port]\nname = \"a\"",
                "netloom: lab.toml:1:2: port is not an array of tables\nhint: write [[port]]",
            ),
            ("[[switch]]\n", "netloom: lab.toml:1:3: switch is not a table\nhint: write [switch]"),
            (
                "port = [5]",
                "netloom: lab.toml:1:9: a port that is not a table\nhint: write [[port]]",
            ),
            (
                "[switch]\nfdb_capacty = 5",
                "netloom: lab.toml:2:1: unknown key \"fdb_capacty\"\n\
                 hint: did you mean \"fdb-capacity\"?",
            ),
            (
                "[switch]\nmtu = 5",
                "netloom: lab.toml:2:1: unknown key \"mtu\"\n\
                 hint: [switch] takes name, ageing, fdb-capacity, workers, engine, lane and l2cp",
            ),
            (
                "[[port]]\nname = \"a\"\n",
                "netloom: lab.toml:1:1: a port without kind\n\
                 hint: add kind = \"tap\", \"veth\", \"netdev\", \"macvtap\" or \"fd\"",
            ),
            (
                "[[port]]\nkind = \"tap\"\n",
                "netloom: lab.toml:1:1: a port without name\nhint: add name = \"...\"",
            ),
            (
                "[[port]]\nname = \"a\"\nkimd = \"tap\"\n",
                "netloom: lab.toml:3:1: unknown key \"kimd\"\nhint: did you mean \"kind\"?",
            ),
            (
                "[[port]]\nname = \"a\"\nkind = \"macvtap\"\ntagret = \"eth0\"\n",
                "netloom: lab.toml:4:1: unknown key \"tagret\"\nhint: did you mean \"target\"?",
            ),
            (
                "[[port]]\nname = \"a\"\nkind = \"fd\"\ntarget = 3\nmode = \"vepa\"\n",
                "netloom: lab.toml:5:1: key \"mode\" does not belong to kind fd\n\
                 hint: mode is for macvtap; kind fd takes access, bcast-flood, flood, \
                 isolated, kind, learning, mac-limit, mcast-flood, name, native, target, tpid, \
                 transparent, trunk and tunnel",
            ),
        ],
        file,
    );
}

#[test]
fn mistakes_in_values() {
    let head = "[[port]]\nname = \"a\"\nkind = \"tap\"\n";
    for (line, expected) in [
        ("  access = 4095", "4:12: access is \"4095\", not a VID from 1 to 4094"),
        ("access = 0x1000", "4:10: access is \"0x1000\", not a VID from 1 to 4094"),
        ("access = -1", "4:10: access is \"-1\", not a VID from 1 to 4094"),
        ("access = true", "4:10: access is \"true\", not a VID from 1 to 4094"),
        ("access = [1, 2]", "4:10: access is an array, not a VID from 1 to 4094"),
        ("access.x = 1", "4:1: access is a TOML table, not a VID from 1 to 4094"),
        ("access = 1.5", "4:10: access is a TOML float, not a VID from 1 to 4094"),
        (
            "trunk = [10, \"20-x\"]",
            "4:14: trunk is \"20-x\", not VIDs from 1 to 4094 like 10+20-29",
        ),
        ("trunk = [1, 5000]", "4:13: trunk is \"5000\", not VIDs from 1 to 4094 like 10+20-29"),
        ("trunk = []", "4:9: trunk is an empty array, not VIDs from 1 to 4094 like 10+20-29"),
        ("trunk = false", "4:9: trunk is \"false\", not VIDs from 1 to 4094 like 10+20-29"),
        (
            "mtu = 99999999999999999999",
            "4:7: mtu is \"99999999999999999999\", not a number from 68 to 65521",
        ),
        ("learning = \"yes\"", "4:12: learning is \"yes\", not on or off"),
        ("netns = 5", "4:9: netns is \"5\", not a namespace's name or an absolute path"),
        (
            "addr = [\"10.0.0.1/24\",\n  \"10.0.0.256/24\"]",
            "5:3: addr is \"10.0.0.256/24\", not an address with its prefix length, like 10.0.0.1/24",
        ),
        (
            "addr = \"::1\"",
            "4:8: addr is \"::1\", not an address with its prefix length, like 10.0.0.1/24\n\
             hint: did you mean ::1/64?",
        ),
        (
            "# é\naccess = 5\ntrunk = true",
            "6:1: trunk and access exclude each other\n\
             hint: a port has one VLAN mode: access, trunk, tunnel or transparent",
        ),
        ("native = 1", "4:1: native goes with trunk only"),
        (
            "ifname = \"eth0\"",
            "4:1: ifname goes with netns only\nhint: without netns the netdev has the target's name",
        ),
        (
            "target = \"a/b\"",
            "4:10: target is \"a/b\", not a netdev's name: 1 to 15 bytes without \"/\", \":\", \"%\" or white space",
        ),
    ] {
        let expected = format!("netloom: lab.toml:{expected}");
        assert_eq!(told(file(&format!("{head}{line}\n"))), expected, "\n{line}");
    }
}

#[test]
fn mistakes_in_the_switch_table() {
    for (line, expected) in [
        (
            "ageing = 9",
            "10: ageing is \"9\", not seconds from 10 to 1000000 like 300 or \"300s\", or 0 for never",
        ),
        (
            "ageing = \"5m\"",
            "10: ageing is \"5m\", not seconds from 10 to 1000000 like 300 or \"300s\", or 0 for never",
        ),
        ("fdb-capacity = 63", "16: fdb-capacity is \"63\", not a number from 64 to 4194304"),
        (
            "workers = 0",
            "11: workers is \"0\", not a number from 1 to 256, a list of CPUs like \"0-1,3\", or \"auto\"",
        ),
        (
            "workers = \"3-1\"",
            "11: workers is \"3-1\", not a number from 1 to 256, a list of CPUs like \"0-1,3\", or \"auto\"",
        ),
        (
            "engine = \"iouring\"",
            "10: engine is \"iouring\", not auto, epoll or io_uring\nhint: did you mean \"io_uring\"?",
        ),
        ("l2cp = true", "8: l2cp is \"true\", not transparent or standard"),
        (
            "name = \"a b\"",
            "8: name is \"a b\", not a name: a letter or digit, then up to 31 letters, digits, \"_\", \".\" or \"-\"",
        ),
    ] {
        let expected = format!("netloom: lab.toml:2:{expected}");
        assert_eq!(told(file(&format!("[switch]\n{line}\n"))), expected, "\n{line}");
    }
}

#[test]
fn mistakes_in_syntax() {
    check(
        &[
            ("a = 1\na = 2", "netloom: lab.toml:2:1: duplicate key in \"a = 2\""),
            (
                "[[port]]\nname = alice",
                "netloom: lab.toml:2:8: string values must be quoted, expected literal string \
                 in \"name = alice\"",
            ),
            (
                "[switch\nname = \"x\"",
                "netloom: lab.toml:1:8: unclosed table, expected `]` in \"[switch\"",
            ),
            (
                "[[port]]\r\naddr = 10.0.0.1/24\r\n",
                "netloom: lab.toml:2:12: invalid float, expected nothing in \"addr = 10.0.0.1/24\"",
            ),
        ],
        file,
    );
}

#[test]
fn ports_that_quarrel() {
    let two =
        |first: &str, second: &str| file(&format!("[[port]]\n{first}\n\n[[port]]\n{second}\n"));
    for (first, second, expected) in [
        (
            "name = \"a\"\nkind = \"tap\"",
            "kind = \"tap\"\nname = \"a\"",
            "7:8: port name \"a\" is used twice\nhint: the first is on line 2",
        ),
        (
            "name = \"a\"\nkind = \"tap\"\ntarget = \"t0\"",
            "name = \"b\"\nkind = \"tap\"\ntarget = \"t0\"",
            "9:10: \"t0\" is already the netdev of port \"a\"",
        ),
        (
            "name = \"a\"\nkind = \"tap\"\ntarget = \"b\"",
            "name = \"b\"\nkind = \"tap\"\n",
            "7:8: \"b\" is already the netdev of port \"a\"",
        ),
    ] {
        assert_eq!(told(two(first, second)), format!("netloom: lab.toml:{expected}"));
    }
}

#[test]
fn as_many_ports_as_a_switch_has() {
    let text = |ports: usize| -> String {
        (0..ports)
            .map(|n| {
                format!("[[port]]\nname = \"p{n}\"\nkind = \"tap\"\naccess = {}\n", n % 4094 + 1)
            })
            .collect()
    };
    assert_eq!(file(&text(MAX_PORTS)).unwrap().ports.len(), MAX_PORTS);
    assert_eq!(
        told(file(&text(MAX_PORTS + 1))),
        format!("netloom: lab.toml:{}:8: more than 4096 ports", MAX_PORTS * 4 + 2)
    );
}

#[test]
fn files_that_cannot_be_read() {
    let dir = std::env::temp_dir().join(format!("netloom-config-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let missing = load(&dir.join("none.toml"));
    let bad = dir.join("bad.toml");
    std::fs::write(&bad, b"[switch]\nname = \"\xff\"\n").unwrap();
    let (bad, is_dir) = (load(&bad), load(&dir));
    std::fs::remove_dir_all(&dir).unwrap();
    let dir = dir.display();
    assert_eq!(told(missing), format!("netloom: {dir}/none.toml: no such file or directory"));
    assert_eq!(told(bad), format!("netloom: {dir}/bad.toml:2:9: the file is not UTF-8 text"));
    assert_eq!(told(is_dir), format!("netloom: {dir}: is a directory"));
}
