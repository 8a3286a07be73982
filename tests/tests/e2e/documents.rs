//! The JSON documents: which fields, of which type, and what they mean.

use serde_json::{Value, json};
use tests::lab::{Lab, at_rest, eventually};

const CONFIG: &str = r#"
[switch]
ageing = "300s"

[[port]]
name = "host"
kind = "tap"
netns = "n"
addr = ["10.9.0.1/24", "fd00::1/64"]
gateway = "10.9.0.254"
mac = "02:00:00:00:00:07"
mtu = 1400
queues = 2
access = 10

[[port]]
name = "core"
kind = "tap"
trunk = [10, "20-22"]
native = 1
isolated = true

[[port]]
name = "provider"
kind = "tap"
trunk = true
tpid = 0x88a8

[[port]]
name = "customer"
kind = "tap"
tunnel = 100
mac-limit = 5
learning = false

[[port]]
name = "plain"
kind = "tap"
target = "nl-plain"
"#;

/// What a field holds.
#[derive(Clone, Copy)]
enum Is {
    Text,
    Count,
    Number,
    Flag,
    List,
    Object,
    /// Or `null`.
    MaybeText,
}

#[track_caller]
fn has_fields(object: &Value, fields: &[(&str, Is)]) {
    for (name, is) in fields {
        let value = object.get(name).unwrap_or_else(|| panic!("no {name} in {object}"));
        let right = match is {
            Is::Text => value.is_string(),
            Is::Count => value.is_u64(),
            Is::Number => value.is_number(),
            Is::Flag => value.is_boolean(),
            Is::List => value.is_array(),
            Is::Object => value.is_object(),
            Is::MaybeText => value.is_string() || value.is_null(),
        };
        assert!(right, "{name} is {value} in {object}");
    }
}

fn row(rows: &Value, name: &str) -> Value {
    let row = rows.as_array().expect("rows").iter().find(|row| row["name"] == name);
    row.unwrap_or_else(|| panic!("no {name} in {rows}")).clone()
}

#[test]
fn ls_and_port_ls() {
    let lab = Lab::new();
    lab.up_file("x", CONFIG);
    let switches = lab.json(&["ls"]);
    has_fields(
        &switches[0],
        &[
            ("name", Is::Text),
            ("pid", Is::Count),
            ("uptime", Is::Number),
            ("ports", Is::Count),
            ("state", Is::Text),
        ],
    );
    assert_eq!((&switches[0]["state"], &switches[0]["ports"]), (&json!("running"), &json!(5)));

    let ports = lab.json(&["port", "ls"]);
    for port in ports.as_array().expect("rows") {
        has_fields(
            port,
            &[
                ("name", Is::Text),
                ("kind", Is::Text),
                ("target", Is::Text),
                ("state", Is::Text),
                ("fault", Is::MaybeText),
                ("netns", Is::MaybeText),
                ("ifname", Is::Text),
                ("mac", Is::Text),
                ("mtu", Is::Count),
                ("queues", Is::Count),
                ("vlan", Is::Object),
                ("flags", Is::Object),
            ],
        );
        has_fields(
            &port["flags"],
            &[
                ("learning", Is::Flag),
                ("flood", Is::Flag),
                ("mcast_flood", Is::Flag),
                ("bcast_flood", Is::Flag),
                ("isolated", Is::Flag),
                ("mac_limit", Is::Count),
            ],
        );
        assert_eq!((&port["state"], &port["fault"]), (&json!("up"), &Value::Null), "{port}");
    }
    let host = row(&ports, "host");
    let expected = json!({
        "name": "host", "kind": "tap", "target": "host", "state": "up", "fault": null,
        "netns": "n", "ifname": "eth0", "mac": "02:00:00:00:00:07", "mtu": 1400, "queues": 2,
        "vlan": {"mode": "access", "pvid": 10, "allowed": [10], "tpid": "0x8100"},
        "flags": {
            "learning": true, "flood": true, "mcast_flood": true, "bcast_flood": true,
            "isolated": false, "mac_limit": 0,
        },
    });
    for (key, value) in expected.as_object().expect("an object") {
        assert_eq!(&host[key], value, "{key}");
    }
    let vlan = |name: &str| row(&ports, name)["vlan"].clone();
    assert_eq!(
        vlan("core"),
        json!({"mode": "trunk", "pvid": 1, "allowed": [1, 10, 20, 21, 22], "tpid": "0x8100"})
    );
    assert_eq!(
        vlan("provider"),
        json!({"mode": "trunk", "pvid": null, "allowed": "all", "tpid": "0x88a8"})
    );
    assert_eq!(vlan("customer")["mode"], "tunnel");
    assert_eq!(vlan("customer")["pvid"], 100);
    assert_eq!(
        (&vlan("plain")["mode"], &vlan("plain")["allowed"]),
        (&json!("transparent"), &json!("all"))
    );
    assert_eq!(row(&ports, "customer")["flags"]["learning"], false);
    assert_eq!(row(&ports, "customer")["flags"]["mac_limit"], 5);
    assert_eq!(row(&ports, "core")["flags"]["isolated"], true);
    // Without a namespace the netdev stays here, under its target's name.
    let plain = row(&ports, "plain");
    assert_eq!((&plain["netns"], &plain["ifname"]), (&Value::Null, &json!("nl-plain")));
    lab.run(&["ip", "link", "show", "nl-plain"]).ok();
    lab.end();
}

