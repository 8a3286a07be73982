//! netdev ports: a netdev of somebody else's, attached where it is, as a bridge does with its ports.
//!
//! A [handle](super::handle) has its frames. The host's stack sees none of them
//! while it is attached, so a netdev by which the host is reached is refused
//! unless the user says that it may be taken over.

use std::net::IpAddr;

use super::handle::Handle;
use crate::error::Error;
use crate::lab::{Journal, LinkInfo, Links, Place, Wanted};
use crate::queue::tap::TapQueue;

/// Attaches the netdev `name` of `place` for the port.
pub(super) fn open(
    journal: &mut Journal,
    port: &str,
    place: &Place,
    name: &str,
    takeover: bool,
) -> Result<(TapQueue, LinkInfo), Error> {
    let link = place.links(|links| {
        let link = links.require(name)?;
        check(links, &link)?;
        if !takeover {
            check_unused(links, &link, "netdev")?;
        }
        Ok(link)
    })?;
    let handle = Handle::make(journal, port, place)?;
    if !link.promiscuous {
        journal.promiscuous(port, place, &link)?;
        let wanted = Wanted { promiscuous: Some(true), ..Wanted::default() };
        place.links(|links| links.set(&link, &wanted))?;
    }
    let queue = handle.tie_to_other(&link)?;
    Ok((queue, link))
}

/// Refuses what is no Ethernet netdev, or has its frames taken by another.
fn check(links: &mut Links, link: &LinkInfo) -> Result<(), Error> {
    let what = format!("netdev {}", link.name);
    if !link.ethernet {
        return Err(Error::failed(what, "its frames are not Ethernet's"));
    }
    let Some(master) = link.master else { return Ok(()) };
    let master = links.get(master)?.map_or_else(|| format!("number {master}"), |link| link.name);
    Err(Error::failed(what, format!("it belongs to {master} already"))
        .hint(format!("take it out first: ip link set {} nomaster", link.name)))
}

/// Refuses a netdev by which its host is reached: a port of this kind would cut the host off.
pub(super) fn check_unused(links: &mut Links, link: &LinkInfo, kind: &str) -> Result<(), Error> {
    let addresses = links.addresses(link)?;
    let route = links.has_default_route(link)?;
    if addresses.is_empty() && !route {
        return Ok(());
    }
    let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let has = match (list.is_empty(), route) {
        (false, true) => format!("has {} and the default route", list.join(", ")),
        (false, false) => format!("has {}", list.join(", ")),
        (true, _) => "has the default route".to_owned(),
    };
    let keys: String = addresses.iter().map(|address| format!(",addr={address}")).collect();
    let gateway = gateway_of(links, link)?.map_or_else(String::new, |ip| format!(",gateway={ip}"));
    Err(Error::failed(
        format!("netdev {}", link.name),
        format!("{has}: the host would no longer be reached by it"),
    )
    .hint(format!(
        "give the host a port with them, host=veth{keys}{gateway}, and take the netdev over: \
         {kind}:{},takeover",
        link.name
    )))
}

fn gateway_of(links: &mut Links, link: &LinkInfo) -> Result<Option<IpAddr>, Error> {
    Ok(links.gateways(link)?.into_iter().next())
}
