//! What a port is attached to, as plain data.

use std::net::IpAddr;

use ipnet::IpNet;
use switch_core::Mac;

use super::Kind;
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
    pub fn new(kind: impl Into<Kind>) -> Attachment {
        Attachment {
            kind: kind.into(),
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
