//! `veth` ports: a pair that the switch makes, whose far end is for a namespace or the host.
//!
//! The near end stays with the switch, tied to a handle (`handle.rs`). It takes
//! frames of any size, so that the far end's MTU alone counts.

use super::Attachment;
use super::attach::{Attached, Attaching, passing_name};
use super::handle::{Handle, Tied};
use super::kind::{Claim, KindRow, PortKind, Return, Target, claims_of_host};
use crate::error::Error;
use crate::lab::{Journal, LONGEST_NAME, LinkInfo, Links, NAME_FORM, Place, Wanted, valid_name};
use crate::queue::tap::TapQueue;

/// The kind's row.
pub const ROW: KindRow = KindRow {
    name: "veth",
    form: "[:NETDEV]",
    target: Target { what: "the near end's", form: NAME_FORM, default: "the port's name" },
    help: "a veth pair that the switch makes, its far end for a namespace or the host; \
           NETDEV, the near end, is the port's name unless given",
    keys: &["netns", "ifname", "addr", "gateway", "mac", "mtu"],
    netns: "the namespace the netdev goes to, made if it is named and missing",
    own: &[],
    read: |said| {
        let name = match said.target {
            Some(_) => said.netdev()?,
            None if valid_name(said.port) => said.port.to_owned(),
            None => short_name(said.port),
        };
        Ok(Veth { name }.into())
    },
};

/// A veth pair, by its near end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Veth {
    /// The near end's name; the far end's where that is in the same place.
    pub name: String,
}

/// A netdev's name for a port whose own is too long: its beginning, and a number made of all of it.
fn short_name(name: &str) -> String {
    let number = name
        .bytes()
        .fold(0_u32, |number, byte| number.wrapping_mul(31).wrapping_add(u32::from(byte)) & 0xffff);
    format!("{}.{number:04x}", &name[..LONGEST_NAME - 5])
}

impl PortKind for Veth {
    fn row(&self) -> &'static KindRow {
        &ROW
    }

    fn target(&self) -> String {
        self.name.clone()
    }

    fn claims(&self, attachment: &Attachment) -> Vec<Claim> {
        claims_of_host(&self.name, attachment)
    }

    fn returns(&self) -> Return {
        Return::WithItsAddress
    }

    fn keep(&self, attachment: &mut Attachment, netdev: &LinkInfo) {
        attachment.mac = netdev.mac;
        // Without a namespace the far end is called what the target says.
        if attachment.netns.is_some() {
            attachment.ifname = Some(netdev.name.clone());
        }
    }

    fn new_netdev(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn open(&self, attaching: &mut Attaching<'_>) -> Result<Attached, Error> {
        attaching.enter()?;
        let far = attaching.place();
        let ends = Ends { near: &Place::Here, far: &far, name: &self.name };
        let (journal, port) = (&mut *attaching.journal, attaching.name);
        let (queue, tied, link) = open(journal, port, attaching.attachment, &ends)?;
        Ok(Attached { tied: Some(tied), ..Attached::new([queue], Some((far, link)))? })
    }
}

/// The largest MTU of a veth (`ETH_MAX_MTU`).
const MAX_MTU: u32 = 65_535;

/// Names to try for a far end that takes the lowest free `ethN`.
const NAME_TRIES: usize = 16;

/// Where the ends of a pair go.
struct Ends<'a> {
    /// Where the near end stays.
    near: &'a Place,
    /// Where the far end goes.
    far: &'a Place,
    /// The name that the user gives: the near end's, or where both are in one place the far end's.
    name: &'a str,
}

/// Makes the pair and its handle for the port; the far end has what the attachment says.
fn open(
    journal: &mut Journal,
    port: &str,
    attachment: &Attachment,
    ends: &Ends,
) -> Result<(TapQueue, Tied, LinkInfo), Error> {
    let (near, far) = make(journal, port, attachment, ends)?;
    let handle = Handle::make(journal, port, ends.near)?;
    let apart = ends.near.identity()? != ends.far.identity()?;
    let (queue, tied) = handle.tie_to_own(&near, apart)?;
    ends.near.links(|links| {
        links.silence(&near);
        let wanted = Wanted { up: Some(true), mtu: Some(MAX_MTU), ..Wanted::default() };
        links.set(&near, &wanted)
    })?;
    let far = ends.far.links(|links| {
        links.configure(&far, attachment)?;
        links.require(&far.name)
    })?;
    Ok((queue, tied, far))
}

/// Makes the two ends.
fn make(
    journal: &mut Journal,
    port: &str,
    attachment: &Attachment,
    ends: &Ends,
) -> Result<(LinkInfo, LinkInfo), Error> {
    let (near, far) = match ends.near == ends.far {
        true => (passing_name(), Some(ends.name)),
        false => (ends.name.to_owned(), attachment.ifname.as_deref()),
    };
    let entry = journal.netdev(port, ends.near, &near, "veth", None)?;
    let mut tries = 0;
    loop {
        let name = match far {
            Some(name) => name.to_owned(),
            None => ends.far.links(Links::free_eth)?,
        };
        let target = ends.far.open()?;
        match ends.near.links(|links| links.make_veth_to(&near, &name, &target)) {
            Ok(near) => {
                journal.is_at(entry, ends.near, &near)?;
                return Ok((near, ends.far.links(|links| links.require(&name))?));
            }
            // Somebody else took the name that was free.
            Err(error)
                if far.is_none()
                    && tries < NAME_TRIES
                    && ends.far.links(|links| links.find(&name))?.is_some() =>
            {
                drop(error);
                tries += 1;
            }
            Err(error) => return Err(error),
        }
    }
}
