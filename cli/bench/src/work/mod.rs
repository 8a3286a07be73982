//! How each figure comes about, a file a kind.

mod counters;
mod fdb;
mod idle;
mod looping;
mod rtt;
mod stopped;
mod tcp;
mod throughput;
mod udp;
mod wire;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::cases::{Case, Work};
use super::lab::Lab;
use super::peers::{Contestant, Rig, Wiring};
use super::plan::Plan;
use io_backends::Error;

/// How long traffic runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(200);

/// What one measurement brought.
pub(super) struct Reading {
    pub(super) figure: f64,
    /// Nanoseconds, where each frame's time was taken.
    pub(super) latency: Option<Histogram<u64>>,
    /// Where each frame was counted.
    pub(super) frames: Option<Tally>,
}

impl Reading {
    /// A figure, and nothing besides.
    fn of(figure: f64) -> Reading {
        Reading { figure, latency: None, frames: None }
    }
}

/// Frames that were sent, and how many of them did not arrive.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) lost: u64,
}

impl Tally {
    /// Both of two together.
    pub(super) fn with(self, other: Tally) -> Tally {
        Tally { sent: self.sent + other.sent, lost: self.lost + other.lost }
    }
}

/// How much a count grows a second, after a time for the traffic to get going.
fn growth(lab: &Lab, count: &AtomicU64, duration: Duration) -> Result<f64, Error> {
    lab.wait(WARM_UP)?;
    let (before, began) = (count.load(Ordering::Relaxed), Instant::now());
    lab.wait(duration)?;
    let (after, taken) = (count.load(Ordering::Relaxed), began.elapsed());
    Ok((after - before) as f64 / taken.as_secs_f64())
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
        Work::IdlePorts => &idle::DESCRIPTION,
        Work::StoppedRate => &stopped::RATE,
        Work::StoppedLatency => &stopped::LATENCY,
    }
}

/// A contestant, ready to be measured.
pub(super) struct Stage<'s> {
    pub(super) lab: &'s Lab,
    pub(super) contestant: Contestant,
    pub(super) wiring: Wiring,
    /// Where it stands; none for work that has it [started afresh](Work::begins_afresh).
    pub(super) rigs: Vec<(Wiring, Rig<'s>)>,
}

impl<'s> Stage<'s> {
    fn afresh(&self) -> Result<Rig<'s>, Error> {
        self.contestant.start(self.lab, &self.wiring)
    }

    fn standing(&self, case: &Case) -> Result<&Rig<'s>, Error> {
        let wiring = case.wiring(&self.wiring);
        let rig = self.rigs.iter().find(|(wired, _)| *wired == wiring).map(|(_, rig)| rig);
        rig.ok_or_else(|| Error::failed(self.contestant.name(), "is not set up"))
    }
}

/// Measures once.
pub(super) fn measure(
    work: Work,
    stage: &Stage<'_>,
    case: &Case,
    plan: &Plan,
) -> Result<Reading, Error> {
    let (lab, duration) = (stage.lab, plan.duration);
    match work {
        Work::Loop => looping::measure(lab, stage.standing(case)?, case, duration),
        Work::Tcp => tcp::measure(lab, stage.standing(case)?, case, duration),
        Work::Udp => udp::measure(lab, stage.standing(case)?, case, duration),
        Work::Rtt => rtt::measure(lab, stage.standing(case)?, case, duration),
        Work::FdbCapacity => fdb::capacity(lab, plan.addresses, || stage.afresh()),
        Work::FdbLearning => fdb::learning(lab, &stage.afresh()?),
        Work::Throughput => throughput::measure(lab, stage.standing(case)?, case, duration),
        Work::IdlePorts => looping::measure(lab, stage.standing(case)?, case, duration),
        Work::StoppedRate => stopped::rate(lab, stage.standing(case)?, case, duration),
        Work::StoppedLatency => stopped::latency(lab, stage.standing(case)?, case, duration),
    }
}

/// An empty record of latencies, in nanoseconds up to ten seconds, to three digits.
fn latencies() -> Result<Histogram<u64>, Error> {
    const LONGEST: u64 = 10_000_000_000;
    Histogram::new_with_bounds(1, LONGEST, 3)
        .map_err(|error| Error::failed("bench", error.to_string()))
}

/// Says of an input or output error what was tried.
fn broken(what: &str) -> impl Fn(std::io::Error) -> Error + '_ {
    move |error| Error::failed(what, io_backends::error::describe(&error))
}
