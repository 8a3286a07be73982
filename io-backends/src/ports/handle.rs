//! A handle: the TAP by which the switch has the frames of a netdev that stays where it is.
//!
//! The handle lives in the netdev's namespace, nameless to its users, and two programs
//! tie the two together (see [`crate::bpf::door`]). To the engines it is a TAP like
//! any other: the netdev's frames come and go with their offload state, VLAN tags
//! that the kernel keeps apart are put back in place, and what the switch does not
//! read in time the kernel drops and counts.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use switch_core::{Mac, PortId};

use super::attach::passing_name;
use super::tap;
use crate::bpf::door::{self, attach_tcx, door, doorway, veth_door};
use crate::bpf::lane::{Door, Lane, LaneDoor};
use crate::bpf::map::Programs;
use crate::error::Error;
use crate::lab::{Journal, LinkInfo, Links, Place, Wanted, move_netdev};
use crate::queue::tap::TapQueue;

/// Frames that the ring of a handle holds.
const RING: u32 = 1000;

/// The programs of a doorway: what the netdev receives goes on as the first, what the
/// switch sends as the second.
const INWARD: u32 = 0;
const OUTWARD: u32 = 1;

/// A handle that is tied to nothing yet.
pub(crate) struct Handle {
    queue: TapQueue,
    link: LinkInfo,
    place: Place,
}

/// A netdev and its handle, tied together for as long as the value lives.
#[derive(Debug)]
pub struct Tied {
    place: Place,
    netdev: LinkInfo,
    handle: LinkInfo,
    programs: Programs,
    /// At a netdev of somebody else's: what holds the program there, once there is one.
    link: Option<OwnedFd>,
    is_own: bool,
    /// It is a veth whose other end is in another namespace.
    reaches_across: bool,
}

impl Handle {
    /// The one that is open as `queue`, whose netdev is `link`, at `place`.
    pub(crate) fn of(queue: TapQueue, link: LinkInfo, place: Place) -> Handle {
        Handle { queue, link, place }
    }

    /// Makes one at `place` for the port. It is up and says nothing by itself.
    pub(super) fn make(journal: &mut Journal, port: &str, place: &Place) -> Result<Handle, Error> {
        let name = passing_name();
        let entry = journal.netdev(port, &Place::Here, &name, "tun", None)?;
        let mut queues = tap::create(&name, 1)?;
        let mut link = Place::Here.links(|links| links.require(&name))?;
        journal.is_at(entry, &Place::Here, &link)?;
        if *place != Place::Here {
            let plan = |name: &str| journal.will_be_at(entry, &link, place, name);
            link = move_netdev(&link, &Place::Here, place, Some(&name), plan)?;
            journal.is_at(entry, place, &link)?;
        }
        place.links(|links| {
            links.silence(&link);
            let ring = Some(RING);
            links.set(&link, &Wanted { up: Some(true), ring, ..Wanted::default() })
        })?;
        let queue = queues.remove(0);
        Ok(Handle::of(queue, link, place.clone()))
    }

    /// Ties it to a netdev of the switch's own, whose frames go no other way until it is
    /// deleted; before [`Tied::pass_up`] or [`Tied::join`] they are dropped.
    /// `reaches_across`: it is a veth whose other end is in another namespace.
    pub(super) fn tie_to_own(
        self,
        netdev: &LinkInfo,
        reaches_across: bool,
    ) -> Result<(TapQueue, Tied), Error> {
        let (queue, tied) = self.tie(netdev, true, reaches_across)?;
        let inward = doorway(&tied.programs, INWARD).map_err(refused_right)?;
        tied.place.links(|links| links.filter(netdev, &inward))?;
        Ok((queue, tied))
    }

    /// Ties it to a netdev of somebody else's, which serves its host until
    /// [`Tied::pass_up`] or [`Tied::join`], and again once the value is gone.
    pub(crate) fn tie_to_other(self, netdev: &LinkInfo) -> Result<(TapQueue, Tied), Error> {
        self.tie(netdev, false, false)
    }

