//! What only one port can have: its name, and for most kinds its far end.

use std::collections::HashMap;

use io_backends::lab::Netns;
use io_backends::ports::{Kind, MacvtapMode};
use switch_core::port::MAX_PORTS;

use super::PortConfig;
use super::value::quoted;

/// What the ports so far have.
#[derive(Default)]
pub(crate) struct Claims {
    names: HashMap<String, usize>,
    things: HashMap<Thing, Holder>,
}

/// Something outside that ports can quarrel over.
#[derive(PartialEq, Eq, Hash)]
enum Thing {
    Tap(String),
    Lower(Option<Netns>, String),
    Descriptor(i32),
    Inside(Netns, String),
}

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

        things(port).into_iter().try_for_each(|(thing, shares)| self.claim(port, thing, shares))
    }

    /// Gives `port` the thing; `shares` with others that share too.
    fn claim(&mut self, port: &PortConfig, thing: Thing, shares: bool) -> Result<(), Clash> {
        match self.things.get(&thing) {
            Some(holder) if !(holder.shares && shares) => Err(refusal(&thing, &holder.port)),
            Some(_) => Ok(()),
            None => {
                self.things.insert(thing, Holder { port: port.name.clone(), shares });
                Ok(())
            }
        }
    }
}

/// Whether a port can be made only once another one's device is gone: it has the name, or what
/// only one of them can have, or in the same namespace the next free `ethN` would be another.
pub(crate) fn contend(goes: &PortConfig, comes: &PortConfig) -> bool {
    let (old, new) = (things(goes), things(comes));
    let same = |(thing, shares): &(Thing, bool)| {
        old.iter().any(|(other, also)| thing == other && !(*shares && *also))
    };
    goes.name == comes.name || new.iter().any(same) || is_next_in_line(goes, comes)
}

/// Whether what goes may have the name inside their namespace that what comes would take.
fn is_next_in_line(goes: &PortConfig, comes: &PortConfig) -> bool {
    inside(comes).is_some()
        && inside(comes) == inside(goes)
        && (takes_free_name(goes) || takes_free_name(comes))
}

/// The namespace that a port's netdev moves to.
fn inside(port: &PortConfig) -> Option<&Netns> {
    match port.attachment.kind {
        Kind::Tap { .. } | Kind::Veth { .. } => port.attachment.netns.as_ref(),
        Kind::Netdev { .. } | Kind::Macvtap { .. } | Kind::Fd(_) => None,
    }
}

/// Whether a port's netdev gets the lowest `ethN` that is free where it moves to: its turn comes
/// after those whose name is said.
pub(crate) fn takes_free_name(port: &PortConfig) -> bool {
    inside(port).is_some() && port.attachment.ifname.is_none()
}

/// What a port has outside, and whether it shares that with others that share too.
fn things(port: &PortConfig) -> Vec<(Thing, bool)> {
    let attachment = &port.attachment;
    match &attachment.kind {
        Kind::Tap { name, .. } | Kind::Veth { name } => {
            let inside = attachment.netns.clone().zip(attachment.ifname.clone());
            let inside = inside.map(|(netns, ifname)| (Thing::Inside(netns, ifname), false));
            [(Thing::Tap(name.clone()), false)].into_iter().chain(inside).collect()
        }
        Kind::Netdev { name } => {
            vec![(Thing::Lower(attachment.netns.clone(), name.clone()), false)]
        }
        Kind::Macvtap { lower, mode } => {
            let lower = Thing::Lower(attachment.netns.clone(), lower.clone());
            vec![(lower, *mode != MacvtapMode::Passthru)]
        }
        Kind::Fd(number) => vec![(Thing::Descriptor(*number), false)],
    }
}

fn refusal(thing: &Thing, port: &str) -> Clash {
    match thing {
        Thing::Tap(name) => {
            Clash::new("target", format!("{name:?} is already the netdev of port {port:?}"))
        }
        Thing::Lower(_, lower) => Clash {
            hint: Some("passthru has a netdev to itself; other modes share it".to_owned()),
            ..Clash::new("target", format!("{lower:?} already carries port {port:?}"))
        },
        Thing::Descriptor(number) => {
            Clash::new("target", format!("descriptor {number} is already that of port {port:?}"))
        }
        Thing::Inside(netns, name) => Clash::new(
            "ifname",
            format!("{name:?} in namespace {netns} is already the netdev of port {port:?}"),
        ),
    }
}
