//! The documents a running switch answers with, from what it knows.

use std::collections::BTreeMap;

use switch_core::Switch;
use switch_core::counters::PortTotals;
use switch_core::explain::Explanation;
use switch_core::vlan::Vid;

use crate::config::PortConfig;
use crate::control::api::{
    EgressDoc, ExplainDoc, FdbStatsDoc, KernelStats, PortRow, PortStats, RemovedStats, StatsDoc,
    WorkerDoc,
};
use crate::daemon::ports::DeviceNow;
use crate::daemon::workers::Workers;

pub(in crate::daemon) fn port_row(port: &PortConfig, device: DeviceNow) -> PortRow {
    let DeviceNow { fault, up, queues, link } = device;
    let state = match (&fault, up) {
        (Some(_), _) => "fault",
        (None, true) => "up",
        (None, false) => "down",
    };
    let link = link.as_ref();
    PortRow {
        name: port.name.clone(),
        kind: port.attachment.kind.row().name.into(),
        target: port.attachment.kind.target(),
        state: state.into(),
        fault,
        netns: port.attachment.netns.as_ref().map(ToString::to_string),
        ifname: link.map(|link| link.name.clone()),
        mac: link.and_then(|link| link.mac).map(|mac| mac.to_string()),
        mtu: link.map(|link| link.mtu),
        queues,
        vlan: (&port.rules.vlan).into(),
        flags: (&port.rules).into(),
    }
}

/// `rx_missed` says, by port name, what the kernel dropped before the switch saw it.
pub(in crate::daemon) fn stats(
    switch: &Switch,
    uptime: f64,
    only: Option<&str>,
    workers: &Workers,
    rx_missed: impl Fn(&str) -> Option<u64>,
) -> StatsDoc {
    let stats = switch.stats();
    let names = stats.ports.iter().filter_map(|(id, totals)| Some((switch.port(*id)?, totals)));
    let ports = names
        .filter(|(port, _)| only.is_none_or(|only| only == port.name))
        .map(|(port, totals)| PortStats {
            name: port.name.clone(),
            rx_frames: totals.rx_frames,
            rx_bytes: totals.rx_bytes,
            tx_frames: totals.tx_frames,
            tx_bytes: totals.tx_bytes,
            drops: drops(totals),
            kernel: KernelStats { rx_missed: rx_missed(&port.name) },
        })
        .collect();
    let fdb = stats.fdb;
    let share = |busy: u64, total: u64| if total == 0 { 0.0 } else { busy as f64 / total as f64 };
    StatsDoc {
        uptime,
        engine: workers.engine().into(),
        ports,
        removed: RemovedStats {
            rx_frames: stats.removed.rx_frames,
            tx_frames: stats.removed.tx_frames,
            drops: drops(&stats.removed),
        },
        flood_copies: stats.flood_copies,
        made_frames: stats.made_frames,
        fdb: FdbStatsDoc {
            entries: fdb.entries,
            capacity: fdb.capacity,
            learned: fdb.learned,
            moved: fdb.moved,
            aged: fdb.aged,
            evicted: fdb.evicted,
            refused: fdb.refused,
        },
        workers: stats
            .workers
            .iter()
            .zip(workers.cpus())
            .map(|(worker, &cpu)| WorkerDoc {
                cpu,
                frames: worker.frames,
                bursts: worker.bursts,
                busy: share(worker.busy, worker.total),
            })
            .collect(),
    }
}

fn drops(totals: &PortTotals) -> BTreeMap<String, u64> {
    totals.drops().map(|(reason, count)| (reason.name().to_owned(), count)).collect()
}

pub(in crate::daemon) fn explain(answer: Explanation) -> ExplainDoc {
    ExplainDoc {
        verdict: if answer.drop.is_some() { "drop" } else { "forward" }.into(),
        reason: answer.drop.map(|reason| reason.name().to_owned()),
        vid: answer.vid.map(Vid::get),
        egress: answer
            .egress
            .into_iter()
            .map(|egress| EgressDoc { port: egress.port, tag: egress.tag })
            .collect(),
        steps: answer.steps,
    }
}
