//! What a port is attached to, as plain data: the one place that lists kinds.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use switch_core::Mac;

use crate::lab::Netns;

/// A port's far end, as the user described it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// The kind and what only that kind has.
    pub kind: Kind,
    /// Where the netdev lives; `None` is where Netloom runs.
    pub netns: Option<Netns>,
    /// The netdev's name inside `netns`; `None` is the lowest free `ethN` there.
    pub ifname: Option<String>,
    /// The netdev's addresses.
    pub addr: Vec<IpNet>,
    /// Default routes by way of the netdev, at most one an address family.
    pub gateway: Vec<IpAddr>,
    /// The netdev's MAC address; `None` leaves the kernel's choice.
    pub mac: Option<Mac>,
    /// The netdev's MTU in bytes; `None` leaves the kernel's.
    pub mtu: Option<u32>,
    /// How many queues; `None` is the program's choice.
    pub queues: Option<u16>,
    /// Take the netdev although its host is reached by it.
    pub takeover: bool,
}

impl Attachment {
    /// An attachment of this kind with nothing else said.
    pub fn new(kind: Kind) -> Attachment {
        Attachment {
            kind,
            netns: None,
            ifname: None,
            addr: Vec::new(),
            gateway: Vec::new(),
            mac: None,
            mtu: None,
            queues: None,
            takeover: false,
        }
    }
}

/// The kinds of port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A TAP whose descriptors the switch holds and whose netdev is for a namespace or the host.
    Tap {
        /// The netdev's name where Netloom runs.
        name: String,
        /// Attach to a persistent TAP of that name and never remove it; otherwise make it.
        existing: bool,
    },
    /// A macvtap made on a lower netdev.
    Macvtap {
        /// The netdev it sits on, in the attachment's namespace.
        lower: String,
        /// How it shares that netdev.
        mode: MacvtapMode,
    },
    /// A netdev of somebody else's, attached where it is.
    Netdev {
        /// Its name, in the attachment's namespace.
        name: String,
    },
    /// A veth pair that the switch makes.
    Veth {
        /// The near end's name; the far end's where that is in the same place.
        name: String,
    },
    /// An open TAP or macvtap descriptor inherited from the caller.
    Fd(i32),
}

impl Kind {
    /// The kind's name in configuration and output.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Tap { .. } => "tap",
            Kind::Macvtap { .. } => "macvtap",
            Kind::Netdev { .. } => "netdev",
            Kind::Veth { .. } => "veth",
            Kind::Fd(_) => "fd",
        }
    }

    /// The target as the user writes it.
    pub fn target(&self) -> String {
        match self {
            Kind::Tap { name, .. } | Kind::Netdev { name, .. } | Kind::Veth { name } => {
                name.clone()
            }
            Kind::Macvtap { lower, .. } => lower.clone(),
            Kind::Fd(number) => number.to_string(),
        }
    }
}

/// How macvtap netdevs share their lower netdev (`ip link ... type macvtap mode`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MacvtapMode {
    /// The only one on the netdev; carries every address.
    #[default]
    Passthru,
    /// Reaches its siblings directly; carries its own address only.
    Bridge,
    /// Reaches no sibling; carries its own address only.
    Private,
    /// Reaches siblings by way of the switch outside; carries its own address only.
    Vepa,
}

impl MacvtapMode {
    /// Every mode, the default first.
    pub const ALL: [MacvtapMode; 4] =
        [MacvtapMode::Passthru, MacvtapMode::Bridge, MacvtapMode::Private, MacvtapMode::Vepa];

    /// The mode's name in configuration and output.
    pub const fn name(self) -> &'static str {
        match self {
            MacvtapMode::Passthru => "passthru",
            MacvtapMode::Bridge => "bridge",
            MacvtapMode::Private => "private",
            MacvtapMode::Vepa => "vepa",
        }
    }
}
