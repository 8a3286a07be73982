//! A few ICMP echo requests from one host to the other.

use std::time::Duration;

use io_backends::lab::netns::in_netns;
use rustix::io::Errno;
use serde::Serialize;

use super::lab::Lab;
use crate::error::Error;
use io_backends::lab::Echo;

const COUNT: u16 = 10;
/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// How the requests fared.
#[derive(Serialize)]
pub(super) struct Pings {
    pub(super) sent: u16,
    pub(super) received: u16,
    /// Seconds from request to reply; `null` where none came.
    pub(super) rtts: Vec<Option<f64>>,
}

/// Pings from the first host to the second.
pub(super) fn run(lab: &Lab) -> Result<Pings, Error> {
    let [from, to] = &lab.hosts;
    let outcome = in_netns(&from.netns, || {
        let mut echo = Echo::open(to.address, PATIENCE).map_err(broken)?;
        let mut rtts = Vec::new();
        for _ in 0..COUNT {
            lab.check()?;
            rtts.push(echo.round_trip().map_err(broken)?);
        }
        Ok::<_, Error>(rtts)
    })?;
    let rtts: Vec<_> = outcome?.iter().map(|rtt| rtt.map(|rtt| rtt.as_secs_f64())).collect();
    let received = rtts.iter().flatten().count() as u16;
    Ok(Pings { sent: COUNT, received, rtts })
}

fn broken(errno: Errno) -> Error {
    Error::system("ping", &errno.into(), "a group in net.ipv4.ping_group_range")
}
