//! TAP ports: descriptors of `/dev/net/tun` that the switch holds, each a netdev's queue.
//!
//! [`create`] makes a netdev that lives as long as its descriptors; [`attach`]
//! joins a persistent one that somebody else made and that stays. All queues
//! are opened in the calling thread's namespace, before the netdev moves:
//! afterwards a further queue would find nothing there and make a new netdev.
//!
//! Of several queues each flow keeps to one: see the `steer` module.
//! A netdev with one queue is made single-queue: as a multi-queue one it takes
//! some 6 MB more kernel memory (room for 256 queues) and hashes each frame.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use super::info;
use crate::bpf::steer;
use crate::lab::{NAME_FORM, valid_name};
use crate::queue::header::{Prepared, prepare};
use crate::queue::ioctl::{self, flag};
use crate::queue::tap::TapQueue;
use crate::{Error, ErrorKind};

const DEVICE: &str = "/dev/net/tun";

/// Names no netdev can have: in `/proc/sys/net/ipv4/conf` and its like they stand for all
/// netdevs and for those to come.
const KEPT: [&str; 2] = ["all", "default"];

/// The most queues the kernel gives one netdev (`MAX_TAP_QUEUES`).
pub const MAX_QUEUES: u16 = 256;

/// Makes a TAP called `name` with this many queues, in the calling thread's
/// namespace. It goes away with its last descriptor.
///
/// # Errors
/// When a netdev of that name exists, the name can't be a netdev's, `queues`
/// is not 1 to [`MAX_QUEUES`], `/dev/net/tun` is missing, or CAP_NET_ADMIN is,
/// or for several queues CAP_BPF.
pub fn create(name: &str, queues: u16) -> Result<Vec<TapQueue>, Error> {
    check_name(name)?;
    make(name, flags(name, queues)?, queues)
}

/// The same without virtio-net header: every frame is finished, no larger than
/// the netdev's MTU. No port of a switch is made this way; benches compare with it.
///
/// # Errors
/// As [`create`].
pub fn create_without_header(name: &str, queues: u16) -> Result<Vec<TapQueue>, Error> {
    check_name(name)?;
    make(name, flags(name, queues)? & !flag::VNET_HDR, queues)
}

fn make(name: &str, flags: u16, queues: u16) -> Result<Vec<TapQueue>, Error> {
    // Only the first may be exclusive: to the kernel the second joins an existing netdev.
    let first = open_queue(name, flags | flag::EXCL)?;
    let mut fds = vec![first];
    for _ in 1..queues {
        fds.push(open_queue(name, flags)?);
    }
    prepare_all(name, fds, flags)
}

/// Opens this many queues of the persistent TAP `name` in the calling thread's
/// namespace. Closing them leaves the TAP.
///
/// # Errors
/// When there is no such netdev, it is not a persistent TAP, another process
/// holds it, it is single-queue and `queues` is more than 1, `/dev/net/tun` is
/// missing, or CAP_NET_ADMIN is.
pub fn attach(name: &str, queues: u16) -> Result<Vec<TapQueue>, Error> {
    check_name(name)?;
    let mut flags = flags(name, queues)?;
    // Asked before attaching, which would make the netdev if it were missing,
    // and would share a multi-queue TAP with another process.
    let info = info::query(name)?;
    if !info.persistent || info.queues > 0 {
        return Err(held(name));
    }
    if queues > 1 && !info.multi_queue {
        return Err(Error::failed(
            name,
            format!("is a single-queue TAP, not one of {queues} queues"),
        )
        .hint(format!("make it with: ip tuntap add dev {name} mode tap multi_queue")));
    }
    if info.multi_queue {
        flags |= flag::MULTI_QUEUE;
    }
    let fds = (0..queues).map(|_| open_queue(name, flags)).collect::<Result<_, _>>()?;
    prepare_all(name, fds, flags | flag::PERSIST)
}

/// Whether the netdev `name` of the calling thread's namespace is a TAP made for several queues.
pub(crate) fn takes_several_queues(name: &str) -> bool {
    info::query(name).is_ok_and(|info| info.multi_queue)
}

