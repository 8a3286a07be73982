//! What this host offers, found by trying: for `doctor`.
//!
//! Devices are tried in a network namespace of the probe's own, on a thread
//! that ends with it, so that nothing of it is ever seen outside. What only
//! reading can tell is read from `/proc`.
#![expect(unsafe_code, reason = "unshare has no safe wrapper")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{Access, Mode, OFlags, access, open};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use switch_core::frame::Takes;
use switch_core::port::Port;

use crate::engine::uring;
use crate::error::describe;
use crate::lab::{Links, Place, Wanted, macvtap_device, netns};
use crate::ports::handle::Handle;
use crate::ports::{MacvtapMode, macvtap, tap};
use crate::queue::ioctl::{self, flag};
use crate::{Error, ErrorKind};

/// What a probe found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// It is there; the details.
    Has(String),
    /// Part of it is there; what is missing.
    Limited(String),
    /// It is not there; why.
    Lacks(String),
    /// It is not for this process, which lacks a privilege; which.
    Denied(String),
}

use Finding::{Denied, Has, Lacks, Limited};

/// Whether `/dev/net/tun` opens.
pub fn tun_device() -> Finding {
    match open_tun() {
        Ok(_) => Has("opens".into()),
        Err(error) => without(&error, error.why.clone()),
    }
}

/// Makes a TAP and sees what its descriptors can do.
pub fn tap() -> Finding {
    told(in_own_netns(|| {
        let known = ioctl::features(open_tun()?).unwrap_or(0);
        let queues = tap::create("probe", 1)?;
        let queue = queues.first().map(Port::takes);
        let takes = queue.unwrap_or(Takes::NOTHING);
        let (mut has, mut lacks) = (Vec::new(), Vec::new());
        for (there, what) in [
            (known & u32::from(flag::MULTI_QUEUE) != 0, "multi-queue"),
            (known & u32::from(flag::VNET_HDR) != 0, "virtio-net header"),
            (takes.checksum, "checksum offload"),
            (takes.tso4 && takes.tso6, "TCP super-frames"),
            (takes.uso, "UDP super-frames"),
        ] {
            if there { has.push(what) } else { lacks.push(what) }
        }
        let text = format!("{}; MTU up to {}", has.join(", "), Place::Here.links(largest_mtu)?);
        Ok(match lacks.is_empty() {
            true => Has(text),
            false => Limited(format!("no {}; {text}", lacks.join(", no "))),
        })
    }))
}

/// The largest MTU in bytes that the TAP of [`tap()`] takes.
fn largest_mtu(links: &mut Links) -> Result<u32, Error> {
    let link = links.require("probe")?;
    let (mut takes, mut refuses) = (link.mtu, 1 << 16);
    while refuses - takes > 1 {
        let middle = takes + (refuses - takes) / 2;
        match links.set(&link, &Wanted { mtu: Some(middle), ..Wanted::default() }) {
            Ok(()) => takes = middle,
            Err(_) => refuses = middle,
        }
    }
    Ok(takes)
}

/// Makes a macvtap on one end of a veth and opens it.
pub fn macvtap() -> Finding {
    told(in_own_netns(|| {
        let link = Place::Here.links(|links| {
            let lower = links.make_veth("lower", "other")?;
            links.make_macvtap("probe", &lower, MacvtapMode::Passthru)
        })?;
        let (major, minor) = macvtap_device(&Place::Here, &link)?;
        macvtap::open(major, minor, 1)?;
        Ok(Has("made on a veth and opened".into()))
    }))
}

/// Ties a TAP to one end of a veth by programs, as netdev and veth ports do.
pub fn tied_netdevs() -> Finding {
    told(in_own_netns(|| {
        let (lower, tap) = (["lower", "other"], "probe");
        let queue = tap::create(tap, 1)?.remove(0);
        let (netdev, link) = Place::Here
            .links(|links| Ok((links.make_veth(lower[0], lower[1])?, links.require(tap)?)))?;
        Handle::of(queue, link, Place::Here).tie_to_other(&netdev)?.1.pass_up()?;
        Ok(Has("tcx links and classic filters attach".into()))
    }))
}

/// Tries both engines; says which one `engine = "auto"` takes here.
pub fn io_uring() -> Finding {
    let micros = |time: Duration| format!("{:.2} µs", time.as_secs_f64() * 1e6);
    match uring::trial() {
        Ok(trial) => Has(format!(
            "{} a read in batches, {} alone: \"auto\" takes {}",
            micros(trial.batched),
            micros(trial.alone),
            if trial.favours_batches() { "io_uring" } else { "epoll" },
        )),
        Err(error) => Lacks(error.why),
    }
}