#[test]
fn the_netdev_is_as_it_was_asked_for() {
    let lab = Lab::new();
    lab.up_file("x", CONFIG);
    let address = lab.run_in("n", &["ip", "-o", "address", "show", "dev", "eth0"]).ok();
    assert!(address.contains("10.9.0.1/24") && address.contains("fd00::1/64"), "{address}");
    let route = lab.run_in("n", &["ip", "route", "show", "default"]).ok();
    assert!(route.starts_with("default via 10.9.0.254 dev eth0"), "{route}");
    let link = lab.run_in("n", &["ip", "-o", "link", "show", "eth0"]).ok();
    assert!(link.contains("mtu 1400") && link.contains("02:00:00:00:00:07"), "{link}");
    let loopback = lab.run_in("n", &["ip", "-o", "link", "show", "lo"]).ok();
    assert!(loopback.contains(",UP"), "{loopback}");
    lab.end();
}

#[test]
fn vlan_ls() {
    let lab = Lab::new();
    lab.up_file("x", CONFIG);
    let all = json!(["core", "provider", "plain"]);
    let trunks = |vid: u64| json!({"vid": vid, "members": all, "untagged": []});
    assert_eq!(
        lab.json(&["vlan", "ls"]),
        json!([
            {"vid": 0, "members": ["plain"], "untagged": ["plain"]},
            {"vid": 1, "members": ["core", "provider", "plain"], "untagged": ["core"]},
            {"vid": 10, "members": ["host", "core", "provider", "plain"], "untagged": ["host"]},
            trunks(20), trunks(21), trunks(22),
            {"vid": 100, "members": ["provider", "customer", "plain"], "untagged": ["customer"]},
        ])
    );
    // No transparent port, no row for untagged traffic.
    lab.netloom(&["port", "del", "plain"]).ok();
    assert_eq!(lab.json(&["vlan", "ls"])[0]["vid"], 1);
    lab.end();
}

#[test]
fn fdb_add_says_from_where_an_address_comes() {
    let lab = Lab::new();
    lab.up("x", &["a=tap,netns=na,mac=02:00:00:00:00:0a", "b=tap,netns=nb"]);
    let add = |mac: &str, port: &str| lab.json(&["fdb", "add", mac, port])["changed"].clone();
    let mac = "02:00:00:00:00:99";
    let stays = |action: &str, mac: &str, from: Value, port: &str, was: &str| {
        let text = format!("{mac} in VLAN 0 stays on port {port}{was}");
        json!([{
            "action": action, "thing": "fdb", "name": mac, "vid": 0, "from": from, "to": port,
            "text": text,
        }])
    };
    assert_eq!(add(mac, "a"), stays("added", mac, Value::Null, "a", ""));
    assert_eq!(add(mac, "a"), json!([]));
    let put = "; before, it was put on port a";
    assert_eq!(add(mac, "b"), stays("set", mac, json!("a"), "b", put));
    let again = lab.netloom(&["fdb", "add", mac, "b"]);
    assert_eq!((again.exit, again.out.as_str()), (Some(0), ""));
    assert!(again.err.contains("was put on port b already"), "{again:#?}");
    // The netdev's own frames teach the switch its address.
    let own = "02:00:00:00:00:0a";
    let learned = || {
        lab.run_in("na", &["ping", "-6", "-c", "1", "-W", "1", "ff02::1%eth0"]);
        lab.fdb("x")
    };
    eventually("it is learned", learned, |fdb| fdb.contains_key(&(own.to_owned(), 0)));
    let learned = "; before, it was learned on port a";
    assert_eq!(add(own, "b"), stays("added", own, json!("a"), "b", learned));
    lab.end();
}

