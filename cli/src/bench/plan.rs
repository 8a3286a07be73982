//! What the user wants measured, among whom, how long.

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;

use super::peers::{Contestant, Variant};
use crate::config::parse_file;

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum What {
    /// Frames forwarded a second: they circle through the switch, no generator in the way
    Loop,
    /// TCP from one namespace to the other, one stream and many
    Tcp,
    /// UDP datagrams that arrive when the sender sends as fast as it can
    Udp,
    /// Round trips of a ping flood
    Rtt,
    /// How many addresses are remembered, and how fast they are learned (RFC 2889)
    Fdb,
    /// The highest rate without loss, and latencies (RFC 2544)
    Throughput,
    /// What a thousand idle ports cost a busy pair
    IdlePorts,
    /// What a receiver that stands still costs another pair
    StoppedReceiver,
    /// All of these
    Matrix,
}

impl What {
    /// Whether Netloom is measured beside nobody but itself.
    pub(crate) fn is_netloom_alone(self) -> bool {
        matches!(self, What::IdlePorts | What::StoppedReceiver)
    }
}

/// Who Netloom is measured beside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Peer {
    /// The kernel's bridge over veth pairs
    KernelBridge,
    /// Open vSwitch with its user-space datapath
    Ovs,
    /// vde_switch
    Vde,
    /// One thread that reads and writes, with and without a virtio-net header
    Plain,
    /// Nobody
    None,
}

/// A bench as the user wants it; an empty list is the bench's own choice.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// What is measured.
    pub what: What,
    /// Beside whom.
    pub peers: Vec<Peer>,
    /// Engines of Netloom, each measured; `auto`, `epoll`, `io_uring`.
    pub engines: Vec<String>,
    /// Worker settings of Netloom, each measured, as in `[switch]`.
    pub workers: Vec<String>,
    /// Of one measurement.
    pub duration: Duration,
    /// How often each is repeated.
    pub rounds: usize,
    /// Frame sizes in bytes with FCS.
    pub sizes: Vec<u32>,
    /// Queue counts of the ports, for the loop.
    pub queues: Vec<u16>,
    /// Numbers of flows.
    pub flows: Vec<u16>,
    /// Where the search for an FDB's capacity ends, 64 or more.
    pub addresses: u32,
    /// How many ports are idle, for what they cost.
    pub idle_ports: u16,
    /// Whether idle CPUs are kept from sleeping.
    pub awake: bool,
}

/// Seconds on the command line, whole or not.
pub(crate) fn seconds_arg(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    let seconds = seconds.filter(|seconds| (0.05..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "not seconds from 0.05 to 3600".to_owned())
}

/// A value of `engine` in `[switch]`.
pub(crate) fn engine_arg(text: &str) -> Result<String, String> {
    setting("engine", text, "not auto, epoll or io_uring")
}

/// A value of `workers` in `[switch]`.
pub(crate) fn workers_arg(text: &str) -> Result<String, String> {
    setting(
        "workers",
        text,
        "not a number from 1 to 256, a list of CPUs like 0-1,3, or auto; repeat --workers for several",
    )
}

/// `text`, if it is what a file can say of `key`.
fn setting(key: &str, text: &str, why: &str) -> Result<String, String> {
    let given = setting_text(text);
    match parse_file(Path::new(key), &format!("[switch]\n{key} = {given}\n")) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(why.to_owned()),
    }
}

/// A setting as a file has it: a number, or a string.
pub(super) fn setting_text(text: &str) -> String {
    match text.parse::<u32>() {
        Ok(number) => number.to_string(),
        Err(_) => format!("{text:?}"),
    }
}

impl Plan {
    /// Everybody who is measured, Netloom first: the others are compared with the first.
    pub(super) fn contestants(&self) -> Vec<Contestant> {
        let one = |list: &[String]| -> Vec<Option<String>> {
            if list.is_empty() { vec![None] } else { list.iter().cloned().map(Some).collect() }
        };
        let mut all = Vec::new();
        for engine in one(&self.engines) {
            for workers in one(&self.workers) {
                all.push(Contestant::Netloom(Variant { engine: engine.clone(), workers }));
            }
        }
        if !self.what.is_netloom_alone() {
            all.extend(self.peers.iter().copied().flat_map(Contestant::of));
        }
        all
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn plan() -> Plan {
        Plan {
            what: What::Matrix,
            peers: vec![Peer::KernelBridge, Peer::Plain],
            engines: Vec::new(),
            workers: Vec::new(),
            duration: Duration::from_secs(1),
            rounds: 5,
            sizes: Vec::new(),
            queues: vec![1, 2],
            flows: Vec::new(),
            addresses: 64,
            idle_ports: 10,
            awake: false,
        }
    }

    #[test]
    fn netloom_comes_first_and_in_every_form_asked_for() {
        let names =
            |plan: &Plan| plan.contestants().iter().map(Contestant::name).collect::<Vec<_>>();
        assert_eq!(names(&plan()), ["netloom", "kernel-bridge", "plain", "plain-header"]);
        let two = ["epoll", "io_uring"].map(Into::into).to_vec();
        let plan = Plan { engines: two, workers: vec!["1".into()], peers: Vec::new(), ..plan() };
        assert_eq!(names(&plan), ["netloom-epoll-w1", "netloom-io-uring-w1"]);
    }

    #[test]
    fn settings_are_those_of_a_file() {
        for good in ["1", "256", "auto", "0-1,3"] {
            assert_eq!(workers_arg(good).as_deref(), Ok(good));
        }
        for bad in ["0", "257", "x", "", "1-0", "\"", "1\nname = \"x\""] {
            assert!(workers_arg(bad).is_err(), "{bad}");
        }
        assert!(engine_arg("io_uring").is_ok() && engine_arg("dpdk").is_err());
        assert_eq!(seconds_arg("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["0", "-1", "x", "nan", "1e9"] {
            assert!(seconds_arg(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_is_compared_with_itself_has_no_peers() {
        let alone = Plan { what: What::StoppedReceiver, ..plan() };
        assert_eq!(alone.contestants().len(), 1);
    }
}
