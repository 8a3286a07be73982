//! How each figure comes about, a file a kind.

mod looping;
mod rtt;
mod tcp;
mod udp;

use std::time::Duration;

use hdrhistogram::Histogram;

use super::lab::Lab;
use super::peers::Rig;
use super::plan::{Case, Work};
use crate::error::CliError;

/// How long traffic runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(200);

/// What one measurement brought.
pub(super) struct Reading {
    pub(super) figure: f64,
    /// Nanoseconds, where each frame's time was taken.
    pub(super) latency: Option<Histogram<u64>>,
}

/// What a kind of figure is.
pub(super) struct Description {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What the figure counts in JSON and in the report.
    pub(super) unit: &'static str,
    pub(super) less_is_better: bool,
    /// How it comes about, and what it is not.
    pub(super) how: &'static str,
    /// What bounds it.
    pub(super) bound: &'static str,
}

/// What a kind of figure is.
pub(super) fn describe(work: Work) -> &'static Description {
    match work {
        Work::Loop => &looping::DESCRIPTION,
        Work::Tcp => &tcp::DESCRIPTION,
        Work::Udp => &udp::DESCRIPTION,
        Work::Rtt => &rtt::DESCRIPTION,
    }
}

/// Measures once.
pub(super) fn measure(
    work: Work,
    lab: &Lab,
    rig: &Rig<'_>,
    case: &Case,
    duration: Duration,
) -> Result<Reading, CliError> {
    match work {
        Work::Loop => looping::measure(lab, rig, case, duration),
        Work::Tcp => tcp::measure(lab, rig, case, duration),
        Work::Udp => udp::measure(lab, rig, case, duration),
        Work::Rtt => rtt::measure(lab, rig, case, duration),
    }
}

/// An empty record of latencies, in nanoseconds up to ten seconds, to three digits.
fn latencies() -> Result<Histogram<u64>, CliError> {
    const LONGEST: u64 = 10_000_000_000;
    Histogram::new_with_bounds(1, LONGEST, 3)
        .map_err(|error| CliError::failed("bench", error.to_string()))
}

/// Says of an input or output error what was tried.
fn broken(what: &str) -> impl Fn(std::io::Error) -> CliError + '_ {
    move |error| CliError::failed(what, io_backends::error::describe(&error))
}
