//! Finding and entering network namespaces.
//!
//! A thread that has entered a namespace never comes back to other work: each
//! visit is a thread of its own, which ends with the visit.
#![expect(unsafe_code, reason = "NS_GET_NSTYPE and SO_NETNS_COOKIE have no safe wrapper")]

mod enter;
pub(super) mod named;

pub use enter::{exec, macvtap_device};

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use linux_raw_sys::ioctl::NS_GET_NSTYPE;
use rustix::fs::{fstat, fstatfs};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Where `ip netns` keeps its names.
pub const DIRECTORY: &str = "/run/netns";

/// The namespace's number, as error messages call it.
const COOKIE: &str = "the namespace's cookie";

/// What entering and making namespaces needs.
pub(super) const SYS_ADMIN: &str = "CAP_SYS_ADMIN";

/// A network namespace, as the user names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Netns {
    /// As `ip netns` knows it; made if missing, and then removed with its last port.
    Name(String),
    /// An absolute path to a namespace file; never made, never removed.
    Path(PathBuf),
}

impl std::fmt::Display for Netns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Netns::Name(name) => f.write_str(name),
            Netns::Path(path) => path.display().fmt(f),
        }
    }
}

/// Which namespace something is, apart from its name: a name can be given to
/// another namespace, and so can an inode number, and a cookie after the next boot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct NsIdentity {
    /// The inode of its file (the number in `net:[…]`).
    pub inode: u64,
    /// The kernel's number for it (`SO_NETNS_COOKIE`); 0 where the kernel has none (before 5.14).
    pub cookie: u64,
    /// Which boot it belongs to; 0 where that can't be read.
    pub boot: u64,
}

impl NsIdentity {
    /// The calling thread's namespace.
    ///
    /// # Errors
    /// When `/proc` is not there, or the process may open no more descriptors.
    pub fn current() -> Result<NsIdentity, Error> {
        const FILE: &str = "/proc/thread-self/ns/net";
        let inode = fs::metadata(FILE).map_err(|error| Error::io(FILE, &error))?.ino();
        let cookie = own_cookie().map_err(|error| Error::io(COOKIE, &error))?;
        Ok(NsIdentity { inode, cookie, boot: boot()? })
    }
}

/// Whether `name` can name a namespace: what can name a file in [`DIRECTORY`].
pub fn valid_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && !name.contains(['/', '\0']) && name != "." && name != ".."
}

/// The file the namespace is found under.
pub fn path(netns: &Netns) -> PathBuf {
    match netns {
        Netns::Name(name) => Path::new(DIRECTORY).join(name),
        Netns::Path(path) => path.clone(),
    }
}

/// Whether there is such a namespace.
///
/// # Errors
/// When something is there that is no network namespace, such as the plain file a crash left.
pub fn exists(netns: &Netns) -> Result<bool, Error> {
    Ok(open_if_there(netns)?.is_some())
}

/// Which namespace it is at present.
///
/// # Errors
/// When it is not there or can't be entered.
pub fn identity(netns: &Netns) -> Result<NsIdentity, Error> {
    in_netns(netns, NsIdentity::current)?
}

/// What there is under a namespace's name or path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// Nothing.
    Nothing,
    /// This namespace.
    Namespace(NsIdentity),
    /// No network namespace, such as the plain file a crash left.
    Other,
}

/// What there is under that name or path at present.
///
/// # Errors
/// When that can't be found out; it says nothing about what is there.
pub(super) fn standing(netns: &Netns) -> Result<Standing, Error> {
    match look(netns)? {
        None => Ok(Standing::Nothing),
        Some(file) if is_network_namespace(&file) => {
            visit(netns, &file, NsIdentity::current)?.map(Standing::Namespace)
        }
        Some(_) => Ok(Standing::Other),
    }
}

/// The named namespace that this file is of; `None` when it has no name that `ip netns` knows.
pub fn name_of(file: impl AsFd) -> Option<Netns> {
    let stat = fstat(file).ok()?;
    let is_it = |meta: &fs::Metadata| (meta.dev(), meta.ino()) == (stat.st_dev, stat.st_ino);
    let entries = fs::read_dir(DIRECTORY).ok()?.flatten();
    let mut found = entries.filter(|entry| fs::metadata(entry.path()).is_ok_and(|it| is_it(&it)));
    Some(Netns::Name(found.next()?.file_name().into_string().ok()?))
}

/// Runs `work` inside the namespace, on a thread of its own, and waits for it.
///
/// What `work` returns must not hold anything it opened there.
///
/// # Errors
/// When the namespace is not there or can't be entered.
pub fn in_netns<R: Send>(netns: &Netns, work: impl FnOnce() -> R + Send) -> Result<R, Error> {
    visit(netns, &open(netns)?, work)
}

/// Opens the namespace's file. It keeps the namespace alive: close it in the same call.
pub(super) fn open(netns: &Netns) -> Result<OwnedFd, Error> {
    open_if_there(netns)?.ok_or_else(|| {
        let path = path(netns);
        Error::failed(what(netns), format!("there is no {}", path.display()))
    })
}

/// Moves the calling thread into the namespace, for good.
pub(super) fn enter(netns: &Netns, file: &OwnedFd) -> Result<(), Error> {
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(|errno| Error::system(what(netns), &errno.into(), SYS_ADMIN))
}

/// How many processes are in each namespace, by the namespace's inode.
pub(super) fn residents() -> HashMap<u64, usize> {
    let mut counts = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let is_process = entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
        if is_process && let Ok(namespace) = fs::metadata(entry.path().join("ns/net")) {
            *counts.entry(namespace.ino()).or_default() += 1;
        }
    }
    counts
}

