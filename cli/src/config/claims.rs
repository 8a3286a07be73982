//! What only one port can have: its name, and for most kinds its far end.

use std::collections::HashMap;

use io_backends::Attachment;
use io_backends::lab::Netns;
use io_backends::ports::{Kind, MacvtapMode};
use switch_core::config::PortConfig;
use switch_core::port::MAX_PORTS;

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
    pub fn add(&mut self, port: &PortConfig<Attachment>) -> Result<(), Clash> {
        let index = self.names.len();
        if index == MAX_PORTS {
            return Err(Clash::new("name", format!("more than {MAX_PORTS} ports")));
        }
        if let Some(&first) = self.names.get(&port.name) {
            let why = format!("port name {} is used twice", quoted(&port.name));
            return Err(Clash { first: Some(first), ..Clash::new("name", why) });
        }
        self.names.insert(port.name.clone(), index);

        let attachment = &port.attachment;
        match &attachment.kind {
            Kind::Tap { name, .. } => {
                self.claim(port, Thing::Tap(name.clone()), false)?;
                if let (Some(netns), Some(ifname)) = (&attachment.netns, &attachment.ifname) {
                    self.claim(port, Thing::Inside(netns.clone(), ifname.clone()), false)?;
                }
                Ok(())
            }
            Kind::Macvtap { lower, mode } => {
                let lower = Thing::Lower(attachment.netns.clone(), lower.clone());
                self.claim(port, lower, *mode != MacvtapMode::Passthru)
            }
            Kind::Fd(number) => self.claim(port, Thing::Descriptor(*number), false),
        }
    }

    /// Gives `port` the thing; `shares` with others that share too.
    fn claim(
        &mut self,
        port: &PortConfig<Attachment>,
        thing: Thing,
        shares: bool,
    ) -> Result<(), Clash> {
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
