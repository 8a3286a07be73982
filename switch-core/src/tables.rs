//! What the configuration says, worked out for the hot path.
//!
//! A [`Tables`] never changes: a change makes a new one, and each worker takes
//! the newest at the start of a turn, so no frame is handled by half a change.
//! Flood sets are made here, once a change, not for each frame.

use hashbrown::HashMap;

use crate::config::{BridgeRules, PortRules};
use crate::frame::Frame;
use crate::mac::Class;
use crate::port::{DeviceState, PortId};
use crate::vlan::{Allowed, Tag, TagEdit, Tci, Tpid, Vid, VlanMode};

/// One port, as the hot path sees it.
#[derive(Clone, Debug)]
pub struct PortTable {
    /// Its number and generation.
    pub id: PortId,
    /// Its name.
    pub name: String,
    /// What the user set; changed by [`PortTable::set_rules`].
    pub rules: PortRules,
    /// What its device says.
    pub device: DeviceState,
    /// The VLAN whose frames leave without a tag of the port's.
    pvid: Option<Vid>,
    /// The tag that frames of all other VLANs leave with.
    tpid: Tpid,
}

impl PortTable {
    /// A port of these rules.
    pub fn new(id: PortId, name: &str, rules: PortRules, device: DeviceState) -> PortTable {
        let (pvid, tpid) = (rules.vlan.pvid(), rules.vlan.tpid());
        PortTable { id, name: name.to_owned(), rules, device, pvid, tpid }
    }

    /// Gives the port other rules.
    pub fn set_rules(&mut self, rules: PortRules) {
        (self.pvid, self.tpid) = (rules.vlan.pvid(), rules.vlan.tpid());
        self.rules = rules;
    }

    /// Whether the port is a member of `vid`.
    #[inline]
    pub fn is_member(&self, vid: Vid) -> bool {
        self.is_untagged(vid) || self.rules.vlan.is_member(vid)
    }

    /// Whether frames of `vid` leave this port without a tag of its own.
    #[inline]
    pub fn is_untagged(&self, vid: Vid) -> bool {
        self.pvid == Some(vid)
    }

    /// Whether frames that come in teach anything. Those that the port took in
    /// before it went down do not: its entries are flushed (rule 8).
    #[inline]
    pub fn learns(&self) -> bool {
        self.rules.learning && self.device.up
    }

    /// Whether the port's device takes a frame as it is (rule 19).
    #[inline]
    pub fn takes(&self, frame: &Frame) -> bool {
        self.device.takes.accepts(&frame.offload)
    }

    /// What is done to a frame's tag so that it may leave by this port, a member
    /// of its VLAN (rules 11-16). PCP and DEI are kept.
    #[inline]
    pub fn edit(&self, vid: Vid, came: Option<Tag>) -> TagEdit {
        if self.is_untagged(vid) {
            // VLAN 0 leaves as it came, a priority tag included (rule 11).
            let keep = came.is_none() || vid == Vid::UNTAGGED;
            return if keep { TagEdit::Keep } else { TagEdit::Pop };
        }
        let tci = came.map_or(Tci::of(vid), |old| old.tci.with_vid(vid));
        let new = Tag { tpid: self.tpid, tci };
        match came {
            None => TagEdit::Push(new),
            Some(old) if old == new => TagEdit::Keep,
            Some(_) => TagEdit::Rewrite(new),
        }
    }
}

/// The ports that take flooded frames of one VLAN, by class.
#[derive(Default)]
struct FloodSet {
    unicast: Box<[u16]>,
    multicast: Box<[u16]>,
    broadcast: Box<[u16]>,
}

/// One state of the configuration.
pub struct Tables {
    /// Counts up with each change.
    pub version: u64,
    /// What holds for the whole switch.
    pub bridge: BridgeRules,
    ports: Box<[Option<PortTable>]>,
    flood_set_of: Box<[u16]>,
    flood_sets: Vec<FloodSet>,
}

impl Tables {
    /// Works the tables out. `ports` is indexed by port number.
    pub fn new(version: u64, bridge: BridgeRules, ports: Vec<Option<PortTable>>) -> Tables {
        let ports = ports.into_boxed_slice();
        let mut tables =
            Tables { version, bridge, ports, flood_set_of: Box::default(), flood_sets: Vec::new() };
        tables.work_out_floods();
        tables
    }

