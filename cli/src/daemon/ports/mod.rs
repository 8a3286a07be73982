//! The ports of a running switch: what became of each port of the configuration.
//!
//! There is one road to a port in service, [`service`], which starting, requests and healing all
//! take. [`links`] follows the ports' netdevs, [`look`] finds queues that others changed, [`heal`]
//! makes lost devices again.

mod heal;
mod links;
mod look;
mod netdev;
mod service;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use io_backends::Error;
use io_backends::bpf::lane::{LaneCounts, LaneDoor};
use io_backends::lab::{LinkInfo, Watched};
use io_backends::ports::Tied;
use io_backends::queue::guard::Guard;
use switch_core::frame::Takes;
use switch_core::port::DeviceState;
use switch_core::{Mac, PortId};

use netdev::Netdev;

pub(super) use service::Aside;

/// The MTU of a netdev the switch cannot see: no limit but a frame's own.
const UNKNOWN_MTU: u32 = 65_535;

/// What became of each port of the configuration, by name.
pub(super) type Lives = BTreeMap<String, PortLife>;

/// What became of one port of the configuration.
pub(super) struct PortLife {
    /// Its number in the switch.
    pub(super) id: PortId,
    device: Device,
    /// What the lane had counted for its number before.
    pub(super) lane_base: LaneCounts,
}

/// A port's device at one moment, for those who ask.
pub(super) struct DeviceNow {
    /// Why there is none.
    pub(super) fault: Option<String>,
    /// Whether frames get through.
    pub(super) up: bool,
    /// How many queues it has.
    pub(super) queues: Option<u16>,
    /// Its netdev, where the switch can see it.
    pub(super) link: Option<LinkInfo>,
}

/// A port's device.
enum Device {
    /// In service.
    Open(Box<Open>),
    /// Not there.
    Lost(Lost),
}

struct Open {
    takes: Takes,
    queues: u16,
    /// What tells whether others changed the queues; `None` where nobody else can.
    guard: Option<Guard>,
    /// `None` for a netdev the switch cannot see.
    netdev: Option<Netdev>,
    /// Of a port whose netdev stays where it is.
    tie: Option<Tie>,
}

/// A netdev tied to the queue that the switch reads.
pub(super) struct Tie {
    pub(super) tied: Tied,
    /// Its way into the lane, where there is one.
    pub(super) door: Option<LaneDoor>,
}

pub(super) struct Lost {
    why: String,
    /// The netdev's address, which its neighbours still know.
    mac: Option<Mac>,
    /// When it is tried again; `None` for what only its giver could give again.
    next: Option<Instant>,
    /// The time between two tries.
    wait: Duration,
}

impl PortLife {
    /// The device as it is at this moment.
    pub(super) fn now(&self) -> DeviceNow {
        let (fault, queues) = match &self.device {
            Device::Lost(lost) => (Some(lost.why.clone()), None),
            Device::Open(open) => (None, Some(open.queues)),
        };
        let link = self.netdev().map(|netdev| netdev.link.clone());
        DeviceNow { fault, up: self.state().up, queues, link }
    }

    /// What ties its netdev to its queue.
    pub(super) fn tie(&self) -> Option<&Tie> {
        match &self.device {
            Device::Open(open) => open.tie.as_ref(),
            Device::Lost(_) => None,
        }
    }

    /// The address of its netdev.
    pub(super) fn mac(&self) -> Option<Mac> {
        self.netdev().and_then(|netdev| netdev.link.mac)
    }

    /// Has what is sent to its netdev's address, as it is now, come out there at once.
    fn follow_address(&self) -> Result<(), Error> {
        self.tie().map_or(Ok(()), |tie| tie.tied.send_to(self.mac()))
    }

    /// Whether there is no device.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.device, Device::Lost(_))
    }

    fn netdev(&self) -> Option<&Netdev> {
        match &self.device {
            Device::Open(open) => open.netdev.as_ref(),
            Device::Lost(_) => None,
        }
    }

    fn netdev_mut(&mut self) -> Option<&mut Netdev> {
        match &mut self.device {
            Device::Open(open) => open.netdev.as_mut(),
            Device::Lost(_) => None,
        }
    }

    /// Its netdev in the watch.
    pub(super) fn watched(&self) -> Option<Watched> {
        self.netdev().map(|netdev| netdev.watched)
    }

    /// The device as the hot path sees it.
    pub(super) fn state(&self) -> DeviceState {
        match &self.device {
            Device::Lost(_) => DeviceState { up: false, mtu: 0, takes: Takes::NOTHING },
            Device::Open(open) => match &open.netdev {
                None => DeviceState { up: true, mtu: UNKNOWN_MTU, takes: open.takes },
                Some(netdev) => {
                    DeviceState { up: netdev.carries(), mtu: netdev.link.mtu, takes: open.takes }
                }
            },
        }
    }
}
