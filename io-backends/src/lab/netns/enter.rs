//! Seeing a namespace from inside: running a command there, and its own sysfs.
#![expect(unsafe_code, reason = "unshare has no safe wrapper")]

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{Mode, OFlags, StatVfsMountFlags, openat, statvfs};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, UnmountFlags,
    fsconfig_create, fsmount, fsopen, mount, mount_bind_recursive, mount_change, unmount,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::SYS_ADMIN;
use crate::error::describe;
use crate::lab::netlink::LinkInfo;
use crate::lab::place::Place;
use crate::lab::{Netns, netns};
use crate::{Error, ErrorKind};

/// Replaces the calling process by a command in the namespace, the way `ip
/// netns exec` does: `/sys` shows that namespace, and the files of
/// `/etc/netns/NAME` lie over those of `/etc`.
///
/// # Errors
/// Returns only on failure: [`ErrorKind::Unknown`] when there is no such namespace,
/// [`ErrorKind::NoCommand`] or [`ErrorKind::NotRunnable`] when the command can't be started.
/// The calling thread may then be in the namespace already.
pub fn exec(
    netns: &Netns,
    command: &OsString,
    arguments: &[OsString],
) -> Result<Infallible, Error> {
    enter_for_good(netns)?;
    let error = Command::new(command).args(arguments).exec();
    let (kind, why) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NoCommand, "command not found".into()),
        _ => (ErrorKind::NotRunnable, describe(&error)),
    };
    Err(Error::new(kind, command.to_string_lossy(), why))
}

/// Moves the calling thread into the namespace with a view of its own, for good.
fn enter_for_good(netns: &Netns) -> Result<(), Error> {
    match netns::exists(netns) {
        Ok(true) => {}
        Ok(false) => {
            return Err(Error::unknown(netns::what(netns), "there is no such namespace"));
        }
        Err(mut error) => {
            if error.kind == ErrorKind::Failed {
                error.kind = ErrorKind::Unknown;
            }
            return Err(error);
        }
    }
    netns::enter(netns, &netns::open(netns)?)?;
    own_view(netns)
        .map_err(|error| Error::system(format!("the view from {netns}"), &error, SYS_ADMIN))
}

/// Gives the calling thread mounts of its own that fit its network namespace.
fn own_view(netns: &Netns) -> io::Result<()> {
    // SAFETY: NEWNS parts the calling thread's mounts (and current directory)
    // from other threads; neither descriptors nor memory.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    // Downstream: an unmount outside still arrives here, so this view keeps no namespace alive.
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    let mut flags = MountFlags::empty();
    if unmount("/sys", UnmountFlags::DETACH).is_err()
        && statvfs("/sys").is_ok_and(|sys| sys.f_flag.contains(StatVfsMountFlags::RDONLY))
    {
        // Where the old one can't go, the kernel lets only a read-only one cover it.
        flags |= MountFlags::RDONLY;
    }
    mount("sysfs", "/sys", "sysfs", flags, None)?;
    if let Netns::Name(name) = netns {
        cover_etc(&Path::new("/etc/netns").join(name));
    }
    Ok(())
}

/// Lays each file of `files` over the one of the same name in `/etc`, where there is one.
fn cover_etc(files: &Path) {
    for entry in fs::read_dir(files).into_iter().flatten().flatten() {
        let target = Path::new("/etc").join(entry.file_name());
        if target.exists() {
            let _ = mount_bind_recursive(entry.path(), &target);
        }
    }
}

