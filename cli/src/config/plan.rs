//! A change to a switch as a plan: the steps from one configuration to another.
//!
//! The steps come in this order. First the devices go that are in the way: those of ports that
//! are attached elsewhere from now on, which then get their new rules, and those of removed ports
//! whose netdev, name in a namespace or descriptor another port gets. Then devices come, in the new
//! order, but last those that take the lowest name that is free. Then the other rules change, the devices of the other removed ports go, and at last what
//! was kept for the case of failure is given up.
//!
//! Only [`Step::Attach`] can fail, since it asks the host. Each step before the last of those has
//! an opposite, and a plan that fails has taken away no more than was in the way.
//!
//! Limits. A removed port keeps its number until the end, so that at most 4096 ports, old and new
//! ones together, can be there meanwhile. What is made at start does not change: see [`Fixed`].

use std::collections::HashMap;

use switch_core::config::{BridgeRules, L2cp, PortRules};

use super::claims::{contend, says_name, takes_what_is_left};
use super::value::listed;
use super::words::{difference, spec_words};
use super::{PortConfig, SwitchConfig};
use crate::control::change::{Action, Change, Thing};
use crate::error::Error;

/// One step from a configuration to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// This port's device goes; the port stays, with its number, counters and static entries.
    Detach(String),
    /// The whole switch's rules become these.
    SetBridge(BridgeRules),
    /// A port's rules become these; its device stays.
    SetRules(String, PortRules),
    /// This port gets its device; it is new, or was detached. The one step that can fail.
    Attach(PortConfig),
    /// This port, attached elsewhere now, no longer needs the namespace it was in.
    Release(PortConfig),
    /// This port, whose device is gone, is no more.
    Forget(String),
}

impl Step {
    /// Whether it asks the host for something.
    pub fn can_fail(&self) -> bool {
        matches!(self, Step::Attach(_))
    }

    /// The port it is about.
    pub fn port(&self) -> Option<String> {
        match self {
            Step::Detach(name) | Step::SetRules(name, _) | Step::Forget(name) => Some(name.clone()),
            Step::Attach(port) | Step::Release(port) => Some(port.name.clone()),
            Step::SetBridge(_) => None,
        }
    }
}

/// Keys of `[switch]` that differ, and that can't change while the switch runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fixed(pub Vec<&'static str>);

impl From<Fixed> for Error {
    fn from(Fixed(keys): Fixed) -> Error {
        Error::failed(listed(&keys, "and"), "can't be changed while the switch runs")
            .hint("stop the switch with `netloom down`, and start it anew")
    }
}

