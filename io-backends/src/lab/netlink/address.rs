//! Addresses and routes of a netdev, usable the moment they are added.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;

use super::change::Wanted;
use super::link::{LinkInfo, Links};
use crate::lab::place::Place;
use crate::{Attachment, Error};

/// The longest wait for an address that needs no detection; it takes a millisecond or two.
const DETECTION_PATIENCE: Duration = Duration::from_secs(1);

impl Links {
    /// Makes a netdev what its attachment says: MAC, MTU, up, addresses, then
    /// gateways; in a namespace, `lo` is set up too. Its name and place are left alone.
    /// Every address is usable when this returns, the IPv6 link-local one as
    /// soon as the netdev has its carrier.
    ///
    /// # Errors
    /// At the first thing the kernel refuses; what came before it is made.
    pub fn configure(&mut self, link: &LinkInfo, attachment: &Attachment) -> Result<(), Error> {
        if self.place != Place::Here {
            self.raise_loopback()?;
        }
        let skips = !link.up && skip_duplicate_detection(&link.name);
        let wanted = Wanted {
            mac: attachment.mac,
            mtu: attachment.mtu,
            up: Some(true),
            ..Wanted::default()
        };
        self.set(link, &wanted)?;
        for address in &attachment.addr {
            self.add_address(link, *address)?;
        }
        for gateway in &attachment.gateway {
            self.add_gateway(link, *gateway)?;
        }
        if skips { self.await_usable(link) } else { Ok(()) }
    }

    /// Keeps the host from saying anything of its own through a netdev that is
    /// nobody's: no IPv6 address, router solicitation or group report. Call it before it is up.
    pub fn silence(&self, link: &LinkInfo) {
        // A kernel without IPv6 has no such file, and nothing to say.
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", link.name), "1");
    }

    /// How IPv6 detects duplicate addresses on a netdev, as the kernel's setting `accept_dad` has it;
    /// `None` without IPv6.
    pub(in crate::lab) fn detection(&self, link: &LinkInfo) -> Option<String> {
        std::fs::read_to_string(duplicate_detection(&link.name)).ok()
    }

    /// Sets that. Where it can't be, it is as it was too.
    pub(in crate::lab) fn set_detection(&self, link: &LinkInfo, setting: &str) {
        let _ = std::fs::write(duplicate_detection(&link.name), setting);
    }

