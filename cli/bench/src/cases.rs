//! What a bench consists of: kinds of measurement, their cases, and the rigs these need.

use super::peers::Wiring;
use super::plan::{Plan, What};

/// The frame sizes of RFC 2544, 9.1, and a jumbo frame; bytes with FCS.
const SIZES: [u32; 8] = [64, 128, 256, 512, 1024, 1280, 1518, 9000];
/// The smallest and the largest of the ordinary ones, and one between.
const ENDS: [u32; 2] = [64, 1518];
const THREE: [u32; 3] = [64, 512, 1518];
/// Where only the work a frame counts, not its bytes.
const SMALLEST: u32 = 64;
/// The largest frame at an MTU of 1500, bytes with FCS.
const LARGEST_ORDINARY: u32 = 1518;
const MTU: u32 = 1500;
const JUMBO_MTU: u32 = 9000;
/// The check sequence behind each frame, which netdevs don't carry; bytes.
pub(super) const FCS: u32 = 4;
/// How many flows are "many" where nothing else is said.
const MANY: u16 = 8;

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
    IdlePorts,
    StoppedRate,
    StoppedLatency,
}

impl Work {
    /// Whether each measurement begins with a switch that was just started.
    pub(super) fn begins_afresh(self) -> bool {
        matches!(self, Work::FdbCapacity | Work::FdbLearning)
    }

    /// Whether Netloom alone is measured.
    pub(super) fn is_netloom_alone(self) -> bool {
        matches!(self, Work::IdlePorts | Work::StoppedRate | Work::StoppedLatency)
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
    /// Ports that the switch has besides.
    pub(super) idle_ports: Option<u16>,
    /// What another pair's receiver does.
    pub(super) receiver: Option<Receiver>,
}

/// What the receiver of a pair does while another pair is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Receiver {
    /// It takes what comes.
    Reads,
    /// It is stopped, and takes nothing.
    Stopped,
}

impl Receiver {
    /// Its name in documents.
    pub(super) fn name(self) -> &'static str {
        match self {
            Receiver::Reads => "reads",
            Receiver::Stopped => "stopped",
        }
    }
}

impl Case {
    /// The case to compare this one with: the same without idle ports and with a receiver that
    /// reads. `None` when this case has neither.
    pub(super) fn undisturbed(&self) -> Option<Case> {
        let same = Case {
            idle_ports: self.idle_ports.map(|_| 0),
            receiver: self.receiver.map(|_| Receiver::Reads),
            ..*self
        };
        (same != *self).then_some(same)
    }

    /// The rig it needs, given what its group's have in common.
    pub(super) fn wiring(&self, common: &Wiring) -> Wiring {
        Wiring { idle_ports: self.idle_ports.unwrap_or(0), ..*common }
    }
}

/// Cases that are measured in turn, round by round.
pub(super) struct Group {
    /// What their rigs have in common.
    pub(super) wiring: Wiring,
    pub(super) cases: Vec<Case>,
}

impl Group {
    /// The rigs that the cases need.
    pub(super) fn wirings(&self) -> Vec<Wiring> {
        let mut all: Vec<Wiring> = Vec::new();
        for wiring in self.cases.iter().map(|case| case.wiring(&self.wiring)) {
            if !all.contains(&wiring) {
                all.push(wiring);
            }
        }
        all
    }
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
            What::IdlePorts => vec![Work::IdlePorts],
            What::StoppedReceiver => vec![Work::StoppedRate, Work::StoppedLatency],
            What::Matrix => vec![
                Work::Loop,
                Work::Tcp,
                Work::Udp,
                Work::Rtt,
                Work::FdbCapacity,
                Work::FdbLearning,
                Work::Throughput,
                Work::IdlePorts,
                Work::StoppedRate,
                Work::StoppedLatency,
            ],
        }
    }

    /// What a kind of measurement consists of.
    pub(super) fn groups(&self, work: Work) -> Vec<Group> {
        match work {
            Work::Loop => self.loops(),
            Work::Udp => self.by_size(&ENDS, |size, flows| Case {
                size: Some(size),
                flows: Some(flows),
                ..Case::default()
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
            Work::IdlePorts => self.disturbed(2, &[0, self.idle_ports], |case, idle| Case {
                idle_ports: Some(idle),
                ..case
            }),
            Work::StoppedRate | Work::StoppedLatency => {
                let both = [Receiver::Reads, Receiver::Stopped];
                let mut groups = self.disturbed(4, &both, |case, receiver| Case {
                    receiver: Some(receiver),
                    ..case
                });
                groups.iter_mut().for_each(|group| group.wiring.guest = true);
                groups
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
                let case = |size: &u32| Case {
                    size: Some(*size),
                    queues: Some(queues),
                    ..Case::default()
                };
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

    /// Small frames, or those asked for, in each of some circumstances, between `hosts` hosts.
    fn disturbed<C: Copy>(
        &self,
        hosts: usize,
        circumstances: &[C],
        case: impl Fn(Case, C) -> Case,
    ) -> Vec<Group> {
        let in_each = |size: &u32| {
            let plain = Case { size: Some(*size), ..Case::default() };
            circumstances.iter().map(|it| case(plain, *it)).collect::<Vec<_>>()
        };
        let groups = self.sizes(&[SMALLEST]).into_iter().map(|(mtu, sizes)| Group {
            wiring: Wiring { hosts, ..wiring(None, mtu) },
            cases: sizes.iter().flat_map(in_each).collect(),
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
    Wiring { hosts: 2, queues, mtu, idle_ports: 0, guest: false }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::plan;
    use super::*;

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

    #[test]
    fn a_switch_with_idle_ports_stands_beside_one_without() {
        let groups = plan().groups(Work::IdlePorts);
        let idle: Vec<u16> = groups[0].wirings().iter().map(|wiring| wiring.idle_ports).collect();
        assert_eq!((groups.len(), &idle[..]), (1, &[0, 10][..]));
        let [without, with] = groups[0].cases[..] else { panic!("two cases") };
        assert_eq!((without.undisturbed(), with.undisturbed()), (None, Some(without)));
    }

    #[test]
    fn a_receiver_stops_and_goes_on_in_the_same_rig() {
        let groups = plan().groups(Work::StoppedLatency);
        let [wiring] = groups[0].wirings()[..] else { panic!("one rig") };
        assert!(wiring.guest && wiring.hosts == 4);
        let [reads, stopped] = groups[0].cases[..] else { panic!("two cases") };
        assert_eq!(stopped.receiver, Some(Receiver::Stopped));
        assert_eq!((reads.undisturbed(), stopped.undisturbed()), (None, Some(reads)));
    }
}
