//! The one road to a port in service, and the way back.
//!
//! There: the device is made and opened ([`ports::attach`]), its netdev followed, the port
//! numbered if it is new, its queues given to the workers, and only then does the switch send to
//! it. Back: the same in reverse. What fails on the way undoes what was done before.

use std::os::fd::OwnedFd;

use io_backends::Attachment;
use io_backends::bpf::lane::LaneCounts;
use io_backends::host::descriptors;
use io_backends::lab::{LinkInfo, Netns, Place, Report};
use io_backends::ports::{self, Attached, Return};
use io_backends::queue::Queue;
use switch_core::frame::Takes;
use switch_core::port::DeviceState;
use switch_core::{Mac, PortId};

use super::{Device, Lost, Netdev, Open, PortLife, Tie};
use crate::config::PortConfig;
use crate::daemon::Daemon;
use crate::error::Error;

/// What is kept of a port's device that is taken away, so that it can come back as it was.
pub(in crate::daemon) enum Aside {
    /// It was lost before.
    Lost(Lost),
    /// What it was attached to, with what the kernel and the program had chosen for it.
    Attachment(Attachment),
    /// Its queue: the descriptor came from somebody else and can't be opened again.
    Queue(Queue),
}

impl Daemon {
    /// Puts a port into service: a new one, or one without device. `sent` is an `fd` port's
    /// descriptor that came with the request.
    ///
    /// # Errors
    /// When the host lacks what the port needs; then nothing has changed.
    pub(in crate::daemon) fn attach(
        &mut self,
        port: &PortConfig,
        sent: Option<OwnedFd>,
    ) -> Result<(), Error> {
        let mark = self.journal.mark();
        let others = self.lives.keys().filter(|name| **name != port.name).count();
        let most = self.workers.queues(others);
        let made = ports::attach(&mut self.journal, &port.name, &port.attachment, most, sent)?;
        self.open(port, made).map_err(|error| match self.journal.undo_since(mark).kept.first() {
            Some(left) => error.hint(format!("left behind: {left}")),
            None => error,
        })
    }

    /// Puts an open device into service; on an error its queues are closed.
    fn open(&mut self, port: &PortConfig, made: Attached) -> Result<(), Error> {
        let Attached { queues, tied, guard, takes, netdev } = made;
        let _others_need_some = descriptors::leave_some();
        let count = queues.len() as u16;
        let follow =
            |(place, link): (Place, LinkInfo)| Netdev::follow(&mut self.watch, &place, link.index);
        let netdev = netdev.map(follow).transpose()?;
        let mut tie = tied.map(|tied| Tie { tied, door: None });
        let far = netdev.as_ref().and_then(|netdev| netdev.link.mac);
        let given = self.give_to_workers(port, queues, tie.as_mut(), far);
        let device = Device::Open(Box::new(Open { takes, queues: count, guard, netdev, tie }));
        let (id, lane_base) = match given {
            Ok(given) => given,
            Err(error) => {
                self.unfollow(&device);
                return Err(error);
            }
        };
        let life = PortLife { id, device, lane_base };
        self.change().set_device(id, life.state());
        self.lives.insert(port.name.clone(), life);
        self.await_crossing();
        // Announcements from before it was followed are old news.
        self.follow_links();
        Ok(())
    }

    /// Lets the workers read a port's queues; a new port gets its number. Nothing is sent to it yet.
    fn give_to_workers(
        &mut self,
        port: &PortConfig,
        mut queues: Vec<Queue>,
        tie: Option<&mut Tie>,
        far: Option<Mac>,
    ) -> Result<(PortId, LaneCounts), Error> {
        let (id, lane_base) = self.number(port)?;
        let taken_in = tie.map_or(Ok(()), |tie| {
            tie.door = self.take_in(id, &mut tie.tied, &mut queues, far)?;
            Ok(())
        });
        let added = taken_in.and_then(|()| self.workers.add(id, queues));
        added.map(|()| (id, lane_base)).inspect_err(|_| {
            if !self.lives.contains_key(&port.name) {
                self.change().remove_port(id);
                self.await_crossing();
            }
        })
    }

