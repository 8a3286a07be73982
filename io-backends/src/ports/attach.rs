//! From what a user wrote to an open port, and back.
//!
//! Everything made on the way is in the [`Journal`] before it is made; when a
//! step fails, what the steps before it made is undone. Descriptors are opened
//! in the switch's own namespace, and only then does the netdev move, so that
//! nothing here keeps a namespace alive.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

use switch_core::Port;
use switch_core::frame::Takes;

use super::{fd, macvtap, netdev, tap, veth};
use crate::bpf::steer;
use crate::error::{Error, ErrorKind};
use crate::host::descriptors;
use crate::lab::{Journal, LinkInfo, Netns, Place, Wanted, macvtap_device, move_netdev, netns};
use crate::ports::{Attachment, Kind, MacvtapMode};
use crate::queue::Queue;
use crate::queue::guard::Guard;
use crate::queue::tap::TapQueue;

/// Tries to find a name for a macvtap that nobody takes in the same moment.
const NAME_TRIES: usize = 16;

/// A port's device, open.
pub struct Attached {
    /// One descriptor a queue.
    pub queues: Vec<Queue>,
    /// What tells whether others changed the queues; `None` where nobody else can.
    pub guard: Option<Guard>,
    /// What the device takes unfinished.
    pub takes: Takes,
    /// Its netdev and where that is; `None` when it is in a namespace the switch cannot see.
    pub netdev: Option<(Place, LinkInfo)>,
}

/// Attaches the port `name`, with up to `queues` queues where the attachment leaves it
/// open. `sent` is the descriptor of an `fd` port that came from another process.
///
/// # Errors
/// When anything it needs is missing or taken; the host is then as it was,
/// or the error's hint says what could not be undone.
pub fn attach(
    journal: &mut Journal,
    name: &str,
    attachment: &Attachment,
    queues: u16,
    sent: Option<OwnedFd>,
) -> Result<Attached, Error> {
    if let Some(netdev) = new_name(attachment) {
        tap::check_name(netdev)?;
    }
    let queues = attachment.queues.unwrap_or_else(|| queues_of(&attachment.kind, queues));
    // What the port had before stays recorded: its claim to a namespace, for one.
    let mark = journal.mark();
    let mut steps = Steps { journal, name, attachment, queues };
    let undoing_needs_some = descriptors::leave_some();
    let made = match &attachment.kind {
        Kind::Tap { name, existing: false } => steps.new_tap(name),
        Kind::Tap { name, existing: true } => steps.existing_tap(name),
        Kind::Macvtap { lower, mode } => steps.macvtap(lower, *mode),
        Kind::Netdev { name } => steps.netdev(name),
        Kind::Veth { name } => steps.veth(name),
        Kind::Fd(number) => adopt(*number, sent),
    };
    drop(undoing_needs_some);
    made.map_err(|error| match journal.undo_since(mark).kept.first() {
        Some(left) => error.hint(format!("left behind: {left}")),
        None => error,
    })
}

/// The name that the user gives the port's netdev, in the place where it will be.
fn new_name(attachment: &Attachment) -> Option<&str> {
    match &attachment.kind {
        _ if attachment.netns.is_some() => attachment.ifname.as_deref(),
        Kind::Tap { name, .. } | Kind::Veth { name } => Some(name),
        Kind::Macvtap { .. } | Kind::Netdev { .. } | Kind::Fd(_) => None,
    }
}

/// Whether the place a port needs is there: false while its namespace is
/// gone, which is not the switch's to make again.
pub fn place_exists(attachment: &Attachment) -> bool {
    attachment.netns.as_ref().is_none_or(|netns| netns::exists(netns).unwrap_or(false))
}

/// `wanted` queues where each flow keeps to one of them, which only a TAP can be told; else one.
fn queues_of(kind: &Kind, wanted: u16) -> u16 {
    let takes_several = match kind {
        Kind::Tap { existing: false, .. } => true,
        Kind::Tap { name, existing: true } => tap::takes_several_queues(name),
        Kind::Macvtap { .. } | Kind::Netdev { .. } | Kind::Veth { .. } | Kind::Fd(_) => false,
    };
    if wanted > 1 && takes_several && steer::is_possible() { wanted } else { 1 }
}

fn adopt(number: i32, sent: Option<OwnedFd>) -> Result<Attached, Error> {
    let port = match sent {
        Some(fd) => fd::adopt_sent(fd, number)?,
        None => fd::adopt(number)?,
    };
    let netdev = netdev_of(&port)?;
    attached(vec![port.into()], netdev)
}

/// Attaches once more an `fd` port whose queue was kept open.
///
/// # Errors
/// When its netdev can't be looked up.
pub fn adopt_again(queue: Queue) -> Result<Attached, Error> {
    let netdev = queue.descriptor().map(netdev_of).transpose()?.flatten();
    attached(vec![queue], netdev)
}

