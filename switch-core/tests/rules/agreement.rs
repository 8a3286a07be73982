//! `explain` must say what really happens.

use std::collections::BTreeMap;

use switch_core::explain::Explanation;
use switch_core::fdb::FdbStats;
use switch_core::{Drop, Frame};

use crate::frames::tags_of;
use crate::lab::Lab;

/// What became of one frame.
pub struct Happened<'h> {
    /// As it came in.
    pub sent: &'h [u8],
    /// By port: its bytes as they went out, or why this copy was lost.
    pub out: BTreeMap<String, Result<Vec<u8>, Drop>>,
    /// Why it went nowhere.
    pub drop: Option<Drop>,
    /// What the FDB counted before and after.
    pub fdb: (FdbStats, FdbStats),
}

/// Asks about a frame, and checks that asking changes nothing.
pub fn ask(lab: &Lab, port: switch_core::PortId, frame: &Frame) -> Explanation {
    let state = || (lab.switch.fdb().stats(), lab.entries(), lab.switch.stats().ports);
    let before = state();
    let (tables, fdb) = (lab.switch.tables(), lab.switch.fdb());
    let answer = switch_core::explain::explain(&tables, fdb, lab.seconds(), port, frame);
    assert_eq!(before, state(), "explaining changed something");
    answer.expect("the port exists")
}

/// Compares the answer with what happened.
pub fn compare(answer: &Explanation, happened: &Happened<'_>) -> Result<(), String> {
    let said: BTreeMap<&str, &str> =
        answer.egress.iter().map(|egress| (&*egress.port, &*egress.tag)).collect();
    // What a device refuses nobody can know before.
    let left = happened.out.iter().filter(|(port, fate)| match fate {
        Ok(_) | Err(Drop::TxFull | Drop::TxError) => true,
        Err(Drop::PortDown) => said.contains_key(&***port),
        Err(_) => false,
    });
    let left: Vec<&str> = left.map(|(port, _)| &**port).collect();
    let ports: Vec<&str> = said.keys().copied().collect();
    if ports != left {
        return Err(format!("explain says out by {ports:?}, it was {left:?}"));
    }
    let reasons: Vec<Drop> = match happened.drop {
        Some(reason) => vec![reason],
        None if left.is_empty() => {
            happened.out.values().filter_map(|fate| fate.clone().err()).collect()
        }
        None => Vec::new(),
    };
    if answer.drop.is_some() == reasons.is_empty()
        || answer.drop.is_some_and(|reason| !reasons.contains(&reason))
    {
        return Err(format!("explain says {:?}, it was {reasons:?}", answer.drop));
    }
    for (port, fate) in &happened.out {
        if let (Ok(bytes), Some(tag)) = (fate, said.get(&**port)) {
            tag_word(happened.sent, bytes, tag).map_err(|why| format!("{port}: {why}"))?;
        }
    }
    learning(answer, happened)
}

fn tag_word(sent: &[u8], got: &[u8], said: &str) -> Result<(), String> {
    let (came, left) = (tags_of(sent), tags_of(got));
    let first = left.first().map(|tag| format!("{:#06x}:{}", tag.tpid, tag.vid));
    let right = match left.len() as isize - came.len() as isize {
        1 => said == "pushed",
        -1 => said == "popped",
        _ if came.first() == left.first() => said == "none" || (said == "kept" && first.is_some()),
        _ => Some(said) == first.as_deref(),
    };
    if right { Ok(()) } else { Err(format!("explain says its tag is {said}; it is {first:?}")) }
}

fn learning(answer: &Explanation, happened: &Happened<'_>) -> Result<(), String> {
    let (before, after) = happened.fdb;
    let says = |words: &str| answer.steps.iter().any(|step| step.contains(words));
    for (words, expected) in [
        ("is new and is learned", after.learned > before.learned),
        ("moves here", after.moved > before.moved),
        (
            "is not learned: the port holds",
            after.refused > before.refused && !says("table is full"),
        ),
        (
            "is not learned: the table is full",
            after.refused > before.refused && !says("the port holds"),
        ),
    ] {
        if says(words) != expected {
            return Err(format!("explain's steps {:?} do not fit {after:?}", answer.steps));
        }
    }
    Ok(())
}
