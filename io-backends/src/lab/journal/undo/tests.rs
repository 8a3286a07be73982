//! Undoing: what goes, what stays, and what a kill may leave in between.

use super::*;
use crate::Attachment;
use crate::lab::scratch::{self, Directory};
use crate::lab::{Found, Links, Netns};
use crate::ports::MacvtapMode;
use crate::ports::fd::Fd;
use switch_core::Mac;

fn journal(run: &Directory) -> Journal {
    Journal::open(&run.0, "s").unwrap()
}

/// What a killed switch leaves: the record, the lock dropped, nothing undone.
fn killed(journal: Journal, run: &Directory) -> Journal {
    journal.dies();
    Journal::left_behind(&run.0, "s").unwrap().unwrap()
}

fn find(place: &Place, name: &str) -> Option<LinkInfo> {
    place.links(|links| links.find(name)).unwrap()
}

fn exists(name: &str) -> bool {
    netns::exists(&Netns::Name(name.into())).unwrap()
}

/// A macvtap on a new veth inside a namespace, recorded up to its index.
fn macvtap(journal: &mut Journal, place: &Place) -> LinkInfo {
    let lower = place.links(|links| links.make_veth("low", "far")).unwrap();
    let entry = journal.netdev("m", place, "mv", "macvtap", Some(&lower)).unwrap();
    let made = place.links(|links| links.make_macvtap("mv", &lower, MacvtapMode::Bridge)).unwrap();
    journal.is_at(entry, place, &made).unwrap();
    made
}

#[test]
fn after_a_kill_what_was_made_goes_and_nothing_else() {
    let (run, there, name) = (scratch::directory(), scratch::netns(), scratch::claimed());
    let mut first = journal(&run);
    assert_eq!(first.namespace("a", &name).unwrap(), Found::Made);
    assert_eq!(first.namespace("m", &there.name).unwrap(), Found::There);
    let place = Place::In(there.netns.clone());
    macvtap(&mut first, &place);
    let mut next = killed(first, &run);
    let mut steps = 0;
    let report = next.undo_step_by_step(|| steps += 1);
    assert_eq!(steps, 3);
    let netdev = Undone::Netdev(place.clone(), "mv".into(), NetdevEnd::Removed);
    assert_eq!(report.undone, [netdev, Undone::Namespace(name.to_string())]);
    assert_eq!((report.left, report.kept), (vec![], vec![]));
    assert!(!exists(&name) && exists(&there.name));
    assert_eq!(find(&place, "mv"), None);
    assert!(find(&place, "low").is_some());
    assert!(next.is_empty());
    assert_eq!(next.undo(), Report::default());
    next.close().unwrap();
    assert!(!run.0.join("s/made").exists() && !run.0.join(".netns").exists());
}

#[test]
fn killed_between_writing_and_making() {
    let (run, there) = (scratch::directory(), scratch::netns());
    let place = Place::In(there.netns.clone());
    let mut first = journal(&run);
    let lower = place.links(|links| links.make_veth("low", "far")).unwrap();
    first.netdev("m", &place, "mv", "macvtap", Some(&lower)).unwrap();
    let report = killed(first, &run).undo();
    assert_eq!(report.kept, []);
}

#[test]
fn killed_between_making_and_writing_the_index() {
    let (run, there) = (scratch::directory(), scratch::netns());
    let place = Place::In(there.netns.clone());
    let mut first = journal(&run);
    let lower = place.links(|links| links.make_veth("low", "far")).unwrap();
    first.netdev("m", &place, "mv", "macvtap", Some(&lower)).unwrap();
    place.links(|links| links.make_macvtap("mv", &lower, MacvtapMode::Vepa)).unwrap();
    killed(first, &run).undo();
    assert_eq!(find(&place, "mv"), None);
}

#[test]
fn others_of_the_same_name_stay() {
    let (run, there) = (scratch::directory(), scratch::netns());
    let place = Place::In(there.netns.clone());
    let mut first = journal(&run);
    let made = macvtap(&mut first, &place);
    let other = place
        .links(|links| {
            links.delete(&made)?;
            links.make_veth("mv", "other")
        })
        .unwrap();
    killed(first, &run).undo();
    assert_eq!(find(&place, "mv"), Some(other));
}

