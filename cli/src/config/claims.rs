//! What only one port can have: its name, and for most kinds its far end.

use std::collections::HashMap;

use io_backends::lab::Netns;
use io_backends::ports::Claim;
use switch_core::port::MAX_PORTS;

use super::PortConfig;
use super::value::quoted;

/// What the ports so far have.
#[derive(Default)]
pub(crate) struct Claims {
    names: HashMap<String, usize>,
    things: HashMap<Thing, Holder>,
}

type Thing = (&'static str, Option<Netns>, String);

struct Holder {
    port: String,
    shares: bool,
}

/// Why a port cannot join the others.
#[derive(Debug)]
pub(crate) struct Clash {
    /// The key whose value is at fault.
    pub key: &'static str,
    pub why: String,
    pub hint: Option<String>,
    /// The index of the port of the same name.
    pub first: Option<usize>,
}

impl Clash {
    fn new(key: &'static str, why: String) -> Clash {
        Clash { key, why, hint: None, first: None }
    }
}

impl Claims {
    /// Lets `port` join, unless it has what another port has or is one too many.
    pub fn add(&mut self, port: &PortConfig) -> Result<(), Clash> {
        let index = self.names.len();
        if index == MAX_PORTS {
            return Err(Clash::new("name", format!("more than {MAX_PORTS} ports")));
        }
        if let Some(&first) = self.names.get(&port.name) {
            let why = format!("port name {} is used twice", quoted(&port.name));
            return Err(Clash { first: Some(first), ..Clash::new("name", why) });
        }
        self.names.insert(port.name.clone(), index);

        let claims = port.attachment.kind.claims(&port.attachment);
        claims.into_iter().try_for_each(|claim| self.claim(&port.name, claim))
    }

    /// Gives the port what it claims.
    fn claim(&mut self, port: &str, claim: Claim) -> Result<(), Clash> {
        match self.things.get(&claim.thing) {
            Some(holder) if !(holder.shares && claim.shared) => {
                let why = format!("{} port {:?}", claim.held, holder.port);
                let hint = claim.hint.map(str::to_owned);
                Err(Clash { hint, ..Clash::new(claim.key, why) })
            }
            Some(_) => Ok(()),
            None => {
                let holder = Holder { port: port.to_owned(), shares: claim.shared };
                self.things.insert(claim.thing, holder);
                Ok(())
            }
        }
    }
}

/// Whether a port can be made only once another one's device is gone: it has the name, or what
/// only one of them can have, or in the same namespace the next free `ethN` would be another.
pub(crate) fn contend(goes: &PortConfig, comes: &PortConfig) -> bool {
    let claims = |port: &PortConfig| port.attachment.kind.claims(&port.attachment);
    let (old, new) = (claims(goes), claims(comes));
    let same = |claim: &Claim| {
        old.iter().any(|other| claim.thing == other.thing && !(claim.shared && other.shared))
    };
    goes.name == comes.name || new.iter().any(same) || is_next_in_line(goes, comes)
}

/// Whether what goes may have the name inside their namespace that what comes would take.
fn is_next_in_line(goes: &PortConfig, comes: &PortConfig) -> bool {
    inside(comes).is_some()
        && inside(comes) == inside(goes)
        && !(says_name(goes) && says_name(comes))
}

/// The namespace that a port's netdev moves to.
fn inside(port: &PortConfig) -> Option<&Netns> {
    let takes_a_name = port.attachment.kind.row().keys.contains(&"ifname");
    port.attachment.netns.as_ref().filter(|_| takes_a_name)
}

/// Whether the name of a port's netdev inside a namespace is said.
pub(crate) fn says_name(port: &PortConfig) -> bool {
    inside(port).is_some() && port.attachment.ifname.is_some()
}

/// Whether a port's netdev gets the lowest `ethN` that is free where `named`, whose name is said,
/// goes too: its turn comes after that one's.
pub(crate) fn takes_what_is_left(port: &PortConfig, named: &PortConfig) -> bool {
    port.attachment.ifname.is_none() && inside(port).is_some() && inside(port) == inside(named)
}
