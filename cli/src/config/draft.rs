//! A port while it is read: what each key said and where, then the checks
//! that need more than one key, then the finished port.

use std::net::IpAddr;

use io_backends::Attachment;
use io_backends::lab::Netns;
use io_backends::ports::{KIND_NAMES, Kind, KindRow, Said, Unfit};
use ipnet::IpNet;
use switch_core::config::PortRules;
use switch_core::vlan::Allowed;
use switch_core::{Mac, Tpid, Vid, VlanMode};

use super::PortConfig;
use super::value::{Mistake, listed, quoted};

/// IPv6 is off on a netdev with a smaller MTU (RFC 8200, section 5).
const IPV6_MTU: u32 = 1280;

/// What the keys of one port said so far.
#[derive(Default)]
pub(crate) struct Draft {
    pub name: String,
    pub kind: Option<&'static KindRow>,
    pub target: Option<String>,
    /// The keys that only its kind has, as [`Said::own`] takes them.
    pub own: Vec<(&'static str, usize)>,
    pub takeover: bool,
    pub netns: Option<Netns>,
    pub ifname: Option<String>,
    pub addr: Vec<IpNet>,
    pub gateway: Vec<IpAddr>,
    pub mac: Option<Mac>,
    pub mtu: Option<u32>,
    pub queues: Option<u16>,
    pub vlan: VlanDraft,
    /// But for the VLAN mode, which is made of several keys.
    pub rules: PortRules,
    /// The keys given, with their places, in the order they were read.
    pub given: Vec<(&'static str, usize)>,
}

/// The keys that make a VLAN mode together.
#[derive(Default)]
pub(crate) struct VlanDraft {
    pub access: Option<Vid>,
    pub trunk: Option<Allowed>,
    pub native: Option<Vid>,
    pub tpid: Option<Tpid>,
    pub tunnel: Option<Vid>,
}

impl Draft {
    /// Where `key` stands, if it was given.
    pub fn place(&self, key: &str) -> Option<usize> {
        self.given.iter().find(|(name, _)| *name == key).map(|&(_, at)| at)
    }

    /// The VLAN mode that the keys make; `None` if there is no VLAN key.
    pub fn vlan(&self) -> Result<Option<VlanMode>, Mistake> {
        let mut modes = self
            .given
            .iter()
            .filter(|(key, _)| matches!(*key, "access" | "trunk" | "tunnel" | "transparent"));
        if let (Some((first, _)), Some((second, at))) = (modes.next(), modes.next()) {
            return Err(Mistake::new(*at, format!("{second} and {first} exclude each other"))
                .hint("a port has one VLAN mode: access, trunk, tunnel or transparent"));
        }
        let vlan = &self.vlan;
        if vlan.trunk.is_none() {
            for key in ["native", "tpid"] {
                if let Some(at) = self.place(key) {
                    return Err(Mistake::new(at, format!("{key} goes with trunk only")));
                }
            }
        }
        Ok(match (vlan.access, vlan.tunnel, &vlan.trunk) {
            (Some(vid), ..) => Some(VlanMode::Access(vid)),
            (_, Some(vid), _) => Some(VlanMode::Tunnel(vid)),
            (.., Some(allowed)) => Some(VlanMode::Trunk {
                allowed: allowed.clone(),
                native: vlan.native,
                tpid: vlan.tpid.unwrap_or_default(),
            }),
            _ => self.place("transparent").map(|_| VlanMode::Transparent),
        })
    }

    /// The port's rules; `vlan` is its mode where no key says one.
    pub fn rules_and_vlan(&self, vlan: VlanMode) -> Result<PortRules, Mistake> {
        Ok(PortRules { vlan: self.vlan()?.unwrap_or(vlan), ..self.rules.clone() })
    }

    /// The port, if its keys agree with each other. `at` is the place of the
    /// whole, for what is missing.
    pub fn finish(&self, at: usize) -> Result<PortConfig, Mistake> {
        if self.place("name").is_none() {
            return Err(Mistake::new(at, "a port without name").hint("add name = \"...\""));
        }
        let Some(kind) = self.kind else {
            let kinds: Vec<_> = KIND_NAMES.iter().map(|kind| format!("{kind:?}")).collect();
            let kinds: Vec<_> = kinds.iter().map(String::as_str).collect();
            let hint = format!("add kind = {}", listed(&kinds, "or"));
            return Err(Mistake::new(at, "a port without kind").hint(hint));
        };
        self.check_netdev()?;
        let attachment = Attachment {
            kind: self.kind(kind)?,
            netns: self.netns.clone(),
            ifname: self.ifname.clone(),
            addr: self.addr.clone(),
            gateway: self.gateway.clone(),
            mac: self.mac,
            mtu: self.mtu,
            queues: self.queues,
            takeover: self.takeover,
        };
        let rules = self.rules_and_vlan(VlanMode::default())?;
        Ok(PortConfig { name: self.name.clone(), rules, attachment })
    }

    fn check_netdev(&self) -> Result<(), Mistake> {
        if let (Some(at), None) = (self.place("ifname"), &self.netns) {
            return Err(Mistake::new(at, "ifname goes with netns only")
                .hint("without netns the netdev has the target's name"));
        }
        if let (Some(at), Some(mtu)) = (self.place("mtu"), self.mtu)
            && mtu < IPV6_MTU
            && self.addr.iter().any(|addr| addr.addr().is_ipv6())
        {
            let why = format!("an mtu of {mtu} is too small for the port's IPv6 address");
            return Err(Mistake::new(at, why).hint(format!("IPv6 needs {IPV6_MTU}")));
        }
        Ok(())
    }

    /// The place of the target, or of what stands in for it.
    fn target_place(&self) -> usize {
        ["target", "kind", "name"].iter().find_map(|key| self.place(key)).unwrap_or(0)
    }

    /// The kind with what was said of it.
    fn kind(&self, row: &KindRow) -> Result<Kind, Mistake> {
        let (target, own) = (self.target.as_deref(), &self.own);
        (row.read)(&Said { port: &self.name, target, own }).map_err(|unfit| match unfit {
            Unfit::NoTarget => {
                Mistake::new(self.target_place(), format!("kind {} needs a target", row.name)).hint(
                    format!("{}, as NAME={}:TARGET or target = \"...\"", row.target.what, row.name),
                )
            }
            Unfit::Target => {
                let shown = quoted(target.unwrap_or_default());
                let why = format!("target is {shown}, not {}", row.target.form);
                Mistake::new(self.target_place(), why)
            }
            Unfit::Name(why, hint) => {
                let why = format!("{} is {why}", quoted(&self.name));
                Mistake::new(self.place("name").unwrap_or(0), why).hint(hint)
            }
        })
    }
}
