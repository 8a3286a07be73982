//! The watch against real netdevs and namespaces, each test in a namespace of its own.

use std::time::{Duration, Instant};

use netlink_packet_core::Emitable;
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};

use super::*;
use crate::lab::scratch::{self, Scratch, in_own_here};
use crate::lab::{Netns, Wanted, move_netdev};
use crate::ports::MacvtapMode;
use crate::ports::tap;

/// A running veth `one` at a place, followed.
fn veth(watch: &mut LinkWatch, place: &Place) -> (Watched, LinkInfo) {
    let up = Wanted { up: Some(true), ..Wanted::default() };
    let link = place
        .links(|links| {
            let one = links.make_veth("one", "two")?;
            let two = links.require("two")?;
            links.set(&one, &up)?;
            links.set(&two, &up)?;
            Ok(one)
        })
        .unwrap();
    let followed = watch.follow(place, link.index).unwrap();
    assert!(followed.1.runs());
    followed
}

fn set(place: &Place, link: &LinkInfo, wanted: &Wanted) {
    place.links(|links| links.set(link, wanted)).unwrap();
}

/// Drains until `last` has come, at most ten seconds; returns all that came.
fn until(watch: &mut LinkWatch, last: &LinkEvent) -> Vec<LinkEvent> {
    let mut events = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !events.contains(last) {
        assert!(Instant::now() < deadline, "no {last:?} among {events:?}");
        let readable = rustix::event::PollFlags::IN;
        let timeout = rustix::time::Timespec { tv_sec: 1, tv_nsec: 0 };
        let mut fds = [rustix::event::PollFd::from_borrowed_fd(watch.as_fd(), readable)];
        rustix::event::poll(&mut fds, Some(&timeout)).unwrap();
        events.extend(watch.drain());
    }
    events
}

fn place(scratch: &Scratch) -> Place {
    Place::In(scratch.netns.clone())
}

#[test]
fn changes_are_told_here_and_elsewhere() {
    in_own_here(|| {
        let there = scratch::netns();
        for place in [Place::Here, place(&there)] {
            let mut watch = LinkWatch::open().unwrap();
            let (seat, link) = veth(&mut watch, &place);
            assert!(watch.followed.keys().all(|at| at.nsid.is_some() == (place != Place::Here)));
            let mac = Mac::new([2, 0, 0, 0, 0, 5]);
            set(&place, &link, &Wanted { mtu: Some(1400), ..Wanted::default() });
            set(&place, &link, &Wanted { mac: Some(mac), ..Wanted::default() });
            set(&place, &link, &Wanted { up: Some(false), ..Wanted::default() });
            set(&place, &link, &Wanted { name: Some("uno"), ..Wanted::default() });
            set(&place, &link, &Wanted { up: Some(true), ..Wanted::default() });
            let events = until(&mut watch, &LinkEvent::Up(seat));
            assert_eq!(
                events,
                [
                    LinkEvent::Mtu(seat, 1400),
                    LinkEvent::Mac(seat, mac),
                    LinkEvent::Down(seat),
                    LinkEvent::Renamed(seat, "uno".into()),
                    LinkEvent::Up(seat),
                ]
            );
            assert_eq!(watch.state_of(seat).unwrap().unwrap().name, "uno");
            place.links(|links| links.delete(&link)).unwrap();
            let events = until(&mut watch, &LinkEvent::Removed(seat));
            assert_eq!(events, [LinkEvent::Down(seat), LinkEvent::Removed(seat)]);
            assert_eq!(watch.state_of(seat), Ok(None));
        }
    });
}

#[test]
fn a_lost_carrier_is_down() {
    in_own_here(|| {
        let mut watch = LinkWatch::open().unwrap();
        let (seat, _) = veth(&mut watch, &Place::Here);
        let peer = Place::Here.links(|links| links.require("two")).unwrap();
        set(&Place::Here, &peer, &Wanted { up: Some(false), ..Wanted::default() });
        assert_eq!(until(&mut watch, &LinkEvent::Down(seat)), [LinkEvent::Down(seat)]);
    });
}