/// The namespace, as error messages call it.
pub(super) fn what(netns: &Netns) -> String {
    format!("namespace {netns}")
}

/// Runs `work` on a thread of its own and waits for it.
pub(super) fn on_own_thread<R: Send>(work: impl FnOnce() -> R + Send) -> Result<R, Error> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("namespace".into())
            .spawn_scoped(scope, work)
            .map_err(|error| Error::io("a helper thread", &error))?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn visit<R: Send>(
    netns: &Netns,
    file: &OwnedFd,
    work: impl FnOnce() -> R + Send,
) -> Result<R, Error> {
    on_own_thread(|| {
        enter(netns, file)?;
        Ok(work())
    })?
}

/// Opens whatever is under that name or path.
fn look(netns: &Netns) -> Result<Option<OwnedFd>, Error> {
    // Not blocking: a path may lead to a FIFO.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path(netns));
    match file {
        Ok(file) => Ok(Some(file.into())),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(Error::system(what(netns), &error, SYS_ADMIN)),
    }
}

fn open_if_there(netns: &Netns) -> Result<Option<OwnedFd>, Error> {
    match look(netns)? {
        Some(file) if !is_network_namespace(&file) => Err(no_namespace(netns)),
        found => Ok(found),
    }
}

/// The error for [`Standing::Other`].
pub(super) fn no_namespace(netns: &Netns) -> Error {
    let why = format!("{} is not a network namespace", path(netns).display());
    let error = Error::failed(what(netns), why);
    match netns {
        Netns::Name(name) => {
            error.hint(format!("if nothing needs it, remove it: ip netns delete {name}"))
        }
        Netns::Path(_) => error,
    }
}

/// A number for this boot: the first half of the kernel's `boot_id`; 0 where there is none.
fn boot() -> Result<u64, Error> {
    const FILE: &str = "/proc/sys/kernel/random/boot_id";
    static BOOT: OnceLock<u64> = OnceLock::new();
    if let Some(boot) = BOOT.get() {
        return Ok(*boot);
    }
    let id = match fs::read_to_string(FILE) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io(FILE, &error));
        }
        id => id.unwrap_or_default(),
    };
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    Ok(*BOOT.get_or_init(|| u64::from_str_radix(&digits, 16).unwrap_or(0)))
}

fn is_network_namespace(file: &OwnedFd) -> bool {
    if !fstatfs(file).is_ok_and(|system| system.f_type == libc::NSFS_MAGIC) {
        return false;
    }
    // SAFETY: this request takes no argument and, on a namespace's file, changes nothing.
    let kind = unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE.into()) };
    kind == libc::CLONE_NEWNET
}

/// The cookie of the calling thread's namespace; 0 where the kernel has none.
fn own_cookie() -> io::Result<u64> {
    let socket = UnixDatagram::unbound()?;
    let mut cookie = 0_u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the socket is open, `cookie` is writable for the 8 bytes that
    // `length` states, and the kernel writes at most that many.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    match io::Error::last_os_error() {
        _ if result == 0 => Ok(cookie),
        error if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(0),
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::lab::scratch;

    #[test]
    fn names_are_file_names() {
        for name in ["a", "a b", "ä", "-", "..."] {
            assert!(valid_name(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "/abs", "a\0", &"x".repeat(256)] {
            assert!(!valid_name(name), "{name}");
        }
    }

    #[test]
    fn work_runs_inside_and_the_caller_stays_outside() {
        let (here, there) = (NsIdentity::current().unwrap(), scratch::netns());
        let inside = in_netns(&there.netns, NsIdentity::current).unwrap().unwrap();
        assert_eq!(inside, there.identity);
        assert_ne!(inside, here);
        assert_ne!(inside.cookie, here.cookie);
        assert!(inside.cookie != 0 && inside.boot != 0 && inside.boot == here.boot);
        assert_eq!(NsIdentity::current().unwrap(), here);
    }

    #[test]
    fn what_is_not_there_is_said_so() {
        let netns = Netns::Name(scratch::name());
        assert_eq!(exists(&netns), Ok(false));
        assert_eq!(standing(&netns), Ok(Standing::Nothing));
        let error = in_netns(&netns, || ()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed);
        assert_eq!(error.why, format!("there is no /run/netns/{netns}"));
    }

    #[test]
    fn a_plain_file_and_another_kind_of_namespace_are_refused() {
        let plain = scratch::stale_file();
        let error = exists(&plain.netns).unwrap_err();
        assert!(error.why.ends_with("is not a network namespace"), "{error}");
        assert!(error.hint.unwrap().starts_with("if nothing needs it"));
        assert_eq!(standing(&plain.netns), Ok(Standing::Other));
        let error = exists(&Netns::Path("/proc/self/ns/mnt".into())).unwrap_err();
        assert_eq!(error.why, "/proc/self/ns/mnt is not a network namespace");
        assert_eq!(exists(&Netns::Path("/proc/self/ns/net".into())), Ok(true));
    }

    #[test]
    fn processes_are_counted_where_they_are() {
        let there = scratch::netns();
        assert_eq!(residents().get(&there.identity.inode), None);
        let mut child = there.spawn("sleep", &["60"]);
        assert_eq!(residents().get(&there.identity.inode), Some(&1));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(residents().get(&there.identity.inode), None);
    }

    #[test]
    fn a_panic_inside_comes_out() {
        let there = scratch::netns();
        let caught = std::panic::catch_unwind(|| in_netns(&there.netns, || panic!("inside")));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"inside"));
    }
}
