//! Plans carried out on a model of a switch: they lead where they should, and nothing contends.

use std::collections::BTreeMap;

use io_backends::Attachment;
use proptest::prelude::*;

use super::*;
use crate::config::{merge, parse_spec};

/// A port of the model: its rules, and what it is attached to while it is.
type Modelled = (PortRules, Option<Attachment>);

/// What a switch has, as far as steps change it.
#[derive(Clone, PartialEq, Debug)]
struct Model {
    bridge: BridgeRules,
    ports: BTreeMap<String, Modelled>,
}

impl Model {
    fn of(config: &SwitchConfig) -> Model {
        let port = |port: &PortConfig| {
            (port.name.clone(), (port.rules.clone(), Some(port.attachment.clone())))
        };
        Model { bridge: config.bridge, ports: config.ports.iter().map(port).collect() }
    }

    fn attached(&self) -> impl Iterator<Item = PortConfig> {
        self.ports.iter().filter_map(|(name, (rules, attachment))| {
            let (name, rules) = (name.clone(), rules.clone());
            Some(PortConfig { name, rules, attachment: attachment.clone()? })
        })
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Detach(name) => {
                assert!(self.ports.get_mut(name).unwrap().1.take().is_some(), "{name}");
            }
            Step::SetBridge(bridge) => self.bridge = *bridge,
            Step::SetRules(name, rules) => self.ports.get_mut(name).unwrap().0 = rules.clone(),
            Step::Attach(port) => {
                let rival = self.attached().find(|other| contend(other, port));
                // What the configuration itself allows to be side by side may come in any order.
                let rival = rival.filter(|other| {
                    let both = vec![other.clone(), port.clone()];
                    merge(SwitchConfig::default(), both).is_err()
                });
                assert_eq!(rival, None, "{port:?} needs its place");
                let is = (port.rules.clone(), Some(port.attachment.clone()));
                let was = self.ports.insert(port.name.clone(), is);
                assert!(was.is_none_or(|(_, attachment)| attachment.is_none()));
            }
            Step::Release(port) => assert!(self.ports[&port.name].1.is_some()),
            Step::Forget(name) => assert_eq!(self.ports.remove(name).unwrap().1, None),
        }
    }
}

/// A few of the ports there can be, so that they meet.
fn ports() -> impl Strategy<Value = Vec<PortConfig>> {
    let targets = prop::sample::select(vec![
        "tap:t0",
        "tap:t1",
        "tap:t0,netns=n",
        "tap:t1,netns=n",
        "tap:t2,netns=n,ifname=eth0",
        "macvtap:u0",
        "macvtap:u0,mode=bridge",
        "fd:7",
    ]);
    let rules = prop::sample::select(vec!["", ",access=10", ",trunk=10,isolated"]);
    let port = (prop::sample::select(vec!["a", "b", "c", "d"]), targets, rules);
    prop::collection::vec(port, 0..5).prop_map(|ports| {
        let parsed = ports
            .iter()
            .map(|(name, target, rules)| parse_spec(&format!("{name}={target}{rules}")).unwrap());
        // Those that can be side by side.
        parsed.fold(Vec::new(), |ports, port| {
            let more = [ports.clone(), vec![port]].concat();
            merge(SwitchConfig::default(), more.clone()).map_or(ports, |_| more)
        })
    })
}

fn config(ports: Vec<PortConfig>, ageing: u32) -> SwitchConfig {
    let bridge = BridgeRules { ageing, ..BridgeRules::default() };
    SwitchConfig { ports, bridge, ..SwitchConfig::default() }
}

fn configs() -> impl Strategy<Value = SwitchConfig> {
    (ports(), 10..12u32).prop_map(|(ports, ageing)| config(ports, ageing))
}

