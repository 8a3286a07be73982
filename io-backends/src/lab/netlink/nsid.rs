//! The ids by which one namespace knows others. An id keeps no namespace alive.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::Parseable;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};
use rustix::io::Errno;

use super::conversation::{Netlink, Refusal};

/// The id of the namespace that `file` is, given to it if it has none.
pub(super) fn given(netlink: &mut Netlink, file: impl AsFd) -> Result<i32, Refusal> {
    if let Some(id) = find(netlink, &file)? {
        return Ok(id);
    }
    let mut message = about(&file);
    // -1: the kernel chooses.
    message.attributes.push(NsidAttribute::Id(-1));
    match netlink.request(RouteNetlinkMessage::NewNsId(message), 0) {
        // Somebody gave it one at the same moment.
        Err(refusal) if !refusal.is(Errno::EXIST) => return Err(refusal),
        _ => {}
    }
    find(netlink, &file)?.ok_or_else(|| io::Error::other("the kernel gives it no id").into())
}

/// The id of the namespace that `file` is, if it has one.
fn find(netlink: &mut Netlink, file: impl AsFd) -> Result<Option<i32>, Refusal> {
    let answers = netlink.request(RouteNetlinkMessage::GetNsId(about(file)), 0)?;
    Ok(answers.iter().find_map(|answer| match answer {
        RouteNetlinkMessage::NewNsId(message) => id_in(message),
        _ => None,
    }))
}

/// The id in the payload of an announcement.
pub(super) fn read(payload: &[u8]) -> Option<i32> {
    id_in(&NsidMessage::parse(payload).ok()?)
}

fn about(file: impl AsFd) -> NsidMessage {
    let mut message = NsidMessage::default();
    let number = file.as_fd().as_raw_fd().cast_unsigned();
    message.attributes.push(NsidAttribute::Fd(number));
    message
}

/// The id in a message; none where it is -1.
fn id_in(message: &NsidMessage) -> Option<i32> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NsidAttribute::Id(id) if *id >= 0 => Some(*id),
        _ => None,
    })
}
