//! How many addresses a switch remembers (RFC 2889, 5.7) and how fast it learns (5.8).
//!
//! Three hosts: one has all the addresses, one knows them, and one listens. A
//! frame to an address that the switch has learned goes to the first only; one
//! to any other is flooded, and the listener hears it.

use std::time::{Duration, Instant};

use measure::xdp_loop::frame;
use switch_core::Mac;

use super::super::lab::Lab;
use super::super::peers::Rig;
use super::wire::Station;
use super::{Description, Reading};
use io_backends::Error;

const WHAT: &str = "the FDB";
/// Frames on their way at once while nothing may be lost.
const WINDOW: usize = 64;
/// How long such frames may take before they are sent again, and how often.
const PATIENCE: Duration = Duration::from_millis(200);
const TRIES: usize = 10;
/// Where the search for the capacity begins.
const FEWEST: u32 = 64;
/// The capacity is found to a part of this.
const PRECISION: u32 = 128;
/// Addresses of one trial of the learning rate: fewer than any contestant holds.
const LEARNED: u32 = 4096;
/// Where that search begins, where it gives up, and how close it comes; addresses a second.
const FIRST: f64 = 16_000.0;
const SLOWEST: f64 = 500.0;
const CLOSE: f64 = 1.1;
const STEPS: usize = 24;
/// How often a rate may be tried before it counts as too high.
const RATE_TRIES: u32 = 3;
/// How long a switch has for what it does behind the last frame.
const SETTLE: Duration = Duration::from_millis(100);
const LENGTH: usize = 60;

pub(super) const CAPACITY: Description = Description {
    name: "fdb-capacity",
    title: "Address caching capacity",
    unit: "addresses",
    less_is_better: false,
    how: "One host sends a frame from each of some addresses, none is lost; another then sends a \
          frame to each of them. As long as a third host hears none of these, the switch \
          remembers all the addresses (RFC 2889, 5.7). The search begins with 64 addresses, a \
          switch that has just started each time, ends within a 128th of the truth, and goes no \
          further than --addresses says, 131,072 unless given: that figure means as many or more.",
    bound: "The configured size of the table: for Netloom, fdb-capacity, 65,536 by default, of which \
            the hosts' own addresses take three.",
};

pub(super) const LEARNING: Description = Description {
    name: "fdb-learning",
    title: "Address learning rate",
    unit: "addresses/s",
    less_is_better: false,
    how: "One host sends a frame from each of 4,096 new addresses at some rate; another then \
          sends a frame to each of them. The figure is the highest rate after which a third host \
          hears none of these (RFC 2889, 5.8), each rate being tried up to three times.",
    bound: "How fast a single sender can send and the switch can forward: learning itself costs \
            less than moving the frame. cargo bench measures it alone.",
};

/// The hosts' three parts.
struct Stations {
    /// Has the addresses.
    learned: Station,
    /// Sends to them.
    tester: Station,
    /// Should hear nothing of it.
    listener: Station,
}

impl Stations {
    fn open(rig: &Rig<'_>) -> Result<Stations, Error> {
        let [learned, tester, listener] = &rig.hosts[..] else {
            return Err(Error::failed(WHAT, "needs three hosts"));
        };
        Ok(Stations {
            learned: Station::open(learned)?,
            tester: Station::open(tester)?,
            listener: Station::open(listener)?,
        })
    }
}

/// The capacity, up to `most`. `fresh` starts the contestant anew.
pub(super) fn capacity<'l>(
    lab: &Lab,
    most: u32,
    mut fresh: impl FnMut() -> Result<Rig<'l>, Error>,
) -> Result<Reading, Error> {
    let figure = largest(FEWEST, most, |count| {
        let rig = fresh()?;
        let stations = Stations::open(&rig)?;
        learn(lab, &stations, 0..count)?;
        remembers(lab, &stations, 0..count)
    })?;
    match figure {
        0 => Err(Error::failed(WHAT, format!("not even {FEWEST} addresses are remembered"))),
        count => Ok(Reading::of(count.into())),
    }
}

/// The largest count up to `most` that `holds`, to a part of [`PRECISION`]; 0 when `fewest` does not.
fn largest(
    fewest: u32,
    most: u32,
    mut holds: impl FnMut(u32) -> Result<bool, Error>,
) -> Result<u32, Error> {
    let (mut good, mut next) = (0, fewest);
    while holds(next)? {
        good = next;
        if next == most {
            return Ok(most);
        }
        next = (next * 2).min(most);
    }
    let mut bad = next;
    while good > 0 && bad - good > (good / PRECISION).max(1) {
        let middle = good.midpoint(bad);
        match holds(middle)? {
            true => good = middle,
            false => bad = middle,
        }
    }
    Ok(good)
}

/// The learning rate.
pub(super) fn learning(lab: &Lab, rig: &Rig<'_>) -> Result<Reading, Error> {
    let stations = Stations::open(rig)?;
    learn(lab, &stations, 0..FEWEST)?;
    let mut next = FEWEST;
    let figure = fastest(|rate| {
        for _ in 0..RATE_TRIES {
            let addresses = next..next + LEARNED;
            next = addresses.end;
            let reached = send_evenly(lab, &stations, addresses.clone(), rate)?;
            lab.wait(SETTLE)?;
            stations.tester.receive(|_, _| {})?;
            if remembers(lab, &stations, addresses)? {
                return Ok(Some(reached));
            }
        }
        Ok(None)
    })?;
    figure.map(Reading::of).ok_or_else(|| Error::failed(WHAT, "addresses are missed at every rate"))
}

