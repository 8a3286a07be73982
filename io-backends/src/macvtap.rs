//! macvtap ports: queues of a macvtap's character device.
//!
//! The node in `/dev` is not to be trusted: it is named by interface index,
//! which repeats between namespaces, so it can be another namespace's device.
//! The numbers come from the sysfs of the macvtap's own namespace, and
//! [`open`] makes a node of its own from them, on a file system that is
//! mounted nowhere and vanishes with its last descriptor.
//!
//! Call it from a thread in the switch's own namespace: a descriptor opened in
//! another one keeps that namespace alive.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, makedev, mknodat, openat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use crate::Error;
use crate::fd_port::{FdPort, settle};
use crate::tun::{self, flag};

const NODE: &str = "macvtap";

/// The most queues the kernel gives one macvtap.
pub const MAX_QUEUES: u16 = crate::tap::MAX_QUEUES;

/// Opens this many queues of the macvtap whose character device has these
/// numbers, as `/sys/class/net/NAME/tapN/dev` of its namespace says.
///
/// Numbers are given out anew when a macvtap goes: compare
/// [`FdPort::netdev_name`] when the netdev may have been removed meanwhile.
///
/// # Errors
/// When there is no such macvtap, `queues` is not 1 to [`MAX_QUEUES`], or
/// CAP_SYS_ADMIN or CAP_MKNOD (of the host, not of a user namespace) is missing.
pub fn open(major: u32, minor: u32, queues: u16) -> Result<Vec<FdPort>, Error> {
    let what = format!("macvtap {major}:{minor}");
    let mut flags = flag::TAP | flag::NO_PI | flag::VNET_HDR;
    match queues {
        1 => {}
        2..=MAX_QUEUES => flags |= flag::MULTI_QUEUE,
        _ => {
            let why = format!("a macvtap has 1 to {MAX_QUEUES} queues, not {queues}");
            return Err(Error::failed(what, why));
        }
    }
    let place = private_place().map_err(|errno| system(&what, errno, "CAP_SYS_ADMIN"))?;
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(&place, NODE, FileType::CharacterDevice, mode, makedev(major, minor))
        .map_err(|errno| system(&what, errno, "CAP_MKNOD"))?;
    (0..queues).map(|_| open_queue(&what, place.as_fd(), flags)).collect()
}

/// An empty file system in memory that no path leads to.
fn private_place() -> rustix::io::Result<OwnedFd> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC,
    )
}

fn open_queue(what: &str, place: BorrowedFd<'_>, flags: u16) -> Result<FdPort, Error> {
    let options = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd =
        openat(place, NODE, options, Mode::empty()).map_err(|errno| open_error(what, errno))?;
    tun::set_iff(&fd, "", flags).map_err(|errno| system(what, errno, "CAP_NET_ADMIN"))?;
    let settled = settle(fd.as_fd(), what)?;
    let compared = flag::TYPE_MASK | flag::NO_PI | flag::VNET_HDR | flag::MULTI_QUEUE;
    if settled.flags & compared != flags {
        return Err(Error::failed(
            what,
            format!("opened with flags {:#x}, not {flags:#x}", settled.flags),
        ));
    }
    Ok(FdPort::new(fd, settled))
}

fn open_error(what: &str, errno: Errno) -> Error {
    match errno {
        Errno::NODEV | Errno::NXIO => Error::failed(what, "there is no such macvtap"),
        Errno::BUSY => Error::failed(what, "the kernel gives this macvtap no more queues"),
        errno => system(what, errno, "permission to open devices"),
    }
}

fn system(what: &str, errno: Errno, privilege: &str) -> Error {
    Error::system(what, &errno.into(), privilege)
}