proptest! {
    #[test]
    fn a_plan_leads_where_it_should(now in configs(), wanted in configs()) {
        let mut model = Model::of(&now);
        let steps = plan(&now, &wanted).unwrap();
        steps.iter().for_each(|step| model.take(step));
        prop_assert_eq!(model, Model::of(&wanted));
        let last = steps.iter().rposition(Step::can_fail).unwrap_or(0);
        let has_no_opposite =
            |step: &Step| matches!(step, Step::SetBridge(_) | Step::Release(_) | Step::Forget(_));
        prop_assert!(!steps[..last].iter().any(has_no_opposite), "{:?}", steps);
        prop_assert_eq!(changes(&now, &wanted).is_empty(), steps.is_empty());
    }
}

fn said(now: &[&str], wanted: &[&str]) -> Vec<String> {
    let config =
        |specs: &[&str]| config(specs.iter().map(|spec| parse_spec(spec).unwrap()).collect(), 300);
    let word = |step: Step| match step {
        Step::Detach(name) => format!("detach {name}"),
        Step::SetBridge(_) => "bridge".into(),
        Step::SetRules(name, _) => format!("rules {name}"),
        Step::Attach(port) => format!("attach {}", port.name),
        Step::Release(port) => format!("release {}", port.name),
        Step::Forget(name) => format!("forget {name}"),
    };
    plan(&config(now), &config(wanted)).unwrap().into_iter().map(word).collect()
}

#[test]
fn what_is_not_in_the_way_goes_after_what_can_fail() {
    assert_eq!(
        said(&["a=tap", "b=tap", "c=tap:t0"], &["b=tap,access=5", "d=tap:t0", "e=tap:t1"]),
        ["detach c", "attach d", "attach e", "rules b", "detach a", "forget a", "forget c"]
    );
}

#[test]
fn a_port_that_moves_stays_the_same_port() {
    assert_eq!(
        said(&["a=tap,netns=n"], &["a=tap,netns=m,access=5"]),
        ["detach a", "rules a", "attach a", "release a"]
    );
    // Two that change places.
    assert_eq!(
        said(&["a=tap:t0", "b=tap:t1"], &["a=tap:t1", "b=tap:t0"]),
        ["detach a", "detach b", "attach a", "attach b", "release a", "release b"]
    );
}

#[test]
fn the_next_free_name_inside_is_that_of_a_fresh_start() {
    assert_eq!(said(&["a=tap,netns=n"], &["b=tap,netns=n"]), ["detach a", "attach b", "forget a"]);
    assert_eq!(said(&["a=tap,netns=n"], &["b=tap,netns=m"]), ["attach b", "detach a", "forget a"]);
}

#[test]
fn what_is_made_at_start_is_refused_by_name() {
    let now = SwitchConfig { name: Some("x".into()), ..SwitchConfig::default() };
    let wanted = SwitchConfig {
        name: Some("y".into()),
        fdb_capacity: 64,
        workers: crate::config::Workers::Count(3),
        engine: crate::config::Engine::Epoll,
        ..SwitchConfig::default()
    };
    let error = Error::from(plan(&now, &wanted).unwrap_err());
    assert_eq!((error.kind.exit(), &*error.what), (1, "name, fdb-capacity, workers and engine"));
    // A configuration without a name is anybody's.
    let wanted = SwitchConfig { name: None, ..now.clone() };
    assert_eq!(plan(&now, &wanted), Ok(vec![]));
}

#[test]
fn a_change_says_what_the_plan_does() {
    let port = |spec: &str| parse_spec(spec).unwrap();
    let now = SwitchConfig {
        name: Some("x".into()),
        ..config(vec![port("a=tap"), port("b=tap,access=1")], 300)
    };
    let wanted = SwitchConfig {
        name: Some("x".into()),
        ..config(vec![port("b=tap,access=2,netns=n"), port("c=fd:3")], 10)
    };
    let said: Vec<_> = changes(&now, &wanted).iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "port a removed",
            "switch x set: ageing=10 (was ageing=300)",
            "port b set: netns=n,access=2 (was no netns,access=1)",
            "port c added: fd:3",
        ]
    );
}
