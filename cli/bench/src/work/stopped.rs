//! What a receiver that stands still costs another pair.
//!
//! Four hosts: the pair that is measured, and another whose receiver is behind
//! a program that can be stopped ([`Guest`](super::super::peers::Guest)).

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use measure::xdp_loop::frame;

use super::super::cases::{Case, FCS, Receiver};
use super::super::lab::Lab;
use super::super::peers::{Host, Rig};
use super::counters::counted;
use super::wire::{Station, trial};
use super::{Description, Reading, Tally, WARM_UP, looping};
use io_backends::Error;

const WHAT: &str = "the other pair";
/// How many frames a second go to the receiver that may stand still, and how
/// long their sender sleeps between bursts.
const BESIDE: f64 = 10_000.0;
const PAUSE: Duration = Duration::from_millis(1);
/// The most frames sent at once: a sender that was late does not send all that it missed.
const BURST: u64 = 256;
/// Frames a second whose latency is taken.
const STEADY: f64 = 2_000.0;
/// How long the switch may take to learn where the other pair is.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);
/// How long the pair's first frames go to and fro.
const ACQUAINTANCE: Duration = Duration::from_millis(50);
/// A nanosecond, in seconds.
const NANO: f64 = 1e-9;

pub(super) const RATE: Description = Description {
    name: "stopped-receiver-rate",
    title: "Forwarding rate beside a receiver that stands still",
    unit: "frames/s",
    less_is_better: false,
    how: "One switch, two pairs. To the receiver of one pair go 10,000 frames of 64 bytes a second. It \
          is behind a process that holds a TAP's descriptor, as a virtual machine's monitor does, and \
          the switch reaches that TAP through a macvtap port; the process is another netloom. In turn \
          it reads, and is stopped with SIGSTOP, so that the TAP's ring fills up. Meanwhile the other \
          pair's forwarding rate is measured as for the loop. The ratio is the rate beside the stopped \
          receiver over that beside the reading one, the median of the rounds' ratios. It can exceed 1: \
          a process that stands still leaves its CPU to others. Netloom is compared with itself; other \
          switches are not measured.",
    bound: "The worker that forwards for both pairs pays a system call for each frame to the stopped \
            receiver, as for any other; the kernel drops what the TAP's ring does not hold.",
};

pub(super) const LATENCY: Description = Description {
    name: "stopped-receiver-latency",
    title: "99th percentile of latency beside a receiver that stands still",
    unit: "seconds",
    less_is_better: true,
    how: "The same two pairs. Instead of frames that circle, 2,000 frames a second go one way between \
          the hosts of the pair that is measured; each one's latency is the time from the sender's \
          call to the receiving netdev. The figure of a round is the time that 99 % of the frames that \
          arrived did not exceed; frames that did not arrive are counted as lost. The ratio is the \
          figure beside the stopped receiver over that beside the reading one.",
    bound: "Waking up the worker, and whoever else wants its CPU: two senders, two receivers and two \
            switches share the machine's.",
};

/// The forwarding rate of the pair that is measured.
pub(super) fn rate(
    lab: &Lab,
    rig: &Rig<'_>,
    case: &Case,
    duration: Duration,
) -> Result<Reading, Error> {
    beside_traffic(lab, rig, case, || looping::measure(lab, rig, case, duration))
}

/// How long its frames take.
pub(super) fn latency(
    lab: &Lab,
    rig: &Rig<'_>,
    case: &Case,
    duration: Duration,
) -> Result<Reading, Error> {
    const FIRST: u32 = 1;
    let [from, to, ..] = &rig.hosts[..] else { return Err(too_few()) };
    let stations = [&Station::open(from)?, &Station::open(to)?];
    let at = |stations, time, number| trial(lab, stations, length(case), STEADY, time, number);
    // The switch learns where both are.
    let [one, two] = stations;
    at([two, one], ACQUAINTANCE, FIRST)?;
    at([one, two], ACQUAINTANCE, FIRST + 1)?;
    let trial = beside_traffic(lab, rig, case, || at(stations, duration, FIRST + 2))?;
    if trial.latency.is_empty() {
        return Err(Error::failed("latency", "no frame came through"));
    }
    let figure = trial.latency.value_at_quantile(0.99) as f64 * NANO;
    let lost = trial.sent.saturating_sub(trial.received);
    let frames = Some(Tally { sent: trial.sent, lost });
    Ok(Reading { figure, latency: Some(trial.latency), frames })
}

