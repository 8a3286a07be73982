//! `fd` ports: an open TAP or macvtap descriptor that the caller left to this process.
//!
//! A descriptor number is only a number until it is checked. Everything
//! Netloom opens is close-on-exec, and a descriptor that came through `exec`
//! is not: that tells an inherited one from the switch's own, and one that was
//! adopted already from one that was not.
#![expect(unsafe_code, reason = "a number becomes a descriptor here")]

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, OFlags, Stat, fcntl_getfl, fcntl_setfl, fstat, major, minor, statat};
use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};

use super::Attachment;
use super::attach::{Attached, Attaching};
use super::kind::{Claim, KindRow, PortKind, Return, Target, Unfit};
use crate::Error;
use crate::lab::{LinkInfo, Place, macvtap_device, netns};
use crate::queue::header::prepare;
use crate::queue::ioctl;
use crate::queue::tap::{Device, TapQueue};

/// The kind's row.
pub const ROW: KindRow = KindRow {
    name: "fd",
    form: ":NUMBER",
    target: Target { what: "the descriptor's number", form: "a descriptor's number", default: "" },
    help: "an open TAP or macvtap descriptor inherited from the caller",
    keys: &[],
    netns: "",
    own: &[],
    read: |said| {
        let target = said.target.ok_or(Unfit::NoTarget)?;
        let digits = !target.is_empty() && target.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| target.parse().ok()).flatten();
        number.map(|number| Fd(number).into()).ok_or(Unfit::Target)
    },
};

/// A descriptor, by the number it has with the caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fd(pub RawFd);

impl PortKind for Fd {
    fn row(&self) -> &'static KindRow {
        &ROW
    }

    fn target(&self) -> String {
        self.0.to_string()
    }

    fn claims(&self, _: &Attachment) -> Vec<Claim> {
        vec![Claim {
            key: "target",
            thing: ("descriptor", None, self.target()),
            shared: false,
            held: format!("descriptor {} is already that of", self.0),
            hint: None,
        }]
    }

    fn returns(&self) -> Return {
        Return::Never
    }

    fn given(&self) -> Option<RawFd> {
        Some(self.0)
    }

    fn open(&self, attaching: &mut Attaching<'_>) -> Result<Attached, Error> {
        let queue = match attaching.take_sent() {
            Some(fd) => adopt_sent(fd, self.0)?,
            None => adopt(self.0)?,
        };
        let netdev = netdev_of(&queue)?;
        Attached::new([queue], netdev)
    }
}

/// The queue's netdev, where the switch can see it.
pub(super) fn netdev_of(queue: &TapQueue) -> Result<Option<(Place, LinkInfo)>, Error> {
    let Some((place, name)) = netdev_place(queue) else { return Ok(None) };
    Ok(place.links(|links| links.find(&name))?.map(|link| (place, link)))
}

const LEAVE_OPEN: &str =
    "the caller must leave it open: no close-on-exec, and no sudo that closes it";

/// Two callers must not both find the same descriptor unclaimed.
static ADOPTING: Mutex<()> = Mutex::new(());

/// Takes over the inherited descriptor `number`: the port closes it when dropped.
///
/// With a virtio-net header (IFF_VNET_HDR) frames carry offload state; without
/// one they are plain and the kernel is told to finish them first. On an error
/// the descriptor stays open and is the caller's still.
///
/// # Errors
/// When the descriptor is not open, was not inherited, is a standard stream,
/// is no TAP or macvtap, or carries packet information.
pub fn adopt(number: RawFd) -> Result<TapQueue, Error> {
    let what = format!("fd {number}");
    if number < 0 {
        return Err(Error::failed(what, "is not a descriptor"));
    }
    // A daemon points these three at /dev/null, and a message printed to one would become a frame.
    if number < 3 {
        return Err(Error::failed(what, "is a standard stream")
            .hint("hand the descriptor over as 3 or above"));
    }
    let _turn = ADOPTING.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: `number` is not -1, and is used only to ask what it is until the
    // kernel has said that it is open; nobody closes a descriptor that is not
    // close-on-exec, since all of this process's own are.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = fcntl_getfd(fd).map_err(|errno| open_error(&what, errno))?;
    if flags.contains(FdFlags::CLOEXEC) {
        // The number is the switch's own by now: the caller left nothing open there.
        return Err(Error::failed(what, "is not open, or is a port's already").hint(LEAVE_OPEN));
    }
    let prepared = prepare(fd, &what)?;
    take(fd).map_err(|errno| Error::io(&what, &errno.into()))?;
    // SAFETY: the descriptor is open and, inherited and not adopted before, has
    // no other owner in this process; close-on-exec now marks it as owned.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    Ok(TapQueue::shared(fd, prepared))
}

/// Takes over a descriptor that another process sent, where it had this number.
///
/// # Errors
/// As [`adopt`], where they apply.
pub fn adopt_sent(fd: OwnedFd, number: RawFd) -> Result<TapQueue, Error> {
    let what = format!("fd {number}");
    let prepared = prepare(fd.as_fd(), &what)?;
    take(fd.as_fd()).map_err(|errno| Error::io(what, &errno.into()))?;
    Ok(TapQueue::shared(fd, prepared))
}

/// The netdev's name, when it is in the calling thread's namespace; `None` too
/// when the kernel does not tell.
pub fn netdev_here(port: &TapQueue) -> Option<String> {
    let name = port.netdev_name()?;
    let here = match port.device() {
        Device::Tap => tap_is_here(port.as_fd()).unwrap_or(false),
        Device::Macvtap => macvtap_is_here(port.as_fd(), &name).unwrap_or(false),
    };
    here.then_some(name)
}

