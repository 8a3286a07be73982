//! A handle: the TAP by which the switch has the frames of a netdev that stays where it is.
//!
//! The handle lives in the netdev's namespace, nameless to its users, and two doors
//! tie the two together (see [`crate::bpf::door`]). To the engines it is a TAP like
//! any other: the netdev's frames come and go with their offload state, VLAN tags
//! that the kernel keeps apart are put back in place, and what the switch does not
//! read in time the kernel drops and counts.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use super::attach::passing_name;
use super::tap;
use crate::bpf::door::{self, attach_tcx};
use crate::error::Error;
use crate::lab::{Journal, LinkInfo, Place, Wanted, move_netdev};
use crate::queue::tap::TapQueue;

/// A handle without doors.
pub(crate) struct Handle {
    queue: TapQueue,
    link: LinkInfo,
    place: Place,
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
            links.set(&link, &Wanted { up: Some(true), ..Wanted::default() })
        })?;
        let queue = queues.remove(0);
        Ok(Handle::of(queue, link, place.clone()))
    }

    /// Ties it to a netdev of the switch's own, whose frames go no other way until it is deleted.
    pub(super) fn tie_to_own(self, netdev: &LinkInfo) -> Result<TapQueue, Error> {
        let inward = load(self.link.index)?;
        let outward = load(netdev.index)?;
        self.place.links(|links| {
            links.filter(&self.link, &outward)?;
            links.filter(netdev, &inward)
        })?;
        Ok(self.queue)
    }

    /// Ties it to a netdev of somebody else's, for as long as the queue is open.
    pub(crate) fn tie_to_other(mut self, netdev: &LinkInfo) -> Result<TapQueue, Error> {
        let inward = load(self.link.index)?;
        let outward = load(netdev.index)?;
        let link: OwnedFd = self.place.links(|links| {
            links.filter(&self.link, &outward)?;
            attach_tcx(&inward, netdev.index).map_err(|errno| refused(netdev, errno))
        })?;
        self.queue.keep(link);
        Ok(self.queue)
    }
}

fn load(out: u32) -> Result<OwnedFd, Error> {
    door::door(out).map_err(|errno| {
        Error::system(
            "netdev and veth ports",
            &errno.into(),
            "CAP_BPF and CAP_NET_ADMIN, for the programs that carry their frames",
        )
    })
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
