//! Configuration as a value, and a change to it as a plan.
//!
//! What a port is attached to (`A`) is the business of the floors above; here
//! it is opaque and only compared.

use std::collections::BTreeMap;

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

/// One port of a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortConfig<A> {
    /// Unique in the switch.
    pub name: String,
    /// What holds for it.
    pub rules: PortRules,
    /// What it is attached to.
    pub attachment: A,
}

/// A switch's whole configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config<A> {
    /// What holds for the whole switch.
    pub bridge: BridgeRules,
    /// The ports, in the user's order.
    pub ports: Vec<PortConfig<A>>,
}

impl<A> Default for Config<A> {
    fn default() -> Self {
        Config { bridge: BridgeRules::default(), ports: Vec::new() }
    }
}

/// One step from a configuration to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action<A> {
    /// Detach and forget this port.
    RemovePort(String),
    /// The whole switch's rules become these.
    SetBridge(BridgeRules),
    /// A port's rules become these; it stays attached.
    SetRules(String, PortRules),
    /// Attach this port.
    AddPort(PortConfig<A>),
}

/// The steps that lead from `old` to `new`: removals first, so that names and
/// netdevs are free again, then changes, then additions in `new`'s order. A
/// port whose attachment differs is removed and added.
///
/// ```
/// use switch_core::config::{Action, Config, PortConfig, PortRules, plan};
/// let port = PortConfig { name: "a".into(), rules: PortRules::default(), attachment: () };
/// let new = Config { ports: vec![port.clone()], ..Config::default() };
/// assert_eq!(plan(&Config::default(), &new), [Action::AddPort(port)]);
/// assert_eq!(plan(&new, &new), []);
/// ```
pub fn plan<A: Clone + PartialEq>(old: &Config<A>, new: &Config<A>) -> Vec<Action<A>> {
    let by_name = |config: &Config<A>| -> BTreeMap<String, PortConfig<A>> {
        config.ports.iter().map(|port| (port.name.clone(), port.clone())).collect()
    };
    let (before, after) = (by_name(old), by_name(new));
    let stays = |port: &PortConfig<A>, other: &BTreeMap<String, PortConfig<A>>| {
        other.get(&port.name).is_some_and(|twin| twin.attachment == port.attachment)
    };

    let mut steps = Vec::new();
    for port in &old.ports {
        if !stays(port, &after) {
            steps.push(Action::RemovePort(port.name.clone()));
        }
    }
    if old.bridge != new.bridge {
        steps.push(Action::SetBridge(new.bridge));
    }
    for port in &new.ports {
        if stays(port, &before) && before[&port.name].rules != port.rules {
            steps.push(Action::SetRules(port.name.clone(), port.rules.clone()));
        }
    }
    for port in &new.ports {
        if !stays(port, &before) {
            steps.push(Action::AddPort(port.clone()));
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str, attachment: u32) -> PortConfig<u32> {
        PortConfig { name: name.into(), rules: PortRules::default(), attachment }
    }

    #[test]
    fn a_change_is_removals_then_changes_then_additions() {
        let old =
            Config { ports: vec![port("a", 1), port("b", 2), port("c", 3)], ..Config::default() };
        let isolated = PortRules { isolated: true, ..PortRules::default() };
        let new = Config {
            bridge: BridgeRules { ageing: 10, ..BridgeRules::default() },
            ports: vec![
                port("d", 4),
                PortConfig { rules: isolated.clone(), ..port("b", 2) },
                port("c", 9),
            ],
        };
        assert_eq!(
            plan(&old, &new),
            [
                Action::RemovePort("a".into()),
                Action::RemovePort("c".into()),
                Action::SetBridge(new.bridge),
                Action::SetRules("b".into(), isolated),
                Action::AddPort(port("d", 4)),
                Action::AddPort(port("c", 9)),
            ]
        );
    }
}
