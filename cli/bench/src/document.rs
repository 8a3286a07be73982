//! Everything that was measured, as `--json` prints it.

use serde::Serialize;

use super::machine::Machine;
use super::stats::Summary;

/// A whole bench.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Document {
    /// This program's version.
    pub(super) netloom: &'static str,
    /// When it began (RFC 3339, UTC).
    pub(super) date: String,
    /// What was typed to get it.
    pub(super) command: String,
    pub(super) machine: Machine,
    /// How often each figure was measured.
    pub(super) rounds: usize,
    /// Seconds of one measurement.
    pub(super) duration: f64,
    /// Seconds the whole bench took.
    pub(super) seconds: f64,
    pub(super) contestants: Vec<ContestantDoc>,
    pub(super) measurements: Vec<MeasurementDoc>,
}

/// A contestant.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct ContestantDoc {
    pub(super) name: String,
    pub(super) version: Option<String>,
    /// `measured`, `failed` or `missing`.
    pub(super) state: &'static str,
    /// Why it is not measured.
    pub(super) why: Option<String>,
    /// How it was set up; one where all its rigs were alike.
    pub(super) configurations: Vec<String>,
    /// What it can't do, and is not measured with.
    pub(super) limits: Vec<String>,
}

/// One kind of figure.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct MeasurementDoc {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// `frames/s`, `bit/s`, `seconds`, `addresses` or `addresses/s`.
    pub(super) unit: &'static str,
    pub(super) less_is_better: bool,
    pub(super) how: &'static str,
    pub(super) bound: &'static str,
    /// A figure that reaches this means as much or more.
    pub(super) ceiling: Option<f64>,
    pub(super) rows: Vec<RowDoc>,
}

/// One contestant's figure in one case.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct RowDoc {
    pub(super) contestant: String,
    /// Bytes with FCS.
    pub(super) frame_size: Option<u32>,
    /// Of a port.
    pub(super) queues: Option<u16>,
    pub(super) flows: Option<u16>,
    /// Ports that the switch has besides.
    pub(super) idle_ports: Option<u16>,
    /// What the receiver of another pair does: `reads` or `stopped`.
    pub(super) receiver: Option<&'static str>,
    /// In the measurement's unit; `null` when every round failed.
    pub(super) figure: Option<Summary>,
    /// Round by round; `null` where a round failed.
    pub(super) samples: Vec<Option<f64>>,
    /// Netloom's figure over this one: the median of the rounds' ratios.
    pub(super) netloom_ratio: Option<f64>,
    /// This figure over the same contestant's without idle ports, or while the
    /// receiver reads: the median of the rounds' ratios.
    pub(super) undisturbed_ratio: Option<f64>,
    pub(super) latency: Option<LatencyDoc>,
    /// Frames over all rounds, where each was counted.
    pub(super) frames: Option<TallyDoc>,
    /// Why a round failed.
    pub(super) failure: Option<String>,
}

/// Frames that were sent, and how many of them did not arrive.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(super) struct TallyDoc {
    pub(super) sent: u64,
    pub(super) lost: u64,
}

/// How long frames took, over all rounds; seconds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(super) struct LatencyDoc {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
    /// How many times were taken.
    pub(super) count: u64,
}
