//! The doors of a port whose netdev stays where it is.
//!
//! Such a port is a TAP, its handle, tied to a netdev of the same namespace by
//! two programs at the netdevs' ingress: one takes each frame that the netdev
//! receives and sends it out by the handle, where the switch reads it; the other
//! takes each frame that the switch writes and sends it out by the netdev. The
//! host's stack sees no frame of either.
//!
//! A program is attached in one of two ways. A tcx link (Linux 6.6) goes with its
//! descriptor, so that a netdev of somebody else's serves its host again however
//! the switch ends; but the kernel waits for a grace period, some 10 ms, at each.
//! A classic filter costs no wait and goes with its netdev, which will do where
//! the netdev is the switch's own.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::{Errno, Result};

use super::{Insn, Kind, call, load};

/// Loads a door: a program for a netdev's ingress that sends every frame out by the
/// netdev with this index. (There is a shorter way into the other end of a veth,
/// `bpf_redirect_peer`; but what comes by it counts as addressed to that host, so a
/// router would forward what was flooded to it.)
///
/// # Errors
/// EPERM without CAP_BPF and CAP_NET_ADMIN.
pub(crate) fn door(out: u32) -> Result<OwnedFd> {
    const REDIRECT: i32 = 23;
    let program =
        [Insn::set(1, out.cast_signed()), Insn::set(2, 0), Insn::call(REDIRECT), Insn::exit()];
    load(Kind::CLASSIFIER, &program)
}

/// `BPF_LINK_CREATE` for a netdev's tcx hook.
#[derive(Clone)]
#[repr(C)]
struct LinkArguments {
    program: u32,
    netdev: u32,
    attach: u32,
    flags: u32,
    relative: u32,
    padding: u32,
    revision: u64,
}

/// `BPF_PROG_QUERY` for a netdev: how many programs there are.
#[repr(C)]
struct QueryArguments {
    netdev: u32,
    attach: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
    attached_flags: u64,
    link_ids: u64,
    link_flags: u64,
    revision: u64,
}

/// `BPF_TCX_INGRESS`.
const TCX_INGRESS: u32 = 46;

/// Runs a program for each frame that a netdev of the calling thread's namespace
/// receives, before all else but XDP, for as long as the answer is held.
///
/// # Errors
/// EINVAL without such a netdev or before Linux 6.6, EBUSY when the netdev has a
/// program there already: only one of the two would see its frames.
pub(crate) fn attach_tcx(program: impl AsFd, ifindex: u32) -> Result<OwnedFd> {
    const LINK_CREATE: u32 = 28;
    let revision = vacant_revision(ifindex)?;
    let arguments = LinkArguments {
        program: program.as_fd().as_raw_fd().cast_unsigned(),
        netdev: ifindex,
        attach: TCX_INGRESS,
        flags: 0,
        relative: 0,
        padding: 0,
        revision,
    };
    // SAFETY: the arguments are those of this command, and hold no pointer.
    match unsafe { call(LINK_CREATE, &arguments) } {
        // Somebody else attached one since the query.
        Err(Errno::STALE) => Err(Errno::BUSY),
        attached => attached,
    }
}

/// The revision of a netdev's list of programs, which is empty.
///
/// # Errors
/// EINVAL before Linux 6.6 or without such a netdev, EBUSY where the list is not empty.
pub(super) fn vacant_revision(ifindex: u32) -> Result<u64> {
    const PROG_QUERY: u32 = 16;
    let mut arguments = QueryArguments {
        netdev: ifindex,
        attach: TCX_INGRESS,
        query_flags: 0,
        attach_flags: 0,
        ids: 0,
        count: 0,
        padding: 0,
        attached_flags: 0,
        link_ids: 0,
        link_flags: 0,
        revision: 0,
    };
    // SAFETY: the arguments are those of this command; no room for ids is offered.
    match unsafe { super::command(PROG_QUERY, &mut arguments) } {
        // An empty list that no program was ever in; any revision will do.
        Err(Errno::NOENT) => Ok(0),
        Err(errno) => Err(errno),
        Ok(_) if arguments.count > 0 => Err(Errno::BUSY),
        Ok(_) => Ok(arguments.revision),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Links, Place};
    use crate::testing::in_own_netns;

    fn veth() -> u32 {
        Place::Here.links(|links| links.make_veth("near", "far")).unwrap().index
    }

    #[test]
    fn a_netdev_has_one_door() {
        in_own_netns(|| {
            let near = veth();
            let program = door(1).unwrap();
            let link = attach_tcx(&program, near).unwrap();
            assert_eq!(attach_tcx(&program, near).unwrap_err(), Errno::BUSY);
            drop(link);
            drop(attach_tcx(&program, near).unwrap());
        });
    }

    #[test]
    fn a_netdev_that_is_not_there() {
        in_own_netns(|| {
            let program = door(1).unwrap();
            assert!(matches!(attach_tcx(&program, 4711), Err(Errno::INVAL | Errno::NODEV)));
            assert!(Place::Here.links(Links::list).unwrap().len() == 1);
        });
    }
}
