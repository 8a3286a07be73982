//! The highest rate at which nothing is lost (RFC 2544, 26.1), and how long frames take then.

use std::time::Duration;

use super::super::cases::{Case, FCS};
use super::super::lab::Lab;
use super::super::peers::Rig;
use super::wire::{Station, Trial, trial};
use super::{Description, Reading};
use io_backends::Error;

const WHAT: &str = "throughput";
/// How often a rate may be tried before it counts as too high: on a machine
/// with other work a pause of a few milliseconds alone overruns a ring.
const TRIES: usize = 3;
/// The search ends when the rates known to be good and bad are this close.
const CLOSE: f64 = 1.05;
const STEPS: usize = 10;
/// A trial's part of the time of a measurement, and the least.
const PART: u32 = 8;
const SHORTEST: Duration = Duration::from_millis(50);

pub(super) const DESCRIPTION: Description = Description {
    name: "throughput",
    title: "Zero-loss throughput, one way",
    unit: "frames/s",
    less_is_better: false,
    how: "A search for the highest rate at which every frame sent by one host arrives at the \
          other (RFC 2544, 26.1, with trials of a fraction of a second, each repeated up to \
          three times before its rate counts as too high). Latency is that of the best trial, \
          from the sender's call to the receiving netdev (RFC 2544, 26.2). Frame sizes include \
          the 4 bytes of FCS that netdevs don't carry.",
    bound: "The sender keeps one CPU busy; with two, the switch shares the other with the \
            receiver, and a rate is lost as soon as the switch is kept waiting for longer than \
            a TAP's ring holds frames, 1,000 of them or less. No figure exceeds what the sender \
            can send.",
};

pub(super) fn measure(
    lab: &Lab,
    rig: &Rig<'_>,
    case: &Case,
    duration: Duration,
) -> Result<Reading, Error> {
    let [from, to, ..] = &rig.hosts[..] else {
        return Err(Error::failed(WHAT, "needs two hosts"));
    };
    let length = case.size.unwrap_or(64).saturating_sub(FCS) as usize;
    let stations = [&Station::open(from)?, &Station::open(to)?];
    let time = (duration / PART).max(SHORTEST);
    let mut number = 0;
    let mut at = |stations, rate, time| {
        number += 1;
        trial(lab, stations, length, rate, time, number)
    };
    // The switch learns where both are.
    let [one, two] = stations;
    at([two, one], 100.0, SHORTEST)?;
    at([one, two], 100.0, SHORTEST)?;
    search(|rate| at(stations, rate, time))
}

/// Looks for the highest rate without loss.
fn search(mut at: impl FnMut(f64) -> Result<Trial, Error>) -> Result<Reading, Error> {
    let reading = |trial: Trial| {
        let figure = Reading::of(trial.rate());
        Reading { latency: Some(trial.latency), ..figure }
    };
    let full = at(f64::INFINITY)?;
    if full.received == 0 {
        return Err(Error::failed(WHAT, "no frame of this size came through"));
    }
    let (mut good, mut bad) = (0.0, full.rate());
    let mut rate = full.received as f64 / full.took;
    let mut best = if full.received == full.sent { Some(full) } else { None };
    for _ in 0..STEPS {
        if best.is_some() && bad <= good * CLOSE || good == 0.0 && best.is_some() {
            break;
        }
        match lossless(&mut at, rate)? {
            Some(trial) => {
                good = rate;
                best = Some(trial);
            }
            None => bad = rate,
        }
        rate = f64::midpoint(good, bad);
    }
    best.map(reading).ok_or_else(|| Error::failed(WHAT, "frames are lost at every rate"))
}

/// The first of some tries that loses nothing.
fn lossless(
    at: &mut impl FnMut(f64) -> Result<Trial, Error>,
    rate: f64,
) -> Result<Option<Trial>, Error> {
    for _ in 0..TRIES {
        let trial = at(rate)?;
        if trial.received == trial.sent && trial.sent > 0 {
            return Ok(Some(trial));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::latencies;
    use super::*;

    /// A switch that loses whatever exceeds `limit`, and a sender of a million a second.
    fn switch(limit: f64) -> impl FnMut(f64) -> Result<Trial, Error> {
        move |rate: f64| {
            let sent = rate.min(1e6);
            let received = sent.min(limit);
            Ok(Trial {
                sent: sent as u64,
                received: received as u64,
                took: 1.0,
                latency: latencies()?,
            })
        }
    }

    #[test]
    fn finds_the_highest_rate_without_loss() {
        for limit in [1e3, 5e4, 3.3e5, 9.9e5] {
            let found = search(switch(limit)).unwrap().figure;
            assert!(found <= limit && found * 1.06 > limit, "{limit}: {found}");
        }
    }

    #[test]
    fn a_switch_faster_than_the_sender_shows_the_senders_rate() {
        assert_eq!(search(switch(5e6)).unwrap().figure as u64, 1_000_000);
    }

    #[test]
    fn a_switch_that_passes_nothing_has_no_figure() {
        assert!(search(switch(0.0)).err().unwrap().why.contains("no frame"));
        // It passes some of what is sent, whatever the rate.
        let mut leaky = switch(1e9);
        let half = |rate: f64| {
            let mut trial = leaky(rate)?;
            trial.received = trial.sent / 2;
            Ok(trial)
        };
        assert!(search(half).err().unwrap().why.contains("every rate"));
    }
}
