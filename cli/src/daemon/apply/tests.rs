//! Real ports on a host of the test's own: a change that fails leaves everything as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use std::{fs, thread};

use io_backends::lab::{Links, Netns, Place, Wanted};
use io_backends::ports::{Kind, tap};
use io_backends::testing::{RawSocket, in_own_host};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::Value;
use switch_core::config::BridgeRules;
use switch_core::counters::PortTotals;
use switch_core::port::DeviceState;
use switch_core::ports::memory::Wire;
use switch_core::switch::SwitchStats;
use switch_core::{Mac, PortId, Vid};

use super::*;
use crate::config::{PortConfig, Workers, merge, parse_spec};

/// Everything of a switch and its host that a change that failed must not have changed.
#[derive(PartialEq, Debug)]
struct State {
    config: SwitchConfig,
    ports: Vec<(PortId, String, PortRules, DeviceState)>,
    bridge: BridgeRules,
    statics: BTreeSet<(Vid, [u8; 6], u16)>,
    netdevs: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    journal: BTreeSet<String>,
    faults: BTreeMap<String, String>,
}

fn state(daemon: &mut Daemon) -> State {
    daemon.follow_links();
    let statics = daemon.switch.fdb().entries(daemon.now()).into_iter();
    let statics = statics.filter(|entry| entry.is_static);
    let faults = daemon.lives.iter();
    let namespaces = files("/run/netns");
    State {
        config: daemon.config.clone(),
        ports: daemon
            .switch
            .ports()
            .map(|port| (port.id, port.name.clone(), port.rules.clone(), port.device))
            .collect(),
        bridge: daemon.switch.bridge(),
        statics: statics.map(|entry| (entry.vid, entry.mac.octets(), entry.port.number)).collect(),
        netdevs: netdevs(&namespaces),
        namespaces,
        journal: journal(),
        faults: faults.filter_map(|(name, life)| Some((name.clone(), life.now().fault?))).collect(),
    }
}

fn files(directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Every netdev here and in the named namespaces, as `ip link` would tell it but for its number.
fn netdevs(namespaces: &BTreeSet<String>) -> BTreeSet<String> {
    let named = namespaces.iter().map(|name| Place::In(Netns::Name(name.clone())));
    let all = [Place::Here].into_iter().chain(named).flat_map(|place| {
        let told = |links: &mut Links| {
            let links_there = links.list()?;
            let tell = |link: &io_backends::lab::LinkInfo| {
                let mut addresses = links.addresses(link)?;
                // The kernel's own may not be there yet.
                addresses.retain(|address| address.addr().is_ipv4());
                let (name, mac, mtu, up) = (&link.name, link.mac, link.mtu, link.up);
                let kind = link.kind.as_deref().unwrap_or_default();
                // The near end of a veth, which nobody speaks to.
                let mac = mac.filter(|_| (kind, mtu) != ("veth", 65_535));
                Ok(match is_inner(name, kind) {
                    true => format!("{place}: an inner {kind} {mtu} {up}"),
                    false => format!("{place}: {name} {mac:?} {mtu} {up} {kind} {addresses:?}"),
                })
            };
            links_there.iter().map(tell).collect::<Result<Vec<_>, _>>()
        };
        place.links(told).unwrap()
    });
    all.collect()
}

/// Whether a netdev is the switch's own end of something, under a name that nobody chose.
fn is_inner(name: &str, kind: &str) -> bool {
    name.starts_with("nl") && name.contains('.') && kind != "macvtap"
}

/// What the record says is made, but for what the kernel gives each netdev anew.
fn journal() -> BTreeSet<String> {
    let text = fs::read_to_string("/run/netloom/x/made").unwrap();
    let mut entries = BTreeMap::new();
    for line in text.lines() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let entry = line["entry"].take().as_u64().unwrap();
        without_numbers(&mut line);
        entries.insert(entry, line);
    }
    entries
        .into_values()
        .filter(|line| !line["thing"].is_null())
        .map(|line| line.to_string())
        .collect()
}