#[test]
fn what_had_the_name_before_stays_when_ours_cannot_be_made() {
    let (run, there) = (scratch::directory(), scratch::netns());
    let place = Place::In(there.netns.clone());
    let make =
        |links: &mut Links, lower: &LinkInfo| links.make_macvtap("mv", lower, MacvtapMode::Bridge);
    let lower = place.links(|links| links.make_veth("low", "far")).unwrap();
    let other = place.links(|links| make(links, &lower)).unwrap();
    let mut journal = journal(&run);
    journal.netdev("m", &place, "mv", "macvtap", Some(&lower)).unwrap();
    assert!(place.links(|links| make(links, &lower)).is_err());
    assert_eq!(journal.undo_port("m").kept, []);
    assert_eq!(find(&place, "mv"), Some(other));
}

#[test]
fn another_kind_with_the_same_name_and_index_stays() {
    let (run, there) = (scratch::directory(), scratch::netns());
    let place = Place::In(there.netns.clone());
    let mut first = journal(&run);
    let made = macvtap(&mut first, &place);
    place.links(|links| links.delete(&made)).unwrap();
    let index = made.index.to_string();
    there.run(
        "ip",
        &["link", "add", "mv", "index", &index, "type", "veth", "peer", "name", "other"],
    );
    killed(first, &run).undo();
    assert_eq!(find(&place, "mv").map(|link| link.index), Some(made.index));
}

#[test]
fn another_macvtap_of_the_same_name_stays_once_ours_is_known() {
    let (run, there) = (scratch::directory(), scratch::netns());
    let place = Place::In(there.netns.clone());
    let mut first = journal(&run);
    let made = macvtap(&mut first, &place);
    let other = place
        .links(|links| {
            links.delete(&made)?;
            let lower = links.require("low")?;
            links.make_macvtap("mv", &lower, MacvtapMode::Bridge)
        })
        .unwrap();
    killed(first, &run).undo();
    assert_eq!(find(&place, "mv"), Some(other));
}

#[test]
fn one_that_got_another_name_is_still_ours() {
    let (run, there) = (scratch::directory(), scratch::netns());
    let place = Place::In(there.netns.clone());
    let mut first = journal(&run);
    let made = macvtap(&mut first, &place);
    let wanted = Wanted { name: Some("renamed"), ..Wanted::default() };
    place.links(|links| links.set(&made, &wanted)).unwrap();
    killed(first, &run).undo();
    assert_eq!(find(&place, "renamed"), None);
}

#[test]
fn a_namespace_that_only_has_the_name_stays_with_all_in_it() {
    let (run, name) = (scratch::directory(), scratch::claimed());
    let mut first = journal(&run);
    first.namespace("m", &name).unwrap();
    let place = Place::In(Netns::Name(name.to_string()));
    macvtap(&mut first, &place);
    scratch::run("ip", &["netns", "delete", &name]);
    scratch::run("ip", &["netns", "add", &name]);
    let lower = place.links(|links| links.make_veth("low", "far")).unwrap();
    let mv = place.links(|links| links.make_macvtap("mv", &lower, MacvtapMode::Bridge));
    let report = killed(first, &run).undo();
    assert_eq!(report.kept, []);
    assert!(exists(&name));
    assert_eq!(find(&place, "mv"), Some(mv.unwrap()));
}

#[test]
fn two_switches_share_a_namespace() {
    let (run, name) = (scratch::directory(), scratch::claimed());
    let (mut one, mut two) =
        (Journal::open(&run.0, "one").unwrap(), Journal::open(&run.0, "two").unwrap());
    assert_eq!(one.namespace("a", &name).unwrap(), Found::Made);
    assert_eq!(two.namespace("b", &name).unwrap(), Found::There);
    assert_eq!(one.undo().undone, []);
    assert!(exists(&name));
    assert_eq!(two.undo_port("b").undone, [Undone::Namespace(name.to_string())]);
    assert!(!exists(&name));
}

