//! The control socket under attack: others are answered, nothing grows, `down` and SIGTERM are
//! heard. How long that takes is a figure, see `figures/control.rs`.

use std::fs;

use tests::control::{ATTACKS, Conversation};
use tests::lab::{Lab, eventually};

const SOCKET: &str = "/run/netloom/x/control.sock";

/// Questions of others during an attack.
const QUESTIONS: usize = 100;

/// What all clients together may make a switch hold: 64 MiB, and what goes with handing it out.
const MOST_KIB: u64 = 80 << 10;

/// 1,024 conversations, each with at most one descriptor.
const MOST_DESCRIPTORS: usize = 2 * 1024;

fn resident_kib(lab: &Lab, pid: u32) -> u64 {
    let status = fs::read_to_string(lab.path(format!("/proc/{pid}/status"))).expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn descriptors(lab: &Lab, pid: u32) -> usize {
    fs::read_dir(lab.path(format!("/proc/{pid}/fd"))).expect("fds").count()
}

#[test]
fn others_are_answered_and_nothing_grows_whatever_a_client_does() {
    for (n, attack) in ATTACKS.iter().enumerate() {
        let lab = Lab::new();
        lab.up("x", &["a=tap,netns=na", "b=tap,netns=nb"]);
        let (pid, socket) = (lab.pid("x"), lab.path(SOCKET));
        let before = (resident_kib(&lab, pid), descriptors(&lab, pid));
        let attackers = attack.begin(&socket);
        let mut steady = Conversation::begin(&socket).expect("a conversation");
        for question in 0..QUESTIONS {
            let answer = match question % 2 {
                0 => steady.ask("{\"info\":{}}\n"),
                _ => Conversation::begin(&socket)
                    .and_then(|mut fresh| fresh.ask("{\"stats\":{\"port\":null}}\n")),
            };
            let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", attack.name));
            assert!(answer["done"].is_object(), "{}: {answer}", attack.name);
        }
        let (_, cut_off) = attackers.honest();
        assert_eq!(cut_off, 0, "{}: honest clients were cut off", attack.name);
        let grown = resident_kib(&lab, pid) - before.0;
        assert!(grown < MOST_KIB, "{}: {grown} KiB more", attack.name);
        let more = descriptors(&lab, pid).saturating_sub(before.1);
        assert!(more < MOST_DESCRIPTORS, "{}: {more} more descriptors", attack.name);
        match n % 2 {
            0 => lab.signal(pid, "TERM"),
            _ => drop(lab.netloom(&["down", "x"]).ok()),
        }
        let runs = || lab.path(format!("/proc/{pid}/exe")).exists();
        eventually(&format!("{}: it stops", attack.name), runs, |runs| !runs);
        attackers.end();
        lab.is_empty();
    }
}