#[test]
fn fdb_add_del_and_flush() {
    let lab = Lab::new();
    lab.up_file("x", CONFIG);
    let mac = "02:00:00:00:00:99";
    let add = |port: &str| lab.netloom(&["fdb", "add", mac, port]);
    // The port's own VLAN.
    for (port, vid) in [("host", 10), ("core", 1), ("customer", 100), ("plain", 0)] {
        add(port).ok();
        assert_eq!(lab.fdb("x")[&(mac.to_owned(), vid)], port);
    }
    add("provider").refused(2);
    lab.netloom(&["fdb", "add", mac, "provider", "--vlan", "33"]).ok();
    // A member may be named with a VLAN; another port may not.
    lab.netloom(&["fdb", "add", mac, "core", "--vlan", "22"]).ok();
    lab.netloom(&["fdb", "add", mac, "host", "--vlan", "20"]).refused(2);
    let rows = lab.json(&["fdb", "ls"]);
    for row in rows.as_array().expect("rows").iter().filter(|row| row["mac"] == mac) {
        has_fields(row, &[("vid", Is::Count), ("port", Is::Text)]);
        assert_eq!((&row["kind"], &row["age"]), (&json!("static"), &Value::Null));
    }
    // Upper case is the same address.
    let upper = mac.to_uppercase();
    lab.netloom(&["fdb", "del", &upper, "--vlan", "22"]).ok();
    lab.netloom(&["fdb", "del", mac, "--vlan", "22"]).refused(3);
    let with_mac = || lab.fdb("x").keys().filter(|(other, _)| other == mac).count();
    assert_eq!(with_mac(), 5);
    // A flush leaves static entries, unless it says otherwise.
    lab.netloom(&["fdb", "flush"]).ok();
    assert_eq!(with_mac(), 5);
    lab.netloom(&["fdb", "flush", "--static", "--port", "host", "--vlan", "1"]).ok();
    assert_eq!(with_mac(), 5);
    lab.netloom(&["fdb", "flush", "--static", "--port", "host"]).ok();
    assert_eq!(with_mac(), 4);
    lab.netloom(&["fdb", "flush", "--static", "--vlan", "0"]).ok();
    assert_eq!(with_mac(), 3);
    // Without a VLAN, all of them.
    lab.netloom(&["fdb", "del", mac]).ok();
    assert_eq!(with_mac(), 0);
    lab.netloom(&["fdb", "del", mac]).refused(3);
    // Entries that were put there go with their port.
    add("plain").ok();
    lab.netloom(&["port", "del", "plain"]).ok();
    assert_eq!(with_mac(), 0);
    lab.end();
}

#[test]
fn fdb_ls_of_what_was_learned() {
    let lab = Lab::new();
    lab.up("x", &["a=tap,netns=na,addr=10.9.0.1/24", "b=tap,netns=nb,addr=10.9.0.2/24"]);
    lab.ping("na", "10.9.0.2");
    let rows = lab.json(&["fdb", "ls"]);
    for row in rows.as_array().expect("rows") {
        has_fields(row, &[("mac", Is::Text), ("vid", Is::Count), ("age", Is::Number)]);
        assert_eq!((&row["kind"], &row["vid"]), (&json!("dynamic"), &json!(0)));
    }
    // Nobody speaks: the age grows, in seconds.
    let is_aged = |rows: &Value| {
        let ages = rows.as_array().expect("rows").iter().filter_map(|row| row["age"].as_u64());
        ages.max() >= Some(2)
    };
    eventually("an age of seconds", || lab.json(&["fdb", "ls"]), is_aged);
    lab.end();
}