/// Refuses what the kernel would not take literally as a netdev's name: it
/// reads `%d` as a template and cuts what is too long.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    if KEPT.contains(&name) {
        let why = "the kernel keeps this name for the settings of all netdevs or of new ones";
        return Err(Error::failed(format!("netdev {name}"), why).hint(format!(
            "give the netdev another name, like {name}0: target, or ifname with netns"
        )));
    }
    if valid_name(name) {
        return Ok(());
    }
    Err(Error::failed(format!("{name:?}"), format!("not {NAME_FORM}")))
}

fn flags(name: &str, queues: u16) -> Result<u16, Error> {
    let base = flag::TAP | flag::NO_PI | flag::VNET_HDR;
    match queues {
        1 => Ok(base),
        2..=MAX_QUEUES => Ok(base | flag::MULTI_QUEUE),
        _ => Err(Error::failed(name, format!("a TAP has 1 to {MAX_QUEUES} queues, not {queues}"))),
    }
}

fn open_queue(name: &str, flags: u16) -> Result<OwnedFd, Error> {
    let fd = open(DEVICE, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
        .map_err(open_error)?;
    let got =
        ioctl::set_iff(&fd, name, flags).map_err(|errno| set_iff_error(name, flags, errno))?;
    if got != name {
        return Err(Error::failed(name, format!("the kernel made it {got:?}")));
    }
    Ok(fd)
}

fn prepare_all(name: &str, fds: Vec<OwnedFd>, flags: u16) -> Result<Vec<TapQueue>, Error> {
    // What the kernel reports of the flags asked for.
    const COMPARED: u16 =
        flag::TYPE_MASK | flag::NO_PI | flag::VNET_HDR | flag::MULTI_QUEUE | flag::PERSIST;
    let several = fds.len() > 1;
    if several {
        // The choice is the netdev's; any queue's descriptor will do.
        steer::set(&fds[0]).map_err(|errno| steer_error(name, errno))?;
    }
    fds.into_iter()
        .map(|fd| {
            let prepared: Prepared = prepare(fd.as_fd(), name)?;
            if prepared.flags & COMPARED != flags & COMPARED {
                return Err(Error::failed(
                    name,
                    format!("attached with flags {:#x}, not {flags:#x}", prepared.flags),
                ));
            }
            let mut port = TapQueue::new(fd, prepared);
            if several && flags & flag::PERSIST != 0 {
                port.unsteer_at_end();
            }
            Ok(port)
        })
        .collect()
}

pub(crate) fn open_error(errno: Errno) -> Error {
    match errno {
        Errno::NOENT | Errno::NXIO | Errno::NODEV | Errno::NOTDIR => {
            Error::failed(DEVICE, "is not there, so there are no TAPs").hint(
                "load the driver: modprobe tun; in a container: \
                 mkdir -p /dev/net && mknod /dev/net/tun c 10 200",
            )
        }
        Errno::ACCESS | Errno::PERM => Error {
            kind: ErrorKind::Privilege,
            what: DEVICE.into(),
            why: "needs permission to read and write it".into(),
            hint: Some("run it as root, or let its group in".into()),
        },
        errno => Error::io(DEVICE, &errno.into()),
    }
}

fn set_iff_error(name: &str, flags: u16, errno: Errno) -> Error {
    match errno {
        Errno::BUSY if flags & flag::EXCL != 0 => {
            Error::failed(name, "a netdev of that name exists")
                .hint("choose another name; `existing` attaches to a persistent TAP")
        }
        Errno::BUSY => held(name),
        Errno::TOOBIG => Error::failed(name, "the kernel gives this TAP no more queues"),
        Errno::INVAL => Error::failed(name, "the kernel refuses it as a TAP of this kind"),
        errno => Error::system(name, &errno.into(), "CAP_NET_ADMIN"),
    }
}

fn steer_error(name: &str, errno: Errno) -> Error {
    let mut error = Error::system(name, &errno.into(), "CAP_BPF to keep flows in order");
    error.why = format!("several queues: {}", error.why);
    error
}

fn held(name: &str) -> Error {
    Error::failed(name, "is held by another process")
        .hint(format!("join it from outside with a macvtap port: macvtap:{name}"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::fs::fcntl_getfl;
    use rustix::io::{FdFlags, fcntl_getfd};
    use switch_core::frame::Takes;
    use switch_core::port::Port;

    use super::*;
    use crate::lab::scratch::wait_for;
    use crate::testing::in_own_netns;

    fn ip(arguments: &str) {
        let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
        assert!(status.success(), "ip {arguments}");
    }

    fn exists(name: &str) -> bool {
        info::query(name).is_ok()
    }

    #[test]
    fn names_the_kernel_would_change_are_refused() {
        for name in ["", "sixteen-bytes-16", "t%d", "a/b", "a:b", "a b", "a\tb", ".", ".."] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in KEPT {
            let error = check_name(name).unwrap_err();
            assert_eq!(error.what, format!("netdev {name}"));
            assert!(error.why.contains("the kernel keeps this name"), "{error}");
            assert!(error.hint.unwrap().contains(&format!("{name}0")));
        }
        for name in ["a", "fifteen-bytes15", "eth0.10", "...", "ü"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_missing_driver_says_how_to_load_it() {
        let error = open_error(Errno::NOENT);
        assert_eq!(error.what, "/dev/net/tun");
        assert!(error.hint.unwrap().contains("modprobe tun"));
        assert_eq!(open_error(Errno::ACCESS).kind, ErrorKind::Privilege);
        assert_eq!(set_iff_error("x", 0, Errno::PERM).why, "needs CAP_NET_ADMIN");
    }

    #[test]
    fn makes_and_removes_a_tap() {
        in_own_netns(|| {
            let ports = create("made", 1).unwrap();
            assert_eq!(ports.len(), 1);
            let port = &ports[0];
            assert!(port.has_vnet_header() && !port.is_gone());
            assert_eq!(port.takes(), Takes::EVERYTHING);
            assert_eq!(port.netdev_name().as_deref(), Some("made"));
            assert!(fcntl_getfl(port).unwrap().contains(OFlags::NONBLOCK));
            assert!(fcntl_getfd(port).unwrap().contains(FdFlags::CLOEXEC));
            assert!(!info::query("made").unwrap().multi_queue);
            drop(ports);
            wait_for("the TAP to go with its descriptor", || match info::query("made") {
                Ok(info) => Err(info),
                Err(error) => Ok(error),
            });
        });
    }

    #[test]
    fn makes_many_queues() {
        in_own_netns(|| {
            let ports = create("many", 4).unwrap();
            assert_eq!(ports.len(), 4);
            let info = info::query("many").unwrap();
            assert!(info.multi_queue);
            assert_eq!(info.queues, 4);
            assert!(create("many", 2).is_err());
            assert!(create("none", 0).is_err());
            assert!(create("lots", 257).is_err());
            assert!(!exists("none") && !exists("lots"));
        });
    }

    #[test]
    fn a_name_that_is_taken_stays_as_it_is() {
        in_own_netns(|| {
            ip("link add taken type veth peer name other");
            let error = create("taken", 1).unwrap_err();
            assert_eq!(error.why, "a netdev of that name exists");
            ip("tuntap add dev lasting mode tap");
            assert!(create("lasting", 1).is_err());
            assert_eq!(info::query("lasting").unwrap().queues, 0);
        });
    }

    #[test]
    fn attaches_to_a_persistent_tap_and_leaves_it() {
        in_own_netns(|| {
            ip("tuntap add dev single mode tap");
            ip("tuntap add dev several mode tap multi_queue");
            for (name, queues) in [("single", 1), ("several", 1), ("several", 3)] {
                let ports = wait_for("the last descriptor of it", || attach(name, queues));
                assert_eq!(ports.len(), usize::from(queues));
                assert!(ports.iter().all(TapQueue::has_vnet_header));
                let error = attach(name, 1).unwrap_err();
                assert_eq!(error.why, "is held by another process", "{name}");
                drop(ports);
                assert!(exists(name));
            }
            let error = attach("single", 2).unwrap_err();
            assert!(error.why.contains("single-queue"), "{error}");
        });
    }

    #[test]
    fn attaches_to_nothing_else() {
        in_own_netns(|| {
            assert!(attach("absent", 1).unwrap_err().why.contains("no such netdev"));
            assert!(!exists("absent"));
            ip("link add veth0 type veth peer name veth1");
            assert!(attach("veth0", 1).unwrap_err().why.contains("not a TAP"));
            ip("tuntap add dev layer3 mode tun");
            assert!(attach("layer3", 1).unwrap_err().why.contains("not a TAP"));
            let _ports = create("passing", 1).unwrap();
            assert_eq!(attach("passing", 1).unwrap_err().why, "is held by another process");
        });
    }
}
