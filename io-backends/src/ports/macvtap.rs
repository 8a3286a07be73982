//! `macvtap` ports: macvtaps that the switch makes, by their character devices.
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

use serde::{Deserialize, Serialize};

use super::attach::{Attached, Attaching, passing_name};
use super::kind::{Claim, KindRow, OwnKey, OwnValue, PortKind, Target};
use super::{Attachment, netdev};
use crate::lab::{LinkInfo, NAME_FORM, Place, Wanted, macvtap_device};
use crate::queue::header::prepare;
use crate::queue::ioctl::{self, flag};
use crate::queue::tap::TapQueue;
use crate::{Error, ErrorKind};

/// The kind's row.
pub const ROW: KindRow = KindRow {
    name: "macvtap",
    form: ":NETDEV",
    target: Target { what: "the lower netdev", form: NAME_FORM, default: "" },
    help: "a macvtap that the switch makes on the lower netdev NETDEV",
    keys: &["takeover", "netns", "mac", "mtu", "queues"],
    netns: "the namespace where that netdev is",
    own: &[OwnKey {
        name: "mode",
        form: "=MODE",
        value: OwnValue::Choice(&MODES),
        default: MODES[0],
        help: "how macvtaps share the lower netdev; only passthru carries addresses other than \
               the macvtap's own",
    }],
    read: |said| {
        Ok(Macvtap { lower: said.netdev()?, mode: MacvtapMode::ALL[said.own("mode")] }.into())
    },
};

const MODES: [&str; 4] = {
    let [a, b, c, d] = MacvtapMode::ALL;
    [a.name(), b.name(), c.name(), d.name()]
};

/// Tries to find a name for a macvtap that nobody takes in the same moment.
const NAME_TRIES: usize = 16;

/// A macvtap, by what it sits on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Macvtap {
    /// The netdev it sits on, in the attachment's namespace.
    pub lower: String,
    /// How it shares that netdev.
    pub mode: MacvtapMode,
}

/// How macvtap netdevs share their lower netdev (`ip link ... type macvtap mode`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MacvtapMode {
    /// The only one on the netdev; carries every address.
    #[default]
    Passthru,
    /// Reaches its siblings directly; carries its own address only.
    Bridge,
    /// Reaches no sibling; carries its own address only.
    Private,
    /// Reaches siblings by way of the switch outside; carries its own address only.
    Vepa,
}

impl MacvtapMode {
    /// Every mode, the default first.
    pub const ALL: [MacvtapMode; 4] =
        [MacvtapMode::Passthru, MacvtapMode::Bridge, MacvtapMode::Private, MacvtapMode::Vepa];

    /// The mode's name in configuration and output.
    pub const fn name(self) -> &'static str {
        match self {
            MacvtapMode::Passthru => "passthru",
            MacvtapMode::Bridge => "bridge",
            MacvtapMode::Private => "private",
            MacvtapMode::Vepa => "vepa",
        }
    }
}

impl PortKind for Macvtap {
    fn row(&self) -> &'static KindRow {
        &ROW
    }

    fn target(&self) -> String {
        self.lower.clone()
    }

    fn own(&self) -> Vec<(&'static str, String)> {
        let unusual = self.mode != MacvtapMode::default();
        unusual.then(|| ("mode", format!("mode={}", self.mode.name()))).into_iter().collect()
    }

    fn claims(&self, attachment: &Attachment) -> Vec<Claim> {
        vec![Claim {
            key: "target",
            thing: ("lower netdev", attachment.netns.clone(), self.lower.clone()),
            shared: self.mode != MacvtapMode::Passthru,
            held: format!("{:?} already carries", self.lower),
            hint: Some("passthru has a netdev to itself; other modes share it"),
        }]
    }

    fn keep(&self, attachment: &mut Attachment, netdev: &LinkInfo) {
        // In passthru mode it has the lower netdev's address.
        if self.mode != MacvtapMode::Passthru {
            attachment.mac = netdev.mac;
        }
        attachment.ifname = Some(netdev.name.clone());
    }

    fn hint(&self) -> Option<String> {
        if self.mode == MacvtapMode::Passthru {
            return None;
        }
        Some(format!(
            "a macvtap in {} mode takes in unicast for its own MAC address only; \
             hosts behind the switch need that address, or mode=passthru",
            self.mode.name()
        ))
    }

    fn open(&self, attaching: &mut Attaching<'_>) -> Result<Attached, Error> {
        let place = attaching.place();
        let lower = place.links(|links| links.require(&self.lower))?;
        if !lower.up {
            return Err(Error::failed(format!("netdev {}", lower.name), "it is down")
                .hint(format!("set it up first: ip link set {} up", lower.name)));
        }
        if self.mode == MacvtapMode::Passthru && !attaching.attachment.takeover {
            place.links(|links| netdev::check_unused(links, &lower, "macvtap"))?;
        }
        let link = self.make(attaching, &place, &lower)?;
        place.links(|links| {
            links.silence(&link);
            links.set(&link, &Wanted { all_multicast: Some(true), ..Wanted::default() })
        })?;
        let (major, minor) = macvtap_device(&place, &link)?;
        let queues = open(major, minor, attaching.queues())?;
        // Device numbers are given out again: another macvtap may have had this one by now.
        let other = |queue: &TapQueue| queue.netdev_name().is_some_and(|name| name != link.name);
        if queues.iter().any(other) {
            return Err(Error::failed(format!("netdev {}", link.name), "it went away at once"));
        }
        attaching.finish(queues, &link)
    }
}