/// Measures while frames go to the other pair's receiver, which stands still
/// if the case says so.
fn beside_traffic<T>(
    lab: &Lab,
    rig: &Rig<'_>,
    case: &Case,
    measure: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let ([_, _, from, to], Some(guest)) = (&rig.hosts[..], &rig.guest) else {
        return Err(too_few());
    };
    let sender = Station::open(from)?;
    acquaint(lab, &sender, to)?;
    let bytes = frame(to.mac, from.mac, length(case));
    // From here on it goes on again however this ends.
    let standstill = match case.receiver {
        Some(Receiver::Stopped) => Some(guest.stop()?),
        _ => None,
    };
    let over = AtomicBool::new(false);
    let (measured, arrived) = thread::scope(|scope| {
        let traffic = scope.spawn(|| send(&sender, &bytes, &over));
        let measured = lab.wait(WARM_UP).and_then(|()| {
            let before = received(to)?;
            let measured = measure()?;
            Ok((measured, received(to)? - before))
        });
        over.store(true, Ordering::Relaxed);
        traffic.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        measured
    })?;
    match (standstill, arrived) {
        (None, 0) => Err(Error::failed(WHAT, "its receiver gets nothing")),
        (Some(_), 1..) => Err(Error::failed(WHAT, "its receiver goes on after SIGSTOP")),
        _ => Ok(measured),
    }
}

/// Lets the switch learn where both hosts of the other pair are.
fn acquaint(lab: &Lab, sender: &Station, to: &Host) -> Result<(), Error> {
    let receiver = Station::open(to)?;
    let length = 60;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        lab.check()?;
        let mut both = [false; 2];
        for (number, (from, to)) in [(&receiver, sender), (sender, &receiver)].iter().enumerate() {
            to.receive(|_, _| {})?;
            from.send(&frame(to.mac, from.mac, length))?;
            to.wait(LOOK)?;
            to.receive(|_, _| both[number] = true)?;
        }
        if both == [true; 2] {
            return Ok(());
        }
    }
    Err(Error::failed(WHAT, "no frame came through"))
}

/// Sends the same frame again and again, [`BESIDE`] times a second.
fn send(sender: &Station, bytes: &[u8], over: &AtomicBool) -> Result<(), Error> {
    let mut last = Instant::now();
    while !over.load(Ordering::Relaxed) {
        // A pause between bursts is what makes the rate; how long it was is measured.
        thread::sleep(PAUSE);
        let due = (last.elapsed().as_secs_f64() * BESIDE) as u64;
        last = Instant::now();
        for _ in 0..due.min(BURST) {
            // One that the netdev refuses, its ring being full, is sent and lost.
            sender.send(bytes)?;
        }
    }
    Ok(())
}

fn received(host: &Host) -> Result<u64, Error> {
    Ok(counted(&[host])?.iter().map(|counters| counters.received.frames).sum())
}

fn length(case: &Case) -> usize {
    case.size.unwrap_or(64).saturating_sub(FCS) as usize
}

fn too_few() -> Error {
    Error::failed(WHAT, "needs four hosts, one of them behind another process")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_what_is_done() {
        assert!(RATE.how.contains("10,000") && BESIDE as u64 == 10_000);
        assert!(LATENCY.how.contains("2,000") && STEADY as u64 == 2_000);
        // The ring of a TAP, 1,000 frames, is full before anything is measured.
        assert!(BESIDE * WARM_UP.as_secs_f64() > 1_500.0);
    }
}
