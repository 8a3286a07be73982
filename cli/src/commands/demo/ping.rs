//! A few ICMP echo requests from one host to the other.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv4Slice, Icmpv4Type, Ipv4Slice};
use io_backends::lab::netns::in_netns;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, recv, sendto,
    socket_with,
    sockopt::{Timeout, set_socket_timeout},
};
use serde::Serialize;

use super::lab::Lab;
use crate::error::CliError;

const COUNT: u16 = 10;
/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Like the 56 bytes of ping(8).
const PAYLOAD: [u8; 56] = *b"Netloom passes this on from host to host, as it came in.";

/// How the requests fared.
#[derive(Serialize)]
pub(super) struct Pings {
    pub(super) sent: u16,
    pub(super) received: u16,
    /// Seconds from request to reply; `null` where none came.
    pub(super) rtts: Vec<Option<f64>>,
}

/// Pings from the first host to the second.
pub(super) fn run(lab: &Lab) -> Result<Pings, CliError> {
    let [from, to] = &lab.hosts;
    let outcome = in_netns(&from.netns, || {
        let identifier = std::process::id() as u16;
        let mut rtts = Vec::new();
        for sequence in 1..=COUNT {
            lab.check()?;
            rtts.push(echo(to.address, identifier, sequence).map_err(broken)?);
        }
        Ok::<_, CliError>(rtts)
    })?;
    let rtts: Vec<_> = outcome?.iter().map(|rtt| rtt.map(|rtt| rtt.as_secs_f64())).collect();
    let received = rtts.iter().flatten().count() as u16;
    Ok(Pings { sent: COUNT, received, rtts })
}

fn broken(errno: Errno) -> CliError {
    io_backends::Error::system("ping", &errno.into(), "CAP_NET_RAW").into()
}

/// Sends one request and waits for its reply.
fn echo(to: Ipv4Addr, id: u16, seq: u16) -> rustix::io::Result<Option<Duration>> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::RAW, flags, Some(ipproto::ICMP))?;
    let kind = Icmpv4Type::EchoRequest(IcmpEchoHeader { id, seq });
    let mut request = Icmpv4Header::with_checksum(kind, &PAYLOAD).to_bytes().to_vec();
    request.extend(PAYLOAD);
    let began = Instant::now();
    sendto(&socket, &request, SendFlags::empty(), &SocketAddrV4::new(to, 0))?;
    let mut buffer = [0; 256];
    loop {
        let left = PATIENCE.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        set_socket_timeout(&socket, Timeout::Recv, Some(left))?;
        let read = match recv(&socket, buffer.as_mut_slice(), RecvFlags::empty()) {
            Ok((read, _)) => read,
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        if is_reply(&buffer[..read], id, seq) {
            return Ok(Some(began.elapsed()));
        }
    }
}

/// Whether these bytes of a raw socket, IPv4 header first, answer the request.
fn is_reply(bytes: &[u8], id: u16, seq: u16) -> bool {
    let Ok(ip) = Ipv4Slice::from_slice(bytes) else { return false };
    let Ok(icmp) = Icmpv4Slice::from_slice(ip.payload().payload) else { return false };
    icmp.icmp_type() == Icmpv4Type::EchoReply(IcmpEchoHeader { id, seq })
        && icmp.payload() == PAYLOAD
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    #[test]
    fn only_the_reply_to_this_request_counts() {
        let build = |id, seq, reply: bool, payload: &[u8]| {
            let ip = PacketBuilder::ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64);
            let packet = match reply {
                true => ip.icmpv4_echo_reply(id, seq),
                false => ip.icmpv4_echo_request(id, seq),
            };
            let mut bytes = Vec::new();
            packet.write(&mut bytes, payload).unwrap();
            bytes
        };
        assert!(is_reply(&build(7, 1, true, &PAYLOAD), 7, 1));
        for other in [
            build(7, 2, true, &PAYLOAD),
            build(8, 1, true, &PAYLOAD),
            build(7, 1, false, &PAYLOAD),
            build(7, 1, true, b"changed on the way"),
            Vec::new(),
        ] {
            assert!(!is_reply(&other, 7, 1));
        }
    }
}