#[test]
fn stats_of_all_and_of_one() {
    let lab = Lab::new();
    lab.up_file("x", CONFIG);
    let stats = at_rest(&lab, "x").0;
    has_fields(
        &stats,
        &[
            ("uptime", Is::Number),
            ("ports", Is::List),
            ("removed", Is::Object),
            ("flood_copies", Is::Count),
            ("made_frames", Is::Count),
            ("fdb", Is::Object),
            ("workers", Is::List),
        ],
    );
    for port in stats["ports"].as_array().expect("ports") {
        has_fields(
            port,
            &[
                ("name", Is::Text),
                ("rx_frames", Is::Count),
                ("rx_bytes", Is::Count),
                ("tx_frames", Is::Count),
                ("tx_bytes", Is::Count),
                ("drops", Is::Object),
            ],
        );
        assert!(port["kernel"]["rx_missed"].is_u64(), "{port}");
        // A reason that is not listed is 0; so one that is listed is not.
        let drops = port["drops"].as_object().expect("drops");
        assert!(drops.values().all(|count| count.as_u64() > Some(0)), "{port}");
    }
    has_fields(
        &stats["removed"],
        &[("rx_frames", Is::Count), ("tx_frames", Is::Count), ("drops", Is::Object)],
    );
    let counts = ["entries", "capacity", "learned", "moved", "aged", "evicted", "refused"];
    has_fields(&stats["fdb"], &counts.map(|count| (count, Is::Count)));
    assert_eq!(stats["fdb"]["capacity"], 65_536);
    let workers = stats["workers"].as_array().expect("workers");
    assert!(!workers.is_empty(), "{stats}");
    for worker in workers {
        has_fields(worker, &[("frames", Is::Count), ("bursts", Is::Count), ("busy", Is::Number)]);
        assert!(worker["cpu"].is_null() || worker["cpu"].is_u64(), "{worker}");
        let busy = worker["busy"].as_f64().expect("a share");
        assert!((0.0..=1.0).contains(&busy), "{worker}");
    }
    let one = lab.json(&["stats", "core"]);
    assert_eq!(one["ports"].as_array().expect("ports").len(), 1);
    assert_eq!(one["ports"][0]["name"], "core");
    lab.end();
}

#[test]
fn stats_watched_is_a_document_a_line() {
    let lab = Lab::new();
    lab.up_file("x", CONFIG);
    let watch = lab.spawn(&["/run/bin/netloom", "stats", "--watch", "--json"]);
    eventually("three readings", || watch.out(), |out| out.lines().count() >= 3);
    let mut uptime = -1.0;
    for line in watch.out().lines().take(3) {
        let reading: Value = serde_json::from_str(line).expect("a document a line");
        let now = reading["uptime"].as_f64().expect("seconds");
        assert!(now > uptime, "{now} s after {uptime} s");
        uptime = now;
    }
    // The switch ends, and so does the watch, with a word.
    lab.netloom(&["down", "x"]).ok();
    let answer = watch.wait(10);
    assert_eq!(answer.exit, Some(1), "{answer:?}");
    assert!(answer.err.starts_with("{\"error\":"), "{answer:?}");
    lab.is_empty();
    // A reader that has seen enough is no failure.
    lab.up_file("x", CONFIG);
    let words = "/run/bin/netloom stats --watch --json | head -n 2 | wc -l";
    assert_eq!(lab.run(&["sh", "-c", words]).ok().trim(), "2");
    lab.end();
}

