//! A host of a test's own, within the test's process.

use std::fs;
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::in_own_netns;

/// Runs `body` on a thread whose network namespace and `/run` are its own, and end with it: names
/// of namespaces and run-time files meet nobody else's.
///
/// # Panics
/// As [`in_own_netns`].
pub fn in_own_host(body: impl FnOnce() + Send + 'static) {
    in_own_netns(|| {
        // SAFETY: only mounts become the thread's own; memory and descriptors stay shared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("mounts of the test's own");
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).expect("mounts that nobody else sees");
        mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), None).expect("an empty /run");
        fs::create_dir(Path::new("/run/netns")).expect("a directory in /run");
        body();
    });
}
