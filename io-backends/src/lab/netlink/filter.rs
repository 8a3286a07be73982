//! A program for every frame that a netdev receives, as a classic filter.

use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcMessage, TcOption,
};

use super::link::{LinkInfo, Links};
use crate::Error;

/// Which frames a filter is asked about: all (`ETH_P_ALL`, in network byte order), first of its hook.
const EVERY_FRAME: u32 = 1 << 16 | (libc::ETH_P_ALL as u16).to_be() as u32;

impl Links {
    /// Has the kernel run a program for every frame that the netdev receives,
    /// until the netdev goes. For netdevs that the switch made: nothing takes it away.
    ///
    /// # Errors
    /// When the kernel refuses, or has no such filters.
    pub(crate) fn filter(&mut self, link: &LinkInfo, program: impl AsFd) -> Result<(), Error> {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        let hook = about(link, TcHandle::CLSACT, "clsact");
        let mut filter =
            about(link, TcHandle { major: u16::MAX, minor: TcHandle::MIN_INGRESS }, "bpf");
        filter.header.info = EVERY_FRAME;
        filter.attributes.push(TcAttribute::Options(vec![
            TcOption::Bpf(TcFilterBpfOption::ProgFd(program.as_fd().as_raw_fd().cast_unsigned())),
            TcOption::Bpf(TcFilterBpfOption::ProgName("netloom".into())),
            TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)),
        ]));
        for request in [
            RouteNetlinkMessage::NewQueueDiscipline(hook),
            RouteNetlinkMessage::NewTrafficFilter(filter),
        ] {
            let answer = self.netlink.request(request, flags);
            answer.map_err(|refusal| refusal.about(self.place.netdev(&link.name)))?;
        }
        Ok(())
    }
}

fn about(link: &LinkInfo, parent: TcHandle, kind: &str) -> TcMessage {
    let mut message = TcMessage::with_index(link.index.cast_signed());
    message.header.parent = parent;
    message.attributes.push(TcAttribute::Kind(kind.into()));
    message
}