    /// The port with this id; `None` when it was removed.
    #[inline]
    pub fn port(&self, id: PortId) -> Option<&PortTable> {
        self.ports.get(id.index())?.as_ref().filter(|port| port.id == id)
    }

    /// All ports, in order of number.
    pub fn ports(&self) -> impl Iterator<Item = &PortTable> {
        self.ports.iter().flatten()
    }

    /// The ports a frame of this VLAN and class floods to, `ingress` included.
    #[inline]
    pub fn flood_set(&self, vid: Vid, class: Class) -> impl Iterator<Item = &PortTable> {
        let numbers = self.flood_numbers(vid, class).iter();
        numbers.filter_map(|&number| self.ports[usize::from(number)].as_ref())
    }

    /// How many those are.
    #[inline]
    pub fn floods_to(&self, vid: Vid, class: Class) -> usize {
        self.flood_numbers(vid, class).len()
    }

    #[inline]
    fn flood_numbers(&self, vid: Vid, class: Class) -> &[u16] {
        let set = &self.flood_sets[usize::from(self.flood_set_of[usize::from(vid.get())])];
        match class {
            Class::UnknownUnicast => &set.unicast,
            Class::Multicast => &set.multicast,
            Class::Broadcast => &set.broadcast,
        }
    }

    /// VLANs that no port names share the set of those ports that are members
    /// of every VLAN; of the others, VLANs with the same members share one.
    fn work_out_floods(&mut self) {
        let everywhere: Vec<u16> = self.numbers(|port| carries_all(&port.rules.vlan));
        let transparent = self.numbers(|port| port.rules.vlan == VlanMode::Transparent);
        let mut named: HashMap<u16, Vec<u16>> = HashMap::new();
        for port in self.ports() {
            for vid in named_vids(&port.rules.vlan) {
                named.entry(vid.get()).or_default().push(port.id.number);
            }
        }

        let mut known: HashMap<Vec<u16>, u16> = HashMap::new();
        let mut set_for = |tables: &mut Tables, members: Vec<u16>| -> u16 {
            let next = tables.flood_sets.len() as u16;
            *known.entry(members).or_insert_with_key(|members| {
                let set = tables.make_flood_set(members);
                tables.flood_sets.push(set);
                next
            })
        };
        let unnamed = set_for(self, everywhere.clone());
        let mut of = vec![unnamed; Vid::COUNT].into_boxed_slice();
        of[0] = set_for(self, transparent);
        for (vid, mut members) in named {
            members.extend(&everywhere);
            members.sort_unstable();
            members.dedup();
            of[usize::from(vid)] = set_for(self, members);
        }
        self.flood_set_of = of;
    }

    fn numbers(&self, wanted: impl Fn(&PortTable) -> bool) -> Vec<u16> {
        self.ports().filter(|port| wanted(port)).map(|port| port.id.number).collect()
    }

    fn make_flood_set(&self, members: &[u16]) -> FloodSet {
        let of = |takes: fn(&PortRules) -> bool| -> Box<[u16]> {
            let wanted = |number: &u16| {
                let port = self.ports[usize::from(*number)].as_ref();
                port.is_some_and(|port| port.device.up && takes(&port.rules))
            };
            members.iter().copied().filter(wanted).collect()
        };
        FloodSet {
            unicast: of(|rules| rules.flood),
            multicast: of(|rules| rules.mcast_flood),
            broadcast: of(|rules| rules.bcast_flood),
        }
    }
}

/// Whether a port is a member of every VLAN from 1 to 4094.
fn carries_all(mode: &VlanMode) -> bool {
    matches!(mode, VlanMode::Transparent | VlanMode::Trunk { allowed: Allowed::All, .. })
}

/// The VLANs a port's mode names one by one.
pub fn named_vids(mode: &VlanMode) -> Vec<Vid> {
    match mode {
        VlanMode::Transparent => Vec::new(),
        VlanMode::Access(vid) | VlanMode::Tunnel(vid) => vec![*vid],
        VlanMode::Trunk { allowed, native, .. } => {
            let listed = match allowed {
                Allowed::All => Vec::new(),
                Allowed::Only(set) => set.iter().collect(),
            };
            let extra = native.filter(|native| !listed.contains(native));
            listed.into_iter().chain(extra).collect()
        }
    }
}
