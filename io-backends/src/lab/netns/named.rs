//! Making and removing named namespaces the way `ip netns` does, so that it sees them.
//!
//! A name is a file in [`DIRECTORY`] with a namespace mounted over it. The
//! directory is a shared mount, so that a mount namespace split off later also
//! sees a removal, and does not keep the namespace alive.
#![expect(unsafe_code, reason = "unshare has no safe wrapper")]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::mount::{
    MountPropagationFlags, UnmountFlags, mount_bind, mount_bind_recursive, mount_change, unmount,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::{DIRECTORY, NsIdentity, SYS_ADMIN, on_own_thread};
use crate::Error;
use crate::lab::place::Place;
use crate::lab::{Netns, netns};

/// Makes the namespace, with `lo` up. `announce` is called with its identity
/// before its name exists; when that fails, nothing is made.
pub(crate) fn make(
    name: &str,
    announce: impl FnOnce(NsIdentity) -> Result<(), Error> + Send,
) -> Result<NsIdentity, Error> {
    let netns = Netns::Name(name.into());
    if !netns::valid_name(name) {
        return Err(Error::failed(netns::what(&netns), "it can't be a file's name"));
    }
    share_directory().map_err(|error| Error::system(DIRECTORY, &error, SYS_ADMIN))?;
    on_own_thread(|| {
        // SAFETY: this thread alone leaves its network namespace; NEWNET parts
        // neither descriptors nor memory from other threads.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
            .map_err(|errno| Error::system(netns::what(&netns), &errno.into(), SYS_ADMIN))?;
        Place::Here.links(crate::lab::netlink::Links::raise_loopback)?;
        let identity = NsIdentity::current()?;
        announce(identity)?;
        show_own(&netns::path(&netns)).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Error::failed(netns::what(&netns), "somebody else made it at the same moment")
            }
            _ => Error::system(netns::what(&netns), &error, SYS_ADMIN),
        })?;
        Ok(identity)
    })?
}

/// Takes the name away, and with it, unless something else holds it, the
/// namespace. A name that is not there is no error.
pub(crate) fn remove(name: &str) -> Result<(), Error> {
    let netns = Netns::Name(name.into());
    let path = netns::path(&netns);
    match unmount(&path, UnmountFlags::DETACH) {
        // Not mounted: the plain file that a crash left.
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
        Err(errno) => return Err(Error::system(netns::what(&netns), &errno.into(), SYS_ADMIN)),
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(netns::what(&netns), &error))
        }
        _ => Ok(()),
    }
}

/// Gives the calling thread's namespace a name.
fn show_own(path: &Path) -> io::Result<()> {
    drop(OpenOptions::new().write(true).create_new(true).mode(0o000).open(path)?);
    mount_bind("/proc/thread-self/ns/net", path).map_err(|errno| {
        let _ = fs::remove_file(path);
        io::Error::from(errno)
    })
}

/// Makes [`DIRECTORY`] a shared mount, if it is not one.
fn share_directory() -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(DIRECTORY)?;
    let share =
        || mount_change(DIRECTORY, MountPropagationFlags::SHARED | MountPropagationFlags::REC);
    if share() != Err(Errno::INVAL) {
        return Ok(share()?);
    }
    // Not a mount yet. The lock is the one `ip netns add` takes for this step.
    let directory = File::open(DIRECTORY)?;
    flock(&directory, FlockOperation::LockExclusive)?;
    if share() == Err(Errno::INVAL) {
        mount_bind_recursive(DIRECTORY, DIRECTORY)?;
        share()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::scratch;

    #[test]
    fn ip_netns_sees_it_come_and_go() {
        let there = scratch::netns();
        let listed = || scratch::run("ip", &["netns", "list"]);
        assert!(listed().lines().any(|line| line.split(' ').next() == Some(&there.name)));
        let lo = there.run("ip", &["-o", "link", "show", "lo"]);
        assert!(lo.contains("UP"), "{lo}");
        remove(&there.name).unwrap();
        assert!(!listed().contains(&there.name));
        remove(&there.name).unwrap();
    }

    #[test]
    fn a_taken_name_is_left_alone() {
        let there = scratch::netns();
        let error = make(&there.name, |_| Ok(())).unwrap_err();
        assert_eq!(error.why, "somebody else made it at the same moment");
        assert_eq!(netns::identity(&there.netns), Ok(there.identity));
    }

    #[test]
    fn an_announcement_that_fails_leaves_nothing() {
        let name = scratch::name();
        let error = make(&name, |_| Err(Error::failed("record", "disk full"))).unwrap_err();
        assert_eq!(error.why, "disk full");
        assert!(!Path::new(DIRECTORY).join(&name).exists());
    }

    #[test]
    fn one_that_ip_netns_deleted_is_gone_for_us_too() {
        let there = scratch::netns();
        scratch::run("ip", &["netns", "delete", &there.name]);
        assert_eq!(netns::exists(&there.netns), Ok(false));
    }
}
