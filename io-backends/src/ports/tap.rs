//! `tap` ports: TAPs that the switch makes, or persistent ones that it borrows.

mod info;
mod open;

use super::attach::{Attached, Attaching, passing_name};
use super::kind::{
    Claim, KindRow, OwnKey, OwnValue, PortKind, Return, Said, Target, Unfit, claims_of_host,
};
use super::{Attachment, Kind};
use crate::bpf::steer;
use crate::error::{Error, ErrorKind};
use crate::lab::{LONGEST_NAME, LinkInfo, NAME_FORM, Place, valid_name};

pub use open::{MAX_QUEUES, attach, create, create_without_header};
pub(crate) use open::{check_name, open_error};

/// The kind's row.
pub const ROW: KindRow = KindRow {
    name: "tap",
    form: "[:NETDEV]",
    target: Target { what: "the netdev's name", form: NAME_FORM, default: "the port's name" },
    help: "a TAP that the switch makes, its netdev for a namespace or the host; \
           NETDEV is the port's name unless given",
    keys: &["netns", "ifname", "addr", "gateway", "mac", "mtu", "queues"],
    netns: "the namespace the netdev goes to, made if it is named and missing",
    own: &[OwnKey {
        name: "existing",
        form: "[=on/off]",
        value: OwnValue::Flag,
        default: "off: the TAP is made",
        help: "attach to the persistent TAP of that name, and never remove it",
    }],
    read,
};

/// A TAP, by its name where Netloom runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tap {
    /// The netdev's name where Netloom runs.
    pub name: String,
    /// Attach to a persistent TAP of that name and never remove it; otherwise make it.
    pub existing: bool,
}

fn read(said: &Said<'_>) -> Result<Kind, Unfit> {
    let name = match said.target {
        Some(_) => said.netdev()?,
        None if valid_name(said.port) => said.port.to_owned(),
        None => {
            let hint = format!(
                "give a target of at most {LONGEST_NAME} bytes, as NAME=tap:TARGET or \
                 target = \"...\""
            );
            return Err(Unfit::Name("too long for a netdev's name", hint));
        }
    };
    Ok(Tap { name, existing: said.own("existing") == 1 }.into())
}

impl PortKind for Tap {
    fn row(&self) -> &'static KindRow {
        &ROW
    }

    fn target(&self) -> String {
        self.name.clone()
    }

    fn own(&self) -> Vec<(&'static str, String)> {
        self.existing.then(|| ("existing", "existing".to_owned())).into_iter().collect()
    }

    fn claims(&self, attachment: &Attachment) -> Vec<Claim> {
        claims_of_host(&self.name, attachment)
    }

    /// A TAP can be told to keep each flow to one queue.
    fn queues(&self, wanted: u16) -> u16 {
        let takes_several = !self.existing || open::takes_several_queues(&self.name);
        if wanted > 1 && takes_several && steer::is_possible() { wanted } else { 1 }
    }

    fn returns(&self) -> Return {
        if self.existing { Return::AsItWas } else { Return::WithItsAddress }
    }

    fn keep(&self, attachment: &mut Attachment, netdev: &LinkInfo) {
        // A borrowed one has the address that it had before.
        if !self.existing {
            attachment.mac = netdev.mac;
        }
        // Without a namespace it is called what the target says.
        if attachment.netns.is_some() {
            attachment.ifname = Some(netdev.name.clone());
        }
    }

    fn new_netdev(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn open(&self, attaching: &mut Attaching<'_>) -> Result<Attached, Error> {
        if self.existing { self.borrow(attaching) } else { self.make(attaching) }
    }
}

impl Tap {
    /// A TAP that is to move is made under a name of its own, so that two
    /// switches that start at once never meet.
    fn make(&self, attaching: &mut Attaching<'_>) -> Result<Attached, Error> {
        let taken = Place::Here.links(|links| links.find(&self.name))?.is_some();
        if taken {
            let what = format!("netdev {}", self.name);
            let why = "a netdev of that name is already there";
            return Err(Error::new(ErrorKind::Taken, what, why)
                .hint("give the port another target, as in NAME=tap:TARGET, or say `existing`"));
        }
        attaching.enter()?;
        let first_name = if attaching.moves() { passing_name() } else { self.name.clone() };
        let entry = attaching.record(&Place::Here, &first_name, "tun", None)?;
        let queues = create(&first_name, attaching.queues())?;
        let link = Place::Here.links(|links| links.require(&first_name))?;
        attaching.is_at(entry, &Place::Here, &link)?;
        let link = attaching.bring(entry, link)?;
        attaching.finish(queues, &link)
    }

    fn borrow(&self, attaching: &mut Attaching<'_>) -> Result<Attached, Error> {
        let link = Place::Here.links(|links| links.require(&self.name))?;
        attaching.enter()?;
        let queues = attach(&self.name, attaching.queues())?;
        let entry = attaching.borrow(&Place::Here, &link)?;
        let link = attaching.bring(entry, link)?;
        attaching.finish(queues, &link)
    }
}