/// Opens an AF_XDP socket.
pub fn af_xdp() -> Finding {
    match socket_with(AddressFamily::XDP, SocketType::RAW, SocketFlags::CLOEXEC, None) {
        Ok(_) => Has("sockets open".into()),
        Err(Errno::AFNOSUPPORT) => Lacks("not in this kernel".into()),
        Err(Errno::PERM | Errno::ACCESS) => Denied("needs CAP_NET_RAW".into()),
        Err(errno) => Lacks(describe(&errno.into())),
    }
}

/// Whether this process may make network namespaces that `ip netns` sees.
pub fn named_namespaces() -> Finding {
    let directory = Path::new(netns::DIRECTORY);
    // `ip netns` and Netloom make the directory when it is missing.
    let place = if directory.exists() { directory } else { Path::new("/run") };
    match (access(place, Access::WRITE_OK), in_own_netns(|| Ok(()))) {
        (_, Err(error)) => without(&error, error.why.clone()),
        (Err(Errno::ACCESS), _) => Denied(format!("{} can't be written", place.display())),
        (Err(_), _) => Lacks(format!("{} can't be written", place.display())),
        (Ok(()), Ok(())) => Has(format!("{} can be written", place.display())),
    }
}

/// Whether an ordinary user may make namespaces in a user namespace of their own.
pub fn user_namespaces() -> Finding {
    let read = |path: &str| {
        let text = std::fs::read_to_string(Path::new("/proc/sys").join(path)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    match read("user/max_user_namespaces") {
        None => Lacks("not in this kernel".into()),
        Some(0) => Lacks("forbidden by user.max_user_namespaces = 0".into()),
        // Debian's and Ubuntu's own switches.
        Some(_) if read("kernel/unprivileged_userns_clone") == Some(0) => {
            Limited("for root only: kernel.unprivileged_userns_clone = 0".into())
        }
        Some(_) if read("kernel/apparmor_restrict_unprivileged_userns") == Some(1) => {
            Limited("restricted: kernel.apparmor_restrict_unprivileged_userns = 1".into())
        }
        Some(_) => Has("for every user".into()),
    }
}

/// Which of these functions the running kernel has, modules that are loaded included.
pub fn kernel_functions<const N: usize>(names: [&str; N]) -> [bool; N] {
    let mut found = [false; N];
    let Ok(symbols) = File::open("/proc/kallsyms") else { return found };
    for line in BufReader::new(symbols).lines().map_while(Result::ok) {
        let name = line.split_ascii_whitespace().nth(2);
        if let Some(at) = names.iter().position(|wanted| name == Some(*wanted)) {
            found[at] = true;
        }
    }
    found
}

fn open_tun() -> Result<OwnedFd, Error> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open("/dev/net/tun", flags, Mode::empty()).map_err(tap::open_error)
}

/// Runs `work` on a thread in a network namespace that ends with it.
fn in_own_netns<R: Send>(work: impl FnOnce() -> Result<R, Error> + Send) -> Result<R, Error> {
    let what = "a network namespace";
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("probe".into()).spawn_scoped(scope, || {
            // SAFETY: this thread alone leaves its network namespace; NEWNET
            // parts neither descriptors nor memory from other threads.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
                .map_err(|errno| Error::system(what, &errno.into(), "CAP_SYS_ADMIN"))?;
            work()
        });
        let thread = thread.map_err(|error| Error::io(what, &error))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// What an error says of what was tried.
fn without(error: &Error, why: String) -> Finding {
    if error.kind == ErrorKind::Privilege { Denied(why) } else { Lacks(why) }
}

fn told(found: Result<Finding, Error>) -> Finding {
    found.unwrap_or_else(|error| without(&error, format!("{}: {}", error.what, error.why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tap_and_a_macvtap_are_made_and_leave_nothing() {
        assert_eq!(tun_device(), Has("opens".into()));
        let (Has(text) | Limited(text)) = tap() else { panic!("{:?}", tap()) };
        assert!(text.contains("virtio-net header") && text.ends_with("MTU up to 65521"), "{text}");
        assert_eq!(macvtap(), Has("made on a veth and opened".into()));
        assert!(!Path::new("/sys/class/net/probe").exists());
    }

    #[test]
    fn the_kernel_has_what_it_says() {
        let found = kernel_functions(["netif_rx", "no_such_function_in_any_kernel"]);
        assert_eq!(found, [true, false]);
    }
}
