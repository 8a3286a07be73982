//! What a switch needs of the host and of its user, and what it says without.

use tests::lab::{Lab, PROGRAM};

use crate::mistakes::{check, with_a_switch};

#[test]
fn without_the_privileges() {
    let lab = with_a_switch();
    let before = lab.inventory();
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
    let as_nobody = |words: &[&str]| lab.run(&[&nobody[..], &["/run/bin/netloom"], words].concat());
    for words in [
        &["up", "--name", "y", "--port", "c=tap"][..],
        &["up", "-d", "--name", "y", "--port", "c=tap,netns=nc"],
        &["demo"],
        &["port", "ls"],
        &["fdb", "flush"],
        &["down", "x"],
        &["down", "--all"],
        &["exec", "na", "--", "true"],
    ] {
        let answer = as_nobody(words);
        let message = answer.refused(4);
        assert!(message.contains("needs "), "{answer:#?}");
        assert!(answer.hint().contains("root"), "{answer:#?}");
        assert_eq!(lab.inventory(), before, "{words:?}");
    }
    // Each one by itself, for root.
    let specs = [
        ("net_admin", "c=tap,netns=nc", "CAP_NET_ADMIN"),
        ("net_admin", "c=tap", "CAP_NET_ADMIN"),
        ("sys_admin", "c=tap,netns=nc", "CAP_SYS_ADMIN"),
        ("net_broadcast", "c=tap", "CAP_NET_BROADCAST"),
    ];
    for (lacking, spec, named) in specs {
        let bounds = format!("--bounding-set=-{lacking}");
        let words =
            ["setpriv", &bounds, "/run/bin/netloom", "up", "-d", "--name", "y", "--port", spec];
        let answer = lab.run(&words);
        let message = answer.refused(4);
        assert!(message.contains(named), "{answer:#?}");
        assert!(answer.hint().contains(named), "{answer:#?}");
        assert_eq!(lab.inventory(), before, "{lacking}");
    }
    // What asks for nothing needs nothing.
    let doctor = as_nobody(&["doctor"]);
    assert_eq!(doctor.exit, Some(4), "{doctor:#?}");
    assert!(doctor.err.starts_with("netloom: this process: misses "), "{doctor:#?}");
    lab.netloom(&["doctor"]).ok();
    as_nobody(&["--help"]).ok();
    as_nobody(&["completions", "bash"]).ok();
    lab.end();
}

#[test]
fn without_dev_net_tun() {
    let lab = with_a_switch();
    // The lab's own mounts: no other test sees this.
    lab.run(&["mount", "-t", "tmpfs", "tmpfs", "/dev/net"]).ok();
    check(
        &lab,
        &[
            (
                1,
                &["up", "-d", "--name", "y", "--port", "c=tap,netns=nc"],
                "/dev/net/tun",
                "modprobe tun",
            ),
            (1, &["up", "--name", "y", "--port", "c=tap"], "/dev/net/tun", "modprobe tun"),
            (1, &["port", "add", "c=tap"], "/dev/net/tun", "modprobe tun"),
            (1, &["demo"], "/dev/net/tun", "modprobe tun"),
        ],
    );
    let doctor = lab.netloom(&["doctor", "--json"]);
    assert_eq!(doctor.exit, Some(1), "{doctor:#?}");
    assert!(doctor.out.starts_with("{\"kernel\""), "{doctor:#?}");
    assert!(doctor.err.contains("misses /dev/net/tun"), "{doctor:#?}");
    lab.end();
}

/// A file of the host that every program has, as a rule: said by its name, once, with what brings
/// it back, and nothing is made.
#[test]
fn without_what_every_host_has() {
    let lab = Lab::new();
    let no_null = "mount -t tmpfs tmpfs /dev; mkdir /dev/net; mknod /dev/net/tun c 10 200";
    let no_proc = "mount -t tmpfs tmpfs /proc";
    let cases = [
        (no_null, &["up", "-d"][..], "/dev/null: ", "mknod"),
        (no_proc, &["up", "-d"], "/proc/", "mount -t proc"),
        (no_proc, &["up"], "/proc/", "mount -t proc"),
    ];
    for (script, up, named, remedy) in cases {
        let script = format!("{script}; exec {PROGRAM} \"$@\"");
        let words = ["unshare", "--mount", "sh", "-c", &script, "sh"];
        let ports = ["--name", "y", "--port", "a=tap", "--port", "b=tap,netns=nb"];
        let answer = lab.run(&[&words, up, &ports].concat());
        assert!(answer.refused(1).starts_with(named), "{answer:#?}");
        assert!(answer.hint().contains(remedy), "{answer:#?}");
        lab.is_empty();
    }
    // In the foreground nothing is written to /dev/null.
    let script = format!("{no_null}; exec {PROGRAM} up --name y --port b=tap,netns=nb");
    let switch = lab.spawn(&["unshare", "--mount", "sh", "-c", &script]);
    switch.says("forwards with 1 port", 10);
    switch.signal("TERM");
    switch.wait(10).ok();
    lab.is_empty();
}
