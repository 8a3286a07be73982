//! Making, changing and deleting netdevs.

use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoMacVtap, InfoVeth, LinkAttribute, LinkFlags, LinkInfo as Info,
    LinkMessage, MacVtapMode,
};
use rustix::io::Errno;
use switch_core::Mac;

use super::link::{LinkInfo, Links, NAME_FORM, numbered, valid_name};
use crate::ports::MacvtapMode;
use crate::{Error, ErrorKind};

/// Changes to a netdev; what is `None` stays.
#[derive(Clone, Default, Debug)]
pub struct Wanted<'a> {
    /// Another name.
    pub name: Option<&'a str>,
    /// Another MAC address.
    pub mac: Option<Mac>,
    /// Another MTU, in bytes.
    pub mtu: Option<u32>,
    /// Up or down.
    pub up: Option<bool>,
    /// Take in every multicast frame (`IFF_ALLMULTI`), or no longer.
    pub all_multicast: Option<bool>,
    /// How many frames wait to be sent at most: a TAP's ring.
    pub ring: Option<u32>,
    /// Take in frames for every address (`IFF_PROMISC`), or no longer.
    pub promiscuous: Option<bool>,
}

impl Links {
    /// Changes a netdev, all in one request.
    ///
    /// # Errors
    /// When the kernel refuses; the changes before the refused one, in the
    /// order MAC, MTU, name, flags, are then made.
    pub fn set(&mut self, link: &LinkInfo, wanted: &Wanted) -> Result<(), Error> {
        let mut message = numbered(link.index);
        let attributes = &mut message.attributes;
        if let Some(mac) = wanted.mac {
            attributes.push(LinkAttribute::Address(mac.octets().to_vec()));
        }
        if let Some(mtu) = wanted.mtu {
            attributes.push(LinkAttribute::Mtu(mtu));
        }
        if let Some(ring) = wanted.ring {
            attributes.push(LinkAttribute::TxQueueLen(ring));
        }
        if let Some(name) = wanted.name {
            attributes.push(LinkAttribute::IfName(self.checked(name)?.into()));
        }
        for (flag, on) in [
            (LinkFlags::Up, wanted.up),
            (LinkFlags::Allmulti, wanted.all_multicast),
            (LinkFlags::Promisc, wanted.promiscuous),
        ] {
            if let Some(on) = on {
                message.header.change_mask |= flag;
                message.header.flags.set(flag, on);
            }
        }
        self.netlink
            .request(RouteNetlinkMessage::SetLink(message), 0)
            .map(drop)
            .map_err(|refusal| refusal.about(self.place.netdev(&link.name)))
    }

