//! What the kernel says about a TAP before anybody attaches to it.

use netlink_packet_core::Nla as _;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoTun, LinkAttribute, LinkInfo, LinkMessage,
};
use rustix::io::Errno;

use crate::Error;
use crate::lab::netlink::{NET_ADMIN, Netlink, Refusal};

/// `IFLA_TUN_…` (`linux/if_link.h`).
const TYPE: u16 = 3;
const PERSIST: u16 = 6;
const MULTI_QUEUE: u16 = 7;
const NUM_QUEUES: u16 = 8;

/// As in a queue's flags: `IFF_TAP`.
const TYPE_TAP: u32 = 2;

/// A TAP's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct TapInfo {
    pub(crate) persistent: bool,
    pub(crate) multi_queue: bool,
    /// How many descriptors are attached to it now.
    pub(crate) queues: u32,
}

/// Asks about the netdev `name` of the calling thread's namespace.
pub(crate) fn query(name: &str) -> Result<TapInfo, Error> {
    let mut netlink = Netlink::open().map_err(|error| Error::system(name, &error, NET_ADMIN))?;
    let link = link(&mut netlink, name).map_err(|refusal| refusal.about(name))?;
    let link = link.ok_or_else(|| Error::failed(name, "there is no such netdev"))?;
    tap(&link).ok_or_else(|| Error::failed(name, "is a netdev, but not a TAP"))
}

fn link(netlink: &mut Netlink, name: &str) -> Result<Option<LinkMessage>, Refusal> {
    let mut request = LinkMessage::default();
    request.attributes.push(LinkAttribute::IfName(name.into()));
    match netlink.request(RouteNetlinkMessage::GetLink(request), 0) {
        Ok(answers) => Ok(answers.into_iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(link) => Some(link),
            _ => None,
        })),
        Err(refusal) if refusal.is(Errno::NODEV) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

fn tap(link: &LinkMessage) -> Option<TapInfo> {
    let info = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(info) => Some(info),
        _ => None,
    })?;
    if !info.contains(&LinkInfo::Kind(InfoKind::Tun)) {
        return None;
    }
    let data = info.iter().find_map(|info| match info {
        LinkInfo::Data(InfoData::Tun(data)) => Some(data),
        _ => None,
    })?;
    let value = |kind| data.iter().find(|nla| nla.kind() == kind).map(number).unwrap_or_default();
    (value(TYPE) == TYPE_TAP).then(|| TapInfo {
        persistent: value(PERSIST) != 0,
        multi_queue: value(MULTI_QUEUE) != 0,
        queues: value(NUM_QUEUES),
    })
}

/// A u8 or u32 attribute, in the host's byte order.
fn number(nla: &InfoTun) -> u32 {
    let mut value = vec![0; nla.value_len()];
    nla.emit_value(&mut value);
    match value[..] {
        [byte] => u32::from(byte),
        [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]),
        _ => 0,
    }
}
