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

use super::handle::Tied;
use super::{Attachment, fd, tap};
use crate::error::Error;
use crate::host::descriptors;
use crate::lab::{Entry, Journal, LinkInfo, Netns, Place, move_netdev, netns};
use crate::queue::Queue;
use crate::queue::guard::Guard;

/// A port's device, open.
pub struct Attached {
    /// Its queues, at least one.
    pub queues: Vec<Queue>,
    /// What ties its netdev to the queue, where the netdev stays where it is.
    pub tied: Option<Tied>,
    /// What tells whether others changed the queues; `None` where nobody else can.
    pub guard: Option<Guard>,
    /// What the device takes unfinished.
    pub takes: Takes,
    /// Its netdev and where that is; `None` when it has none, or it is in a namespace the switch
    /// cannot see.
    pub netdev: Option<(Place, LinkInfo)>,
}

impl Attached {
    /// An open device with these queues, and its netdev where there is one.
    ///
    /// # Errors
    /// When the process may open no more descriptors.
    pub fn new(
        queues: impl IntoIterator<Item = impl Into<Queue>>,
        netdev: Option<(Place, LinkInfo)>,
    ) -> Result<Attached, Error> {
        let queues: Vec<Queue> = queues.into_iter().map(Into::into).collect();
        let first = queues.first();
        // The header is the netdev's, and so the same for all its queues.
        let guard = first.map_or(Ok(None), Queue::guard)?;
        let takes = first.map_or(Takes::NOTHING, Port::takes);
        Ok(Attached { queues, tied: None, guard, takes, netdev })
    }
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
    let queues = attachment.queues.unwrap_or_else(|| attachment.kind.queues(queues));
    // What the port had before stays recorded: its claim to a namespace, for one.
    let mark = journal.mark();
    let mut attaching = Attaching { journal, name, attachment, queues, sent };
    let undoing_needs_some = descriptors::leave_some();
    let opened = attachment.kind.open(&mut attaching);
    drop(undoing_needs_some);
    opened.map_err(|error| match journal.undo_since(mark).kept.first() {
        Some(left) => error.hint(format!("left behind: {left}")),
        None => error,
    })
}

/// Attaches a port once more whose queue was kept open, since only its giver could give it again.
///
/// # Errors
/// When its netdev can't be looked up.
pub fn adopt_again(queue: Queue) -> Result<Attached, Error> {
    let netdev = queue.descriptor().map(fd::netdev_of).transpose()?.flatten();
    Attached::new([queue], netdev)
}

/// The name that the user gives the port's netdev, in the place where it will be.
fn new_name(attachment: &Attachment) -> Option<&str> {
    match attachment.netns {
        Some(_) => attachment.ifname.as_deref(),
        None => attachment.kind.new_netdev(),
    }
}

/// Whether the place a port needs is there: false while its namespace is
/// gone, which is not the switch's to make again.
pub fn place_exists(attachment: &Attachment) -> bool {
    attachment.netns.as_ref().is_none_or(|netns| netns::exists(netns).unwrap_or(false))
}

/// A port on its way: what a kind's `open` needs to make its device, and to have what it makes
/// undone again.
pub struct Attaching<'s> {
    pub(super) journal: &'s mut Journal,
    /// The port's name.
    pub(super) name: &'s str,
    pub(super) attachment: &'s Attachment,
    queues: u16,
    sent: Option<OwnedFd>,
}

impl Attaching<'_> {
    /// What the user said of the port.
    pub fn attachment(&self) -> &Attachment {
        self.attachment
    }

    /// How many queues to open.
    pub fn queues(&self) -> u16 {
        self.queues
    }

    /// The caller's descriptor, where another process sent it.
    pub fn take_sent(&mut self) -> Option<OwnedFd> {
        self.sent.take()
    }

    /// Where the netdev is to be.
    pub fn place(&self) -> Place {
        Place::from(self.attachment.netns.clone())
    }

    /// Whether a netdev made where Netloom runs is to go elsewhere.
    pub fn moves(&self) -> bool {
        self.attachment.netns.is_some()
    }

    /// Claims or makes the namespace.
    ///
    /// # Errors
    /// When it is not there and can't be made.
    pub fn enter(&mut self) -> Result<(), Error> {
        match &self.attachment.netns {
            Some(Netns::Name(name)) => self.journal.namespace(self.name, name).map(drop),
            Some(path @ Netns::Path(_)) => netns::identity(path).map(drop),
            None => Ok(()),
        }
    }

    /// Records a netdev before it is made; see [`Journal::netdev`].
    ///
    /// # Errors
    /// When it can't be recorded.
    pub fn record(
        &mut self,
        place: &Place,
        name: &str,
        kind: &str,
        lower: Option<&LinkInfo>,
    ) -> Result<Entry, Error> {
        self.journal.netdev(self.name, place, name, kind, lower)
    }

    /// Records somebody else's netdev before it is changed; see [`Journal::borrow`].
    ///
    /// # Errors
    /// When it can't be read or recorded.
    pub fn borrow(&mut self, place: &Place, link: &LinkInfo) -> Result<Entry, Error> {
        self.journal.borrow(self.name, place, link, self.attachment)
    }

    /// Records where a netdev is, once it is made.
    ///
    /// # Errors
    /// When it can't be recorded.
    pub fn is_at(&mut self, entry: Entry, place: &Place, link: &LinkInfo) -> Result<(), Error> {
        self.journal.is_at(entry, place, link)
    }

    /// Moves a netdev from where Netloom runs to its place, if that is another.
    ///
    /// # Errors
    /// When it can't be moved or recorded.
    pub fn bring(&mut self, entry: Entry, link: LinkInfo) -> Result<LinkInfo, Error> {
        if !self.moves() {
            return Ok(link);
        }
        let (place, journal) = (self.place(), &mut *self.journal);
        let wanted = self.attachment.ifname.as_deref();
        let plan = |name: &str| journal.will_be_at(entry, &link, &place, name);
        let link = move_netdev(&link, &Place::Here, &place, wanted, plan)?;
        self.journal.is_at(entry, &place, &link)?;
        Ok(link)
    }

    /// Gives the netdev, now in its place, what the attachment says, and sets it up.
    ///
    /// # Errors
    /// When the kernel refuses any of it.
    pub fn finish(
        &mut self,
        queues: impl IntoIterator<Item = impl Into<Queue>>,
        link: &LinkInfo,
    ) -> Result<Attached, Error> {
        let place = self.place();
        let link = place.links(|links| {
            links.configure(link, self.attachment)?;
            links.require(&link.name)
        })?;
        Attached::new(queues, Some((place, link)))
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
    use crate::lab::{Links, Wanted, scratch};
    use crate::ports::fd::Fd;
    use crate::ports::macvtap::Macvtap;
    use crate::ports::tap::Tap;
    use crate::ports::{MacvtapMode, PortKind};
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
            let tap = |name: &str, existing| Tap { name: name.into(), existing };
            assert_eq!(tap("new", false).queues(3), 3);
            assert_eq!(tap("new", false).queues(1), 1);
            assert_eq!(tap("several", true).queues(3), 3);
            assert_eq!(tap("single", true).queues(3), 1);
            assert_eq!(tap("absent", true).queues(3), 1);
            let macvtap = Macvtap { lower: "eth0".into(), mode: MacvtapMode::Passthru };
            assert_eq!(macvtap.queues(3), 1);
            assert_eq!(Fd(3).queues(3), 1);
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
                let wanted = Attachment::new(Macvtap { lower, mode });
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