fn without_numbers(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("index");
            // The address that the kernel gave a netdev first, by which it is found while it moves.
            if fields.contains_key("spots") {
                fields.remove("mac");
            }
            let kind = fields.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
            if let Some(spots) = fields.get_mut("spots").and_then(Value::as_array_mut) {
                for spot in spots {
                    if spot["name"].as_str().is_some_and(|name| is_inner(name, &kind)) {
                        spot["name"].take();
                    }
                }
            }
            fields.values_mut().for_each(without_numbers);
        }
        Value::Array(items) => items.iter_mut().for_each(without_numbers),
        _ => {}
    }
}

/// Waits until `look` finds nothing to complain about; its last complaint.
fn eventually(mut look: impl FnMut() -> Result<(), String>) -> Result<(), TestCaseError> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match look() {
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
            last => return last.map_err(TestCaseError::fail),
        }
    }
}

/// A change that was refused: everything is as it was, and counters went on from where they were.
fn is_as_before(
    daemon: &mut Daemon,
    before: &State,
    counted: &SwitchStats,
) -> Result<(), TestCaseError> {
    eventually(|| {
        let now = state(daemon);
        if now == *before { Ok(()) } else { Err(format!("{now:#?}\nbefore: {before:#?}")) }
    })?;
    let after = daemon.switch.stats();
    let grew = |now: &PortTotals, was: &PortTotals| {
        now.rx_frames >= was.rx_frames && now.tx_frames >= was.tx_frames
    };
    prop_assert!(grew(&after.removed, &counted.removed), "{:?} of {:?}", after, counted);
    for (id, was) in &counted.ports {
        let now = after.ports.iter().find(|(port, _)| port == id).map(|(_, totals)| totals);
        prop_assert!(now.is_some_and(|now| grew(now, was)), "{:?} of {:?}", now, was);
    }
    eventually(|| match daemon.switch.stats().imbalance() {
        0 => Ok(()),
        some => Err(format!("{some} frames are not accounted for")),
    })?;
    workers_forward(daemon)
}

/// What a host sends on any TAP here is received, whichever worker has it.
fn workers_forward(daemon: &Daemon) -> Result<(), TestCaseError> {
    for (name, life) in &daemon.lives {
        let here = daemon.config.port(name).is_some_and(|port| {
            let is_tap = matches!(port.attachment.kind, Kind::Tap { .. } | Kind::Fd(_));
            is_tap && port.attachment.netns.is_none()
        });
        let Some(link) = life.now().link.filter(|_| here) else { continue };
        let received = || {
            let stats = daemon.switch.stats();
            let own = stats.ports.into_iter().find(|(id, _)| *id == life.id);
            own.map_or(0, |(_, totals)| totals.rx_frames)
        };
        let before = received();
        let frame = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 0x77], &[0x88, 0xb5], &[0; 46]].concat();
        RawSocket::open(&link.name, false).unwrap().send(&Wire::from(&frame[..])).unwrap();
        eventually(|| {
            if received() > before { Ok(()) } else { Err(format!("nothing comes from {name}")) }
        })?;
    }
    Ok(())
}

/// A host with what ports are made on, and a switch without ports.
fn switch() -> Daemon {
    let up = Wanted { up: Some(true), ..Wanted::default() };
    let make = |links: &mut Links| {
        for (name, far) in [("u0", "far0"), ("u1", "far1"), ("taken", "far2")] {
            let link = links.make_veth(name, far)?;
            links.set(&link, &up)?;
            let far = links.require(far)?;
            links.set(&far, &up)?;
        }
        Ok(())
    };
    Place::Here.links(make).unwrap();
    let made = std::process::Command::new("ip")
        .args(["tuntap", "add", "dev", "own", "mode", "tap"])
        .status();
    assert!(made.unwrap().success());
    let config = SwitchConfig { workers: Workers::Count(2), ..SwitchConfig::default() };
    Daemon::start("x", &config, || true).unwrap()
}

