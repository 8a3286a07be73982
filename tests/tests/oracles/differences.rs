//! Where Netloom does otherwise than an oracle, and by which rule.
//!
//! A row tells from a frame and from what became of it in both switches
//! whether it is an instance, so it also holds Netloom to what the rule says.

use crate::compare::Sent;
use crate::layout::{Layout, Mode, UNTAGGED};
use crate::wire::{C_TAG, S_TAG, tags};

pub use crate::compare::Out;

/// A difference.
pub struct Difference {
    /// The number of the forwarding rule, and what it says.
    pub rule: &'static str,
    /// Whether this is an instance.
    pub is_it: fn(&Case) -> bool,
}

/// What both switches made of a frame.
pub struct Case<'c> {
    /// The ports.
    pub layout: Layout,
    /// The frame.
    pub sent: &'c Sent,
    /// What came out of Netloom.
    pub netloom: &'c Out,
    /// What came out of the oracle.
    pub oracle: &'c Out,
}

/// Against the kernel bridge.
pub const KERNEL: &[Difference] = &[VLAN_4095, ONE_FDB, LACP, CUT_INNER_TAG];

/// Against the kernel bridge, both relaying what the standard allows.
pub const KERNEL_L2CP: &[Difference] = &[STP];

/// Against Open vSwitch with transparent ports.
pub const OVS_TRANSPARENT: &[Difference] =
    &[SOURCES, ZERO, VLAN_4095, PRIORITY_TAG, PAUSE, OTHER_TPID];

/// Against Open vSwitch with access and trunk ports.
pub const OVS_VLANS: &[Difference] = &[SOURCES, ZERO, DEI, OTHER_TPID];

/// Against Open vSwitch with transparent ports beside the others.
pub const OVS_MIXED: &[Difference] = &[SOURCES, ZERO, VLAN_4095, PRIORITY_TAG, DEI, OTHER_TPID];

/// Against Open vSwitch with tunnels.
pub const OVS_TUNNELS: &[Difference] =
    &[SOURCES, ZERO, DEI, OTHER_TPID, TUNNELLED, INNER_TAG, ACCESS_TAGGED];

const ONE_FDB: Difference = Difference {
    rule: "1: each VLAN learns for itself; the bridge has one table",
    is_it: |case| case.oracle.len() == 1 && case.netloom != case.oracle && case.to_station(),
};

const SOURCES: Difference = Difference {
    rule: "2: a group or all-zero source is dropped",
    is_it: |case| {
        let source = &case.sent.bytes[6..12];
        (source[0] & 1 == 1 || source == [0; 6]) && case.netloom.is_empty()
    },
};

const ZERO: Difference = Difference {
    rule: "2: an all-zero address is never learned, so it is unknown",
    is_it: |case| case.sent.bytes.starts_with(&[0; 6]) && case.oracle.is_empty() && case.floods(),
};

const PRIORITY_TAG: Difference = Difference {
    rule: "11: an untagged VLAN's frame leaves as it came, its priority tag included",
    is_it: |case| case.outer_vid() == Some(0) && case.floods(),
};

const DEI: Difference = Difference {
    rule: "12, 16: DEI survives; Open vSwitch loses it where it puts a tag on",
    is_it: |case| {
        let without = |out: &Out| -> Out {
            let clear = |(port, bytes): &(usize, Vec<u8>)| {
                let mut bytes = bytes.clone();
                if has_c_tag(&bytes) {
                    bytes[14] &= !DEI_BIT;
                }
                (*port, bytes)
            };
            out.iter().map(clear).collect()
        };
        let survives = |(_, bytes): &(usize, Vec<u8>)| {
            !has_c_tag(bytes) || bytes[14] & DEI_BIT == case.sent.bytes[14] & DEI_BIT
        };
        has_c_tag(&case.sent.bytes)
            && without(case.netloom) == without(case.oracle)
            && case.netloom.iter().all(survives)
    },
};

const TUNNELLED: Difference = Difference {
    rule: "14: a tunnel port never looks at the frame's own tags",
    is_it: |case| matches!(case.mode(), Mode::Tunnel(_)) && case.floods(),
};

