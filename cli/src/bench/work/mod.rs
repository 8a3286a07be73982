//! How each figure comes about, a file a kind.

mod fdb;
mod looping;
mod rtt;
mod tcp;
mod throughput;
mod udp;
mod wire;

use std::time::Duration;

use hdrhistogram::Histogram;

use super::lab::Lab;
use super::peers::{Contestant, Rig, Wiring};
use super::plan::{Case, Plan, Work};
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
        Work::FdbCapacity => &fdb::CAPACITY,
        Work::FdbLearning => &fdb::LEARNING,
        Work::Throughput => &throughput::DESCRIPTION,
    }
}

/// A contestant, ready to be measured.
pub(super) struct Stage<'s> {
    pub(super) lab: &'s Lab,
    pub(super) contestant: Contestant,
    pub(super) wiring: Wiring,
    /// Where it stands; `None` for work that has it [started afresh](Work::begins_afresh).
    pub(super) rig: Option<Rig<'s>>,
}

impl<'s> Stage<'s> {
    fn afresh(&self) -> Result<Rig<'s>, CliError> {
        self.contestant.start(self.lab, &self.wiring)
    }

    fn standing(&self) -> Result<&Rig<'s>, CliError> {
        self.rig.as_ref().ok_or_else(|| CliError::failed(self.contestant.name(), "is not set up"))
    }
}

/// Measures once.
pub(super) fn measure(
    work: Work,
    stage: &Stage<'_>,
    case: &Case,
    plan: &Plan,
) -> Result<Reading, CliError> {
    let (lab, duration) = (stage.lab, plan.duration);
    match work {
        Work::Loop => looping::measure(lab, stage.standing()?, case, duration),
        Work::Tcp => tcp::measure(lab, stage.standing()?, case, duration),
        Work::Udp => udp::measure(lab, stage.standing()?, case, duration),
        Work::Rtt => rtt::measure(lab, stage.standing()?, case, duration),
        Work::FdbCapacity => fdb::capacity(lab, plan.addresses, || stage.afresh()),
        Work::FdbLearning => fdb::learning(lab, &stage.afresh()?),
        Work::Throughput => throughput::measure(lab, stage.standing()?, case, duration),
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