#[test]
fn a_port_takes_only_its_own() {
    let (run, shared, own) = (scratch::directory(), scratch::claimed(), scratch::claimed());
    let mut journal = journal(&run);
    for (port, name) in [("a", &shared), ("b", &shared), ("b", &own)] {
        journal.namespace(port, name).unwrap();
    }
    assert_eq!(journal.undo_port("b").undone, [Undone::Namespace(own.to_string())]);
    assert!(exists(&shared) && !exists(&own));
    assert_eq!(journal.undo().undone, [Undone::Namespace(shared.to_string())]);
}

#[test]
fn processes_that_are_left_are_counted_and_spared() {
    let (run, name) = (scratch::directory(), scratch::claimed());
    let mut journal = journal(&run);
    journal.namespace("a", &name).unwrap();
    let mut child = scratch::spawn_in(&Netns::Name(name.to_string()), "sleep", &["60"]);
    let report = journal.undo();
    assert_eq!(report.left, [Left { namespace: name.to_string(), processes: 1 }]);
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A persistent TAP of somebody else's, with settings and an address.
fn lent(place: &Place) -> (LinkInfo, Attachment) {
    let mut attachment = Attachment::new(Fd(0));
    attachment.mac = Some(Mac::new([2, 0, 0, 0, 0, 9]));
    attachment.mtu = Some(1300);
    attachment.addr = vec!["10.0.0.1/24".parse().unwrap()];
    attachment.gateway = vec!["10.0.0.2".parse().unwrap()];
    let enter = || scratch::run("ip", &["tuntap", "add", "vmtap", "mode", "tap"]);
    match place {
        Place::Here => enter(),
        Place::In(netns) => netns::in_netns(netns, enter).unwrap(),
    };
    let link = find(place, "vmtap").unwrap();
    place.links(|links| links.add_address(&link, "10.9.9.1/24".parse().unwrap())).unwrap();
    (link, attachment)
}

fn assert_as_it_was(place: &Place, was: &LinkInfo) {
    let now = find(place, "vmtap").expect("it is home");
    assert_eq!((now.mac, now.mtu, now.up), (was.mac, was.mtu, was.up));
    let addresses = place.links(|links| links.addresses(&now)).unwrap();
    assert_eq!(addresses, ["10.9.9.1/24".parse().unwrap()]);
}

#[test]
fn a_borrowed_netdev_is_given_back_as_it_was() {
    let (run, there) = (scratch::directory(), scratch::netns());
    let place = Place::In(there.netns.clone());
    let (was, attachment) = lent(&place);
    let mut first = journal(&run);
    first.borrow("p", &place, &was, &attachment).unwrap();
    place.links(|links| links.configure(&was, &attachment)).unwrap();
    let report = killed(first, &run).undo();
    assert_eq!(report.kept, []);
    assert_as_it_was(&place, &was);
}

#[test]
fn a_borrowed_netdev_comes_home_before_its_namespace_goes() {
    for is_recorded in [true, false] {
        let (run, there, name) = (scratch::directory(), scratch::netns(), scratch::claimed());
        let (home, away) =
            (Place::In(there.netns.clone()), Place::In(Netns::Name(name.to_string())));
        let (was, attachment) = lent(&home);
        let mut first = journal(&run);
        first.namespace("p", &name).unwrap();
        let entry = first.borrow("p", &home, &was, &attachment).unwrap();
        let moved = move_netdev(&was, &home, &away, None, |name| {
            first.will_be_at(entry, &was, &away, name)
        })
        .unwrap();
        if is_recorded {
            first.is_at(entry, &away, &moved).unwrap();
            away.links(|links| links.configure(&moved, &attachment)).unwrap();
        }
        let report = killed(first, &run).undo();
        assert_eq!(report.kept, []);
        assert!(!exists(&name));
        assert_as_it_was(&home, &was);
    }
}

/// As after a kill just behind the move home: there, it still has the port's address.
#[test]
fn a_borrowed_netdev_that_is_home_already_is_made_what_it_was() {
    for name in ["vmtap", "eth0"] {
        let (run, there, name_away) = (scratch::directory(), scratch::netns(), scratch::claimed());
        let home = Place::In(there.netns.clone());
        let away = Place::In(Netns::Name(name_away.to_string()));
        let (was, attachment) = lent(&home);
        let mut first = journal(&run);
        first.namespace("p", &name_away).unwrap();
        let entry = first.borrow("p", &home, &was, &attachment).unwrap();
        let moved = move_netdev(&was, &home, &away, None, |_| Ok(())).unwrap();
        first.is_at(entry, &away, &moved).unwrap();
        away.links(|links| links.configure(&moved, &attachment)).unwrap();
        let moved = find(&away, "eth0").unwrap();
        first.will_be_at(entry, &moved, &home, "vmtap").unwrap();
        // Under its old name: as when the new one was taken in that moment.
        move_netdev(&moved, &away, &home, Some(name), |_| Ok(())).unwrap();
        let report = killed(first, &run).undo();
        assert_eq!(report.kept, []);
        assert!(!exists(&name_away));
        assert_as_it_was(&home, &was);
    }
}

#[test]
fn a_borrowed_netdev_that_cannot_come_home_keeps_its_namespace() {
    let (run, there, name) = (scratch::directory(), scratch::netns(), scratch::claimed());
    let (home, away) = (Place::In(there.netns.clone()), Place::In(Netns::Name(name.to_string())));
    let (was, attachment) = lent(&home);
    let mut first = journal(&run);
    first.namespace("p", &name).unwrap();
    let entry = first.borrow("p", &home, &was, &attachment).unwrap();
    let moved = move_netdev(&was, &home, &away, None, |_| Ok(())).unwrap();
    first.is_at(entry, &away, &moved).unwrap();
    let rival = home.links(|links| links.make_veth("vmtap", "other")).unwrap();
    let report = first.undo();
    assert_eq!(report.kept.len(), 1, "{report:?}");
    assert!(exists(&name) && find(&away, "eth0").is_some());
    home.links(|links| links.delete(&rival)).unwrap();
    assert_eq!(killed(first, &run).undo().kept, []);
    assert_as_it_was(&home, &was);
    assert!(!exists(&name));
}

#[test]
fn netdevs_here_are_told_apart_from_those_of_another_here() {
    let run = scratch::directory();
    let mut first = std::thread::scope(|scope| {
        let elsewhere = scope.spawn(|| {
            scratch::unshare_here();
            let mut journal = journal(&run);
            macvtap(&mut journal, &Place::Here);
            journal
        });
        elsewhere.join().unwrap()
    });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            scratch::unshare_here();
            let lower = Place::Here.links(|links| links.make_veth("low", "far")).unwrap();
            let make = |links: &mut Links| links.make_macvtap("mv", &lower, MacvtapMode::Bridge);
            let mine = Place::Here.links(make).unwrap();
            assert_eq!(first.undo().kept, []);
            assert_eq!(find(&Place::Here, "mv"), Some(mine));
        });
    });
}

#[test]
fn what_a_port_had_before_stays_when_more_is_undone() {
    let (run, old, new) = (scratch::directory(), scratch::claimed(), scratch::claimed());
    let mut journal = journal(&run);
    journal.namespace("a", &old).unwrap();
    let mark = journal.mark();
    // The claim that it has already is not recorded twice, so it is not given up here.
    journal.namespace("a", &old).unwrap();
    journal.namespace("a", &new).unwrap();
    assert_eq!(journal.undo_since(mark).undone, [Undone::Namespace(new.to_string())]);
    assert!(exists(&old) && !exists(&new));
    journal.namespace("a", &new).unwrap();
    let report = journal.release_claims("a", Some(&new));
    assert_eq!(report.undone, [Undone::Namespace(old.to_string())]);
    assert!(!exists(&old) && exists(&new));
    let report = journal.release_claims("a", None);
    assert_eq!(report.undone, [Undone::Namespace(new.to_string())]);
    assert!(journal.is_empty());
}