const ACCESS_TAGGED: Difference = Difference {
    rule: "14, 12: an access port of the S-VLAN gets what a tunnel port gets, tags and all",
    is_it: |case| {
        let is_access = |port: usize| matches!(case.layout[port], Mode::Access(_));
        let elsewhere =
            |out: &Out| out.iter().filter(|(port, _)| !is_access(*port)).cloned().collect::<Out>();
        let is_whole = |(port, bytes): &(usize, Vec<u8>)| {
            !is_access(*port) || case.sent.bytes.ends_with(&bytes[12..])
        };
        elsewhere(case.netloom) == elsewhere(case.oracle) && case.netloom.iter().all(is_whole)
    },
};

const VLAN_4095: Difference = Difference {
    rule: "15: VID 4095 is dropped",
    is_it: |case| case.outer_vid() == Some(4095) && case.netloom.is_empty(),
};

const CUT_INNER_TAG: Difference = Difference {
    rule: "15: only the tag of the port is looked at; one inside it is payload",
    is_it: |case| tags(&case.sent.bytes).len() == 2 && case.sent.bytes.len() < 22 && case.floods(),
};

const INNER_TAG: Difference = Difference {
    rule: "12, 15: tags inside the port's own are payload, priority tags too",
    is_it: |case| tags(&case.sent.bytes).len() >= 2 && case.floods(),
};

const OTHER_TPID: Difference = Difference {
    rule: "15: another TPID outside makes the frame untagged, its bytes payload",
    is_it: |case| case.outer_tpid() == Some(S_TAG) && case.floods(),
};

const STP: Difference = Difference {
    rule: "17: l2cp=standard relays none of -00 … -0F; the bridge does -00 while it speaks no STP",
    is_it: |case| case.to_reserved(0x00) && case.netloom.is_empty(),
};

const PAUSE: Difference = Difference {
    rule: "17: MAC pause is never relayed",
    is_it: |case| case.to_reserved(0x01) && case.netloom.is_empty(),
};

const LACP: Difference = Difference {
    rule: "17: all control protocols but MAC pause are relayed; the bridge can't be told to for -02",
    is_it: |case| case.to_reserved(0x02) && case.floods(),
};

/// DEI in a tag's first byte after the TPID.
const DEI_BIT: u8 = 0x10;

fn has_c_tag(bytes: &[u8]) -> bool {
    bytes[12..14] == C_TAG.to_be_bytes()
}

impl Case<'_> {
    fn mode(&self) -> Mode {
        self.layout[self.sent.port]
    }

    fn outer_tpid(&self) -> Option<u16> {
        tags(&self.sent.bytes).first().map(|(tpid, _)| *tpid)
    }

    /// The VID of the outermost tag, if it is a C-tag.
    fn outer_vid(&self) -> Option<u16> {
        let tags = tags(&self.sent.bytes);
        tags.first().filter(|(tpid, _)| *tpid == C_TAG).map(|(_, tci)| tci & 0xfff)
    }

    fn to_reserved(&self, last: u8) -> bool {
        self.sent.bytes.starts_with(&[1, 0x80, 0xc2, 0, 0, last])
    }

    fn to_station(&self) -> bool {
        self.sent.bytes[0] & 1 == 0
    }

    /// The VLAN of the frame and what of it is payload; `None` where it has none.
    fn admitted(&self) -> Option<(u16, Vec<u8>)> {
        let mode = self.mode();
        let bytes = &self.sent.bytes;
        let vid = match (mode, self.outer_vid()) {
            (Mode::Tunnel(_), _) | (_, None) => return Some((mode.pvid()?, bytes.clone())),
            // Between transparent ports a tag is as good as payload.
            (Mode::Transparent, _) => return Some((UNTAGGED, bytes.clone())),
            (_, Some(0)) => mode.pvid()?,
            (_, Some(vid)) => vid,
        };
        Some((vid, [&bytes[..12], &bytes[16..]].concat()))
    }

    /// Whether Netloom floods the frame in its VLAN, with all that is payload to its port.
    fn floods(&self) -> bool {
        let admitted = self.admitted();
        let leaves = |port: usize| {
            let (vid, payload) = admitted.as_ref()?;
            Some((port, self.layout[port].leaving(*vid, payload)?))
        };
        // The kernel does not take in a frame whose outer tag is cut short.
        let is_taken = |bytes: &[u8]| tags(bytes).is_empty() || bytes.len() >= 18;
        let others = (0..self.layout.len()).filter(|&port| port != self.sent.port);
        let expected = others.filter_map(leaves).filter(|(_, bytes)| is_taken(bytes));
        *self.netloom == expected.collect::<Out>()
    }
}