    /// A port's number, a new one for a new port; and what the lane had counted for it before.
    fn number(&mut self, port: &PortConfig) -> Result<(PortId, LaneCounts), Error> {
        if let Some(life) = self.lives.get(&port.name) {
            return Ok((life.id, life.lane_base));
        }
        let silent = DeviceState { up: false, mtu: 0, takes: Takes::NOTHING };
        let id = self.change().add_port(&port.name, port.rules.clone(), silent).map_err(|_| {
            let why = "a switch has at most 4096 ports, with those that a change takes away";
            Error::failed(format!("port {}", port.name), why)
        })?;
        Ok((id, self.lane_base(id)))
    }

    /// Takes a port's device out of service and away. What brings it back, and what was undone on
    /// the host; `None` when there is no such port.
    pub(in crate::daemon) fn detach(&mut self, port: &PortConfig) -> Option<(Aside, Report)> {
        let life = self.lives.get_mut(&port.name)?;
        let open = match std::mem::replace(&mut life.device, Device::Lost(Lost::on_purpose())) {
            Device::Lost(lost) => return Some((Aside::Lost(lost), Report::default())),
            Device::Open(open) => open,
        };
        let attachment = as_it_is(&port.attachment, &open);
        let queue = self.take_from_workers(&port.name, Device::Open(open));
        let aside = match (port.attachment.kind.returns(), queue) {
            (Return::Never, Some(queue)) => Aside::Queue(queue),
            _ => Aside::Attachment(attachment),
        };
        Some((aside, self.journal.undo_netdevs(&port.name)))
    }

    /// Brings a detached port's device back as it was. Where that fails, the port is lost, and
    /// tried again like any lost port.
    ///
    /// # Errors
    /// When the host no longer has what it needs.
    pub(in crate::daemon) fn put_back(
        &mut self,
        port: &PortConfig,
        aside: Aside,
    ) -> Result<(), Error> {
        let back = match aside {
            Aside::Lost(lost) => {
                if let Some(life) = self.lives.get_mut(&port.name) {
                    life.device = Device::Lost(lost);
                }
                return Ok(());
            }
            Aside::Attachment(attachment) => {
                self.attach(&PortConfig { attachment, ..port.clone() }, None)
            }
            Aside::Queue(queue) => {
                let made = ports::adopt_again(queue);
                made.and_then(|made| self.open(port, made))
            }
        };
        back.inspect_err(|error| self.give_up_for_now(port, error))
    }

    /// Forgets a port without device, and what was made for it on the host.
    pub(in crate::daemon) fn forget(&mut self, name: &str) -> Report {
        let Some(life) = self.lives.remove(name) else { return Report::default() };
        self.leave_lane(&life);
        self.change().remove_port(life.id);
        self.await_crossing();
        self.journal.undo_port(name)
    }

    /// Gives up the namespaces that a port was in before.
    pub(in crate::daemon) fn release(&mut self, port: &PortConfig) -> Report {
        let needed = match &port.attachment.netns {
            Some(Netns::Name(name)) => Some(name.as_str()),
            Some(Netns::Path(_)) | None => None,
        };
        self.journal.release_claims(&port.name, needed)
    }

    /// Takes out of service the device that a port had until now: nothing is sent to it, and no
    /// worker has it. One of its queues, still open.
    pub(super) fn take_from_workers(&mut self, name: &str, device: Device) -> Option<Queue> {
        self.close_lane();
        self.unfollow(&device);
        drop(device);
        let life = self.lives.get(name)?;
        let id = life.id;
        self.switch.set_device(id, life.state());
        self.await_crossing();
        self.workers.remove(id)
    }
}

/// The attachment with what was chosen for it: the netdev comes back with the same address, under
/// the same name and with as many queues.
fn as_it_is(attachment: &Attachment, open: &Open) -> Attachment {
    let mut attachment = attachment.clone();
    attachment.queues = Some(open.queues);
    if let Some(netdev) = &open.netdev {
        let kind = attachment.kind.clone();
        kind.keep(&mut attachment, &netdev.link);
    }
    attachment
}