/// The steps that lead from `now` to `wanted`; none where they say the same.
///
/// ```
/// use netloom::config::{Step, SwitchConfig, parse_spec, plan};
/// let empty = SwitchConfig::default();
/// let port = parse_spec("a=tap").unwrap();
/// let lab = SwitchConfig { ports: vec![port.clone()], ..empty.clone() };
/// assert_eq!(plan(&empty, &lab).unwrap(), [Step::Attach(port)]);
/// assert_eq!(plan(&lab, &lab).unwrap(), []);
/// let larger = SwitchConfig { fdb_capacity: 64, ..lab.clone() };
/// assert_eq!(plan(&lab, &larger).unwrap_err().0, ["fdb-capacity"]);
/// ```
///
/// # Errors
/// When keys differ that can't change while the switch runs.
pub fn plan(now: &SwitchConfig, wanted: &SwitchConfig) -> Result<Vec<Step>, Fixed> {
    let fixed = fixed(now, wanted);
    if !fixed.is_empty() {
        return Err(Fixed(fixed));
    }
    let (old, new) = (by_name(now), by_name(wanted));
    let is_new = |port: &PortConfig| !old.contains_key(&*port.name);
    let moves = |port: &PortConfig| {
        old.get(&*port.name).is_some_and(|old| old.attachment != port.attachment)
    };
    let mut coming: Vec<_> =
        wanted.ports.iter().filter(|port| is_new(port) || moves(port)).collect();
    // The order of the file is that of the lists, and changes only where it must.
    let named: Vec<_> = coming.iter().copied().filter(|port| says_name(port)).collect();
    coming.sort_by_key(|port| named.iter().any(|named| takes_what_is_left(port, named)));
    let moving = || wanted.ports.iter().filter(|port| moves(port));
    let going: Vec<_> = now.ports.iter().filter(|port| !new.contains_key(&*port.name)).collect();
    let (in_the_way, others): (Vec<&PortConfig>, Vec<&PortConfig>) =
        going.iter().partition(|goes| coming.iter().any(|comes| contend(goes, comes)));

    let detach = |port: &PortConfig| Step::Detach(port.name.clone());
    let rules = |port: &PortConfig| {
        let differs = old.get(&*port.name)?.rules != port.rules;
        differs.then(|| Step::SetRules(port.name.clone(), port.rules.clone()))
    };
    let staying = wanted.ports.iter().filter(|port| !moves(port));
    let mut steps: Vec<_> = moving().chain(in_the_way).map(detach).collect();
    steps.extend(moving().filter_map(rules));
    steps.extend(coming.into_iter().cloned().map(Step::Attach));
    steps.extend((now.bridge != wanted.bridge).then_some(Step::SetBridge(wanted.bridge)));
    steps.extend(staying.filter_map(rules));
    steps.extend(others.into_iter().map(detach));
    steps.extend(moving().cloned().map(Step::Release));
    steps.extend(going.into_iter().map(|port| Step::Forget(port.name.clone())));
    Ok(steps)
}

fn by_name(config: &SwitchConfig) -> HashMap<&str, &PortConfig> {
    config.ports.iter().map(|port| (&*port.name, port)).collect()
}

fn fixed(now: &SwitchConfig, wanted: &SwitchConfig) -> Vec<&'static str> {
    let another_name = wanted.name.is_some() && wanted.name != now.name;
    let differs = [
        ("name", another_name),
        ("fdb-capacity", now.fdb_capacity != wanted.fdb_capacity),
        ("workers", now.workers != wanted.workers),
        ("engine", now.engine != wanted.engine),
        ("lane", now.lane != wanted.lane),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// What is different in `wanted`: ports that go, the switch's rules, ports that change, ports
/// that come.
pub fn changes(now: &SwitchConfig, wanted: &SwitchConfig) -> Vec<Change> {
    let (old, new) = (by_name(now), by_name(wanted));
    let change = |action, port: &PortConfig| Change::new(action, Thing::Port, &port.name);
    let removed = now.ports.iter().filter(|port| !new.contains_key(&*port.name));
    let removed = removed.map(|port| change(Action::Removed, port).was(Some(spec_words(port))));
    let set = wanted.ports.iter().filter_map(|port| {
        let (was, is) = difference(old.get(&*port.name)?, port)?;
        Some(change(Action::Set, port).was(Some(was)).now(is))
    });
    let added = wanted.ports.iter().filter(|port| !old.contains_key(&*port.name));
    let added = added.map(|port| change(Action::Added, port).now(spec_words(port)));
    removed.chain(bridge_change(now, wanted)).chain(set).chain(added).collect()
}

fn bridge_change(now: &SwitchConfig, wanted: &SwitchConfig) -> Option<Change> {
    let words = |rules: &BridgeRules| {
        let l2cp = match rules.l2cp {
            L2cp::Transparent => "transparent",
            L2cp::Standard => "standard",
        };
        [format!("ageing={}", rules.ageing), format!("l2cp={l2cp}")]
    };
    let pairs = words(&now.bridge).into_iter().zip(words(&wanted.bridge));
    let (was, is): (Vec<_>, Vec<_>) = pairs.filter(|(was, is)| was != is).unzip();
    let change = Change::new(Action::Set, Thing::Switch, now.name.clone().unwrap_or_default());
    (!was.is_empty()).then(|| change.was(Some(was.join(","))).now(is.join(",")))
}

#[cfg(test)]
mod tests;