    /// Makes a macvtap called `name` on the netdev `lower` of the same place. It is down.
    ///
    /// # Errors
    /// When the name is taken, or the kernel refuses: a passthru macvtap must be alone on its netdev.
    pub fn make_macvtap(
        &mut self,
        name: &str,
        lower: &LinkInfo,
        mode: MacvtapMode,
    ) -> Result<LinkInfo, Error> {
        let mode = match mode {
            MacvtapMode::Passthru => MacVtapMode::Passthrough,
            MacvtapMode::Bridge => MacVtapMode::Bridge,
            MacvtapMode::Private => MacVtapMode::Private,
            MacvtapMode::Vepa => MacVtapMode::Vepa,
        };
        let mut message = self.named(name)?;
        message.attributes.push(LinkAttribute::Link(lower.index));
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            Info::Kind(InfoKind::MacVtap),
            Info::Data(InfoData::MacVtap(vec![InfoMacVtap::Mode(mode)])),
        ]));
        let what = self.place.netdev(&lower.name);
        self.make(message, name, |refusal| {
            let busy = refusal.is(Errno::INVAL) || refusal.is(Errno::BUSY);
            let error = refusal.about(format!("macvtap on {what}"));
            let hint = "a macvtap in passthru mode must be the only one on its netdev, \
                        and that netdev in no bridge";
            if busy { error.hint(hint) } else { error }
        })
    }

    /// Makes a veth: two netdevs joined back to back, both down.
    ///
    /// # Errors
    /// When a name is taken or the kernel refuses.
    pub fn make_veth(&mut self, name: &str, peer: &str) -> Result<LinkInfo, Error> {
        let mut message = self.named(name)?;
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            Info::Kind(InfoKind::Veth),
            Info::Data(InfoData::Veth(InfoVeth::Peer(self.named(peer)?))),
        ]));
        let what = self.place.netdev(name);
        self.make(message, name, |refusal| refusal.about(what))
    }

    /// Makes a veth whose other end, `peer`, is born in the namespace that `there` is
    /// open of. Both are down.
    ///
    /// # Errors
    /// When a name is taken or the kernel refuses.
    pub(crate) fn make_veth_to(
        &mut self,
        name: &str,
        peer: &str,
        there: &OwnedFd,
    ) -> Result<LinkInfo, Error> {
        let mut other = self.named(peer)?;
        other.attributes.push(LinkAttribute::NetNsFd(there.as_raw_fd()));
        let mut message = self.named(name)?;
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            Info::Kind(InfoKind::Veth),
            Info::Data(InfoData::Veth(InfoVeth::Peer(other))),
        ]));
        let what = self.place.netdev(name);
        self.make(message, name, |refusal| refusal.about(what))
    }

    /// Deletes a netdev. One that is not there is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn delete(&mut self, link: &LinkInfo) -> Result<(), Error> {
        match self.netlink.request(RouteNetlinkMessage::DelLink(numbered(link.index)), 0) {
            Err(refusal) if !refusal.is(Errno::NODEV) => {
                Err(refusal.about(self.place.netdev(&link.name)))
            }
            _ => Ok(()),
        }
    }

    /// Sets `lo` up.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn raise_loopback(&mut self) -> Result<(), Error> {
        let lo = self.require("lo")?;
        self.set(&lo, &Wanted { up: Some(true), ..Wanted::default() })
    }

    fn make(
        &mut self,
        message: LinkMessage,
        name: &str,
        explain: impl FnOnce(super::conversation::Refusal) -> Error,
    ) -> Result<LinkInfo, Error> {
        let request = RouteNetlinkMessage::NewLink(message);
        match self.netlink.request(request, NLM_F_CREATE | NLM_F_EXCL) {
            Ok(_) => self.require(name),
            Err(refusal) if refusal.is(Errno::EXIST) => Err(self.taken(name)),
            Err(refusal) => Err(explain(refusal)),
        }
    }

    fn named(&self, name: &str) -> Result<LinkMessage, Error> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(self.checked(name)?.into()));
        Ok(message)
    }

    /// The name, unless no netdev can have it.
    pub(super) fn checked<'n>(&self, name: &'n str) -> Result<&'n str, Error> {
        if valid_name(name) {
            return Ok(name);
        }
        Err(Error::failed(self.place.netdev(name), format!("not {NAME_FORM}")))
    }

    /// The error for a name that another netdev has.
    pub(super) fn taken(&self, name: &str) -> Error {
        let why = "a netdev of that name is already there";
        Error::new(ErrorKind::Taken, self.place.netdev(name), why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Place, scratch};

    #[test]
    fn one_request_changes_everything() {
        let there = scratch::netns();
        let mac = Mac::new([2, 0, 0, 0, 0, 7]);
        Place::In(there.netns.clone())
            .links(|links| {
                let made = links.make_veth("one", "two")?;
                assert_eq!((made.name.as_str(), made.up), ("one", false));
                let wanted = Wanted {
                    name: Some("uno"),
                    mac: Some(mac),
                    mtu: Some(9000),
                    up: Some(true),
                    promiscuous: None,
                    ring: None,
                    all_multicast: Some(true),
                };
                links.set(&made, &wanted)?;
                let now = links.require("uno")?;
                assert_eq!(
                    (now.index, now.mac, now.mtu, now.up),
                    (made.index, Some(mac), 9000, true)
                );
                assert!(!now.carrier);
                let peer = links.require("two")?;
                links.set(&peer, &Wanted { up: Some(true), ..Wanted::default() })?;
                assert!(links.require("uno")?.carrier);
                assert!(there.run("ip", &["link", "show", "uno"]).contains("ALLMULTI"));
                links.delete(&now)?;
                links.delete(&now)?;
                assert_eq!(links.find("two")?, None);
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn refusals_are_sentences() {
        let there = scratch::netns();
        Place::In(there.netns.clone())
            .links(|links| {
                let made = links.make_veth("one", "two")?;
                let error = links.make_veth("one", "three").unwrap_err();
                assert_eq!(error.kind, ErrorKind::Taken);
                assert_eq!(error.why, "a netdev of that name is already there");
                assert_eq!(links.find("three")?, None);
                let wanted = Wanted { mtu: Some(70_000), ..Wanted::default() };
                let error = links.set(&made, &wanted).unwrap_err();
                assert_eq!(error.kind, ErrorKind::Failed);
                assert_eq!(error.why, "invalid argument (mtu greater than device maximum)");
                let wanted = Wanted { name: Some("a/b"), ..Wanted::default() };
                assert!(links.set(&made, &wanted).unwrap_err().why.contains("not a netdev's name"));
                let gone = LinkInfo { index: 9999, ..made };
                let error = links.set(&gone, &Wanted::default()).unwrap_err();
                assert_eq!(error.why, "no such device");
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn macvtaps_of_every_mode() {
        let there = scratch::netns();
        Place::In(there.netns.clone())
            .links(|links| {
                let lower = links.make_veth("low", "far")?;
                for (mode, name) in [
                    (MacvtapMode::Bridge, "bridge"),
                    (MacvtapMode::Private, "private"),
                    (MacvtapMode::Vepa, "vepa"),
                    (MacvtapMode::Passthru, "passthru"),
                ] {
                    let made = links.make_macvtap("mv", &lower, mode)?;
                    assert_eq!(made.kind.as_deref(), Some("macvtap"));
                    assert_eq!(made.lower, Some(lower.index));
                    let shown = there.run("ip", &["-d", "link", "show", "mv"]);
                    assert!(shown.contains(&format!("mode {name}")), "{shown}");
                    links.delete(&made)?;
                }
                links.make_macvtap("mv0", &lower, MacvtapMode::Bridge)?;
                let error = links.make_macvtap("mv1", &lower, MacvtapMode::Passthru).unwrap_err();
                assert!(error.what.starts_with("macvtap on netdev low in namespace"), "{error}");
                assert!(error.hint.unwrap().contains("only one"));
                Ok(())
            })
            .unwrap();
    }
}
