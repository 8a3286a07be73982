//! `stats`: counters by port, and whether they add up.

use std::collections::BTreeMap;

use super::lists::NONE;
use crate::control::api::{StatsDoc, WorkerDoc};
use text::Paint;
use text::{Align, Table};
use text::{bytes, count, duration};

use Align::{Left, Right};

/// All counters. `whole` says that they are the whole switch's, and so have to add up.
pub fn stats(stats: &StatsDoc, whole: bool, paint: Paint) -> String {
    let mut text = by_port(stats, paint);
    if whole {
        let rest = [
            ("frames", balance(stats, paint)),
            ("fdb", fdb(stats)),
            ("uptime", format!("{}, {} engine", duration(stats.uptime), stats.engine)),
        ];
        text.push('\n');
        for (name, value) in rest {
            text += &format!("{name:8}{value}\n");
        }
        if stats.lane.frames > 0 {
            let (frames, bytes) = (count(stats.lane.frames), bytes(stats.lane.bytes));
            text += &format!("{:8}{frames} frames, {bytes}, went by the kernel\n", "lane");
        }
        text += &workers(&stats.workers);
    }
    text
}

fn by_port(stats: &StatsDoc, paint: Paint) -> String {
    if stats.ports.is_empty() && is_blank(stats) {
        return "no ports\n".into();
    }
    let mut table = Table::new(&[
        ("PORT", Left),
        ("RX FRAMES", Right),
        ("RX BYTES", Right),
        ("TX FRAMES", Right),
        ("TX BYTES", Right),
        ("MISSED", Right),
        ("DROPS", Left),
    ]);
    for port in &stats.ports {
        table.row(vec![
            port.name.clone(),
            count(port.rx_frames),
            bytes(port.rx_bytes),
            count(port.tx_frames),
            bytes(port.tx_bytes),
            port.kernel.rx_missed.filter(|missed| *missed > 0).map_or(NONE.into(), count),
            drops(&port.drops),
        ]);
    }
    if !is_blank(stats) {
        let removed = &stats.removed;
        table.row(vec![
            "(removed)".into(),
            count(removed.rx_frames),
            NONE.into(),
            count(removed.tx_frames),
            NONE.into(),
            NONE.into(),
            drops(&removed.drops),
        ]);
    }
    table.drop_if_all("MISSED", NONE);
    table.render(paint, |drops| if drops == NONE { drops.into() } else { paint.yellow(drops) })
}

fn is_blank(stats: &StatsDoc) -> bool {
    let removed = &stats.removed;
    removed.rx_frames == 0 && removed.tx_frames == 0 && removed.drops.is_empty()
}

/// `no-target=3 too-big=1`.
fn drops(drops: &BTreeMap<String, u64>) -> String {
    let words: Vec<_> =
        drops.iter().map(|(reason, number)| format!("{reason}={}", count(*number))).collect();
    if words.is_empty() { NONE.into() } else { words.join(" ") }
}

/// Every frame that came in, was copied or was made has gone out or was dropped.
fn balance(stats: &StatsDoc, paint: Paint) -> String {
    let removed = &stats.removed;
    let sum = |drops: &BTreeMap<String, u64>| drops.values().sum::<u64>();
    let received = removed.rx_frames + stats.ports.iter().map(|port| port.rx_frames).sum::<u64>();
    let sent = removed.tx_frames + stats.ports.iter().map(|port| port.tx_frames).sum::<u64>();
    let dropped = sum(&removed.drops) + stats.ports.iter().map(|p| sum(&p.drops)).sum::<u64>();
    let came = received + stats.flood_copies + stats.made_frames;
    let went = sent + dropped;
    let (left, right) = (
        format!(
            "{} received + {} copied + {} made",
            count(received),
            count(stats.flood_copies),
            count(stats.made_frames)
        ),
        format!("{} sent + {} dropped", count(sent), count(dropped)),
    );
    match came == went {
        true => format!("{left} = {right}: {}", paint.green("adds up")),
        // The counters of a busy switch are read one after the other.
        false => format!("{left}, {right}: {} on the way", count(came.abs_diff(went))),
    }
}

fn fdb(stats: &StatsDoc) -> String {
    let fdb = &stats.fdb;
    let mut text =
        format!("{} of {} entries", count(fdb.entries.into()), count(fdb.capacity.into()));
    let events = [
        ("learned", fdb.learned),
        ("moved", fdb.moved),
        ("aged", fdb.aged),
        ("evicted", fdb.evicted),
        ("refused", fdb.refused),
    ];
    for (name, number) in events.into_iter().filter(|(_, number)| *number > 0) {
        text += &format!(", {} {name}", count(number));
    }
    text
}

fn workers(workers: &[WorkerDoc]) -> String {
    let line = |(number, worker): (usize, &WorkerDoc)| {
        let place = worker.cpu.map_or("any CPU".into(), |cpu| format!("CPU {cpu}"));
        let a_burst = worker.frames as f64 / worker.bursts.max(1) as f64;
        format!(
            "worker  {number} on {place}: {} frames, {a_burst:.1} a burst, {:.1} % busy\n",
            count(worker.frames),
            worker.busy * 100.0
        )
    };
    workers.iter().enumerate().map(line).collect()
}

#[cfg(test)]
pub(super) mod tests;
