//! Taking a netdev from place to place, all or nothing.

use std::os::fd::AsRawFd;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkAttribute;
use rustix::io::Errno;

use super::conversation::Refusal;
use super::link::{LinkInfo, numbered};
use crate::Error;
use crate::lab::place::Place;

/// How often another free `ethN` is tried when somebody else takes it first.
const NAME_TRIES: usize = 16;

/// Moves the netdev `link` of `from` to `to`, where it is called `name`; by
/// default the lowest free `ethN`. It arrives down and without addresses, and
/// its index may be another one. `plan` is told the new name before anything
/// moves, and told again when another name is tried.
///
/// # Errors
/// When the name is taken, a place is not there, the kernel refuses, or `plan`
/// fails; the netdev is then where it was, or the error says where it is left.
pub fn move_netdev(
    link: &LinkInfo,
    from: &Place,
    to: &Place,
    name: Option<&str>,
    mut plan: impl FnMut(&str) -> Result<(), Error>,
) -> Result<LinkInfo, Error> {
    if name == Some(&link.name) && from.identity()? == to.identity()? {
        return Ok(link.clone());
    }
    let mut link = link.clone();
    for _ in 0..NAME_TRIES {
        let new_name = to.links(|links| match name {
            Some(name) if links.find(name)?.is_some() => Err(links.taken(name)),
            Some(name) => Ok(links.checked(name)?.to_string()),
            None => links.free_eth(),
        })?;
        plan(&new_name)?;
        match request(&link, from, to, &new_name)? {
            Ok(()) => return to.links(|links| links.require(&new_name)),
            Err(refusal) if refusal.is(Errno::EXIST) => link = bring_back(&link, from, to)?,
            Err(refusal) => return Err(refusal.about(from.netdev(&link.name))),
        }
    }
    Err(Error::failed(to.netdev(name.unwrap_or("ethN")), "others take the name again and again"))
}

/// Moves and renames in one request.
fn request(
    link: &LinkInfo,
    from: &Place,
    to: &Place,
    name: &str,
) -> Result<Result<(), Refusal>, Error> {
    let target = to.open()?;
    from.links(|links| {
        let mut message = numbered(link.index);
        message.attributes.push(LinkAttribute::NetNsFd(target.as_raw_fd()));
        message.attributes.push(LinkAttribute::IfName(name.into()));
        Ok(links.netlink.request(RouteNetlinkMessage::SetLink(message), 0).map(drop))
    })
}

