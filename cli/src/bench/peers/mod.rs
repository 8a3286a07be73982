//! Who is measured: Netloom and other ways to join two hosts, each set up alike.
//!
//! Every contestant gets hosts of its own: a namespace each, with a netdev
//! [`NETDEV`] that has the same MTU, MAC and IPv4 address everywhere. What
//! stands between them is the contestant's, in its best ordinary
//! configuration, which [`Rig::configuration`] says. Rigs of all contestants
//! stand side by side, idle, while one is measured.

mod bridge;
mod guest;
mod netloom;
mod ovs;
mod plain;
mod switch;
mod vde;

use std::net::Ipv4Addr;

use io_backends::Attachment;
use io_backends::lab::{Netns, Place, move_netdev};
use io_backends::ports::Kind;
use ipnet::{IpNet, Ipv4Net};
use switch_core::Mac;

use super::lab::Lab;
use super::plan::Peer;
use crate::error::CliError;

pub(super) use guest::Guest;
pub(super) use netloom::Variant;

/// Every host's netdev, in its namespace.
pub(super) const NETDEV: &str = "eth0";

/// How hosts are attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wiring {
    /// How many.
    pub(super) hosts: usize,
    /// Queues of a port; `None` is the contestant's own choice.
    pub(super) queues: Option<u16>,
    /// Of every netdev, bytes.
    pub(super) mtu: u32,
    /// Ports that nobody uses, besides the hosts'; Netloom only.
    pub(super) idle_ports: u16,
    /// Whether the last host is behind a program that can be stopped; Netloom only.
    pub(super) guest: bool,
}

/// A host: a namespace with one netdev, [`NETDEV`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Host {
    pub(super) netns: Netns,
    pub(super) address: Ipv4Addr,
    pub(super) mac: Mac,
}

/// A contestant at work: its hosts, and whatever goes with the value.
pub(super) struct Rig<'l> {
    pub(super) hosts: Vec<Host>,
    /// How it is set up, in words.
    pub(super) configuration: String,
    /// Where the contestant's own ends of veth pairs are.
    pub(super) veth_ends: Vec<(Netns, String)>,
    /// The program in front of the last host, if the wiring wants one.
    pub(super) guest: Option<Guest>,
    parts: Vec<Box<dyn Part + 'l>>,
}

/// Something that a rig keeps and that goes with it.
trait Part {}
impl<T> Part for T {}

