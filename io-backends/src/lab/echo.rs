//! Pings from inside a lab, each round trip measured.
//!
//! The kernel's ping sockets are used: each receives its own replies only,
//! however many ping at once. The kernel opens them to the groups in
//! `net.ipv4.ping_group_range`, by default to none; it is set to this process's
//! group in the calling thread's namespace, so that must be one of a lab's own.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, ipproto, recv, send,
    socket_with,
    sockopt::{Timeout, set_socket_timeout},
};
use rustix::process::getegid;

/// Type of an echo request and its reply (RFC 792).
const REQUEST: u8 = 8;
const REPLY: u8 = 0;
const HEADER: usize = 8;
/// Like the 56 bytes of ping(8).
const PAYLOAD: [u8; 56] = *b"Netloom passes this on from host to host, as it came in.";

type Message = [u8; HEADER + PAYLOAD.len()];

/// One host that pings another.
pub struct Echo {
    socket: OwnedFd,
    sequence: u16,
    patience: Duration,
}

impl Echo {
    /// Opens a socket that pings `to` from the calling thread's namespace; a reply may take
    /// `patience`.
    ///
    /// # Errors
    /// EACCES where `ping_group_range` can't be set, ENETUNREACH without a route to `to`.
    pub fn open(to: Ipv4Addr, patience: Duration) -> rustix::io::Result<Echo> {
        let group = getegid();
        // Where it can't be set, the socket below says so.
        let _ = std::fs::write("/proc/sys/net/ipv4/ping_group_range", format!("{group} {group}"));
        let flags = SocketFlags::CLOEXEC;
        let kind = SocketType::DGRAM;
        let socket = socket_with(AddressFamily::INET, kind, flags, Some(ipproto::ICMP))?;
        connect(&socket, &SocketAddrV4::new(to, 0))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(patience))?;
        Ok(Echo { socket, sequence: 0, patience })
    }

    /// Sends a request and waits for its reply; `None` when none came in time.
    ///
    /// # Errors
    /// What sending or receiving reports, like ENETDOWN.
    pub fn round_trip(&mut self) -> rustix::io::Result<Option<Duration>> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = request(self.sequence);
        let began = Instant::now();
        send(&self.socket, &request, SendFlags::empty())?;
        let mut answer = [0; HEADER + PAYLOAD.len() + 1];
        while began.elapsed() < self.patience {
            match recv(&self.socket, &mut answer, RecvFlags::empty()) {
                Ok((length, _)) if answers(&answer[..length], self.sequence) => {
                    return Ok(Some(began.elapsed()));
                }
                Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(None)
    }
}

/// A request; the kernel fills in identifier and checksum.
fn request(sequence: u16) -> Message {
    let mut message = [0; HEADER + PAYLOAD.len()];
    message[0] = REQUEST;
    message[6..HEADER].copy_from_slice(&sequence.to_be_bytes());
    message[HEADER..].copy_from_slice(&PAYLOAD);
    message
}

/// Whether a message that came in for this socket answers the request.
fn answers(message: &[u8], sequence: u16) -> bool {
    message.len() == HEADER + PAYLOAD.len()
        && message[..2] == [REPLY, 0]
        && message[6..HEADER] == sequence.to_be_bytes()
        && message[HEADER..] == PAYLOAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_reply_to_this_request_counts() {
        let reply = |sequence| {
            let mut message = request(sequence);
            message[0] = REPLY;
            message
        };
        assert!(answers(&reply(7), 7));
        assert!(!answers(&reply(8), 7));
        assert!(!answers(&request(7), 7));
        assert!(!answers(&reply(7)[..63], 7));
        let mut changed = reply(7);
        changed[HEADER] ^= 1;
        assert!(!answers(&changed, 7));
    }
}