fn netdev_of(port: &TapQueue) -> Result<Option<(Place, LinkInfo)>, Error> {
    let Some((place, name)) = fd::netdev_place(port) else { return Ok(None) };
    Ok(place.links(|links| links.find(&name))?.map(|link| (place, link)))
}

fn attached(queues: Vec<Queue>, netdev: Option<(Place, LinkInfo)>) -> Result<Attached, Error> {
    let first = queues.first();
    // The header is the netdev's, and so the same for all its queues.
    let guard = first.map_or(Ok(None), Queue::guard)?;
    let takes = first.map_or(Takes::NOTHING, Port::takes);
    Ok(Attached { queues, guard, takes, netdev })
}

struct Steps<'s> {
    journal: &'s mut Journal,
    name: &'s str,
    attachment: &'s Attachment,
    queues: u16,
}

impl Steps<'_> {
    fn place(&self) -> Place {
        Place::from(self.attachment.netns.clone())
    }

    /// Claims or makes the namespace.
    fn enter(&mut self) -> Result<(), Error> {
        match &self.attachment.netns {
            Some(Netns::Name(name)) => self.journal.namespace(self.name, name).map(drop),
            Some(path @ Netns::Path(_)) => netns::identity(path).map(drop),
            None => Ok(()),
        }
    }

    /// A TAP that is to move is made under a name of its own, so that two
    /// switches that start at once never meet.
    fn new_tap(&mut self, name: &str) -> Result<Attached, Error> {
        let taken = Place::Here.links(|links| links.find(name))?.is_some();
        if taken {
            let what = format!("netdev {name}");
            let why = "a netdev of that name is already there";
            return Err(Error::new(ErrorKind::Taken, what, why)
                .hint("give the port another target, as in NAME=tap:TARGET, or say `existing`"));
        }
        self.enter()?;
        let moves = self.attachment.netns.is_some();
        let first_name = if moves { passing_name() } else { name.to_owned() };
        let entry = self.journal.netdev(self.name, &Place::Here, &first_name, "tun", None)?;
        let open = tap::create(&first_name, self.queues)?;
        let link = Place::Here.links(|links| links.require(&first_name))?;
        self.journal.is_at(entry, &Place::Here, &link)?;
        let link = if moves {
            let (place, journal) = (self.place(), &mut *self.journal);
            let wanted = self.attachment.ifname.as_deref();
            let plan = |name: &str| journal.will_be_at(entry, &link, &place, name);
            let link = move_netdev(&link, &Place::Here, &place, wanted, plan)?;
            self.journal.is_at(entry, &place, &link)?;
            link
        } else {
            link
        };
        self.finish(open, &link)
    }

    fn existing_tap(&mut self, name: &str) -> Result<Attached, Error> {
        let link = Place::Here.links(|links| links.require(name))?;
        self.enter()?;
        let open = tap::attach(name, self.queues)?;
        let entry = self.journal.borrow(self.name, &Place::Here, &link, self.attachment)?;
        let link = if self.attachment.netns.is_some() {
            let (place, journal) = (self.place(), &mut *self.journal);
            let wanted = self.attachment.ifname.as_deref();
            let plan = |name: &str| journal.will_be_at(entry, &link, &place, name);
            let link = move_netdev(&link, &Place::Here, &place, wanted, plan)?;
            self.journal.is_at(entry, &place, &link)?;
            link
        } else {
            link
        };
        self.finish(open, &link)
    }

    fn netdev(&mut self, name: &str) -> Result<Attached, Error> {
        let (place, takeover) = (self.place(), self.attachment.takeover);
        let (queue, link) = netdev::open(self.journal, self.name, &place, name, takeover)?;
        attached(vec![queue.into()], Some((place, link)))
    }

    fn veth(&mut self, name: &str) -> Result<Attached, Error> {
        self.enter()?;
        let far = self.place();
        let ends = veth::Ends { near: &Place::Here, far: &far, name };
        let (queue, link) = veth::open(self.journal, self.name, self.attachment, &ends)?;
        attached(vec![queue.into()], Some((far, link)))
    }

    fn macvtap(&mut self, lower: &str, mode: MacvtapMode) -> Result<Attached, Error> {
        let place = self.place();
        let lower = place.links(|links| links.require(lower))?;
        if !lower.up {
            return Err(Error::failed(format!("netdev {}", lower.name), "it is down")
                .hint(format!("set it up first: ip link set {} up", lower.name)));
        }
        if mode == MacvtapMode::Passthru && !self.attachment.takeover {
            place.links(|links| netdev::check_unused(links, &lower, "macvtap"))?;
        }
        let link = self.make_macvtap(&place, &lower, mode)?;
        place.links(|links| {
            links.silence(&link);
            links.set(&link, &Wanted { all_multicast: Some(true), ..Wanted::default() })
        })?;
        let (major, minor) = macvtap_device(&place, &link)?;
        let open = macvtap::open(major, minor, self.queues)?;
        // Device numbers are given out again: another macvtap may have had this one by now.
        let other = |queue: &TapQueue| queue.netdev_name().is_some_and(|name| name != link.name);
        if open.iter().any(other) {
            return Err(Error::failed(format!("netdev {}", link.name), "it went away at once"));
        }
        self.finish(open, &link)
    }

    fn make_macvtap(
        &mut self,
        place: &Place,
        lower: &LinkInfo,
        mode: MacvtapMode,
    ) -> Result<LinkInfo, Error> {
        let mut tries = 0;
        loop {
            let name = match &self.attachment.ifname {
                Some(name) => name.clone(),
                None => passing_name(),
            };
            let kind = "macvtap";
            let entry = self.journal.netdev(self.name, place, &name, kind, Some(lower))?;
            match place.links(|links| links.make_macvtap(&name, lower, mode)) {
                Ok(link) => {
                    self.journal.is_at(entry, place, &link)?;
                    return Ok(link);
                }
                Err(error) if tries == NAME_TRIES || self.attachment.ifname.is_some() => {
                    return Err(error);
                }
                // Made-up names of a process that had this number before may still be there.
                Err(error) if error.kind == ErrorKind::Taken => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives the netdev, now in its place, what the attachment says, and sets it up.
    fn finish(&mut self, open: Vec<TapQueue>, link: &LinkInfo) -> Result<Attached, Error> {
        let place = self.place();
        let link = place.links(|links| {
            links.configure(link, self.attachment)?;
            links.require(&link.name)
        })?;
        attached(open.into_iter().map(Queue::from).collect(), Some((place, link)))
    }
}

/// A netdev name of 15 bytes at most that no one else uses.
pub(super) fn passing_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed) % 0x1_0000;
    format!("nl{:x}.{number:x}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Links, scratch};
    use crate::testing::in_own_netns;
    use switch_core::Frame;

    #[test]
    fn several_queues_only_where_flows_keep_to_one() {
        in_own_netns(|| {
            for more in [&[][..], &["multi_queue"]] {
                let status = std::process::Command::new("ip")
                    .args(["tuntap", "add", "dev"])
                    .arg(if more.is_empty() { "single" } else { "several" })
                    .args(["mode", "tap"])
                    .args(more)
                    .status();
                assert!(status.unwrap().success());
            }
            assert_eq!(Place::Here.links(Links::list).unwrap().len(), 3);
            let tap = |name: &str, existing| Kind::Tap { name: name.into(), existing };
            assert_eq!(queues_of(&tap("new", false), 3), 3);
            assert_eq!(queues_of(&tap("new", false), 1), 1);
            assert_eq!(queues_of(&tap("several", true), 3), 3);
            assert_eq!(queues_of(&tap("single", true), 3), 1);
            assert_eq!(queues_of(&tap("absent", true), 3), 1);
            let macvtap = Kind::Macvtap { lower: "eth0".into(), mode: MacvtapMode::Passthru };
            assert_eq!(queues_of(&macvtap, 3), 1);
            assert_eq!(queues_of(&Kind::Fd(3), 3), 1);
        });
    }

    /// A veth that is only just up still settles when its macvtap is made; what
    /// the port sends at once must not be lost in a queue that is not there yet.
    #[test]
    fn a_macvtap_on_a_netdev_only_just_up_carries_the_first_frame() {
        in_own_netns(|| {
            let run = scratch::directory();
            let mut journal = Journal::open(&run.0, "s").unwrap();
            for turn in 0..10 {
                let (lower, far) = (format!("lower{turn}"), format!("far{turn}"));
                let links = |links: &mut Links| {
                    links.make_veth(&lower, &far)?;
                    for name in [&lower, &far] {
                        let link = links.require(name)?;
                        links.set(&link, &Wanted { up: Some(true), ..Wanted::default() })?;
                    }
                    Ok(())
                };
                Place::Here.links(links).unwrap();
                let mode = MacvtapMode::Passthru;
                let wanted = Attachment::new(Kind::Macvtap { lower, mode });
                let name = format!("p{turn}");
                let mut port = attach(&mut journal, &name, &wanted, 1, None).unwrap();
                let (place, link) = port.netdev.take().unwrap();
                port.queues[0].transmit(&mut Frame::from_bytes(&[2; 60])).unwrap();
                let now = scratch::wait_for("the macvtap to operate", || {
                    let now = place.links(|links| links.require(&link.name)).unwrap();
                    if now.operates { Ok(now) } else { Err(now) }
                });
                assert_eq!(now.tx_dropped, 0, "turn {turn}");
            }
            drop(journal.undo());
        });
    }
}
