//! Every VLAN mode against every other, in both directions: rules 11–16 as one table, `matrix.txt`.

use switch_core::config::{BridgeRules, PortRules};
use switch_core::{Drop, Mac, PortId, Vid};

use crate::frames::{Spec, Tag, parse_tags};
use crate::lab::{DEVICE, Lab};
use crate::scenario::parse;

const TABLE: &str = include_str!("matrix.txt");
const A: Mac = Mac::new([2, 0, 0, 0, 0, 0xa]);
const B: Mac = Mac::new([2, 0, 0, 0, 0, 0xb]);

/// One column: a mode, and how frames leave by it; `None` where they do not.
type Cell = Option<Vec<Tag>>;

struct Row {
    ingress: String,
    tags: Vec<Tag>,
    /// By port, in the legend's order.
    out: Result<Vec<Cell>, Drop>,
    text: &'static str,
}

/// The legend's modes by name, and the rows.
fn read() -> (Vec<(&'static str, PortRules)>, Vec<Row>) {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let (legend, rows): (Vec<_>, Vec<_>) =
        lines.partition(|line| line.split_whitespace().nth(1) == Some("="));
    let modes: Vec<_> = legend.iter().map(|line| mode(line)).collect();
    let header: Vec<_> = rows[0].split_whitespace().skip(2).collect();
    let names: Vec<_> = modes.iter().map(|(name, _)| *name).collect();
    assert_eq!(header, names, "columns in the legend's order");
    (modes, rows[1..].iter().map(|line| row(line)).collect())
}

fn mode(line: &'static str) -> (&'static str, PortRules) {
    let (name, words) = line.split_once('=').expect("NAME = MODE");
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    let mut rules = PortRules::default();
    parse::apply(&words, &mut rules, &mut DEVICE.clone()).expect("a mode");
    (name.trim(), rules)
}

fn row(text: &'static str) -> Row {
    let words: Vec<&str> = text.split_whitespace().collect();
    let tags = |word: &str| parse_tags(word.trim_matches('-')).expect("tags");
    let out = match words[2..] {
        ["drop", reason] => Err(parse::drop_named(reason).expect("a reason")),
        ref cells => Ok(cells.iter().map(|&cell| (cell != ".").then(|| tags(cell))).collect()),
    };
    Row { ingress: words[0].into(), tags: tags(words[1]), out, text }
}

fn drops(lab: &Lab, port: PortId, reason: Drop) -> u64 {
    let stats = lab.switch.stats();
    stats.ports.iter().find(|(id, _)| *id == port).map_or(0, |(_, totals)| totals.dropped(reason))
}

#[test]
fn the_table_is_whole() {
    let (modes, rows) = read();
    for (name, _) in &modes {
        assert!(rows.iter().any(|row| row.ingress == *name), "{name} as ingress");
    }
    for row in &rows {
        if let Ok(cells) = &row.out {
            assert_eq!(cells.len(), modes.len(), "{}", row.text);
        }
    }
}

#[test]
fn to_everybody() {
    let (modes, rows) = read();
    let mut lab = Lab::new(BridgeRules::default(), 64);
    let ports: Vec<PortId> =
        modes.iter().map(|(name, rules)| lab.add(name, rules.clone(), DEVICE)).collect();
    for (number, row) in (0..).zip(rows) {
        let rules = modes.iter().find(|(name, _)| *name == row.ingress).expect("a mode").1.clone();
        let ingress = lab.add("in", rules, DEVICE);
        let spec = Spec::new(A, Mac::BROADCAST, row.tags.clone(), number);
        lab.send(ingress, spec.sent());
        lab.run();
        for (at, &port) in ports.iter().enumerate() {
            let got: Vec<_> = lab.received(port).into_iter().map(|wire| wire.bytes).collect();
            let cell = row.out.as_ref().ok().and_then(|cells| cells[at].as_ref());
            let expected: Vec<_> = cell.map(|tags| spec.finished(tags)).into_iter().collect();
            assert_eq!(got, expected, "by port {}: {}", modes[at].0, row.text);
        }
        if let Err(reason) = row.out {
            assert_eq!(drops(&lab, ingress, reason), 1, "{}", row.text);
        }
        lab.check_conservation();
        lab.remove(ingress);
    }
}

#[test]
fn to_a_known_address() {
    let (modes, rows) = read();
    for (number, row) in (0..).zip(rows) {
        for (at, (name, rules)) in modes.iter().enumerate() {
            let mut lab = Lab::new(BridgeRules::default(), 64);
            let ingress_rules = modes.iter().find(|(name, _)| *name == row.ingress);
            let ingress = lab.add("in", ingress_rules.expect("a mode").1.clone(), DEVICE);
            let port = lab.add(name, rules.clone(), DEVICE);
            for vid in [0, 10, 20, 30] {
                lab.switch.add_static(B, Vid::new(vid).expect("a VID"), port).expect("room");
            }
            let spec = Spec::new(A, B, row.tags.clone(), number);
            lab.send(ingress, spec.sent());
            lab.run();
            let got: Vec<_> = lab.received(port).into_iter().map(|wire| wire.bytes).collect();
            let (expected, reason) = match &row.out {
                Ok(cells) => match &cells[at] {
                    Some(tags) => (vec![spec.finished(tags)], None),
                    None => (Vec::new(), Some(Drop::NotMember)),
                },
                Err(reason) => (Vec::new(), Some(*reason)),
            };
            assert_eq!(got, expected, "by port {name}: {}", row.text);
            if let Some(reason) = reason {
                assert_eq!(drops(&lab, ingress, reason), 1, "by port {name}: {}", row.text);
            }
            lab.check_conservation();
        }
    }
}
