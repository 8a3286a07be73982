//! What is to be measured, among whom, how long.

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;

use super::peers::{Contestant, Variant, Wiring};
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
    /// All of these
    Matrix,
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

/// The frame sizes of RFC 2544, 9.1, and a jumbo frame; bytes with FCS.
const SIZES: [u32; 8] = [64, 128, 256, 512, 1024, 1280, 1518, 9000];
/// The smallest and the largest of the ordinary ones, and one between.
const ENDS: [u32; 2] = [64, 1518];
const THREE: [u32; 3] = [64, 512, 1518];
/// The largest frame at an MTU of 1500, bytes with FCS.
const LARGEST_ORDINARY: u32 = 1518;
const MTU: u32 = 1500;
const JUMBO_MTU: u32 = 9000;
/// The check sequence behind each frame, which netdevs don't carry; bytes.
pub(super) const FCS: u32 = 4;
/// How many flows are "many" where nothing else is said.
const MANY: u16 = 8;

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
    setting("workers", text, "not a number from 1 to 256, a list of CPUs like 0-1,3, or auto")
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

/// A kind of measurement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Work {
    Loop,
    Tcp,
    Udp,
    Rtt,
    FdbCapacity,
    FdbLearning,
    Throughput,
}

impl Work {
    /// Whether each measurement begins with a switch that was just started.
    pub(super) fn begins_afresh(self) -> bool {
        matches!(self, Work::FdbCapacity | Work::FdbLearning)
    }
}

/// The circumstances of one figure; `None` where they do not apply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Case {
    /// Bytes with FCS.
    pub(super) size: Option<u32>,
    /// Of a port.
    pub(super) queues: Option<u16>,
    pub(super) flows: Option<u16>,
}

/// Cases that need the same rigs.
pub(super) struct Group {
    pub(super) wiring: Wiring,
    pub(super) cases: Vec<Case>,
}

impl Plan {
    /// The kinds of measurement, in order.
    pub(super) fn works(&self) -> Vec<Work> {
        match self.what {
            What::Loop => vec![Work::Loop],
            What::Tcp => vec![Work::Tcp],
            What::Udp => vec![Work::Udp],
            What::Rtt => vec![Work::Rtt],
            What::Fdb => vec![Work::FdbCapacity, Work::FdbLearning],
            What::Throughput => vec![Work::Throughput],
            What::Matrix => vec![
                Work::Loop,
                Work::Tcp,
                Work::Udp,
                Work::Rtt,
                Work::FdbCapacity,
                Work::FdbLearning,
                Work::Throughput,
            ],
        }
    }

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
        all.extend(self.peers.iter().copied().flat_map(Contestant::of));
        all
    }

    /// What a kind of measurement consists of.
    pub(super) fn groups(&self, work: Work) -> Vec<Group> {
        match work {
            Work::Loop => self.loops(),
            Work::Udp => self.by_size(&ENDS, |size, flows| Case {
                size: Some(size),
                queues: None,
                flows: Some(flows),
            }),
            Work::Throughput => {
                let case = |size| Case { size: Some(size), ..Case::default() };
                let groups = self.sizes(&THREE).into_iter().map(|(mtu, sizes)| Group {
                    wiring: wiring(None, mtu),
                    cases: sizes.into_iter().map(case).collect(),
                });
                groups.collect()
            }
            Work::FdbCapacity | Work::FdbLearning => {
                let wiring = Wiring { hosts: 3, ..wiring(None, MTU) };
                vec![Group { wiring, cases: vec![Case::default()] }]
            }
            Work::Tcp | Work::Rtt => {
                let case = |flows| Case { flows: Some(flows), ..Case::default() };
                vec![Group { wiring: wiring(None, MTU), cases: self.flows().map(case).collect() }]
            }
        }
    }

    fn loops(&self) -> Vec<Group> {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let queues = match &self.queues[..] {
            [] if cpus > 1 => vec![1, u16::try_from(cpus).unwrap_or(u16::MAX).min(8)],
            [] => vec![1],
            given => given.to_vec(),
        };
        let mut groups = Vec::new();
        for queues in queues {
            for (mtu, sizes) in self.sizes(&SIZES) {
                let case =
                    |size: &u32| Case { size: Some(*size), queues: Some(queues), flows: None };
                let cases = sizes.iter().map(case).collect();
                groups.push(Group { wiring: wiring(Some(queues), mtu), cases });
            }
        }
        groups
    }

    fn by_size(&self, usual: &[u32], case: impl Fn(u32, u16) -> Case) -> Vec<Group> {
        let groups = self.sizes(usual).into_iter().map(|(mtu, sizes)| {
            let with_flows = |size: u32| self.flows().map(move |flows| (size, flows));
            let pairs = sizes.into_iter().flat_map(with_flows);
            let cases = pairs.map(|(size, flows)| case(size, flows)).collect();
            Group { wiring: wiring(None, mtu), cases }
        });
        groups.collect()
    }

    /// The sizes by the MTU they need.
    fn sizes(&self, usual: &[u32]) -> Vec<(u32, Vec<u32>)> {
        let sizes = if self.sizes.is_empty() { usual } else { &self.sizes };
        let (ordinary, jumbo): (Vec<u32>, Vec<u32>) =
            sizes.iter().partition(|size| **size <= LARGEST_ORDINARY);
        let all = [(MTU, ordinary), (JUMBO_MTU, jumbo)];
        all.into_iter().filter(|(_, sizes)| !sizes.is_empty()).collect()
    }

    fn flows(&self) -> impl Iterator<Item = u16> + use<> {
        let flows = if self.flows.is_empty() { vec![1, MANY] } else { self.flows.clone() };
        flows.into_iter()
    }
}

fn wiring(queues: Option<u16>, mtu: u32) -> Wiring {
    Wiring { hosts: 2, queues, mtu }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
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
    fn jumbo_frames_have_rigs_of_their_own() {
        let groups = plan().groups(Work::Loop);
        let shape = |group: &Group| (group.wiring.queues, group.wiring.mtu, group.cases.len());
        assert_eq!(
            groups.iter().map(shape).collect::<Vec<_>>(),
            [(Some(1), 1500, 7), (Some(1), 9000, 1), (Some(2), 1500, 7), (Some(2), 9000, 1)]
        );
        let small = Plan { sizes: vec![64], ..plan() };
        assert_eq!(small.groups(Work::Loop).len(), 2);
        assert_eq!(small.groups(Work::Udp)[0].cases.len(), 2);
    }
}
