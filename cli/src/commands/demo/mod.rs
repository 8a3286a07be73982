//! `netloom demo`: two hosts, a switch between them, real traffic, all gone after seconds.
//!
//! It uses the program the way a person would: `up -d`, the control socket,
//! `down`. Only the traffic is its own: plain sockets, opened inside the two
//! namespaces.

mod lab;
mod ping;
mod story;
mod transfer;

use std::time::{Duration, Instant};

use rustix::thread::CapabilitySet;
use serde::Serialize;

use crate::args::Global;
use crate::commands::subprocess;
use crate::config::parse_frame;
use crate::control::api::{ExplainDoc, FdbRow, PortRow, Request, StatsDoc};
use crate::control::client::Client;
use crate::error::Error;
use crate::output;

use lab::Lab;
use ping::Pings;
use story::Story;
use transfer::Transfer;

/// How long the switch may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// All of it as one document.
#[derive(Serialize)]
struct Report {
    switch: String,
    ping: Pings,
    tcp: Transfer,
    ports: Vec<PortRow>,
    fdb: Vec<FdbRow>,
    stats: StatsDoc,
    explain: ExplainDoc,
    /// Seconds from the first step to the last thing removed.
    seconds: f64,
}

/// Tells the story while it happens.
///
/// # Errors
/// Exit 4 without the privileges, 1 when anything fails or no traffic flows.
pub(super) fn run(global: &Global) -> Result<(), Error> {
    let began = Instant::now();
    subprocess::needs(
        "demo",
        "to make namespaces and TAPs",
        &[("CAP_NET_ADMIN", CapabilitySet::NET_ADMIN), ("CAP_SYS_ADMIN", CapabilitySet::SYS_ADMIN)],
    )?;
    let story = Story::new(global);
    let stop = subprocess::on_interrupt("demo")?;
    let lab = Lab::build(&stop)?;
    let told = tell(&story, &lab, began);
    // Whatever happened, everything goes; the first failure is the one to tell.
    let removed = lab.remove();
    let mut report = told?;
    removed?;
    subprocess::interrupted("demo", &stop)?;
    report.seconds = began.elapsed().as_secs_f64();
    story.end(report.seconds);
    if global.json {
        output::show(global, &report, |_| String::new())?;
    }
    Ok(())
}

fn tell(story: &Story, lab: &Lab, began: Instant) -> Result<Report, Error> {
    story.made(lab, began.elapsed());

    let ping = ping::run(lab)?;
    story.pinged(lab, &ping);
    if ping.received == 0 {
        return Err(Error::failed("ping", "no reply came back"));
    }
    let tcp = transfer::run(lab)?;
    story.transferred(lab, &tcp);

    let mut client = Client::connect_within(&lab.run_dir(), PATIENCE)?;
    let ports: Vec<PortRow> = client.ask(&Request::Ports {})?;
    let fdb = client.fdb()?;
    story.learned(lab, &fdb);
    let frame = frame_between(&ports, &lab.hosts[0].port, &lab.hosts[1].port)?;
    let request =
        Request::Explain { port: lab.hosts[0].port.clone(), frame: super::explain::hex(&frame) };
    let explain: ExplainDoc = client.ask(&request)?;
    story.explained(lab, &explain);
    let stats: StatsDoc = client.ask(&Request::Stats { port: None })?;
    story.counted(lab, &stats);
    Ok(Report { switch: lab.switch.clone(), ping, tcp, ports, fdb, stats, explain, seconds: 0.0 })
}

/// An IPv4-typed frame from one port's netdev to the other's.
fn frame_between(ports: &[PortRow], from: &str, to: &str) -> Result<Vec<u8>, Error> {
    let mac = |name: &str| {
        let row = ports.iter().find(|port| port.name == name);
        row.and_then(|row| row.mac.as_deref())
            .ok_or_else(|| Error::failed(format!("port {name}"), "its netdev has no address"))
    };
    parse_frame(&format!("dst={} src={} type=0x0800", mac(to)?, mac(from)?))
}