/// The highest rate reached that `holds`, which says what rate it really reached.
fn fastest(mut holds: impl FnMut(f64) -> Result<Option<f64>, Error>) -> Result<Option<f64>, Error> {
    let (mut best, mut rate, mut bad) = (None, FIRST, f64::INFINITY);
    for _ in 0..STEPS {
        match holds(rate)? {
            // Asking for more makes the sender no faster.
            Some(reached) if reached < rate / CLOSE => return Ok(Some(reached)),
            Some(reached) => best = Some(reached),
            None => bad = rate,
        }
        let good = best.unwrap_or(0.0);
        if bad <= good * CLOSE || bad <= SLOWEST {
            break;
        }
        rate = if bad.is_finite() { f64::midpoint(good, bad) } else { rate * 2.0 };
    }
    Ok(best)
}

/// The address number `number` of those that are learned.
fn address(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    Mac::new([2, 0x10, a, b, c, d])
}

/// Has the switch learn addresses, losing none.
fn learn(lab: &Lab, stations: &Stations, addresses: std::ops::Range<u32>) -> Result<(), Error> {
    let Stations { learned, tester, .. } = stations;
    // First where the tester is, so that the learning frames are not flooded.
    tester.send(&frame(learned.mac, tester.mac, LENGTH))?;
    lab.wait(Duration::from_millis(5))?;
    for number in addresses.clone().step_by(WINDOW) {
        let window = number..addresses.end.min(number + WINDOW as u32);
        let frames = window.map(|number| frame(tester.mac, address(number), LENGTH));
        deliver(lab, learned, tester, &frames.collect::<Vec<_>>())?;
    }
    stations.listener.receive(|_, _| {})
}

/// Whether frames to each address arrive at the host where it was learned, and at no other.
fn remembers(
    lab: &Lab,
    stations: &Stations,
    addresses: std::ops::Range<u32>,
) -> Result<bool, Error> {
    let Stations { learned, tester, listener } = stations;
    listener.receive(|_, _| {})?;
    for number in addresses.clone().step_by(WINDOW) {
        let window = number..addresses.end.min(number + WINDOW as u32);
        let frames = window.map(|number| frame(address(number), tester.mac, LENGTH));
        deliver(lab, tester, learned, &frames.collect::<Vec<_>>())?;
        let mut heard = 0;
        listener.receive(|_, _| heard += 1)?;
        if heard > 0 {
            return Ok(false);
        }
    }
    lab.wait(Duration::from_millis(5))?;
    let mut heard = 0;
    listener.receive(|_, _| heard += 1)?;
    Ok(heard == 0)
}

/// Sends frames and waits until as many have arrived; again, if some don't.
fn deliver(lab: &Lab, from: &Station, to: &Station, frames: &[Vec<u8>]) -> Result<(), Error> {
    for _ in 0..TRIES {
        lab.check()?;
        to.receive(|_, _| {})?;
        for bytes in frames {
            from.send(bytes)?;
        }
        let (mut arrived, deadline) = (0, Instant::now() + PATIENCE);
        while arrived < frames.len() && Instant::now() < deadline {
            to.wait(PATIENCE / 10)?;
            to.receive(|_, _| arrived += 1)?;
        }
        if arrived >= frames.len() {
            return Ok(());
        }
    }
    Err(Error::failed(WHAT, "frames don't come through"))
}

/// Sends a frame from each of the addresses, so many a second; the rate reached.
fn send_evenly(
    lab: &Lab,
    stations: &Stations,
    addresses: std::ops::Range<u32>,
    rate: f64,
) -> Result<f64, Error> {
    let frames: Vec<Vec<u8>> =
        addresses.map(|number| frame(stations.tester.mac, address(number), LENGTH)).collect();
    lab.check()?;
    let began = Instant::now();
    for (number, bytes) in frames.iter().enumerate() {
        while began.elapsed().as_secs_f64() < number as f64 / rate {
            std::hint::spin_loop();
        }
        stations.learned.send(bytes)?;
    }
    Ok(frames.len() as f64 / began.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u32 = 131_072;

    #[test]
    fn finds_the_largest_table_it_can_tell() {
        for capacity in [64, 65, 100, 8192, 65_000, 65_536, LIMIT, 10 * LIMIT] {
            let found = largest(FEWEST, LIMIT, |count| Ok(count <= capacity)).unwrap();
            let expected = capacity.min(LIMIT);
            assert!(found <= expected && found + found / PRECISION + 1 >= expected, "{found}");
        }
        assert_eq!(largest(FEWEST, LIMIT, |_| Ok(false)), Ok(0));
    }

    #[test]
    fn finds_the_highest_rate_and_what_the_sender_can() {
        let below = |limit: f64| move |rate: f64| Ok((rate <= limit).then_some(rate.min(5e5)));
        let found = fastest(below(7e4)).unwrap().unwrap();
        assert!(found <= 7e4 && found * 1.11 > 7e4, "{found}");
        assert_eq!(fastest(below(1e9)), Ok(Some(5e5)));
        let slow = fastest(below(700.0)).unwrap().unwrap();
        assert!((630.0..700.0).contains(&slow), "{slow}");
        assert_eq!(fastest(below(1.0)), Ok(None));
    }

    #[test]
    fn no_two_addresses_are_alike_nor_groups() {
        assert_ne!(address(1), address(1 << 16 | 1));
        assert!(!address(u32::MAX).is_group());
    }
}