#[test]
fn a_macvtap_follows_its_lower_netdev() {
    in_own_here(|| {
        let there = scratch::netns();
        let place = place(&there);
        let mut watch = LinkWatch::open().unwrap();
        let (lower, link) = veth(&mut watch, &place);
        let made = place
            .links(|links| {
                let made = links.make_macvtap("mv", &link, MacvtapMode::Bridge)?;
                links.set(&made, &Wanted { up: Some(true), ..Wanted::default() })?;
                Ok(made)
            })
            .unwrap();
        let (seat, _) = watch.follow(&place, made.index).unwrap();
        set(&place, &link, &Wanted { up: Some(false), ..Wanted::default() });
        let events = until(&mut watch, &LinkEvent::Down(seat));
        assert!(events.contains(&LinkEvent::Down(lower)), "{events:?}");
    });
}

#[test]
fn one_that_moves_away_is_gone_from_here() {
    in_own_here(|| {
        let there = scratch::netns();
        let mut watch = LinkWatch::open().unwrap();
        let (seat, link) = veth(&mut watch, &Place::Here);
        let moved = move_netdev(&link, &Place::Here, &place(&there), None, |_| Ok(())).unwrap();
        until(&mut watch, &LinkEvent::Removed(seat));
        let (new, _) = watch.follow(&place(&there), moved.index).unwrap();
        let up = Wanted { up: Some(true), ..Wanted::default() };
        set(&place(&there), &moved, &up);
        assert_eq!(until(&mut watch, &LinkEvent::Up(new)), [LinkEvent::Up(new)]);
    });
}

/// A TAP whose namespace is deleted dies with it, though the switch follows
/// it, has made it what it is and still holds its descriptor.
#[test]
fn nothing_keeps_a_deleted_namespace_alive() {
    in_own_here(|| {
        let there = scratch::netns();
        let to = place(&there);
        let mut watch = LinkWatch::open().unwrap();
        let queues = tap::create("mytap", 1).unwrap();
        let made = Place::Here.links(|links| links.require("mytap")).unwrap();
        let moved = move_netdev(&made, &Place::Here, &to, None, |_| Ok(())).unwrap();
        let mut wanted = crate::Attachment::new(crate::ports::fd::Fd(0));
        wanted.addr = vec!["fd00::1/64".parse().unwrap()];
        to.links(|links| links.configure(&moved, &wanted)).unwrap();
        let (seat, now) = watch.follow(&to, moved.index).unwrap();
        assert!(now.runs());
        let inner = to.links(|links| {
            let lower = links.make_veth("low", "far")?;
            links.make_macvtap("mv", &lower, MacvtapMode::Bridge)
        });
        crate::lab::macvtap_device(&to, &inner.unwrap()).unwrap();
        scratch::run("ip", &["netns", "delete", &there.name]);
        let gone = LinkEvent::NamespaceGone(seat);
        assert_eq!(until(&mut watch, &gone), [gone]);
        let is_gone = || if queues[0].is_gone() { Ok(()) } else { Err("it is there") };
        scratch::wait_for("the TAP to be gone", is_gone);
        assert_eq!(watch.state_of(seat), Ok(None));
    });
}

#[test]
fn a_new_namespace_with_the_old_id_is_not_mistaken() {
    in_own_here(|| {
        let (mut watch, mut other) = (LinkWatch::open().unwrap(), LinkWatch::open().unwrap());
        let first = scratch::netns();
        let (old, link) = veth(&mut watch, &place(&first));
        let (seen, _) = other.follow(&place(&first), link.index).unwrap();
        drop(first);
        until(&mut other, &LinkEvent::NamespaceGone(seen));
        // Its end is still to be read here.
        let second = scratch::netns();
        let (new, link) = veth(&mut watch, &place(&second));
        assert_ne!(new, old);
        assert_eq!(watch.followed.keys().map(|seat| seat.nsid).collect::<Vec<_>>(), [Some(0)]);
        assert_eq!(watch.drain(), [LinkEvent::NamespaceGone(old)]);
        set(&place(&second), &link, &Wanted { mtu: Some(1300), ..Wanted::default() });
        let last = LinkEvent::Mtu(new, 1300);
        assert_eq!(until(&mut watch, &last), [last]);
    });
}

