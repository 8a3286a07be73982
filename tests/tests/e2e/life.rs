//! A switch's life: started, stopped, killed, started again; what is left of it is nothing.

use serde_json::json;
use tests::lab::{Lab, Pings, at_rest};

const A: &str = "a=tap,netns=na,addr=10.9.0.1/24,addr=fd00::1/64";
const B: &str = "b=tap,netns=nb,addr=10.9.0.2/24,addr=fd00::2/64";

#[test]
fn a_daemon_is_on_its_own() {
    let lab = Lab::new();
    // The harness waits for the end of its pipes: a daemon that held them would be found here.
    let answer = lab.run(&["sh", "-c", "/run/bin/netloom up -d --name x --port a=tap 2>&1 | cat"]);
    assert_eq!(answer.ok(), "switch x forwards with 1 port\n");
    let pid = lab.pid("x");
    let link = |what: &str| {
        let path = lab.path(format!("/proc/{pid}/{what}"));
        std::fs::read_link(path).expect("a link").display().to_string()
    };
    for stream in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(link(stream), "/dev/null", "{stream}");
    }
    assert_eq!(link("cwd"), "/");
    let stat = std::fs::read_to_string(lab.path(format!("/proc/{pid}/stat"))).expect("stat");
    let (_, stat) = stat.rsplit_once(')').expect("a name");
    let fields: Vec<_> = stat.split_whitespace().collect();
    assert_eq!(fields[3], pid.to_string(), "a session of its own");
    lab.end();
}

#[test]
fn in_the_foreground_it_ends_with_a_signal_and_takes_everything_along() {
    let lab = Lab::new();
    for signal in ["INT", "TERM"] {
        let switch =
            lab.spawn(&["/run/bin/netloom", "up", "--name", "x", "--port", A, "--port", B]);
        switch.says("switch x forwards with 2 ports", 10);
        lab.ping("na", "fd00::2");
        assert_eq!(lab.pid("x"), switch.pid());
        switch.signal(signal);
        let answer = switch.wait(10);
        assert_eq!(answer.exit, Some(0), "{answer:?}");
        assert!(!answer.err.contains("netloom: "), "{answer:?}");
        assert!(answer.out.ends_with("\nswitch x stopped\n"), "{answer:?}");
        lab.is_empty();
    }
}

#[test]
fn what_a_killed_switch_left_goes_with_down() {
    let lab = Lab::new();
    lab.up("x", &[A, B, "c=tap", "d=tap,netns=na"]);
    let before = lab.inventory();
    lab.signal(lab.pid("x"), "KILL");
    lab.switch_is("dead");
    let row = &lab.json(&["ls"])[0];
    assert_eq!(row["name"], "x");
    // What is not known of a dead switch is null, not 0.
    assert_eq!(
        (&row["pid"], &row["uptime"], &row["ports"]),
        (&json!(null), &json!(null), &json!(null))
    );
    assert!(lab.inventory().iter().any(|thing| thing == "/run/netns/na"));
    assert!(before.len() > 5, "{before:?}");
    for words in
        [&["port", "ls"][..], &["port", "ls", "--switch", "x"], &["stats", "--switch", "x"]]
    {
        lab.netloom(words).refused(3);
    }
    lab.netloom(&["down", "x"]).ok();
    lab.is_empty();
}

#[test]
fn up_cleans_up_after_a_killed_switch_of_its_name() {
    let lab = Lab::new();
    lab.up("x", &[A, B, "c=tap"]);
    lab.signal(lab.pid("x"), "KILL");
    // At once: the kernel may still be taking the dead one's TAPs away.
    lab.up("x", &["b=tap,netns=nb,addr=10.9.0.2/24", "z=tap,netns=nz,addr=10.9.0.9/24", "c=tap"]);
    assert_eq!(lab.flood_ping("nz", "10.9.0.2", 50), Pings { sent: 50, received: 50 });
    let left = lab.inventory();
    assert!(!left.contains(&"/run/netns/na".to_owned()), "{left:?}");
    assert_eq!(lab.json(&["ls"]).as_array().expect("rows").len(), 1);
    lab.end();
}

#[test]
fn a_killed_switch_of_many_ports_takes_a_while_to_die_and_nobody_need_wait() {
    let lab = Lab::new();
    let ports: Vec<_> = (0..64).map(|n| format!("p{n}=tap,netns=n{n}")).collect();
    let ports: Vec<_> = ports.iter().map(String::as_str).collect();
    lab.up("x", &ports);
    lab.signal(lab.pid("x"), "KILL");
    lab.up("x", &ports);
    lab.signal(lab.pid("x"), "KILL");
    lab.netloom(&["down", "x"]).ok();
    lab.is_empty();
}

