//! What happens to netdevs, here and in other namespaces, from one socket.
//!
//! The kernel tells a socket that asks for it (`NETLINK_LISTEN_ALL_NSID`) about
//! the netdevs of every namespace that has an id in the socket's own; giving an
//! id keeps no namespace alive. Netdevs that change are announced; those that
//! go with their namespace are not: only the id's end is.
//!
//! Messages can be lost, and can be old news by the time they are read: an id
//! or index may have been given out again. So only a message about a change is
//! believed as it is; after one about an end, or after a loss, the kernel is
//! asked how things are now.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use netlink_packet_core::{NetlinkBuffer, Parseable};
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use rustix::io::Errno;
use switch_core::Mac;

use super::conversation::{Messages, Netlink};
use super::link::{LinkInfo, numbered, one};
use super::nsid;
use super::receive::{Datagram, receive};
use crate::Error;
use crate::lab::netns::{self, NsIdentity};
use crate::lab::place::Place;

/// Room for one datagram, bytes; the kernel's are at most 32 KiB unless a message is longer.
const DATAGRAM: usize = 64 << 10;

/// What hearing from all namespaces needs.
const NET_BROADCAST: &str = "CAP_NET_BROADCAST";

/// A netdev that a watch follows. Never given to another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Watched(u64);

/// What happened to a followed netdev.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkEvent {
    /// It carries frames from now on: it is set up and has a carrier.
    Up(Watched),
    /// It carries frames no longer.
    Down(Watched),
    /// Its MTU is now this many bytes.
    Mtu(Watched, u32),
    /// Its MAC address is now this one.
    Mac(Watched, Mac),
    /// Its name is now this one.
    Renamed(Watched, String),
    /// It is gone, or in another namespace; it is followed no longer.
    Removed(Watched),
    /// It is gone with its namespace; it is followed no longer.
    NamespaceGone(Watched),
    /// Announcements were lost. What changed comes with the events that follow,
    /// but what changed and changed back does not.
    Overrun,
}

/// Which netdev of which namespace, as the kernel's announcements name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Seat {
    /// The namespace's id in the switch's own namespace; `None`: that one itself.
    nsid: Option<i32>,
    /// The netdev's index there.
    index: u32,
}

/// The watch. Its descriptor is readable when [`LinkWatch::drain`] has something to read.
pub struct LinkWatch {
    socket: Socket,
    netlink: Netlink,
    buffer: Vec<u8>,
    here: NsIdentity,
    followed: HashMap<Seat, (Watched, LinkInfo)>,
    /// What [`LinkWatch::follow`] read for the next [`LinkWatch::drain`].
    pending: Vec<LinkEvent>,
    next: u64,
}

impl LinkWatch {
    /// Opens a watch in the calling thread's namespace, following nothing yet.
    ///
    /// # Errors
    /// When CAP_NET_BROADCAST is missing or the kernel refuses.
    pub fn open() -> Result<LinkWatch, Error> {
        let failed = |error: &io::Error| Error::system("the link watch", error, NET_BROADCAST);
        Ok(LinkWatch {
            socket: listen().map_err(|error| failed(&error))?,
            netlink: Netlink::open().map_err(|error| failed(&error))?,
            buffer: vec![0; DATAGRAM],
            here: NsIdentity::current()?,
            followed: HashMap::new(),
            pending: Vec::new(),
            next: 0,
        })
    }

    /// Follows the netdev with that index at `place`, which may be followed
    /// already; returns how it is now.
    /// Call [`LinkWatch::drain`] afterwards: this reads the announcements so far,
    /// so that none from before is reported of the new netdev.
    ///
    /// # Errors
    /// When there is no such netdev or place, or the kernel refuses the namespace an id.
    pub fn follow(&mut self, place: &Place, index: u32) -> Result<(Watched, LinkInfo), Error> {
        let mut pending = std::mem::take(&mut self.pending);
        self.receive_all(&mut pending);
        self.pending = pending;
        let seat = Seat { nsid: self.nsid(place)?, index };
        let what = || place.netdev(&format!("number {index}"));
        let now = self.state(seat)?.ok_or_else(|| Error::failed(what(), "it is gone"))?;
        if let Some((watched, old)) = self.followed.get_mut(&seat) {
            // What was just read is still to be reported under the id that follows it already.
            tell(*watched, old, &now, &mut self.pending);
            old.clone_from(&now);
            return Ok((*watched, now));
        }
        let watched = Watched(self.next);
        self.next += 1;
        self.followed.insert(seat, (watched, now.clone()));
        Ok((watched, now))
    }

    /// Follows a netdev no longer.
    pub fn unfollow(&mut self, watched: Watched) {
        self.followed.retain(|_, (other, _)| *other != watched);
    }

