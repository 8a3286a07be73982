//! Requests to the kernel's network configuration (rtnetlink), one at a time.
//!
//! A socket speaks to the namespace of the thread that opened it and keeps
//! that namespace alive, so one that is opened elsewhere is closed in the same call.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_ALIGNTO,
    NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use crate::Error;
use crate::error::describe;

/// What changing netdevs, addresses and routes needs.
pub(crate) const NET_ADMIN: &str = "CAP_NET_ADMIN";

/// The text attribute of an extended acknowledgement (`NLMSGERR_ATTR_MSG`).
const ATTR_MESSAGE: u16 = 1;

/// Bytes of a message's own header, and of the copy of it in an error.
const HEADER: usize = 16;

/// How often a dump that changes overtook is asked for again.
const DUMP_TRIES: usize = 5;

/// A request/answer conversation with one namespace's network configuration.
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens a conversation with the calling thread's namespace.
    pub(crate) fn open() -> io::Result<Netlink> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Old kernels lack these two; errors then come without the kernel's text.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        Ok(Netlink { socket, sequence: 0 })
    }

    /// Sends one request and returns the answers before its acknowledgement.
    /// `flags` are added to REQUEST and ACK.
    pub(crate) fn request(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Vec<RouteNetlinkMessage>, Refusal> {
        self.send(message, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        Ok(self.answers()?.messages)
    }

    /// Everything the kernel lists for `message`; what it lists in a form this
    /// program does not know is left out.
    pub(crate) fn dump(
        &mut self,
        message: &RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, Refusal> {
        let mut tries = 0;
        loop {
            self.send(message.clone(), NLM_F_REQUEST | NLM_F_DUMP)?;
            let answers = self.answers()?;
            tries += 1;
            if !answers.interrupted || tries == DUMP_TRIES {
                return Ok(answers.messages);
            }
        }
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        Ok(())
    }

    fn answers(&mut self) -> Result<Answers, Refusal> {
        let mut answers = Answers { messages: Vec::new(), interrupted: false };
        loop {
            let bytes = match self.socket.recv_from_full() {
                Ok((bytes, _)) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            for message in Messages(&bytes) {
                if message.sequence_number() != self.sequence {
                    continue;
                }
                answers.interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
                if answers.take(&message)? {
                    return Ok(answers);
                }
            }
        }
    }
}

struct Answers {
    messages: Vec<RouteNetlinkMessage>,
    interrupted: bool,
}

impl Answers {
    /// Takes one message; true when it was the last.
    fn take(&mut self, message: &NetlinkBuffer<&[u8]>) -> Result<bool, Refusal> {
        let kind = message.message_type();
        if kind == NLMSG_ERROR || kind == NLMSG_DONE {
            return refusal(message).map_or(Ok(true), Err);
        }
        let bytes = message.buffer;
        if let Ok(NetlinkMessage { payload: NetlinkPayload::InnerMessage(inner), .. }) =
            NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes)
        {
            self.messages.push(inner);
        }
        Ok(false)
    }
}

/// The error that an acknowledgement or an end of list carries, if any.
fn refusal(message: &NetlinkBuffer<&[u8]>) -> Option<Refusal> {
    let payload = message.payload();
    let code = payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    if code == 0 {
        return None;
    }
    let mut said = None;
    if message.flags() & NLM_F_ACK_TLVS != 0 {
        let copied = if message.message_type() == NLMSG_ERROR { HEADER } else { 0 };
        said = payload.get(4 + copied..).and_then(kernel_text);
    }
    Some(Refusal { error: io::Error::from_raw_os_error(-code), said })
}

fn kernel_text(attributes: &[u8]) -> Option<String> {
    let text = NlasIterator::new(attributes)
        .filter_map(Result::ok)
        .find(|attribute| attribute.kind() == ATTR_MESSAGE)?;
    let text = String::from_utf8_lossy(text.value());
    Some(text.trim_end_matches(['\0', '.', '\n']).to_string())
}

/// The messages of one datagram.
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = NetlinkBuffer<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let message = NetlinkBuffer::new_checked(self.0).ok()?;
        let length = message.length() as usize;
        let (this, rest) = self.0.split_at_checked(length)?;
        let padding = length.next_multiple_of(usize::from(NLMSG_ALIGNTO)) - length;
        self.0 = rest.get(padding..).unwrap_or_default();
        NetlinkBuffer::new_checked(this).ok()
    }
}

/// Why the kernel refused a request.
#[derive(Debug)]
pub(crate) struct Refusal {
    error: io::Error,
    /// The kernel's own sentence, where it gave one.
    said: Option<String>,
}

impl Refusal {
    /// Whether the kernel answered with this error number.
    pub(crate) fn is(&self, errno: rustix::io::Errno) -> bool {
        self.error.raw_os_error() == Some(errno.raw_os_error())
    }

    /// The same for a person: about `what`.
    pub(crate) fn about(&self, what: impl Into<String>) -> Error {
        match &self.said {
            Some(said) => Error::failed(what, format!("{} ({said})", describe(&self.error))),
            // EACCES without a word is an IPv6 or sysctl matter, not a capability.
            None if self.is(rustix::io::Errno::ACCESS) => Error::io(what, &self.error),
            None => Error::system(what, &self.error, NET_ADMIN),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        Refusal { error, said: None }
    }
}