/// The end of an id is not believed while its netdevs answer.
#[test]
fn an_old_end_read_late_removes_nothing() {
    in_own_here(|| {
        let there = scratch::netns();
        let mut watch = LinkWatch::open().unwrap();
        let (seat, _) = veth(&mut watch, &place(&there));
        let mut events = Vec::new();
        let mut end = NsidMessage::default();
        end.attributes.push(NsidAttribute::Id(0));
        let mut payload = vec![0; end.buffer_len()];
        end.emit(&mut payload);
        watch.read_end(&payload, &mut events);
        assert_eq!(events, []);
        assert!(watch.state_of(seat).unwrap().is_some());
    });
}

#[test]
fn a_port_that_leaves_a_bridge_is_not_gone() {
    in_own_here(|| {
        let mut watch = LinkWatch::open().unwrap();
        let (seat, link) = veth(&mut watch, &Place::Here);
        scratch::run("ip", &["link", "add", "br0", "type", "bridge"]);
        scratch::run("ip", &["link", "set", "one", "master", "br0"]);
        scratch::run("ip", &["link", "set", "one", "nomaster"]);
        set(&Place::Here, &link, &Wanted { mtu: Some(1400), ..Wanted::default() });
        let last = LinkEvent::Mtu(seat, 1400);
        assert_eq!(until(&mut watch, &last), [last]);
    });
}

#[test]
fn what_was_lost_is_asked_for() {
    in_own_here(|| {
        let there = scratch::netns();
        let place = place(&there);
        let mut watch = LinkWatch::open().unwrap();
        watch.socket.set_rx_buf_sz(1_i32).unwrap();
        let (seat, link) = veth(&mut watch, &place);
        place
            .links(|links| {
                for mtu in 1000..1200 {
                    links.set(&link, &Wanted { mtu: Some(mtu), ..Wanted::default() })?;
                }
                links.set(&link, &Wanted { up: Some(false), ..Wanted::default() })
            })
            .unwrap();
        let events = watch.drain();
        let lost = events.iter().position(|event| *event == LinkEvent::Overrun).unwrap();
        assert_eq!(events[lost + 1..], [LinkEvent::Mtu(seat, 1199), LinkEvent::Down(seat)]);
        assert_eq!(watch.drain(), []);
    });
}

#[test]
fn the_own_namespace_by_a_path_is_here_even_with_an_id_of_its_own() {
    in_own_here(|| {
        let path = format!("/proc/{}/task/{}/ns/net", std::process::id(), rustix::thread::gettid());
        let own = Place::In(Netns::Path(path.into()));
        let mut watch = LinkWatch::open().unwrap();
        let file = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
        nsid::given(&mut watch.netlink, &file).unwrap();
        let (seat, link) = veth(&mut watch, &own);
        assert!(watch.followed.keys().all(|at| at.nsid.is_none()));
        set(&own, &link, &Wanted { mtu: Some(1400), ..Wanted::default() });
        let last = LinkEvent::Mtu(seat, 1400);
        assert_eq!(until(&mut watch, &last), [last]);
    });
}

#[test]
fn what_is_not_there_cannot_be_followed() {
    in_own_here(|| {
        let mut watch = LinkWatch::open().unwrap();
        assert_eq!(watch.follow(&Place::Here, 4711).unwrap_err().why, "it is gone");
        let nowhere = Place::In(Netns::Name(scratch::name()));
        assert!(watch.follow(&nowhere, 1).is_err());
        let (seat, link) = veth(&mut watch, &Place::Here);
        watch.unfollow(seat);
        Place::Here.links(|links| links.delete(&link)).unwrap();
        assert_eq!(watch.drain(), []);
    });
}
