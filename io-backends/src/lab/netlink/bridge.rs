//! The kernel's own bridge, to measure beside.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo as Info, LinkMessage};
use rustix::io::Errno;

use super::link::{LinkInfo, Links, numbered};
use crate::Error;

impl Links {
    /// Makes a bridge called `name`, without ports, with the kernel's defaults: no STP. It is down.
    ///
    /// # Errors
    /// When the name is taken, or the kernel has no bridge or refuses.
    pub fn make_bridge(&mut self, name: &str) -> Result<LinkInfo, Error> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(self.checked(name)?.into()));
        message.attributes.push(LinkAttribute::LinkInfo(vec![Info::Kind(InfoKind::Bridge)]));
        let request = RouteNetlinkMessage::NewLink(message);
        match self.netlink.request(request, NLM_F_CREATE | NLM_F_EXCL) {
            Ok(_) => self.require(name),
            Err(refusal) if refusal.is(Errno::EXIST) => Err(self.taken(name)),
            Err(refusal) if refusal.is(Errno::OPNOTSUPP) => {
                Err(Error::failed(self.place.netdev(name), "this kernel has no bridge"))
            }
            Err(refusal) => Err(refusal.about(self.place.netdev(name))),
        }
    }

    /// Makes a netdev a port of a bridge of the same place.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn join_bridge(&mut self, link: &LinkInfo, bridge: &LinkInfo) -> Result<(), Error> {
        let mut message = numbered(link.index);
        message.attributes.push(LinkAttribute::Controller(bridge.index));
        let answer = self.netlink.request(RouteNetlinkMessage::SetLink(message), 0);
        answer.map(drop).map_err(|refusal| refusal.about(self.place.netdev(&link.name)))
    }
}

#[cfg(test)]
mod tests {
    use crate::lab::{Place, scratch};

    #[test]
    fn a_bridge_with_a_port() {
        let there = scratch::netns();
        Place::In(there.netns.clone())
            .links(|links| {
                let bridge = links.make_bridge("bridge")?;
                assert_eq!(bridge.kind.as_deref(), Some("bridge"));
                let port = links.make_veth("one", "two")?;
                links.join_bridge(&port, &bridge)?;
                let shown = there.run("ip", &["link", "show", "one"]);
                assert!(shown.contains("master bridge"), "{shown}");
                let error = links.make_bridge("one").unwrap_err();
                assert_eq!(error.why, "a netdev of that name is already there");
                Ok(())
            })
            .unwrap();
    }
}
