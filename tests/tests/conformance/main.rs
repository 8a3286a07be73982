//! Every backend, held to what the switch expects of a port.
//!
//! Each rig is in a network namespace of its own, made by the test's thread,
//! and ends with it. Needs root and `/dev/net/tun`; without them it fails.

mod engines;
mod faults;
mod rigs;

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use io_backends::ports::netdev::Netdev;
use io_backends::ports::plain::{Loop, PlainPort};
use io_backends::ports::veth::Veth;
use io_backends::ports::{Kind, MacvtapMode};
use io_backends::ports::{fd, tap};
use io_backends::testing::{RawSocket, in_own_netns};
use switch_core::ports::memory::Wire;
use switch_core::ports::null::NullPort;
use tests::conformance::{Fate, Rig, check};
use tests::frames::plain;
use tun_tap::{Iface, Mode};

use rigs::{
    BROADCAST, DEVICE, LONGEST, hand_over, ip, leave_behind, macvtap_rig, memory_rig, must, one,
    raise, renew_netns, tap_rig, tied_rig,
};

#[test]
fn null() {
    check(|| Rig {
        port: Box::new(NullPort),
        far: None,
        address: BROADCAST,
        longest: LONGEST,
        cuts_udp: false,
        down: None,
        deleted: None,
        blocked: Fate::Silent,
    });
}

#[test]
fn memory() {
    check(|| memory_rig(|port| port));
}

#[test]
fn tap_made() {
    in_own_netns(|| {
        check(|| {
            renew_netns();
            tap_rig(Box::new(one(tap::create(DEVICE, 1))))
        });
    });
}

#[test]
fn tap_attached_to() {
    in_own_netns(|| {
        check(|| {
            renew_netns();
            // Left as another program might: single-queue, without a header.
            ip(&["tuntap", "add", "dev", DEVICE, "mode", "tap"]);
            tap_rig(Box::new(one(tap::attach(DEVICE, 1))))
        });
    });
}

#[test]
fn macvtap_in_every_mode() {
    use MacvtapMode::{Bridge, Passthru, Private, Vepa};
    for mode in [Passthru, Bridge, Private, Vepa] {
        in_own_netns(move || {
            check(|| {
                renew_netns();
                macvtap_rig(mode, |port| port)
            });
        });
    }
}

#[test]
fn netdev_and_veth() {
    let veth = Kind::from(Veth { name: DEVICE.to_owned() });
    let netdev = Kind::from(Netdev { name: "near".to_owned() });
    for kind in [veth, netdev] {
        in_own_netns(move || {
            check(|| {
                renew_netns();
                tied_rig(&kind)
            });
        });
    }
}

#[test]
fn inherited_tap_without_a_header() {
    in_own_netns(|| {
        check(|| {
            renew_netns();
            let opener = Iface::without_packet_info(DEVICE, Mode::Tap).expect("a TAP");
            let number = leave_behind(opener.as_raw_fd());
            drop(opener);
            tap_rig(Box::new(must(fd::adopt(number))))
        });
    });
}

#[test]
fn inherited_tap_with_a_header() {
    in_own_netns(|| {
        check(|| {
            renew_netns();
            let opener = one(tap::create(DEVICE, 1));
            tap_rig(Box::new(hand_over(opener)))
        });
    });
}

#[test]
fn inherited_macvtap() {
    in_own_netns(|| {
        check(|| {
            renew_netns();
            macvtap_rig(MacvtapMode::Passthru, hand_over)
        });
    });
}

#[test]
fn plain_backend() {
    in_own_netns(|| {
        check(|| {
            renew_netns();
            tap_rig(Box::new(must(PlainPort::open(DEVICE))))
        });
    });
}

#[test]
fn the_plain_loop_joins_two_taps() {
    in_own_netns(|| {
        let ports = ["first", "second"].map(|name| must(PlainPort::open(name)));
        let sockets = ["first", "second"].map(|name| {
            raise(name);
            RawSocket::open(name, false).expect("a raw socket")
        });
        let [first, second] = ports;
        let mut cable = Loop::new(first, second).expect("a loop");
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let running = scope.spawn(|| cable.run(&stop));
            for (from, to) in [(0, 1), (1, 0)] {
                let sent: Vec<Wire> = (0..300).map(|n| plain(BROADCAST, 60 + n, n)).collect();
                sent.iter().for_each(|frame| sockets[from].send(frame).expect("room"));
                let mut received = Vec::new();
                let deadline = Instant::now() + Duration::from_secs(10);
                while received.len() < sent.len() && Instant::now() < deadline {
                    received.extend(sockets[to].receive().expect("the TAP is up"));
                }
                assert_eq!(received, sent);
            }
            stop.store(true, Ordering::Relaxed);
            running.join().expect("no panic").expect("both TAPs stay");
        });
    });
}
