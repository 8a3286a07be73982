//! What the tests of this folder share: throw-away names and namespaces.
#![expect(unsafe_code, reason = "unshare has no safe wrapper")]

use std::fmt;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, set_capabilities, unshare_unsafe,
};

use super::netns::{self, NsIdentity, in_netns, named};
use crate::lab::Netns;

/// Where `ip netns exec` looks for files that lie over those of `/etc`.
const ETC: &str = "/etc/netns";

/// A name no other test of this or another process uses; short enough for a netdev.
pub(crate) fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("t{}x{}", id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A named namespace that goes with the value.
pub(crate) struct Scratch {
    pub(crate) name: String,
    pub(crate) netns: Netns,
    pub(crate) identity: NsIdentity,
}

/// Makes a namespace.
pub(crate) fn netns() -> Scratch {
    let name = name();
    let identity = named::make(&name, |_| Ok(())).unwrap();
    Scratch { netns: Netns::Name(name.clone()), name, identity }
}

impl Scratch {
    /// Runs a program inside and returns what it printed.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        in_netns(&self.netns, || run(program, arguments)).unwrap()
    }

    /// Starts a program inside.
    pub(crate) fn spawn(&self, program: &str, arguments: &[&str]) -> Child {
        spawn_in(&self.netns, program, arguments)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = named::remove(&self.name);
    }
}

/// Starts a program in a namespace.
pub(crate) fn spawn_in(netns: &Netns, program: &str, arguments: &[&str]) -> Child {
    in_netns(netns, || Command::new(program).args(arguments).spawn()).unwrap().unwrap()
}

/// A name for a namespace that a test makes some other way; the namespace goes with the value.
pub(crate) struct Claimed(String);

/// Thinks of such a name.
pub(crate) fn claimed() -> Claimed {
    Claimed(name())
}

impl Deref for Claimed {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let _ = named::remove(&self.0);
    }
}

/// A file where a namespace's name would be; it goes with the value.
pub(crate) struct StaleFile {
    pub(crate) netns: Netns,
}

/// Makes such a file.
pub(crate) fn stale_file() -> StaleFile {
    drop(netns());
    let stale = StaleFile { netns: Netns::Name(name()) };
    fs::write(netns::path(&stale.netns), "").unwrap();
    stale
}

impl Drop for StaleFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(netns::path(&self.netns));
    }
}

/// A directory that goes with the value.
pub(crate) struct Directory(pub(crate) PathBuf);

/// Makes an empty directory.
pub(crate) fn directory() -> Directory {
    let path = std::env::temp_dir().join(name());
    fs::create_dir(&path).unwrap();
    Directory(path)
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        if self.0.starts_with(ETC) {
            let _ = fs::remove_dir(ETC);
        }
    }
}

/// The directory `/etc/netns/NAME`, which goes with the value, and `/etc/netns` if it is empty then.
pub(crate) fn etc_netns(name: &str) -> Directory {
    let path = Path::new(ETC).join(name);
    fs::create_dir_all(&path).unwrap();
    Directory(path)
}

/// Moves the calling thread into a new namespace without a name, which ends with it.
pub(crate) fn unshare_here() {
    // SAFETY: only the calling thread's network namespace changes.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
}

/// Runs `test` with a fresh namespace as the switch's own, which ends with it.
pub(crate) fn in_own_here(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare_here();
            test();
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// Takes every privilege from the calling thread, but not its user.
pub(crate) fn drop_capabilities() {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, sets).unwrap();
}

/// Runs a program to its end and returns what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output =
        Command::new(program).args(arguments).stdin(Stdio::null()).output().expect(program);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until `look` finds what it looks for, at most ten seconds; else says what it saw last.
///
/// What a descriptor holds goes with the last duplicate of it: while another test
/// starts a program, the child has one too, until it becomes that program.
pub(crate) fn wait_for<T, E: fmt::Debug>(what: &str, mut look: impl FnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < deadline, "still waiting for {what}: {seen:?}"),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
