//! VLANs, tags and port modes (IEEE 802.1Q-2022, clauses 6.9 and 9).

mod tag;
mod vid;

pub use tag::{Tag, TagEdit, Tci, Tpid};
pub use vid::{Vid, VidSet, VidSetError, parse_vid};

/// The VIDs a trunk carries tagged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Allowed {
    /// 1–4094.
    All,
    /// Those in the set.
    Only(VidSet),
}

impl Allowed {
    /// Whether frames of `vid` may pass tagged. VLAN 0 may not.
    #[inline]
    pub fn contains(&self, vid: Vid) -> bool {
        match self {
            Allowed::All => vid != Vid::UNTAGGED,
            Allowed::Only(set) => set.contains(vid),
        }
    }
}

/// How a port treats tags: rules 11–14 of the forwarding rules.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum VlanMode {
    /// A member of every VLAN; tags pass unchanged; untagged frames belong to VLAN 0.
    #[default]
    Transparent,
    /// An untagged member of one VLAN.
    Access(Vid),
    /// A tagged member of the allowed VLANs, and an untagged one of `native`.
    Trunk {
        /// The VLANs carried tagged; `native` need not be among them.
        allowed: Allowed,
        /// The VLAN of untagged and priority-tagged frames; `None` drops them.
        native: Option<Vid>,
        /// The tag this port writes and recognises.
        tpid: Tpid,
    },
    /// A QinQ customer port: an untagged member of the S-VLAN that never looks at a frame's own tags.
    Tunnel(Vid),
}

impl VlanMode {
    /// The VLAN of untagged frames (802.1Q's PVID): `None` where they are dropped.
    pub fn pvid(&self) -> Option<Vid> {
        match self {
            VlanMode::Transparent => Some(Vid::UNTAGGED),
            VlanMode::Access(vid) | VlanMode::Tunnel(vid) => Some(*vid),
            VlanMode::Trunk { native, .. } => *native,
        }
    }

    /// Whether the port is a member of `vid`.
    #[inline]
    pub fn is_member(&self, vid: Vid) -> bool {
        match self {
            VlanMode::Transparent => true,
            VlanMode::Access(own) | VlanMode::Tunnel(own) => *own == vid,
            VlanMode::Trunk { allowed, native, .. } => {
                *native == Some(vid) || allowed.contains(vid)
            }
        }
    }

    /// The tag this port writes and recognises.
    #[inline]
    pub fn tpid(&self) -> Tpid {
        match self {
            VlanMode::Trunk { tpid, .. } => *tpid,
            _ => Tpid::Customer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_is_a_member_without_being_named() {
        let mode = VlanMode::Trunk {
            allowed: Allowed::Only("10".parse().unwrap()),
            native: Vid::new(7),
            tpid: Tpid::Customer,
        };
        let is_member = |vid| mode.is_member(Vid::new(vid).unwrap());
        assert!(is_member(7) && is_member(10));
        assert!(!is_member(11) && !is_member(0));
    }
}