/// Ports that can be side by side, of all kinds that can be made again and again.
fn ports() -> impl Strategy<Value = Vec<PortConfig>> {
    let targets = prop::sample::select(vec![
        "tap:t0",
        "tap:t1",
        "tap:t0,netns=n0",
        "tap:t1,netns=n0,addr=10.1.0.1/24",
        "tap:t2,netns=n1,ifname=eth7,mtu=1400",
        "tap:own,existing",
        "tap:own,existing,netns=n0,mac=02:00:00:00:00:09",
        "macvtap:u0",
        "macvtap:u0,mode=bridge",
        "macvtap:u1,mode=bridge",
        "veth:v0",
        "veth:v1,netns=n0",
        "netdev:u1",
    ]);
    let rules = prop::sample::select(vec!["", ",access=10", ",trunk=10,isolated"]);
    let port = (prop::sample::select(vec!["a", "b", "c", "d"]), targets, rules);
    prop::collection::vec(port, 0..5).prop_map(|ports| {
        let parsed = ports
            .iter()
            .map(|(name, target, rules)| parse_spec(&format!("{name}={target}{rules}")).unwrap());
        parsed.fold(Vec::new(), |ports, port| {
            let more = [ports.clone(), vec![port]].concat();
            merge(SwitchConfig::default(), more.clone()).map_or(ports, |_| more)
        })
    })
}

/// Ports that the host refuses: at once, before anything is made, and after the netdev moved.
const REFUSED: [&str; 4] = [
    "z=macvtap:absent",
    "z=tap:taken",
    "z=tap:tz,netns=/run/absent",
    "z=tap:tz,netns=nz,gateway=10.9.9.9",
];

fn refused() -> Error {
    Error::failed("the test", "refuses")
}

fn try_out(
    daemon: &mut Daemon,
    now: Vec<PortConfig>,
    wanted: Vec<PortConfig>,
    ageing: u32,
) -> Result<(), TestCaseError> {
    let now = SwitchConfig { ports: now, ..daemon.config.clone() };
    let bridge = BridgeRules { ageing, ..now.bridge };
    let wanted = SwitchConfig { ports: wanted, bridge, ..now.clone() };
    let applied = daemon.apply(now, None, || Ok(()));
    prop_assert_eq!(applied.map(|report| report.kept), Ok(vec![]));
    for (n, port) in daemon.switch.ports().enumerate() {
        let vid = port.rules.vlan.pvid().or(Vid::new(10)).unwrap();
        daemon.switch.add_static(Mac::new([2, 1, 0, 0, 0, n as u8]), vid, port.id).unwrap();
    }
    eventually(|| match daemon.lives.values().all(|life| life.now().fault.is_none()) {
        true => Ok(()),
        false => Err("a port is in fault".into()),
    })?;
    workers_forward(daemon)?;
    all_up(daemon)?;
    let (before, counted) = (state(daemon), daemon.switch.stats());

    // Told to stop before each step that can fail.
    let steps = plan(&daemon.config, &wanted).unwrap();
    for fails in 0..steps.iter().filter(|step| step.can_fail()).count() {
        let mut asked = 0;
        let error = daemon.apply(wanted.clone(), None, || {
            asked += 1;
            if asked > fails { Err(refused()) } else { Ok(()) }
        });
        prop_assert_eq!(error.map(|_| ()), Err(refused()));
        is_as_before(daemon, &before, &counted)?;
    }
    // Refused by the host, at every place in the order.
    for (at, spec) in (0..=wanted.ports.len()).zip(REFUSED.iter().cycle().skip(wanted.ports.len()))
    {
        let mut wanted = wanted.clone();
        wanted.ports.insert(at, parse_spec(spec).unwrap());
        let error = daemon.apply(wanted, None, || Ok(())).map(drop).unwrap_err();
        prop_assert!(!error.hint.unwrap_or_default().contains("left behind"), "{spec}");
        is_as_before(daemon, &before, &counted)?;
    }
    let applied = daemon.apply(wanted.clone(), None, || Ok(()));
    prop_assert_eq!(applied.map(|report| report.kept), Ok(vec![]));
    prop_assert_eq!(&daemon.config, &wanted);
    let names: Vec<_> = daemon.lives.keys().cloned().collect();
    let mut wanted: Vec<_> = wanted.ports.into_iter().map(|port| port.name).collect();
    wanted.sort();
    prop_assert_eq!(names, wanted);
    Ok(())
}

/// Waits until every device is what it will be: a carrier may come late.
fn all_up(daemon: &mut Daemon) -> Result<(), TestCaseError> {
    eventually(|| {
        daemon.follow_links();
        let down = daemon.switch.ports().find(|port| !port.device.up);
        down.map_or(Ok(()), |port| Err(format!("port {} is down", port.name)))
    })
}

/// How many pairs of configurations are tried; PROPTEST_CASES asks for others.
const CASES: u32 = 4;

