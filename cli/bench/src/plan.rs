//! What the user wants measured, beside which peers, how long.

use std::time::Duration;

use clap::ValueEnum;

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
    /// Whether Netloom alone is measured.
    pub fn is_netloom_alone(self) -> bool {
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
    /// The peers.
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
}
