//! Hosts with netdevs set up alike, and what a contestant puts between them.

use std::net::Ipv4Addr;

use io_backends::lab::{Netns, Place, move_netdev};
use io_backends::ports::fd::Fd;
use io_backends::{Attachment, Error};
use ipnet::{IpNet, Ipv4Net};
use switch_core::Mac;

use super::guest::Guest;
use crate::lab::Lab;

/// Every host's netdev, in its namespace.
pub(crate) const NETDEV: &str = "eth0";

/// How hosts are attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wiring {
    /// How many.
    pub(crate) hosts: usize,
    /// Queues of a port; `None` is the contestant's own choice.
    pub(crate) queues: Option<u16>,
    /// Of every netdev, bytes.
    pub(crate) mtu: u32,
    /// Ports without traffic, besides the hosts'; Netloom only.
    pub(crate) idle_ports: u16,
    /// Whether the last host is behind a program that can be stopped; Netloom only.
    pub(crate) guest: bool,
}

/// A host: a namespace with one netdev, [`NETDEV`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Host {
    pub(crate) netns: Netns,
    pub(crate) address: Ipv4Addr,
    pub(crate) mac: Mac,
}

/// A contestant at work: its hosts, and whatever goes with the value.
pub(crate) struct Rig<'l> {
    pub(crate) hosts: Vec<Host>,
    /// How it is set up, in words.
    pub(crate) configuration: String,
    /// Where the contestant's own ends of veth pairs are.
    pub(crate) veth_ends: Vec<(Netns, String)>,
    /// The program in front of the last host, if the wiring wants one.
    pub(crate) guest: Option<Guest>,
    parts: Vec<Box<dyn Part + 'l>>,
}

/// Something that a rig keeps and that goes with it.
pub(super) trait Part {}
impl<T> Part for T {}

impl<'l> Rig<'l> {
    pub(super) fn new(hosts: Vec<Host>) -> Rig<'l> {
        Rig {
            hosts,
            configuration: String::new(),
            veth_ends: Vec::new(),
            guest: None,
            parts: Vec::new(),
        }
    }

    /// Namespaces for the hosts of the contestant `name`, without netdevs yet.
    pub(super) fn begin(lab: &'l Lab, name: &str, wiring: &Wiring) -> Result<Rig<'l>, Error> {
        let mut rig = Rig::new(Vec::new());
        for number in 1..=wiring.hosts as u8 {
            let namespace = lab.namespace(&format!("{name}-{number}"))?;
            rig.hosts.push(Host {
                netns: namespace.netns.clone(),
                address: Ipv4Addr::new(10, 9, 0, number),
                mac: Mac::new([2, 0, 0, 0, 9, number]),
            });
            rig.keep(namespace);
        }
        Ok(rig)
    }

    /// A namespace for what stands between the hosts.
    pub(super) fn middle(&mut self, lab: &'l Lab, name: &str) -> Result<Netns, Error> {
        let namespace = lab.namespace(&format!("{name}-0"))?;
        let netns = namespace.netns.clone();
        self.keep(namespace);
        Ok(netns)
    }

    /// Lets `part` go with the rig, before what was kept earlier.
    pub(super) fn keep(&mut self, part: impl Part + 'l) {
        self.parts.push(Box::new(part));
    }

    /// Gives each host its netdev: the one called `name(number)` in the namespace `from`.
    pub(super) fn hand_out(
        &self,
        from: &Netns,
        wiring: &Wiring,
        name: impl Fn(usize) -> String,
    ) -> Result<(), Error> {
        let from = Place::In(from.clone());
        for (number, host) in self.hosts.iter().enumerate() {
            let name = name(number);
            let link = from.links(|links| links.require(&name))?;
            let to = Place::In(host.netns.clone());
            move_netdev(&link, &from, &to, Some(NETDEV), |_| Ok(()))?;
            host.set_up(wiring)?;
        }
        Ok(())
    }
}

impl Drop for Rig<'_> {
    fn drop(&mut self) {
        while let Some(part) = self.parts.pop() {
            drop(part);
        }
    }
}

impl Host {
    /// Sets the netdev up with its addresses.
    pub(super) fn set_up(&self, wiring: &Wiring) -> Result<(), Error> {
        let attachment = Attachment {
            addr: vec![IpNet::V4(Ipv4Net::new_assert(self.address, 24))],
            mac: Some(self.mac),
            mtu: Some(wiring.mtu),
            ..Attachment::new(Fd(0))
        };
        let set_up = |links: &mut io_backends::lab::Links| {
            let link = links.require(NETDEV)?;
            links.configure(&link, &attachment)
        };
        Place::In(self.netns.clone()).links(set_up)
    }
}