    /// What the switch sends leaves by the netdev.
    fn tie(
        self,
        netdev: &LinkInfo,
        is_own: bool,
        reaches_across: bool,
    ) -> Result<(TapQueue, Tied), Error> {
        let Handle { queue, link: handle, place } = self;
        let programs = Programs::new("netloom_doors", 2).map_err(refused_right)?;
        let outward = doorway(&programs, OUTWARD).map_err(refused_right)?;
        place.links(|links| links.filter(&handle, &outward))?;
        let netdev = netdev.clone();
        let tied = Tied { place, netdev, handle, programs, link: None, is_own, reaches_across };
        tied.send_to(None)?;
        Ok((queue, tied))
    }
}

impl Tied {
    /// Where netdev and handle are.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The netdev's number there.
    pub fn netdev(&self) -> u32 {
        self.netdev.index
    }

    /// The handle's number there.
    pub fn handle(&self) -> u32 {
        self.handle.index
    }

    /// The handle as it is now.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn handle_now(&self) -> Result<Option<LinkInfo>, Error> {
        self.place.links(|links| links.get(self.handle.index))
    }

    /// Has all that the netdev receives come up by the handle.
    ///
    /// # Errors
    /// When a program takes the netdev's frames already, or the kernel has no tcx links.
    pub fn pass_up(&mut self) -> Result<(), Error> {
        let program = door(self.handle.index).map_err(refused_right)?;
        self.take_in(&program)
    }

    /// Has what the netdev receives as port `port` take the lane, or come up by the handle.
    ///
    /// # Errors
    /// As [`Tied::pass_up`].
    pub fn join(&mut self, lane: &Lane, port: PortId) -> Result<LaneDoor, Error> {
        let door = Door { port, handle: self.handle.index, ring: RING };
        let door = lane.door(&door).map_err(refused_right)?;
        self.take_in(&door)?;
        Ok(door)
    }

    fn take_in(&mut self, program: &(impl AsFd + Sync)) -> Result<(), Error> {
        let (netdev, index) = (&self.netdev, self.netdev.index);
        match &self.link {
            _ if self.is_own => self.programs.set(INWARD, program),
            Some(link) => door::replace(link, program),
            None => {
                let program = program.as_fd();
                let attach = |_: &mut Links| {
                    attach_tcx(program, index).map_err(|errno| refused(netdev, errno))
                };
                self.link = Some(self.place.links(attach)?);
                Ok(())
            }
        }
        .map_err(|errno| refused(&self.netdev, errno))
    }

    /// The address `far` of the netdev at the other end, where frames may come out there at once.
    pub fn far_address(&self, far: Option<Mac>) -> Option<Mac> {
        far.filter(|_| self.reaches_across)
    }

    /// Has what the switch sends to `far`, the address of the netdev at the other end, come out
    /// there at once, if it can; all else goes out by the netdev.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn send_to(&self, far: Option<Mac>) -> Result<(), Error> {
        let program = match self.far_address(far) {
            Some(far) => veth_door(self.netdev.index, far),
            None => door(self.netdev.index),
        };
        let program = program.map_err(refused_right)?;
        self.programs.set(OUTWARD, &program).map_err(|errno| refused(&self.netdev, errno))
    }
}

fn refused_right(errno: Errno) -> Error {
    Error::system(
        "netdev and veth ports",
        &errno.into(),
        "CAP_BPF and CAP_NET_ADMIN, for the programs that carry their frames",
    )
}

fn refused(netdev: &LinkInfo, errno: Errno) -> Error {
    let what = format!("netdev {}", netdev.name);
    match errno {
        Errno::BUSY => Error::failed(what, "a program takes its frames already")
            .hint("another switch may have it as its port; `bpftool net` shows programs"),
        Errno::NODEV => Error::failed(what, "it went away at once"),
        Errno::INVAL => {
            Error::failed(what, "this kernel has no tcx links, which netdev ports need (Linux 6.6)")
                .hint(format!("a macvtap port carries its frames too: macvtap:{}", netdev.name))
        }
        errno => Error::io(what, &errno.into()),
    }
}
