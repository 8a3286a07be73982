//! `netdev` ports: a netdev of somebody else's, attached where it is, as a bridge does with its ports.
//!
//! A handle (`handle.rs`) has its frames. The host's stack sees none of them
//! while it is attached, so a netdev by which the host is reached is refused
//! unless the user says that it may be taken over.

use std::net::IpAddr;

use super::Attachment;
use super::attach::{Attached, Attaching};
use super::handle::{Handle, Tied};
use super::kind::{Claim, KindRow, PortKind, Target};
use crate::error::Error;
use crate::lab::{Journal, LinkInfo, Links, NAME_FORM, Place, Wanted};
use crate::queue::tap::TapQueue;

/// The kind's row.
pub const ROW: KindRow = KindRow {
    name: "netdev",
    form: ":NETDEV",
    target: Target { what: "the netdev", form: NAME_FORM, default: "" },
    help: "the existing netdev NETDEV, attached where it is, as a bridge does with its ports",
    keys: &["takeover", "netns"],
    netns: "the namespace where that netdev is",
    own: &[],
    read: |said| Ok(Netdev { name: said.netdev()? }.into()),
};

/// A netdev, by its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Netdev {
    /// Its name, in the attachment's namespace.
    pub name: String,
}

impl PortKind for Netdev {
    fn row(&self) -> &'static KindRow {
        &ROW
    }

    fn target(&self) -> String {
        self.name.clone()
    }

    fn claims(&self, attachment: &Attachment) -> Vec<Claim> {
        vec![Claim {
            key: "target",
            thing: ("lower netdev", attachment.netns.clone(), self.name.clone()),
            shared: false,
            held: format!("{:?} already carries", self.name),
            hint: None,
        }]
    }

    fn open(&self, attaching: &mut Attaching<'_>) -> Result<Attached, Error> {
        let (place, takeover) = (attaching.place(), attaching.attachment.takeover);
        let (journal, port) = (&mut *attaching.journal, attaching.name);
        let (queue, tied, link) = open(journal, port, &place, &self.name, takeover)?;
        Ok(Attached { tied: Some(tied), ..Attached::new([queue], Some((place, link)))? })
    }
}

/// Attaches the netdev `name` of `place` for the port.
fn open(
    journal: &mut Journal,
    port: &str,
    place: &Place,
    name: &str,
    takeover: bool,
) -> Result<(TapQueue, Tied, LinkInfo), Error> {
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
    let (queue, tied) = handle.tie_to_other(&link)?;
    Ok((queue, tied, link))
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