/// Where the netdev is, and its name there: in the calling thread's namespace
/// or in a named one. `None` when it is elsewhere, and for a macvtap in another
/// namespace, of which the kernel does not tell.
pub fn netdev_place(port: &TapQueue) -> Option<(Place, String)> {
    if let Some(name) = netdev_here(port) {
        return Some((Place::Here, name));
    }
    let netns = match port.device() {
        Device::Tap => netns::name_of(ioctl::device_netns(port.as_fd()).ok()?)?,
        Device::Macvtap => return None,
    };
    Some((Place::In(netns), port.netdev_name()?))
}

/// Makes the descriptor fit for the switch, and marks it as taken.
fn take(fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
    fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?;
    fcntl_setfd(fd, FdFlags::CLOEXEC)
}

fn open_error(what: &str, errno: Errno) -> Error {
    match errno {
        Errno::BADF => Error::failed(what, "is not open").hint(LEAVE_OPEN),
        errno => Error::io(what, &errno.into()),
    }
}

fn tap_is_here(fd: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    let same = |a: Stat, b: Stat| (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino);
    let theirs = fstat(ioctl::device_netns(fd)?)?;
    let ours = statat(rustix::fs::CWD, "/proc/thread-self/ns/net", AtFlags::empty())?;
    Ok(same(theirs, ours))
}

fn macvtap_is_here(fd: BorrowedFd<'_>, name: &str) -> Result<bool, Error> {
    let found = Place::Here.links(|links| links.find(name))?;
    let Some(link) = found else { return Ok(false) };
    let device = fstat(fd).map_err(|errno| open_error(name, errno))?.st_rdev;
    // The numbers are unique on the host, unlike names and indices.
    Ok(macvtap_device(&Place::Here, &link)? == (major(device), minor(device)))
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd, IntoRawFd};

    use rustix::fs::{Mode, open};
    use rustix::pipe::pipe;
    use switch_core::frame::Takes;
    use switch_core::port::Port;

    use super::*;
    use crate::ports::tap;
    use crate::queue::ioctl::{flag, set_iff};
    use crate::testing::in_own_netns;

    /// A `/dev/net/tun` descriptor as a caller might leave it behind.
    fn left_behind(name: &str, flags: u16) -> RawFd {
        let fd = open("/dev/net/tun", OFlags::RDWR, Mode::empty()).unwrap();
        if !name.is_empty() {
            set_iff(&fd, name, flags).unwrap();
        }
        fd.into_raw_fd()
    }

    fn close(number: RawFd) {
        // SAFETY: the tests below refuse to adopt `number`, so it is still theirs to close.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    }

    #[test]
    fn with_and_without_a_header() {
        in_own_netns(|| {
            let plain = adopt(left_behind("plain", flag::TAP | flag::NO_PI)).unwrap();
            assert!(!plain.has_vnet_header());
            assert_eq!((plain.vnet_header_len(), plain.takes()), (0, Takes::NOTHING));
            assert!(fcntl_getfl(&plain).unwrap().contains(OFlags::NONBLOCK));
            assert!(fcntl_getfd(&plain).unwrap().contains(FdFlags::CLOEXEC));
            assert_eq!(netdev_here(&plain).as_deref(), Some("plain"));

            let flags = flag::TAP | flag::NO_PI | flag::VNET_HDR;
            let header = adopt(left_behind("header", flags)).unwrap();
            assert_eq!((header.vnet_header_len(), header.takes()), (12, Takes::EVERYTHING));

            let copy = rustix::io::dup(&header).unwrap();
            let sent = adopt_sent(copy, 7).unwrap();
            assert_eq!(sent.netdev_name().as_deref(), Some("header"));
            assert!(fcntl_getfd(&sent).unwrap().contains(FdFlags::CLOEXEC));
            assert!(adopt_sent(pipe().unwrap().0, 7).is_err());
        });
    }

    #[test]
    fn a_netdev_elsewhere_is_not_here() {
        in_own_netns(|| {
            let port = adopt(left_behind("there", flag::TAP | flag::NO_PI)).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    crate::testing::enter_own_netns().unwrap();
                    assert_eq!(netdev_here(&port), None);
                });
            });
            assert_eq!(netdev_here(&port).as_deref(), Some("there"));
        });
    }

    #[test]
    fn what_is_not_inherited_is_refused() {
        in_own_netns(|| {
            let ports = tap::create("own", 1).unwrap();
            let error = adopt(ports[0].as_fd().as_raw_fd()).unwrap_err();
            assert!(error.why.contains("is a port's already"), "{error}");

            let number = left_behind("twice", flag::TAP | flag::NO_PI);
            let first = adopt(number).unwrap();
            assert!(adopt(number).is_err());
            assert!(!first.is_gone());
        });
    }

    #[test]
    fn what_is_no_ethernet_device_is_refused() {
        in_own_netns(|| {
            for number in [-1, 0, 1, 2, 1_000_000] {
                assert!(adopt(number).is_err(), "{number}");
            }
            let (read, _write) = pipe().unwrap();
            let number = read.into_raw_fd();
            let error = adopt(number).unwrap_err();
            assert!(error.why.contains("neither a TAP nor a macvtap"), "{error}");
            assert!(error.hint.unwrap().contains("/dev/net/tun"));
            close(number);
            for (name, flags, why) in [
                ("", 0, "attached to no TAP"),
                ("layer3", flag::TUN | flag::NO_PI, "is a TUN"),
                ("info", flag::TAP, "packet information"),
            ] {
                let number = left_behind(name, flags);
                let error = adopt(number).unwrap_err();
                assert!(error.why.contains(why), "{error}");
                close(number);
            }
        });
    }
}