impl Macvtap {
    fn make(
        &self,
        attaching: &mut Attaching<'_>,
        place: &Place,
        lower: &LinkInfo,
    ) -> Result<LinkInfo, Error> {
        let wanted = attaching.attachment().ifname.clone();
        let mut tries = 0;
        loop {
            let name = wanted.clone().unwrap_or_else(passing_name);
            let entry = attaching.record(place, &name, "macvtap", Some(lower))?;
            match place.links(|links| links.make_macvtap(&name, lower, self.mode)) {
                Ok(link) => {
                    attaching.is_at(entry, place, &link)?;
                    return Ok(link);
                }
                // Made-up names of a process that had this number before may still be there.
                Err(error)
                    if error.kind == ErrorKind::Taken && wanted.is_none() && tries < NAME_TRIES =>
                {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

const NODE: &str = "macvtap";

/// The most queues the kernel gives one macvtap.
pub const MAX_QUEUES: u16 = crate::ports::tap::MAX_QUEUES;

/// Opens this many queues of the macvtap whose character device has these
/// numbers, as `/sys/class/net/NAME/tapN/dev` of its namespace says.
///
/// Numbers are given out anew when a macvtap goes: compare
/// [`TapQueue::netdev_name`] when the netdev may have been removed meanwhile.
///
/// # Errors
/// When there is no such macvtap, `queues` is not 1 to [`MAX_QUEUES`], or
/// CAP_SYS_ADMIN or CAP_MKNOD (of the host, not of a user namespace) is missing.
pub fn open(major: u32, minor: u32, queues: u16) -> Result<Vec<TapQueue>, Error> {
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

fn open_queue(what: &str, place: BorrowedFd<'_>, flags: u16) -> Result<TapQueue, Error> {
    let options = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd =
        openat(place, NODE, options, Mode::empty()).map_err(|errno| open_error(what, errno))?;
    ioctl::set_iff(&fd, "", flags).map_err(|errno| system(what, errno, "CAP_NET_ADMIN"))?;
    let prepared = prepare(fd.as_fd(), what)?;
    let compared = flag::TYPE_MASK | flag::NO_PI | flag::VNET_HDR | flag::MULTI_QUEUE;
    if prepared.flags & compared != flags {
        return Err(Error::failed(
            what,
            format!("opened with flags {:#x}, not {flags:#x}", prepared.flags),
        ));
    }
    Ok(TapQueue::new(fd, prepared))
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

#[cfg(test)]
mod tests {
    use switch_core::frame::Takes;
    use switch_core::port::Port;

    use super::*;
    use crate::ports::fd::netdev_here;
    use crate::queue::tap::Device;
    use crate::testing::{enter_own_netns, in_own_netns};

    /// A macvtap on one end of a veth, and its device numbers.
    fn make(name: &'static str) -> (LinkInfo, (u32, u32)) {
        let link = Place::Here
            .links(|links| {
                let lower = links.make_veth("lower", "far")?;
                links.make_macvtap(name, &lower, MacvtapMode::Bridge)
            })
            .unwrap();
        let numbers = macvtap_device(&Place::Here, &link).unwrap();
        (link, numbers)
    }

    #[test]
    fn opens_the_device_of_these_numbers() {
        in_own_netns(|| {
            let (link, (major, minor)) = make("mine");
            let ports = open(major, minor, 2).unwrap();
            assert_eq!(ports.len(), 2);
            for port in &ports {
                assert_eq!(port.device(), Device::Macvtap);
                assert_eq!((port.vnet_header_len(), port.takes()), (12, Takes::EVERYTHING));
                assert_eq!(port.netdev_name().as_deref(), Some("mine"));
                assert_eq!(netdev_here(port).as_deref(), Some("mine"));
            }
            Place::Here.links(|links| links.delete(&link)).unwrap();
            assert!(ports.iter().all(TapQueue::is_gone));
            assert_eq!(netdev_here(&ports[0]), None);
            // Its own numbers may be another test's by now; the last ones are nobody's.
            assert_eq!(open(major, (1 << 20) - 1, 1).unwrap_err().why, "there is no such macvtap");
        });
    }

    /// Both have the same name and index, which is all `/dev/tapN` goes by.
    #[test]
    fn two_namespaces_with_the_same_index() {
        in_own_netns(|| {
            let (first, numbers) = make("twin");
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    enter_own_netns().unwrap();
                    let (second, others) = make("twin");
                    assert_eq!(first.index, second.index);
                    assert_ne!(numbers, others);
                    // Opened from outside: the device is told by its numbers alone.
                    let port = open(numbers.0, numbers.1, 1).unwrap().remove(0);
                    assert_eq!(netdev_here(&port), None);
                    let port = open(others.0, others.1, 1).unwrap().remove(0);
                    assert_eq!(netdev_here(&port).as_deref(), Some("twin"));
                });
            });
        });
    }

    #[test]
    fn a_count_of_queues_no_macvtap_has() {
        assert!(open(0, 0, 0).is_err() && open(0, 0, MAX_QUEUES + 1).is_err());
    }
}
