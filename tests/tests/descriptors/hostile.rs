//! What the giver of a descriptor, or another user of a TAP, does with it afterwards costs that
//! port alone: the others lose nothing, and the switch hears requests and signals.

use std::os::fd::{AsFd, OwnedFd};

use io_backends::lab::netns::in_netns;
use io_backends::ports::tap;
use io_backends::testing::tamper;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tests::lab::{Lab, PROGRAM, duplicate, eventually, within};

use crate::{GIVEN, GIVEN_V4, NUMBER, ip, macvtap_to_given, move_out, tap_with_header};

const ENGINES: [&str; 2] = ["epoll", "io_uring"];

/// A switch with two hosts that ping each other, and a port `x` that `keys` describe.
struct Attacked<'l> {
    lab: &'l Lab,
    engine: &'static str,
}

impl<'l> Attacked<'l> {
    /// `fd` is left open for the switch as descriptor 7, where `x` is of kind `fd`.
    fn up(lab: &'l Lab, engine: &'static str, x: &str, fd: Option<OwnedFd>) -> Attacked<'l> {
        let port = |name: &str, host: u8| {
            format!(
                "[[port]]\nname = \"{name}\"\nkind = \"tap\"\nnetns = \"{name}\"\n\
                 addr = \"10.7.0.{host}/24\"\n"
            )
        };
        let config = format!(
            "[switch]\nname = \"m\"\nengine = \"{engine}\"\nworkers = 2\n{}{}\
             [[port]]\nname = \"x\"\n{x}\n",
            port("one", 1),
            port("two", 2),
        );
        let file = lab.file("m.toml", config);
        let words = [PROGRAM, "up", "-d", &file];
        match fd {
            Some(fd) => lab.run_with(NUMBER, fd, &words).ok(),
            None => lab.run(&words).ok(),
        };
        Attacked { lab, engine }
    }

    /// `deed` is done while the hosts ping each other and frames come from and go to `x`;
    /// afterwards the port is in the state that `is_so` waits for.
    fn survives(&self, deed: impl FnOnce(), is_so: impl Fn(&serde_json::Value) -> bool) {
        let (lab, engine) = (self.lab, self.engine);
        let pings = lab.pinging("one", "10.7.0.2");
        deed();
        // Each asks everybody, `x` too, for an address; and what is behind `x` asks as well.
        for _ in 0..3 {
            lab.run_in("two", &["ping", "-n", "-c", "1", "-W", "0.1", "10.7.0.77"]);
            if lab.path(format!("/run/netns/{GIVEN}")).exists() {
                lab.run_in(GIVEN, &["ping", "-n", "-c", "1", "-W", "0.1", "10.8.0.77"]);
            }
        }
        let last = || lab.port("m", "x");
        let seen = within(10, || Some(last()).filter(&is_so).ok_or_else(last));
        seen.unwrap_or_else(|row| panic!("{engine}: the port is {row}"));
        lab.netloom(&["stats"]).ok();
        lab.ping("two", "10.7.0.1");
        pings.go_on_for(10);
        let pings = pings.stop();
        assert_eq!(pings.received, pings.sent, "{engine}");
    }

    fn hears_a_signal(self) {
        let pid = self.lab.pid("m");
        self.lab.signal(pid, "TERM");
        let runs = || self.lab.path(format!("/proc/{pid}")).exists();
        eventually(&format!("{}: it has stopped", self.engine), runs, |runs| !runs);
    }
}

fn is_up(row: &serde_json::Value) -> bool {
    row["state"] == "up"
}

fn is_in_fault(row: &serde_json::Value, why: &str) -> bool {
    row["state"] == "fault" && row["fault"].as_str().is_some_and(|fault| fault.contains(why))
}

fn set_blocking(fd: &OwnedFd, blocking: bool) {
    let flags = fcntl_getfl(fd).expect("an open descriptor");
    let flags = if blocking { flags - OFlags::NONBLOCK } else { flags | OFlags::NONBLOCK };
    fcntl_setfl(fd, flags).expect("an open descriptor");
}