    /// How a netdev is now; `None` when it is gone or not followed.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn state_of(&mut self, watched: Watched) -> Result<Option<LinkInfo>, Error> {
        let seat = self.followed.iter().find(|(_, (other, _))| *other == watched);
        match seat {
            Some((&seat, _)) => self.state(seat),
            None => Ok(None),
        }
    }

    /// Everything that happened to followed netdevs since the last call; never blocks.
    pub fn drain(&mut self) -> Vec<LinkEvent> {
        let mut events = std::mem::take(&mut self.pending);
        self.receive_all(&mut events);
        events
    }

    fn receive_all(&mut self, events: &mut Vec<LinkEvent>) {
        let mut lost = false;
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            match receive(self.socket.as_fd(), &mut buffer) {
                Ok(datagram) => {
                    lost |= datagram.truncated;
                    self.read(datagram, &buffer[..datagram.length], events);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                    lost = true;
                }
                Err(_) => break,
            }
        }
        self.buffer = buffer;
        if lost {
            events.push(LinkEvent::Overrun);
            self.recheck(|_| true, events);
        }
    }

    fn state(&mut self, seat: Seat) -> Result<Option<LinkInfo>, Error> {
        let mut message = numbered(seat.index);
        message.attributes.extend(seat.nsid.map(LinkAttribute::IfNetnsId));
        match one(&mut self.netlink, message) {
            // No namespace has that id.
            Err(refusal) if seat.nsid.is_some() && refusal.is(Errno::INVAL) => Ok(None),
            answer => answer.map_err(|refusal| refusal.about(format!("netdev {}", seat.index))),
        }
    }

    fn read(&mut self, datagram: Datagram, bytes: &[u8], events: &mut Vec<LinkEvent>) {
        let nsid = datagram.nsid;
        for message in Messages(bytes) {
            match message.message_type() {
                libc::RTM_NEWLINK | libc::RTM_DELLINK => self.read_link(nsid, &message, events),
                // Ids that other namespaces give are none of ours.
                libc::RTM_DELNSID if nsid.is_none() => self.read_end(message.payload(), events),
                _ => {}
            }
        }
    }

    fn read_link(
        &mut self,
        nsid: Option<i32>,
        message: &NetlinkBuffer<&[u8]>,
        events: &mut Vec<LinkEvent>,
    ) {
        let payload = message.payload();
        // A family other than "unspecified" is a bridge speaking of its ports.
        let (Some(&0), Some(index)) = (payload.first(), payload.get(4..8)) else { return };
        let index = index.try_into().map_or(0, u32::from_ne_bytes);
        let seat = Seat { nsid, index };
        let Some((watched, old)) = self.followed.get_mut(&seat) else { return };
        if message.message_type() == libc::RTM_NEWLINK
            && let Ok(link) = LinkMessage::parse(payload)
            && let new = LinkInfo::read(&link)
            // Some announcements tell a part only.
            && !new.name.is_empty()
            && new.mtu != 0
        {
            tell(*watched, old, &new, events);
            *old = new;
        } else {
            self.recheck(|other| other == seat, events);
        }
    }

    /// A namespace's id was withdrawn: because it is gone, as a rule.
    fn read_end(&mut self, payload: &[u8], events: &mut Vec<LinkEvent>) {
        let Some(id) = nsid::read(payload) else { return };
        self.recheck(|seat| seat.nsid == Some(id), events);
    }

    /// Asks the kernel how the netdevs in these seats are now, and tells what is new.
    fn recheck(&mut self, is_meant: impl Fn(Seat) -> bool, events: &mut Vec<LinkEvent>) {
        let mut seats: Vec<Seat> =
            self.followed.keys().copied().filter(|&seat| is_meant(seat)).collect();
        seats.sort_unstable();
        for seat in seats {
            let now = self.state(seat);
            let Some((watched, old)) = self.followed.get_mut(&seat) else { continue };
            match now {
                Ok(Some(new)) => {
                    tell(*watched, old, &new, events);
                    *old = new;
                }
                Ok(None) => {
                    let watched = *watched;
                    self.followed.remove(&seat);
                    events.push(match seat.nsid {
                        Some(id) if !self.is_in_use(id) => LinkEvent::NamespaceGone(watched),
                        _ => LinkEvent::Removed(watched),
                    });
                }
                // No answer says nothing about the netdev.
                Err(_) => {}
            }
        }
    }

    /// Whether a namespace has that id: every namespace has its `lo`, number 1.
    fn is_in_use(&mut self, id: i32) -> bool {
        !matches!(self.state(Seat { nsid: Some(id), index: 1 }), Ok(None))
    }

    /// The id of a place's namespace, given to it if it has none.
    fn nsid(&mut self, place: &Place) -> Result<Option<i32>, Error> {
        let Place::In(netns) = place else { return Ok(None) };
        if netns::identity(netns)? == self.here {
            return Ok(None);
        }
        let file = netns::open(netns)?;
        let id = nsid::given(&mut self.netlink, &file)
            .map_err(|refusal| refusal.about(netns::what(netns)))?;
        Ok(Some(id))
    }
}

impl AsFd for LinkWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for LinkWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn listen() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.set_non_blocking(true)?;
    socket.bind_auto()?;
    socket.set_listen_all_namespaces(true)?;
    socket.add_membership(libc::RTNLGRP_LINK)?;
    socket.add_membership(libc::RTNLGRP_NSID)?;
    Ok(socket)
}

/// Tells what is new about a netdev.
fn tell(watched: Watched, old: &LinkInfo, new: &LinkInfo, events: &mut Vec<LinkEvent>) {
    if new.name != old.name {
        events.push(LinkEvent::Renamed(watched, new.name.clone()));
    }
    if new.mtu != old.mtu {
        events.push(LinkEvent::Mtu(watched, new.mtu));
    }
    if let Some(mac) = new.mac.filter(|mac| old.mac != Some(*mac)) {
        events.push(LinkEvent::Mac(watched, mac));
    }
    match (old.runs(), new.runs()) {
        (false, true) => events.push(LinkEvent::Up(watched)),
        (true, false) => events.push(LinkEvent::Down(watched)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