#[test]
fn explain_says_where_and_why_and_changes_nothing() {
    let lab = Lab::new();
    lab.up_file("x", CONFIG);
    let explain = |port: &str, words: &[&str]| {
        let answer = lab.json(&[&["explain", "--in", port], words].concat());
        has_fields(
            &answer,
            &[
                ("verdict", Is::Text),
                ("reason", Is::MaybeText),
                ("egress", Is::List),
                ("steps", Is::List),
            ],
        );
        assert!(answer["steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{answer}");
        answer
    };
    let tags = |answer: &Value| {
        let ways = answer["egress"].as_array().expect("ways out").clone();
        let way = |way: &Value| format!("{} {}", way["port"], way["tag"]).replace('"', "");
        ways.iter().map(way).collect::<Vec<_>>()
    };
    let (dst, src) = ("dst=02:00:00:00:00:98", "src=02:00:00:00:00:97");

    let answer = explain("host", &[dst, src]);
    assert_eq!(
        (&answer["verdict"], &answer["reason"], &answer["vid"]),
        (&json!("forward"), &Value::Null, &json!(10))
    );
    assert_eq!(tags(&answer), ["core pushed", "provider pushed", "plain pushed"]);
    let answer = explain("plain", &[dst, src, "vlan=10.5", "type=0x0800"]);
    assert_eq!(tags(&answer), ["host popped", "core kept", "provider 0x88a8:10"]);
    let answer = explain("core", &[dst, src]);
    assert_eq!(answer["vid"], 1);
    assert_eq!(tags(&answer), ["provider pushed", "plain pushed"]);

    for (port, frame, reason) in [
        ("host", &[dst, src, "vlan=10"][..], "tagged-on-access"),
        ("core", &[dst, src, "vlan=11"], "vid-not-allowed"),
        ("core", &[dst, src, "vlan=4095"], "reserved-vid"),
        ("provider", &[dst, src], "no-native"),
        ("plain", &[dst, src], "no-target"),
        ("plain", &[dst, "src=00:00:00:00:00:00"], "zero-source"),
        ("plain", &[dst, "src=03:00:00:00:00:01"], "group-source"),
        ("plain", &["dst=01:80:c2:00:00:01", src], "pause"),
        ("plain", &["0200 0000 0001 0200"], "too-short"),
    ] {
        let answer = explain(port, frame);
        assert_eq!(
            (&answer["verdict"], &answer["reason"]),
            (&json!("drop"), &json!(reason)),
            "{port} {frame:?}"
        );
        assert_eq!(answer["egress"], json!([]));
    }
    // A reserved address is a multicast like any other here.
    assert_eq!(explain("plain", &["dst=01:80:c2:00:00:00", src, "vlan=7"])["verdict"], "forward");
    // What is known goes to one port.
    lab.netloom(&["fdb", "add", "02:00:00:00:00:98", "core", "--vlan", "10"]).ok();
    assert_eq!(tags(&explain("host", &[dst, src])), ["core pushed"]);
    // Nothing was learned and nothing counted of all these frames.
    assert!(lab.fdb("x").keys().all(|(mac, _)| mac != "02:00:00:00:00:97"), "{:?}", lab.fdb("x"));
    let after = at_rest(&lab, "x");
    for reason in ["reserved-vid", "zero-source", "group-source", "pause", "too-short"] {
        assert_eq!(after.drops("plain", reason), 0, "{reason}");
    }
    lab.end();
}

#[test]
fn port_set_replaces_the_whole_vlan_mode_and_nothing_else() {
    let lab = Lab::new();
    lab.up("x", &["a=tap,netns=n,mac-limit=7,isolated,flood=off"]);
    let set = |words: &[&str]| {
        let answer = lab.json(&[&["port", "set", "a"], words].concat());
        assert!(answer["changed"].as_array().is_some_and(|lines| !lines.is_empty()), "{answer}");
        let port = lab.port("x", "a");
        (port["vlan"].clone(), port["flags"].clone())
    };
    let (vlan, flags) = set(&["trunk=10+20-22", "native=5", "tpid=0x88a8"]);
    assert_eq!(
        vlan,
        json!({"mode": "trunk", "pvid": 5, "allowed": [5, 10, 20, 21, 22], "tpid": "0x88a8"})
    );
    assert_eq!(flags["mac_limit"], 7);
    assert_eq!((&flags["isolated"], &flags["flood"]), (&json!(true), &json!(false)));
    // Neither native nor TPID is left behind.
    let (vlan, _) = set(&["trunk=30"]);
    assert_eq!(vlan, json!({"mode": "trunk", "pvid": null, "allowed": [30], "tpid": "0x8100"}));
    let (vlan, flags) = set(&["isolated=off", "flood=on", "mcast-flood=off", "bcast-flood=off"]);
    assert_eq!((&vlan["mode"], &vlan["allowed"]), (&json!("trunk"), &json!([30])));
    assert_eq!(
        flags,
        json!({
            "learning": true, "flood": true, "mcast_flood": false, "bcast_flood": false,
            "isolated": false, "mac_limit": 7,
        })
    );
    assert_eq!(set(&["tunnel=9"]).0["mode"], "tunnel");
    assert_eq!(set(&["trunk"]).0["allowed"], "all");
    assert_eq!(set(&["access=4094", "isolated"]).0["pvid"], 4094);
    let (vlan, flags) = set(&["transparent"]);
    assert_eq!((&vlan["mode"], &vlan["pvid"]), (&json!("transparent"), &json!(0)));
    assert_eq!(flags["isolated"], true);
    // One wrong word, and none of them counts.
    lab.netloom(&["port", "set", "a", "mac-limit=1", "access=5000"]).refused(2);
    assert_eq!(lab.port("x", "a")["flags"]["mac_limit"], 7);
    lab.end();
}
