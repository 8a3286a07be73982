//! The rules that can be configured: of the whole switch, and of a port.
//!
//! Which ports there are, what they are attached to and how one configuration becomes another is
//! the business of the floors above.

use crate::vlan::VlanMode;

/// Entries in the FDB unless the configuration says otherwise.
pub const DEFAULT_FDB_CAPACITY: u32 = 65_536;
/// The ageing time unless the configuration says otherwise, in seconds (802.1Q table 8-6).
pub const DEFAULT_AGEING: u32 = 300;

/// What the switch does with 01-80-C2-00-00-00 to -0F (802.1Q table 8-1), MAC pause excepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum L2cp {
    /// Relays them like any multicast.
    #[default]
    Transparent,
    /// Relays none, as an 802.1Q bridge does.
    Standard,
}

/// What holds for the whole switch and can change while it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BridgeRules {
    /// Seconds after which an address not seen is forgotten; 0 is never.
    pub ageing: u32,
    /// Control protocols' addresses.
    pub l2cp: L2cp,
}

impl Default for BridgeRules {
    fn default() -> Self {
        BridgeRules { ageing: DEFAULT_AGEING, l2cp: L2cp::default() }
    }
}

/// What holds for one port and can change while it runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortRules {
    /// How it treats tags.
    pub vlan: VlanMode,
    /// Whether sources are learned on it.
    pub learning: bool,
    /// Whether it takes unknown unicast.
    pub flood: bool,
    /// Whether it takes multicast.
    pub mcast_flood: bool,
    /// Whether it takes broadcast.
    pub bcast_flood: bool,
    /// Isolated ports exchange nothing with each other.
    pub isolated: bool,
    /// The most addresses learned on it; 0 is no limit.
    pub mac_limit: u32,
}

impl Default for PortRules {
    fn default() -> Self {
        PortRules {
            vlan: VlanMode::Transparent,
            learning: true,
            flood: true,
            mcast_flood: true,
            bcast_flood: true,
            isolated: false,
            mac_limit: 0,
        }
    }
}