impl<'l> Rig<'l> {
    fn new(hosts: Vec<Host>) -> Rig<'l> {
        Rig {
            hosts,
            configuration: String::new(),
            veth_ends: Vec::new(),
            guest: None,
            parts: Vec::new(),
        }
    }

    /// Namespaces for the hosts of the contestant `name`, without netdevs yet.
    fn begin(lab: &'l Lab, name: &str, wiring: &Wiring) -> Result<Rig<'l>, CliError> {
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
    fn middle(&mut self, lab: &'l Lab, name: &str) -> Result<Netns, CliError> {
        let namespace = lab.namespace(&format!("{name}-0"))?;
        let netns = namespace.netns.clone();
        self.keep(namespace);
        Ok(netns)
    }

    /// Lets `part` go with the rig, before what was kept earlier.
    fn keep(&mut self, part: impl Part + 'l) {
        self.parts.push(Box::new(part));
    }

    /// Gives each host its netdev: the one called `name(number)` in the namespace `from`.
    fn hand_out(
        &self,
        from: &Netns,
        wiring: &Wiring,
        name: impl Fn(usize) -> String,
    ) -> Result<(), CliError> {
        let from = Place::In(from.clone());
        for (number, host) in self.hosts.iter().enumerate() {
            let name = name(number);
            let link = from.links(|links| links.require(&name))?;
            let to = Place::In(host.netns.clone());
            move_netdev(&link, &from, &to, Some(NETDEV), |_| Ok(()))?;
            host.settle(wiring)?;
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
    fn settle(&self, wiring: &Wiring) -> Result<(), CliError> {
        let attachment = Attachment {
            addr: vec![IpNet::V4(Ipv4Net::new_assert(self.address, 24))],
            mac: Some(self.mac),
            mtu: Some(wiring.mtu),
            ..Attachment::new(Kind::Fd(0))
        };
        let settle = |links: &mut io_backends::lab::Links| {
            let link = links.require(NETDEV)?;
            links.configure(&link, &attachment)
        };
        Ok(Place::In(self.netns.clone()).links(settle)?)
    }
}

/// One who is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Contestant {
    /// Netloom, set up this way.
    Netloom(Variant),
    /// The kernel's bridge over veth pairs.
    KernelBridge,
    /// Open vSwitch with its user-space datapath.
    Ovs,
    /// vde_switch.
    Vde,
    /// The cable: one thread that reads and writes.
    Plain {
        /// With virtio-net header and offloads.
        header: bool,
    },
}

impl Contestant {
    /// Those of a peer; the plain loop comes in two forms.
    pub(super) fn of(peer: Peer) -> Vec<Contestant> {
        match peer {
            Peer::KernelBridge => vec![Contestant::KernelBridge],
            Peer::Ovs => vec![Contestant::Ovs],
            Peer::Vde => vec![Contestant::Vde],
            Peer::None => Vec::new(),
            Peer::Plain => [false, true].map(|header| Contestant::Plain { header }).to_vec(),
        }
    }

    /// Its name in tables; of letters, digits and dashes.
    pub(super) fn name(&self) -> String {
        match self {
            Contestant::Netloom(variant) => variant.name(),
            Contestant::KernelBridge => "kernel-bridge".into(),
            Contestant::Ovs => "ovs".into(),
            Contestant::Vde => "vde".into(),
            Contestant::Plain { header: false } => "plain".into(),
            Contestant::Plain { header: true } => "plain-header".into(),
        }
    }

    /// What to install, when it is missing here.
    pub(super) fn missing(&self) -> Option<String> {
        match self {
            Contestant::Ovs => ovs::missing(),
            Contestant::Vde => vde::missing(),
            _ => None,
        }
    }

    /// Which version of it is here.
    pub(super) fn version(&self) -> Option<String> {
        match self {
            Contestant::Netloom(_) | Contestant::Plain { .. } => {
                Some(concat!("netloom ", env!("CARGO_PKG_VERSION")).into())
            }
            Contestant::KernelBridge => super::machine::kernel().map(|it| format!("Linux {it}")),
            Contestant::Ovs => super::process::version("ovs-vswitchd"),
            Contestant::Vde => vde::version(),
        }
    }

    /// Why it can't be wired so, whatever the host.
    pub(super) fn cannot(&self, wiring: &Wiring) -> Option<&'static str> {
        let many = wiring.queues.is_some_and(|queues| queues > 1);
        match self {
            Contestant::Netloom(_) => None,
            Contestant::Plain { .. } if wiring.hosts != 2 => Some("a cable has two ends"),
            _ if many => Some("its ports have one queue"),
            _ => None,
        }
    }

    /// Sets it up; it forwards when this returns.
    pub(super) fn start<'l>(&self, lab: &'l Lab, wiring: &Wiring) -> Result<Rig<'l>, CliError> {
        let mut name = self.name();
        if wiring.idle_ports > 0 {
            // The rig without them stands beside it.
            name += "-idle";
        }
        let mut rig = Rig::begin(lab, &name, wiring)?;
        match self {
            Contestant::Netloom(variant) => netloom::start(&mut rig, lab, &name, variant, wiring)?,
            Contestant::KernelBridge => bridge::start(&mut rig, lab, &name, wiring)?,
            Contestant::Ovs => ovs::start(&mut rig, lab, &name, wiring)?,
            Contestant::Vde => vde::start(&mut rig, lab, &name, wiring)?,
            Contestant::Plain { header } => plain::start(&mut rig, *header, wiring)?,
        }
        Ok(rig)
    }
}
