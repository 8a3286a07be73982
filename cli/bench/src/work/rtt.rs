//! Round trips of a ping flood.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;
use io_backends::lab::netns::in_netns;
use rustix::io::Errno;

use super::super::cases::Case;
use super::super::lab::Lab;
use super::super::peers::Rig;
use super::{Description, Reading, WARM_UP, broken, latencies};
use io_backends::Error;
use io_backends::lab::Echo;

const WHAT: &str = "ping";
/// How long a reply may take.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) const DESCRIPTION: Description = Description {
    name: "rtt",
    title: "Mean round-trip time of a ping flood",
    unit: "seconds",
    less_is_better: true,
    how: "One host sends ICMP echo requests of 56 bytes, the next as soon as the reply to the \
          last has come, as a ping flood does; the other host's kernel answers. With several flows, \
          several threads do so at once. The figure is the mean time from request to reply.",
    bound: "Two ways through the switch and through both hosts' stacks, and waking up whoever \
            sleeps: one request is on its way at a time, so no one has a batch to work on.",
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
    let flows = case.flows.unwrap_or(1);
    let open = || (0..flows).map(|_| Echo::open(to.address, PATIENCE)).collect();
    let echoes: Result<Vec<Echo>, Errno> = in_netns(&from.netns, open)?;
    let failed = |errno: Errno| broken(WHAT)(errno.into());
    let mut all = latencies()?;
    let (recording, over) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let mut floods = Vec::new();
        for echo in echoes.map_err(failed)? {
            let latencies = latencies()?;
            let (recording, over) = (&recording, &over);
            floods.push(scope.spawn(move || flood(echo, latencies, recording, over)));
        }
        let waited = lab.wait(WARM_UP).and_then(|()| {
            recording.store(true, Ordering::Relaxed);
            lab.wait(duration)
        });
        over.store(true, Ordering::Relaxed);
        for flood in floods {
            let latencies = flood.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all += latencies.map_err(failed)?;
        }
        waited
    })?;
    if all.is_empty() {
        return Err(Error::failed(WHAT, "no reply came back"));
    }
    let mean = all.mean() / 1e9;
    Ok(Reading { latency: Some(all), ..Reading::of(mean) })
}

fn flood(
    mut echo: Echo,
    mut latencies: Histogram<u64>,
    recording: &AtomicBool,
    over: &AtomicBool,
) -> Result<Histogram<u64>, Errno> {
    while !over.load(Ordering::Relaxed) {
        let counts = recording.load(Ordering::Relaxed);
        if let Some(time) = echo.round_trip()?
            && counts
        {
            latencies.saturating_record(time.as_nanos() as u64);
        }
    }
    Ok(latencies)
}