/// The major and minor number of a macvtap's character device, from the sysfs
/// of the namespace it is in. `/dev/tapN` is no substitute: macvtaps of two
/// namespaces can have the same index, and then share one such name.
///
/// # Errors
/// When the netdev is gone or is no macvtap, or sysfs can't be mounted.
pub fn macvtap_device(place: &Place, link: &LinkInfo) -> Result<(u32, u32), Error> {
    let what = place.netdev(&link.name);
    let read = || device_number(link);
    let text = match place {
        Place::Here => read(),
        Place::In(netns) => netns::in_netns(netns, read)?,
    };
    let text = text.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::failed(&what, "it has no macvtap device"),
        _ => Error::system(&what, &error, SYS_ADMIN),
    })?;
    let numbers = text.trim().split_once(':');
    numbers
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        .ok_or_else(|| Error::failed(&what, format!("its device number is {}", text.trim())))
}

/// The text of the device number in the sysfs of the calling thread's namespace.
fn device_number(link: &LinkInfo) -> io::Result<String> {
    let sysfs = own_sysfs()?;
    let path = format!("class/net/{}/tap{}/dev", link.name, link.index);
    let file = openat(&sysfs, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    io::read_to_string(fs::File::from(file))
}

/// A sysfs of the calling thread's namespace, mounted nowhere. It holds the
/// namespace until it is closed.
fn own_sysfs() -> io::Result<OwnedFd> {
    let context = fsopen("sysfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::scratch;
    use crate::ports::MacvtapMode;

    #[test]
    fn a_command_sees_its_namespace_in_sys_and_its_own_etc() {
        let there = scratch::netns();
        Place::In(there.netns.clone()).links(|links| links.make_veth("inside", "two")).unwrap();
        let etc = scratch::etc_netns(&there.name);
        fs::write(etc.0.join("hostname"), "inner\n").unwrap();
        let (netns, outside) = (there.netns.clone(), fs::read_to_string("/etc/hostname"));
        let (sys, etc_inside) = std::thread::spawn(move || {
            enter_for_good(&netns).unwrap();
            (scratch::run("ls", &["/sys/class/net"]), scratch::run("cat", &["/etc/hostname"]))
        })
        .join()
        .unwrap();
        assert!(sys.contains("inside"), "{sys}");
        assert_eq!(etc_inside, "inner\n");
        assert!(!Path::new("/sys/class/net/inside").exists());
        assert_eq!(fs::read_to_string("/etc/hostname").ok(), outside.ok());
    }

    #[test]
    fn an_unknown_namespace_and_an_unknown_command_differ() {
        let netns = Netns::Name(scratch::name());
        assert_eq!(exec(&netns, &"true".into(), &[]).unwrap_err().kind, ErrorKind::Unknown);
        let there = scratch::netns();
        for (command, exit) in [("netloom-has-no-such-command", 127), ("/etc", 126)] {
            let netns = there.netns.clone();
            let result =
                std::thread::spawn(move || exec(&netns, &command.into(), &[])).join().unwrap();
            let error = result.unwrap_err();
            assert_eq!(error.kind.exit(), exit, "{error}");
        }
    }

    /// The trap: two macvtaps with one index, in two namespaces.
    #[test]
    fn macvtaps_of_two_namespaces_have_their_own_devices() {
        let (a, b) = (scratch::netns(), scratch::netns());
        let device = |netns: &Netns| {
            let place = Place::In(netns.clone());
            let link = place
                .links(|links| {
                    let lower = links.make_veth("low", "far")?;
                    links.make_macvtap("mv", &lower, MacvtapMode::Bridge)
                })
                .unwrap();
            (link.index, macvtap_device(&place, &link).unwrap())
        };
        let ((index_a, device_a), (index_b, device_b)) = (device(&a.netns), device(&b.netns));
        assert_eq!(index_a, index_b);
        assert_ne!(device_a, device_b);
        assert_eq!(device_a.0, device_b.0);
    }

    #[test]
    fn what_is_no_macvtap_is_said_so() {
        let there = scratch::netns();
        let place = Place::In(there.netns.clone());
        let link = place.links(|links| links.make_veth("one", "two")).unwrap();
        assert_eq!(macvtap_device(&place, &link).unwrap_err().why, "it has no macvtap device");
    }
}