    /// Adds an address; true when the netdev did not have it yet. IPv6 does not
    /// wait for duplicate detection.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn add_address(&mut self, link: &LinkInfo, address: IpNet) -> Result<bool, Error> {
        let mut message = about(link, address);
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        let request = RouteNetlinkMessage::NewAddress(message);
        match self.netlink.request(request, NLM_F_CREATE | NLM_F_EXCL) {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.is(Errno::EXIST) => Ok(false),
            Err(refusal) => {
                Err(refusal
                    .about(format!("address {address} of {}", self.place.netdev(&link.name))))
            }
        }
    }

    /// The netdev's addresses, without those IPv6 makes by itself on every link.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn addresses(&mut self, link: &LinkInfo) -> Result<Vec<IpNet>, Error> {
        let messages = self.address_messages(link)?;
        let own = messages.iter().filter_map(address_of);
        Ok(own.filter(|address| !is_link_local(address.addr())).collect())
    }

    /// Takes an address away. One that is not there is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn delete_address(&mut self, link: &LinkInfo, address: IpNet) -> Result<(), Error> {
        let request = RouteNetlinkMessage::DelAddress(about(link, address));
        match self.netlink.request(request, 0) {
            Err(refusal) if !refusal.is(Errno::ADDRNOTAVAIL) && !refusal.is(Errno::NODEV) => {
                Err(refusal
                    .about(format!("address {address} of {}", self.place.netdev(&link.name))))
            }
            _ => Ok(()),
        }
    }

    /// Adds a default route by way of `gateway` and the netdev; true when there was no such route yet.
    ///
    /// # Errors
    /// When there is another default route, or the kernel refuses.
    pub fn add_gateway(&mut self, link: &LinkInfo, gateway: IpAddr) -> Result<bool, Error> {
        let request = RouteNetlinkMessage::NewRoute(default_route(link, gateway));
        let what = format!("gateway {gateway} of {}", self.place.netdev(&link.name));
        match self.netlink.request(request, NLM_F_CREATE | NLM_F_EXCL) {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.is(Errno::EXIST) => {
                if self.has_route(link, gateway)? {
                    return Ok(false);
                }
                Err(Error::failed(what, format!("{} has another default route", self.place)))
            }
            Err(refusal) if refusal.is(Errno::NETUNREACH) || refusal.is(Errno::HOSTUNREACH) => {
                Err(refusal.about(what).hint("it must lie in the network of one of the addresses"))
            }
            Err(refusal) => Err(refusal.about(what)),
        }
    }

    /// Takes the default route by way of `gateway` away. One that is not there is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn delete_gateway(&mut self, link: &LinkInfo, gateway: IpAddr) -> Result<(), Error> {
        let request = RouteNetlinkMessage::DelRoute(default_route(link, gateway));
        match self.netlink.request(request, 0) {
            Err(refusal) if !refusal.is(Errno::SRCH) && !refusal.is(Errno::NODEV) => {
                Err(refusal
                    .about(format!("gateway {gateway} of {}", self.place.netdev(&link.name))))
            }
            _ => Ok(()),
        }
    }

    /// Waits for the kernel to see that a link-local address needs no
    /// detection, which it does on a work queue of its own.
    fn await_usable(&mut self, link: &LinkInfo) -> Result<(), Error> {
        let deadline = Instant::now() + DETECTION_PATIENCE;
        while self.is_detecting(link)? && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn is_detecting(&mut self, link: &LinkInfo) -> Result<bool, Error> {
        let tentative = |part: &AddressAttribute| match part {
            AddressAttribute::Flags(flags) => flags.contains(AddressFlags::Tentative),
            _ => false,
        };
        Ok(self
            .address_messages(link)?
            .iter()
            .any(|message| message.attributes.iter().any(tentative)))
    }

    fn address_messages(&mut self, link: &LinkInfo) -> Result<Vec<AddressMessage>, Error> {
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let what = format!("the addresses of {}", self.place.netdev(&link.name));
        let answers = self.netlink.dump(&request).map_err(|refusal| refusal.about(what))?;
        let own = answers.into_iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewAddress(message) => Some(message),
            _ => None,
        });
        Ok(own.filter(|message| message.header.index == link.index).collect())
    }

    /// Whether a default route leads through the netdev.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn has_default_route(&mut self, link: &LinkInfo) -> Result<bool, Error> {
        let through = RouteAttribute::Oif(link.index);
        Ok(self.routes()?.iter().any(|route| {
            route.header.destination_prefix_length == 0
                && route.header.kind == RouteType::Unicast
                && route.attributes.contains(&through)
        }))
    }

    /// The gateways of the default routes through the netdev.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn gateways(&mut self, link: &LinkInfo) -> Result<Vec<IpAddr>, Error> {
        let through = RouteAttribute::Oif(link.index);
        let routes = self.routes()?.into_iter().filter(|route| {
            route.header.destination_prefix_length == 0 && route.attributes.contains(&through)
        });
        let gateway = |part: &RouteAttribute| match part {
            RouteAttribute::Gateway(RouteAddress::Inet(ip)) => Some(IpAddr::from(*ip)),
            RouteAttribute::Gateway(RouteAddress::Inet6(ip)) => Some(IpAddr::from(*ip)),
            _ => None,
        };
        Ok(routes.filter_map(|route| route.attributes.iter().find_map(gateway)).collect())
    }

    fn routes(&mut self) -> Result<Vec<RouteMessage>, Error> {
        let request = RouteNetlinkMessage::GetRoute(RouteMessage::default());
        let what = format!("the routes of {}", self.place);
        let answers = self.netlink.dump(&request).map_err(|refusal| refusal.about(what))?;
        let routes = answers.into_iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewRoute(route) => Some(route),
            _ => None,
        });
        Ok(routes.collect())
    }

    fn has_route(&mut self, link: &LinkInfo, gateway: IpAddr) -> Result<bool, Error> {
        let wanted = default_route(link, gateway);
        Ok(self.routes()?.iter().any(|route| {
            route.header.destination_prefix_length == 0
                && route.header.table == wanted.header.table
                && wanted.attributes.iter().all(|part| route.attributes.contains(part))
        }))
    }
}