#[test]
fn a_change_that_fails_changes_nothing() {
    in_own_host(|| {
        let mut daemon = switch();
        let mut config = Config::default();
        if std::env::var_os("PROPTEST_CASES").is_none() {
            config.cases = CASES;
        }
        // A case takes seconds, so the first that fails is told as it is.
        (config.max_shrink_iters, config.failure_persistence) = (0, None);
        let cases = (ports(), ports(), 10..12u32);
        let outcome = {
            let daemon = std::cell::RefCell::new(&mut daemon);
            TestRunner::new(config).run(&cases, |(now, wanted, ageing)| {
                try_out(&mut daemon.borrow_mut(), now, wanted, ageing)
            })
        };
        let report = daemon.stop();
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(report.kept, []);
        assert_eq!(files("/run/netns"), BTreeSet::new());
        let left: Vec<_> = Place::Here.links(Links::list).unwrap();
        let left: BTreeSet<_> = left.iter().map(|link| link.name.as_str()).collect();
        assert_eq!(
            left,
            BTreeSet::from(["far0", "far1", "far2", "lo", "own", "taken", "u0", "u1"])
        );
    });
}

#[test]
fn a_descriptor_that_was_sent_is_kept_until_the_change_is_done() {
    in_own_host(|| {
        let mut daemon = switch();
        let given = tap::create("given", 1).unwrap();
        let sent = given[0].as_fd().try_clone_to_owned().unwrap();
        drop(given);
        let is_there = || Place::Here.links(|links| links.find("given")).unwrap().is_some();
        let up = Wanted { up: Some(true), ..Wanted::default() };
        Place::Here
            .links(|links| links.require("given").and_then(|it| links.set(&it, &up)))
            .unwrap();
        let with = |daemon: &Daemon, specs: &[&str]| SwitchConfig {
            ports: specs.iter().map(|spec| parse_spec(spec).unwrap()).collect(),
            ..daemon.config.clone()
        };
        daemon.apply(with(&daemon, &["f=fd:9000"]), Some(sent), || Ok(())).unwrap();
        workers_forward(&daemon).unwrap();
        all_up(&mut daemon).unwrap();
        let (before, counted) = (state(&mut daemon), daemon.switch.stats());
        // Moved elsewhere in vain; moved, and another port refused; removed for another in vain.
        for wanted in [&["f=macvtap:absent"][..], &["f=tap:f1", "z=macvtap:absent"], &["g=fd:9000"]]
        {
            daemon.apply(with(&daemon, wanted), None, || Ok(())).map(drop).unwrap_err();
            is_as_before(&mut daemon, &before, &counted).unwrap();
        }
        daemon.apply(with(&daemon, &["f=tap:f1"]), None, || Ok(())).unwrap();
        eventually(|| if is_there() { Err("its netdev is there".into()) } else { Ok(()) }).unwrap();
        assert_eq!(daemon.stop().kept, []);
    });
}

#[test]
fn a_device_that_can_not_come_back_is_made_again_as_soon_as_it_can() {
    in_own_host(|| {
        let mut daemon = switch();
        let port = |spec: &str| parse_spec(spec).unwrap();
        let now = SwitchConfig { ports: vec![port("a=tap:t0")], ..daemon.config.clone() };
        daemon.apply(now.clone(), None, || Ok(())).unwrap();
        let wanted = SwitchConfig { ports: vec![port("a=tap:t1")], ..now.clone() };
        // Somebody takes the name in the one moment when it is free.
        let steal = |links: &mut Links| links.make_veth("t0", "thief").map(drop);
        let error = daemon.apply(wanted, None, || {
            Place::Here.links(steal).unwrap();
            Err(refused())
        });
        let hint = error.map(drop).unwrap_err().hint.unwrap_or_default();
        assert!(hint.contains("port a") && hint.contains("already there"), "{hint}");
        assert_eq!(daemon.config, now);
        assert!(daemon.lives["a"].now().fault.is_some());
        let delete = |links: &mut Links| links.require("t0").and_then(|it| links.delete(&it));
        Place::Here.links(delete).unwrap();
        eventually(|| {
            daemon.heal();
            daemon.lives["a"].now().fault.map_or(Ok(()), Err)
        })
        .unwrap();
        workers_forward(&daemon).unwrap();
        assert_eq!(daemon.stop().kept, []);
    });
}
