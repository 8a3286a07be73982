//! The documents a running switch answers with, from what it knows.

use std::collections::{BTreeMap, HashMap};

use io_backends::bpf::lane::LaneCounts;
use switch_core::counters::PortTotals;
use switch_core::explain::Explanation;
use switch_core::vlan::Vid;
use switch_core::{Drop, Switch};

use crate::config::PortConfig;
use crate::control::api::{
    EgressDoc, ExplainDoc, FdbStatsDoc, KernelStats, LaneDoc, LaneTotals, PortRow, PortStats,
    RemovedStats, StatsDoc, WorkerDoc,
};
use crate::daemon::ports::DeviceNow;
use crate::daemon::workers::Workers;

pub(in crate::daemon) fn port_row(port: &PortConfig, device: DeviceNow, lane: LaneDoc) -> PortRow {
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
        lane,
        flags: (&port.rules).into(),
    }
}

/// What of a port's frames the switch's workers did not see.
#[derive(Clone, Copy, Default)]
pub(in crate::daemon) struct Beside {
    /// What the kernel dropped before the switch saw it, where that is known.
    pub(in crate::daemon) missed: Option<u64>,
    /// What went by the kernel, of a port that has a lane.
    pub(in crate::daemon) lane: Option<LaneCounts>,
    /// What the lane received and the kernel failed to send.
    pub(in crate::daemon) failed: u64,
}

/// `beside` has, by port name, what the workers did not see; `gone` what went by the kernel by
/// ports that are no more.
pub(in crate::daemon) fn stats(
    switch: &Switch,
    uptime: f64,
    only: Option<&str>,
    workers: &Workers,
    beside: &HashMap<String, Beside>,
    gone: LaneCounts,
) -> StatsDoc {
    let stats = switch.stats();
    let names = stats.ports.iter().filter_map(|(id, totals)| Some((switch.port(*id)?, totals)));
    let ports = names
        .filter(|(port, _)| only.is_none_or(|only| only == port.name))
        .map(|(port, totals)| {
            port_stats(&port.name, totals, beside.get(&port.name).copied().unwrap_or_default())
        })
        .collect();
    let mut lane = LaneTotals::default();
    lane += gone;
    beside.values().filter_map(|beside| beside.lane).for_each(|counts| lane += counts);
    let fdb = stats.fdb;
    let share = |busy: u64, total: u64| if total == 0 { 0.0 } else { busy as f64 / total as f64 };
    StatsDoc {
        uptime,
        engine: workers.engine().into(),
        ports,
        removed: RemovedStats {
            rx_frames: stats.removed.rx_frames + gone.rx_frames,
            tx_frames: stats.removed.tx_frames + gone.tx_frames,
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
        lane,
    }
}

fn port_stats(name: &str, totals: &PortTotals, beside: Beside) -> PortStats {
    let lane = beside.lane.unwrap_or_default();
    let mut drops = drops(totals);
    if beside.failed > 0 {
        *drops.entry(Drop::TxError.name().to_owned()).or_default() += beside.failed;
    }
    PortStats {
        name: name.to_owned(),
        rx_frames: totals.rx_frames + lane.rx_frames,
        rx_bytes: totals.rx_bytes + lane.rx_bytes,
        tx_frames: totals.tx_frames + lane.tx_frames,
        tx_bytes: totals.tx_bytes + lane.tx_bytes,
        drops,
        kernel: KernelStats { rx_missed: beside.missed },
        lane: beside.lane.map(Into::into),
    }
}

fn drops(totals: &PortTotals) -> BTreeMap<String, u64> {
    totals.drops().map(|(reason, count)| (reason.name().to_owned(), count)).collect()
}

pub(in crate::daemon) fn explain(answer: Explanation, lane: bool) -> ExplainDoc {
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
        lane,
    }
}
