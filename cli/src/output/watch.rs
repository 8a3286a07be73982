//! `stats --watch`: what happened between two readings, per second.

use std::collections::BTreeMap;

use super::lists::NONE;
use crate::control::api::{PortStats, StatsDoc};
use text::Paint;
use text::{Align, Table};
use text::{count, rate};

use Align::{Left, Right};

/// The rates between two readings.
pub fn rates(before: &StatsDoc, now: &StatsDoc, paint: Paint) -> String {
    if now.ports.is_empty() {
        return "no ports\n".into();
    }
    let passed = now.uptime - before.uptime;
    let seconds = if passed > 0.0 { passed } else { 1.0 };
    let mut table = Table::new(&[
        ("PORT", Left),
        ("RX FRAMES/s", Right),
        ("RX bit/s", Right),
        ("TX FRAMES/s", Right),
        ("TX bit/s", Right),
        ("DROPS/s", Left),
    ]);
    for port in &now.ports {
        let old = before.ports.iter().find(|old| old.name == port.name);
        let per_second = |read: fn(&PortStats) -> u64, times: f64| {
            // A port of the same name that was added anew counts from 0.
            let growth = read(port).checked_sub(old.map_or(0, read)).unwrap_or(read(port));
            rate(growth as f64 * times / seconds)
        };
        table.row(vec![
            port.name.clone(),
            per_second(|port| port.rx_frames, 1.0),
            per_second(|port| port.rx_bytes, 8.0),
            per_second(|port| port.tx_frames, 1.0),
            per_second(|port| port.tx_bytes, 8.0),
            drops(old.map(|old| &old.drops), &port.drops, seconds),
        ]);
    }
    let mut text =
        table.render(paint, |drops| if drops == NONE { drops.into() } else { paint.yellow(drops) });
    let (entries, capacity) = (count(now.fdb.entries.into()), count(now.fdb.capacity.into()));
    text += &format!("\nfdb {entries} of {capacity} entries; {}\n", busy(before, now));
    text
}

fn drops(
    before: Option<&BTreeMap<String, u64>>,
    now: &BTreeMap<String, u64>,
    seconds: f64,
) -> String {
    let growth = |(reason, number): (&String, &u64)| {
        let old = before.and_then(|before| before.get(reason)).copied().unwrap_or(0);
        let growth = number.checked_sub(old).unwrap_or(*number);
        (growth > 0).then(|| format!("{reason}={}", rate(growth as f64 / seconds).replace(' ', "")))
    };
    let words: Vec<_> = now.iter().filter_map(growth).collect();
    if words.is_empty() { NONE.into() } else { words.join(" ") }
}

/// How busy each worker was between the readings, from its share of all its time.
fn busy(before: &StatsDoc, now: &StatsDoc) -> String {
    let passed = now.uptime - before.uptime;
    let shares: Vec<_> = now
        .workers
        .iter()
        .enumerate()
        .map(|(number, worker)| {
            let old = before.workers.get(number).map_or(0.0, |old| old.busy * before.uptime);
            let share = (worker.busy * now.uptime - old) / passed;
            format!("{:.0} %", if passed > 0.0 { share.clamp(0.0, 1.0) * 100.0 } else { 0.0 })
        })
        .collect();
    match shares.len() {
        1 => format!("worker {} busy", shares[0]),
        _ => format!("workers {} busy", shares.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::stats::tests::reading;
    use super::*;

    #[test]
    fn rates_are_per_second_and_ports_may_come_and_start_anew() {
        let before = reading();
        let mut now = reading();
        now.uptime += 2.0;
        now.ports[0].rx_frames += 3000;
        now.ports[0].rx_bytes += 250_000;
        now.ports[0].drops.insert("too-big".into(), 9);
        now.ports[1].tx_frames = 10;
        let text = rates(&before, &now, Paint::on(false));
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["alice", "1.5", "k", "1.0", "M", "0", "0", "too-big=4"]);
        assert_eq!(lines[2], ["bob", "0", "0", "5", "0", "-"]);
        let only = StatsDoc { ports: Vec::new(), ..now };
        assert_eq!(rates(&before, &only, Paint::on(false)), "no ports\n");
    }

    #[test]
    fn busy_is_that_of_the_interval() {
        let (mut before, mut now) = (reading(), reading());
        (before.uptime, before.workers[0].busy) = (100.0, 0.0);
        (now.uptime, now.workers[0].busy) = (102.0, 0.01);
        assert_eq!(busy(&before, &now), "worker 51 % busy");
        assert_eq!(busy(&now, &now), "worker 0 % busy");
    }
}
