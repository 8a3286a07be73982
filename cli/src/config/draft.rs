//! A port while it is read: what each key said and where, then the checks
//! that need more than one key, then the finished port.

use std::net::IpAddr;

use io_backends::Attachment;
use io_backends::lab::Netns;
use io_backends::ports::{Kind, MacvtapMode};
use ipnet::IpNet;
use switch_core::config::PortRules;
use switch_core::vlan::Allowed;
use switch_core::{Mac, Tpid, Vid, VlanMode};

use super::PortConfig;
use super::names::{NETDEV_FORM, NETDEV_MAX, is_netdev};
use super::value::{Mistake, digits, listed, quoted};

/// IPv6 is off on a netdev with a smaller MTU (RFC 8200, section 5).
const IPV6_MTU: u32 = 1280;

/// What the keys of one port said so far.
#[derive(Default)]
pub(crate) struct Draft {
    pub name: String,
    pub kind: Option<&'static KindRow>,
    pub target: Option<String>,
    pub existing: bool,
    pub mode: MacvtapMode,
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

/// A kind of port, as a user meets it.
pub(crate) struct KindRow {
    pub name: &'static str,
    /// A placeholder for the target; in brackets where it may be left out.
    pub target: &'static str,
    pub help: &'static str,
    kind: fn(&Draft) -> Result<Kind, Mistake>,
}

/// Every kind of port.
pub(crate) static KINDS: [KindRow; 5] = [
    KindRow {
        name: "tap",
        target: "[:NETDEV]",
        help: "a TAP that the switch makes, its netdev for a namespace or the host; \
               NETDEV is the port's name unless given",
        kind: tap,
    },
    KindRow {
        name: "veth",
        target: "[:NETDEV]",
        help: "a veth pair that the switch makes, its far end for a namespace or the host; \
               NETDEV, the near end, is the port's name unless given",
        kind: veth,
    },
    KindRow {
        name: "netdev",
        target: ":NETDEV",
        help: "the existing netdev NETDEV, attached where it is, as a bridge does with its ports",
        kind: existing_netdev,
    },
    KindRow {
        name: "macvtap",
        target: ":NETDEV",
        help: "a macvtap that the switch makes on the lower netdev NETDEV",
        kind: macvtap,
    },
    KindRow {
        name: "fd",
        target: ":NUMBER",
        help: "an open TAP or macvtap descriptor inherited from the caller",
        kind: fd,
    },
];

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
            let kinds = KINDS.each_ref().map(|kind| quoted(kind.name));
            let kinds = kinds.each_ref().map(String::as_str);
            let hint = format!("add kind = {}", listed(&kinds, "or"));
            return Err(Mistake::new(at, "a port without kind").hint(hint));
        };
        self.check_netdev()?;
        let attachment = Attachment {
            kind: (kind.kind)(self)?,
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

    fn needs_target(&self, kind: &str, like: &str) -> Mistake {
        Mistake::new(self.target_place(), format!("kind {kind} needs a target"))
            .hint(format!("{like}, as NAME={kind}:TARGET or target = \"...\""))
    }
}

fn netdev(draft: &Draft, target: &str) -> Result<String, Mistake> {
    if is_netdev(target) {
        return Ok(target.to_owned());
    }
    let why = format!("target is {}, not {NETDEV_FORM}", quoted(target));
    Err(Mistake::new(draft.target_place(), why))
}

fn tap(draft: &Draft) -> Result<Kind, Mistake> {
    let name = match &draft.target {
        Some(target) => netdev(draft, target)?,
        None if is_netdev(&draft.name) => draft.name.clone(),
        None => {
            let why = format!("{} is too long for a netdev's name", quoted(&draft.name));
            return Err(Mistake::new(draft.place("name").unwrap_or(0), why).hint(format!(
                "give a target of at most {NETDEV_MAX} bytes, as NAME=tap:TARGET or \
                 target = \"...\""
            )));
        }
    };
    Ok(Kind::Tap { name, existing: draft.existing })
}

fn veth(draft: &Draft) -> Result<Kind, Mistake> {
    let name = match &draft.target {
        Some(target) => netdev(draft, target)?,
        None if is_netdev(&draft.name) => draft.name.clone(),
        None => short_name(&draft.name),
    };
    Ok(Kind::Veth { name })
}

/// A netdev's name for a port whose own is too long: its beginning, and a number made of all of it.
fn short_name(name: &str) -> String {
    let number = name
        .bytes()
        .fold(0_u32, |number, byte| number.wrapping_mul(31).wrapping_add(u32::from(byte)) & 0xffff);
    format!("{}.{number:04x}", &name[..NETDEV_MAX - 5])
}

fn existing_netdev(draft: &Draft) -> Result<Kind, Mistake> {
    let Some(target) = &draft.target else {
        return Err(draft.needs_target("netdev", "the netdev to attach"));
    };
    Ok(Kind::Netdev { name: netdev(draft, target)? })
}

fn macvtap(draft: &Draft) -> Result<Kind, Mistake> {
    let Some(target) = &draft.target else {
        return Err(draft.needs_target("macvtap", "the netdev to sit on"));
    };
    Ok(Kind::Macvtap { lower: netdev(draft, target)?, mode: draft.mode })
}

fn fd(draft: &Draft) -> Result<Kind, Mistake> {
    let Some(target) = &draft.target else {
        return Err(draft.needs_target("fd", "the descriptor's number"));
    };
    let number = digits(target).and_then(|number| i32::try_from(number).ok());
    number.map(Kind::Fd).ok_or_else(|| {
        let why = format!("target is {}, not a descriptor's number", quoted(target));
        Mistake::new(draft.target_place(), why)
    })
}