#[test]
fn a_second_one_of_the_same_name_fails_and_the_first_goes_on() {
    let lab = Lab::new();
    lab.up("x", &[A, B]);
    let before = lab.inventory();
    let message = lab.try_up("x", &["c=tap,netns=nc"]).refused(1);
    assert_eq!(message, "switch x: it already runs");
    // Whoever asks for the very same things does not get them either.
    lab.try_up("x", &[A, B]).refused(1);
    lab.netloom(&["up", "--name", "x"]).refused(1);
    assert_eq!(lab.inventory(), before);
    assert_eq!(lab.flood_ping("na", "10.9.0.2", 50), Pings { sent: 50, received: 50 });
    lab.end();
}

#[test]
fn two_switches_share_nothing() {
    let lab = Lab::new();
    let mac = "mac=02:00:00:00:00:01";
    for switch in ["x", "y"] {
        let a = format!("a=tap:{switch}a,netns={switch}-a,addr=10.9.0.1/24,{mac}");
        let b = format!("b=tap:{switch}b,netns={switch}-b,addr=10.9.0.2/24");
        lab.up(switch, &[&a, &b]);
    }
    lab.ping("x-a", "10.9.0.2");
    lab.ping("y-b", "10.9.0.1");
    // The same address, at one port here and another there.
    lab.netloom(&["fdb", "add", "02:00:00:00:00:02", "b", "--switch", "x"]).ok();
    lab.netloom(&["port", "set", "a", "access=10", "--switch", "x"]).ok();
    let fdb = lab.fdb("y");
    assert!(!fdb.contains_key(&("02:00:00:00:00:02".into(), 0)), "{fdb:?}");
    assert_eq!(lab.port("y", "a")["vlan"]["mode"], "transparent");
    // Without a name it is not clear which one is meant.
    for words in [&["port", "ls"][..], &["fdb", "ls"], &["stats"], &["down"]] {
        let message = lab.netloom(words).refused(2);
        assert!(message.contains("x, y"), "{message}");
    }
    lab.netloom(&["down", "x"]).ok();
    lab.ping("y-a", "10.9.0.2");
    assert_eq!(lab.json(&["ls"]).as_array().expect("rows").len(), 1);
    at_rest(&lab, "y");
    lab.end();
}

#[test]
fn down_all_stops_all_dead_or_alive() {
    let lab = Lab::new();
    lab.netloom(&["down", "--all"]).ok();
    assert_eq!(lab.json(&["down", "--all"]), json!({"changed": []}));
    for switch in ["x", "y", "z"] {
        lab.up(switch, &[&format!("a=tap:{switch}a,netns={switch}")]);
    }
    lab.signal(lab.pid("y"), "KILL");
    lab.netloom(&["down", "--all"]).ok();
    lab.is_empty();
    lab.netloom(&["down", "x"]).refused(3);
}

#[test]
fn an_up_that_fails_leaves_nothing_behind() {
    let lab = Lab::new();
    let bad = [
        ["a=tap,netns=na", "b=macvtap:nowhere"],
        ["a=tap,netns=na", "b=tap:lo"],
        ["a=tap,netns=na", "b=tap,netns=/run/netns/nowhere"],
        ["a=tap,netns=na,ifname=lo", "b=tap"],
    ];
    for ports in bad {
        lab.try_up("x", &ports).refused(1);
        lab.is_empty();
        let [first, second] = ports;
        lab.netloom(&["up", "--name", "x", "--port", first, "--port", second]).refused(1);
        lab.is_empty();
    }
    // One port fails, and those that run don't mind.
    lab.up("x", &[A, B]);
    let before = lab.inventory();
    for port in ["c=macvtap:nowhere", "c=tap:lo", "c=tap,netns=nc,ifname=lo", "a=tap:c"] {
        lab.netloom(&["port", "add", port]).refused(1);
        assert_eq!(lab.inventory(), before, "{port}");
    }
    lab.ping("na", "10.9.0.2");
    lab.end();
}

#[test]
fn fifty_ports_come_and_go_without_a_trace() {
    let lab = Lab::new();
    lab.up("x", &[A, B]);
    let pid = lab.pid("x");
    let descriptors =
        || std::fs::read_dir(lab.path(format!("/proc/{pid}/fd"))).expect("descriptors").count();
    let cycle = |n: usize| {
        let spec = format!("p=tap,netns=np,addr=10.9.0.{}/24,mtu=1400", 10 + n);
        lab.netloom(&["port", "add", &spec]).ok();
        if n.is_multiple_of(10) {
            lab.ping("np", "10.9.0.1");
        }
        lab.netloom(&["port", "del", "p"]).ok();
    };
    cycle(0);
    let (before, open) = (lab.inventory(), descriptors());
    (0..50).for_each(cycle);
    assert_eq!(lab.inventory(), before);
    assert_eq!(descriptors(), open);
    // A number that was used before is another port now.
    lab.netloom(&["port", "add", "q=tap,netns=nq,addr=10.9.0.100/24"]).ok();
    lab.ping("nq", "10.9.0.1");
    assert_eq!(lab.pid("x"), pid);
    at_rest(&lab, "x");
    lab.end();
}