const FD: &str = "kind = \"fd\"\ntarget = \"7\"";

#[test]
fn a_given_tap_that_is_made_blocking() {
    for engine in ENGINES {
        let lab = Lab::new();
        let fd = tap_with_header(&lab, "foreign");
        move_out(&lab, "foreign");
        let kept = duplicate(&fd);
        let attacked = Attacked::up(&lab, engine, FD, Some(fd));
        attacked.survives(|| set_blocking(&kept, true), is_up);
        // Little room for what is written makes writers wait.
        attacked.survives(|| tamper::set_send_buffer(&kept, 1).expect("a TAP"), is_up);
        attacked.survives(|| set_blocking(&kept, false), is_up);
        attacked.survives(|| set_blocking(&kept, true), is_up);
        attacked.hears_a_signal();
    }
}

#[test]
fn a_given_macvtap_that_is_made_blocking() {
    for engine in ENGINES {
        let lab = Lab::new();
        let fd = macvtap_to_given(&lab);
        let kept = duplicate(&fd);
        let attacked = Attacked::up(&lab, engine, FD, Some(fd));
        attacked.survives(|| set_blocking(&kept, true), is_up);
        attacked.survives(
            || tamper::set_flags(&kept, tamper::WITHOUT_HEADER).expect("a macvtap"),
            |row| is_in_fault(row, "header"),
        );
        attacked.hears_a_signal();
    }
}

#[test]
fn a_given_tap_whose_header_is_changed() {
    for engine in ENGINES {
        let lab = Lab::new();
        let fd = tap_with_header(&lab, "foreign");
        move_out(&lab, "foreign");
        let kept = duplicate(&fd);
        let attacked = Attacked::up(&lab, engine, FD, Some(fd));
        // Offloads can be changed without harm: what is not taken any more is finished first.
        attacked.survives(|| tamper::set_offloads(&kept, 0).expect("a TAP"), is_up);
        attacked.survives(|| tamper::set_persistent(&kept, true).expect("a TAP"), is_up);
        attacked.survives(
            || tamper::set_header_size(&kept, 64).expect("a TAP"),
            |row| is_in_fault(row, "header"),
        );
        // Only its giver could give it again.
        attacked.survives(
            || tamper::set_header_size(&kept, 12).expect("a TAP"),
            |row| is_in_fault(row, "header"),
        );
        attacked.hears_a_signal();
    }
}

#[test]
fn a_given_queue_that_is_detached() {
    for engine in ENGINES {
        let lab = Lab::new();
        let open = || tap::create("foreign", 2).expect("a TAP");
        let queues = in_netns(&lab.host(), open).expect("the lab's host");
        let kept = queues[0].as_fd().try_clone_to_owned().expect("a duplicate");
        move_out(&lab, "foreign");
        let attacked = Attacked::up(&lab, engine, FD, Some(duplicate(&kept)));
        attacked.survives(
            || tamper::detach_queue(&kept).expect("a queue"),
            |row| is_in_fault(row, "detached"),
        );
        attacked.hears_a_signal();
    }
}

/// The owner of a TAP with several queues may attach to it beside the switch.
#[test]
fn an_existing_tap_whose_owner_attaches_too() {
    for engine in ENGINES {
        let lab = Lab::new();
        ip(&lab, "tuntap add dev mine mode tap multi_queue");
        ip(&lab, &format!("addr add {GIVEN_V4}/24 dev mine"));
        let x = "kind = \"tap\"\ntarget = \"mine\"\nexisting = true";
        let attacked = Attacked::up(&lab, engine, x, None);
        let mut owners = None;
        attacked.survives(
            || {
                let attach = || tamper::attach_beside("mine").expect("a queue");
                let beside = in_netns(&lab.host(), attach).expect("the lab's host");
                tamper::set_header_size(&beside, 64).expect("a TAP");
                owners = Some(beside);
            },
            |row| is_in_fault(row, "held by another"),
        );
        drop(owners);
        attacked.survives(|| (), is_up);
        attacked.hears_a_signal();
    }
}