/// Switches IPv6 duplicate detection off for a netdev of the calling thread's
/// namespace, so that its link-local address too is usable at once; true when
/// done. Where that can't be (no IPv6, a read-only `/proc`) only the link-local
/// address waits.
fn skip_duplicate_detection(name: &str) -> bool {
    std::fs::write(duplicate_detection(name), "0").is_ok()
}

fn duplicate_detection(name: &str) -> String {
    format!("/proc/sys/net/ipv6/conf/{name}/accept_dad")
}

fn address_of(message: &AddressMessage) -> Option<IpNet> {
    let of = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| {
        message.attributes.iter().find_map(wanted)
    };
    // With a peer, IFA_ADDRESS is the peer's.
    let local = of(|part| match part {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let address = local.or_else(|| {
        of(|part| match part {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })?;
    IpNet::new(address, message.header.prefix_len).ok()
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn about(link: &LinkInfo, address: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address.addr());
    message.header.prefix_len = address.prefix_len();
    message.header.index = link.index;
    message.attributes.push(AddressAttribute::Local(address.addr()));
    message.attributes.push(AddressAttribute::Address(address.addr()));
    message
}

fn default_route(link: &LinkInfo, gateway: IpAddr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(gateway);
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.attributes.push(RouteAttribute::Oif(link.index));
    message.attributes.push(RouteAttribute::Gateway(gateway.into()));
    message
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::scratch;
    use crate::ports::fd::Fd;

    fn attachment(addresses: &[&str], gateways: &[&str]) -> Attachment {
        let mut attachment = Attachment::new(Fd(0));
        attachment.addr = addresses.iter().map(|text| text.parse().unwrap()).collect();
        attachment.gateway = gateways.iter().map(|text| text.parse().unwrap()).collect();
        attachment
    }

    #[test]
    fn addresses_and_gateways_are_there_at_once() {
        let there = scratch::netns();
        let wanted = attachment(&["10.0.0.1/24", "fd00::1/64"], &["10.0.0.254", "fd00::254"]);
        Place::In(there.netns.clone())
            .links(|links| {
                let link = links.make_veth("one", "two")?;
                let peer = links.require("two")?;
                links.set(&peer, &Wanted { up: Some(true), ..Wanted::default() })?;
                links.configure(&link, &wanted)?;
                let shown = || there.run("ip", &["-6", "addr", "show", "dev", "one"]);
                assert!(shown().contains("fd00::1/64 scope global nodad"), "{}", shown());
                // A veth's carrier, and with it the link-local address, may come a moment later.
                let local = || if shown().contains("fe80::") { Ok(()) } else { Err(shown()) };
                scratch::wait_for("the link-local address", local);
                assert!(there.run("ip", &["-4", "addr", "show", "one"]).contains("10.0.0.1/24"));
                let route = there.run("ip", &["route", "get", "192.0.2.1"]);
                assert!(route.contains("via 10.0.0.254 dev one"), "{route}");
                let route = there.run("ip", &["route", "get", "2001:db8::1"]);
                assert!(route.contains("via fd00::254 dev one"), "{route}");
                assert!(links.require("lo")?.up);
                links.configure(&link, &wanted)
            })
            .unwrap();
    }

    /// A TAP has its carrier, and so its link-local address, when it comes up.
    #[test]
    fn a_new_tap_waits_for_none_of_its_addresses() {
        scratch::in_own_here(|| {
            for number in 0..20 {
                let name = format!("tap{number}");
                let _open = crate::ports::tap::create(&name, 1).unwrap();
                let link = Place::Here.links(|links| links.require(&name)).unwrap();
                let wanted = attachment(&["fd00::1/64"], &[]);
                Place::Here.links(|links| links.configure(&link, &wanted)).unwrap();
                let shown = scratch::run("ip", &["-6", "addr", "show", "dev", &name]);
                assert!(shown.contains("fe80::") && shown.contains("fd00::1/64"), "{shown}");
                assert!(!shown.contains("tentative"), "{shown}");
            }
        });
    }

    #[test]
    fn the_new_ipv6_address_carries_traffic_before_any_wait() {
        let there = scratch::netns();
        Place::In(there.netns.clone())
            .links(|links| {
                let link = links.make_veth("one", "two")?;
                let peer = links.require("two")?;
                links.set(&peer, &Wanted { up: Some(true), ..Wanted::default() })?;
                links.configure(&link, &attachment(&["fd00::1/64"], &[]))
            })
            .unwrap();
        // A tentative address can't be bound.
        crate::lab::netns::in_netns(&there.netns, || std::net::UdpSocket::bind("[fd00::1]:0"))
            .unwrap()
            .unwrap();
    }

    #[test]
    fn an_address_added_to_a_running_netdev_does_not_wait_either() {
        let there = scratch::netns();
        there.run("ip", &["link", "add", "one", "type", "veth", "peer", "name", "two"]);
        there.run("ip", &["link", "set", "two", "up"]);
        there.run("ip", &["link", "set", "one", "up"]);
        Place::In(there.netns.clone())
            .links(|links| {
                let link = links.require("one")?;
                links.configure(&link, &attachment(&["fd00::1/64"], &[]))?;
                let shown =
                    there.run("ip", &["-6", "addr", "show", "dev", "one", "scope", "global"]);
                assert!(shown.contains("fd00::1/64") && !shown.contains("tentative"), "{shown}");
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn what_was_added_can_be_taken_away_twice() {
        let there = scratch::netns();
        let (address, gateway) = ("10.0.0.1/24".parse().unwrap(), "10.0.0.9".parse().unwrap());
        Place::In(there.netns.clone())
            .links(|links| {
                let link = links.make_veth("one", "two")?;
                links.set(&link, &Wanted { up: Some(true), ..Wanted::default() })?;
                assert!(links.add_address(&link, address)?);
                assert!(!links.add_address(&link, address)?);
                assert!(links.add_address(&link, "fd00::7/64".parse().unwrap())?);
                assert_eq!(links.addresses(&link)?, [address, "fd00::7/64".parse().unwrap()]);
                assert!(links.add_gateway(&link, "fd00::9".parse().unwrap())?);
                assert!(links.add_gateway(&link, gateway)?);
                assert!(!links.add_gateway(&link, gateway)?);
                for _ in 0..2 {
                    links.delete_gateway(&link, gateway)?;
                    links.delete_gateway(&link, "fd00::9".parse().unwrap())?;
                    links.delete_address(&link, address)?;
                    links.delete_address(&link, "fd00::7/64".parse().unwrap())?;
                }
                assert_eq!(there.run("ip", &["route"]), "");
                assert!(!there.run("ip", &["addr", "show", "one"]).contains("10.0.0.1"));
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn gateways_that_cannot_be_are_explained() {
        let there = scratch::netns();
        Place::In(there.netns.clone())
            .links(|links| {
                let link = links.make_veth("one", "two")?;
                links.configure(&link, &attachment(&["10.0.0.1/24"], &["10.0.0.2"]))?;
                let error = links.add_gateway(&link, "10.0.0.3".parse().unwrap()).unwrap_err();
                assert_eq!(
                    error.why,
                    "namespace T has another default route".replace('T', &there.name)
                );
                links.delete_gateway(&link, "10.0.0.2".parse().unwrap())?;
                let error = links.add_gateway(&link, "192.0.2.1".parse().unwrap()).unwrap_err();
                assert!(error.why.contains("Nexthop has invalid gateway"), "{error}");
                assert!(error.hint.unwrap().contains("in the network of one of"));
                Ok(())
            })
            .unwrap();
    }
}