/// After EEXIST: the kernel moves first and renames second, so the netdev may
/// be in the new place under its old name. Its index is another one afterwards.
fn bring_back(link: &LinkInfo, from: &Place, to: &Place) -> Result<LinkInfo, Error> {
    let stayed = from.links(|links| links.get(link.index))?;
    if let Some(stayed) = stayed.filter(|now| now.name == link.name) {
        return Ok(stayed);
    }
    let what = from.netdev(&link.name);
    let arrived = to
        .links(|links| links.find(&link.name))?
        .filter(|now| now.kind == link.kind && now.mac == link.mac)
        .ok_or_else(|| Error::failed(&what, "it went away while it was moved"))?;
    match request(&arrived, to, from, &link.name)? {
        Ok(()) => from.links(|links| links.require(&link.name)),
        Err(refusal) => {
            let why = refusal.about("").why;
            Err(Error::failed(&what, format!("it is left in {to}, for it can't go back: {why}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Wanted;
    use crate::lab::scratch::{self, Scratch};

    /// Two namespaces, a veth `mover` in the first.
    fn pair() -> (Scratch, Scratch, Place, Place, LinkInfo) {
        let (a, b) = (scratch::netns(), scratch::netns());
        let (from, to) = (Place::In(a.netns.clone()), Place::In(b.netns.clone()));
        let link = from.links(|links| links.make_veth("mover", "stays")).unwrap();
        (a, b, from, to, link)
    }

    fn planned(names: &mut Vec<String>) -> impl FnMut(&str) -> Result<(), Error> {
        |name| {
            names.push(name.into());
            Ok(())
        }
    }

    #[test]
    fn it_arrives_under_its_new_name() {
        let (_a, _b, from, to, link) = pair();
        let mut plans = Vec::new();
        let moved = move_netdev(&link, &from, &to, Some("uplink"), planned(&mut plans)).unwrap();
        assert_eq!((moved.name.as_str(), moved.mac), ("uplink", link.mac));
        assert_eq!(plans, ["uplink"]);
        assert_eq!(from.links(|links| links.find("mover")).unwrap(), None);
        let moved = move_netdev(&moved, &to, &from, None, |_| Ok(())).unwrap();
        assert_eq!(moved.name, "eth0");
    }

    #[test]
    fn from_here_and_back() {
        std::thread::spawn(|| {
            scratch::unshare_here();
            let there = scratch::netns();
            let to = Place::In(there.netns.clone());
            let link = Place::Here.links(|links| links.make_veth("mover", "stays")).unwrap();
            let moved = move_netdev(&link, &Place::Here, &to, None, |_| Ok(())).unwrap();
            assert_eq!(moved.name, "eth0");
            move_netdev(&moved, &to, &Place::Here, Some("mover"), |_| Ok(())).unwrap();
            assert!(Place::Here.links(|links| links.require("mover")).is_ok());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_taken_name_is_refused_before_anything_moves() {
        let (_a, _b, from, to, link) = pair();
        to.links(|links| links.make_veth("busy", "other")).unwrap();
        let mut plans = Vec::new();
        let error = move_netdev(&link, &from, &to, Some("busy"), planned(&mut plans)).unwrap_err();
        assert_eq!(error.why, "a netdev of that name is already there");
        assert!(plans.is_empty());
        assert_eq!(from.links(|links| links.find("mover")).unwrap(), Some(link));
    }

    /// `plan` runs after the check and before the request: a rival's only chance.
    #[test]
    fn a_name_taken_in_the_last_moment_leaves_it_where_it_was() {
        let (_a, _b, from, to, link) = pair();
        let steal = |name: &str| to.links(|links| links.make_veth(name, "other")).map(drop);
        let mut first = true;
        let error = move_netdev(&link, &from, &to, Some("busy"), |name| {
            if std::mem::take(&mut first) { steal(name) } else { Ok(()) }
        })
        .unwrap_err();
        assert_eq!(error.why, "a netdev of that name is already there");
        assert_eq!(to.links(|links| links.find("mover")).unwrap(), None);
        let back = from.links(|links| links.require("mover")).unwrap();
        assert_eq!(back.mac, link.mac);
    }

    #[test]
    fn the_next_eth_is_tried_when_a_rival_takes_the_first() {
        let (_a, _b, from, to, link) = pair();
        let steal = |name: &str| to.links(|links| links.make_veth(name, "other")).map(drop);
        let mut plans = Vec::new();
        let moved = move_netdev(&link, &from, &to, None, |name| {
            plans.push(name.to_string());
            if plans.len() == 1 { steal(name) } else { Ok(()) }
        })
        .unwrap();
        assert_eq!((moved.name.as_str(), moved.mac), ("eth1", link.mac));
        assert_eq!(plans, ["eth0", "eth1"]);
    }

    #[test]
    fn its_old_name_in_the_new_place_is_no_hindrance() {
        let (_a, _b, from, to, link) = pair();
        let mine = to.links(|links| links.make_veth("mover", "other")).unwrap();
        let moved = move_netdev(&link, &from, &to, Some("eth0"), |_| Ok(())).unwrap();
        assert_eq!(moved.mac, link.mac);
        assert_eq!(to.links(|links| links.require("mover")).unwrap().index, mine.index);
        let wanted = Wanted { name: Some("gone"), ..Wanted::default() };
        to.links(|links| links.set(&mine, &wanted)).unwrap();
    }

    #[test]
    fn to_where_it_already_is() {
        let (_a, _b, from, _, link) = pair();
        let same = move_netdev(&link, &from, &from, Some("mover"), |_| Ok(())).unwrap();
        assert_eq!(same, link);
        let renamed = move_netdev(&link, &from, &from, Some("other"), |_| Ok(())).unwrap();
        assert_eq!((renamed.index, renamed.name.as_str()), (link.index, "other"));
    }

    #[test]
    fn a_plan_that_fails_moves_nothing() {
        let (_a, _b, from, to, link) = pair();
        let fail = |_: &str| Err(Error::failed("record", "disk full"));
        let error = move_netdev(&link, &from, &to, None, fail).unwrap_err();
        assert_eq!(error.why, "disk full");
        assert_eq!(from.links(|links| links.find("mover")).unwrap(), Some(link));
        let nowhere = Place::In(crate::lab::Netns::Name(scratch::name()));
        assert!(
            move_netdev(
                &from.links(|links| links.require("mover")).unwrap(),
                &from,
                &nowhere,
                None,
                |_| Ok(())
            )
            .is_err()
        );
    }
}
