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
//! A classic filter costs no wait and stays until its netdev goes; so it is but a
//! doorway, which goes on as a program that the kernel takes away with the switch.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::{Errno, Result};

use switch_core::Mac;

use super::asm::{Function, If, Op, Program, R0, R1, R2, R3, R4, R5};
use super::map::Programs;
use super::{Kind, Width, call, load};

/// Loads a door: a program for a netdev's ingress that sends every frame out by the
/// netdev with this index.
///
/// # Errors
/// EPERM without CAP_BPF and CAP_NET_ADMIN.
pub(crate) fn door(out: u32) -> Result<OwnedFd> {
    let mut p = Program::default();
    leave(&mut p, out, Function::Redirect);
    load(Kind::CLASSIFIER, &p.finish())
}

/// Loads a door into a veth whose near end has the index `near` and whose far end, in
/// another namespace, the address `far`. What is for that address comes out there at once,
/// in the sender's time, without waiting in a queue; the kernel takes such a frame as
/// addressed to that host, so all else goes out by the near end: a router would forward
/// what was flooded to it.
///
/// # Errors
/// As [`door`].
pub(crate) fn veth_door(near: u32, far: Mac) -> Result<OwnedFd> {
    const DATA: i16 = 76;
    const DATA_END: i16 = 80;
    let mut p = Program::default();
    let others = p.label();
    p.load(Width::Word, R2, R1, DATA);
    p.load(Width::Word, R3, R1, DATA_END);
    p.set(R4, R2);
    p.op(Op::Add, R4, 8);
    p.jump_if(If::Above, R4, R3, others);
    p.load(Width::Double, R4, R2, 0);
    p.swap_network(R4);
    p.op(Op::ShiftRight, R4, 16);
    p.set_wide(R5, far.to_u64());
    p.jump_if(If::NotEqual, R4, R5, others);
    leave(&mut p, near, Function::RedirectPeer);
    p.here(others);
    leave(&mut p, near, Function::Redirect);
    load(Kind::CLASSIFIER, &p.finish())
}

/// Loads a program that goes on as number `number` of `programs`, and drops the frame
/// where there is none.
///
/// # Errors
/// As [`door`].
pub(crate) fn doorway(programs: &Programs, number: u32) -> Result<OwnedFd> {
    const SHOT: i32 = 2;
    let mut p = Program::default();
    p.set_map(R2, programs.as_fd());
    p.set(R3, number.cast_signed());
    p.call(Function::TailCall);
    p.set(R0, SHOT);
    p.exit();
    load(Kind::CLASSIFIER, &p.finish())
}

fn leave(p: &mut Program, netdev: u32, function: Function) {
    p.set(R1, netdev.cast_signed());
    p.set(R2, 0);
    p.call(function);
    p.exit();
}

/// `BPF_LINK_UPDATE` and its arguments.
#[repr(C)]
struct ReplaceArguments {
    link: u32,
    program: u32,
    flags: u32,
    old: u32,
}

/// Has a link run another program from the next frame on.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn replace(link: impl AsFd, program: impl AsFd) -> Result<()> {
    const LINK_UPDATE: u32 = 29;
    let number = |fd: &dyn AsFd| fd.as_fd().as_raw_fd().cast_unsigned();
    let mut arguments =
        ReplaceArguments { link: number(&link), program: number(&program), flags: 0, old: 0 };
    // SAFETY: the arguments are those of this command, and hold no pointer.
    unsafe { super::command(LINK_UPDATE, &mut arguments) }.map(drop)
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
