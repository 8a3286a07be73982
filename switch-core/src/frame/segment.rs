//! Cutting a super-frame into the frames it stands for (virtio 1.2, 5.1.6.2).
//!
//! Each segment gets the super-frame's headers, tags included, and the next
//! part of its payload: as long as the sender said, the last one shorter.
//! What differs between segments is written anew: lengths, the IPv4
//! identification, TCP's sequence number and flags, and every checksum.
//!
//! A guest may hand over anything. Where headers end is read from the bytes;
//! a frame whose bytes contradict its offload state is no super-frame and not
//! cut. Lengths in the IP and UDP headers are not asked: the payload is all
//! that follows the headers. Work is bounded by [`MAX_SEGMENTS`] and
//! [`MAX_HEADERS`].

use crate::frame::checksum::{Sum, UDP_CHECKSUM};
use crate::frame::{Checksum, Frame, Gso, GsoKind, MAX_FRAME};

/// The fewest payload bytes a TCP segment that a super-frame is cut into may have.
/// Linux sends none shorter: `tcp_min_snd_mss` is 48, of which timestamps take 12.
pub const MIN_TCP_SIZE: usize = 36;

/// The most datagrams of one super-frame: Linux's `UDP_MAX_SEGMENTS`.
pub const MAX_DATAGRAMS: usize = 128;

/// The most segments of one super-frame, whatever is said of their size.
pub const MAX_SEGMENTS: usize = 2048;

/// The most header bytes, from the destination address to the payload: each
/// segment repeats them. Two tags, IPv6 with a segment routing header of 20
/// addresses and TCP with all its options take 450.
pub const MAX_HEADERS: usize = 512;

const ETHERTYPE: usize = 12;
const IPV6_HEADER: usize = 40;
const TCP: u8 = 6;
const UDP: u8 = 17;
const TCP_CHECKSUM: u16 = 16;
const UDP_HEADER: usize = 8;

const FIN_PSH: u8 = 0x09;
const CWR: u8 = 0x80;

/// What an MTU is compared with: the frame's length, and of a super-frame the
/// length of its longest segment.
///
/// One that cannot be cut counts in full.
#[inline]
pub fn measured_len(frame: &Frame) -> usize {
    match frame.offload.gso {
        None => frame.len(),
        Some(_) => Layout::of(frame).map_or(frame.len(), |layout| layout.largest_frame_len()),
    }
}

/// Where the parts of a super-frame lie, as its bytes say.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// Where the IP header begins.
    network: usize,
    ipv4: bool,
    /// Where the TCP or UDP header begins.
    transport: usize,
    /// TCP or UDP.
    protocol: u8,
    /// Whether the IP header's addresses are the pseudo-header's too.
    own_addresses: bool,
    /// Where the payload begins.
    headers: usize,
    /// Where it ends.
    end: usize,
    /// Payload bytes a segment, not 0.
    size: usize,
}

/// A network header read: where the next one begins, and what it is.
struct Network {
    ipv4: bool,
    transport: usize,
    protocol: u8,
    own_addresses: bool,
}

impl Layout {
    /// `None` where the frame is no super-frame, or its bytes contradict its offload state.
    fn of(frame: &Frame) -> Option<Layout> {
        let gso = frame.offload.gso?;
        let end = frame.len();
        let head = &frame.bytes()[..end.min(MAX_HEADERS)];
        let (ethertype, network) = skip_tags(head)?;
        let Network { ipv4, transport, protocol, own_addresses } = match ethertype {
            0x0800 => read_ipv4(head, network)?,
            0x86dd => read_ipv6(head, network)?,
            _ => return None,
        };
        let header = match protocol {
            TCP => usize::from(head.get(transport + 12)? >> 4) * 4,
            _ => UDP_HEADER,
        };
        let headers = transport + header;
        let whole = protocol != TCP || header >= 20;
        if !whole || headers > head.len() || gso.size == 0 {
            return None;
        }
        let size = usize::from(gso.size);
        let layout =
            Layout { network, ipv4, transport, protocol, own_addresses, headers, end, size };
        (layout.is_kind(gso) && layout.holds(frame.offload.checksum)).then_some(layout)
    }

    /// Whether the sender calls it what it is.
    fn is_kind(&self, gso: Gso) -> bool {
        match gso.kind {
            GsoKind::TcpV4 => self.ipv4 && self.protocol == TCP,
            GsoKind::TcpV6 => !self.ipv4 && self.protocol == TCP,
            GsoKind::UdpL4 => self.protocol == UDP,
        }
    }

    /// Whether the sender asks for the checksum of the transport header found.
    fn holds(&self, checksum: Checksum) -> bool {
        match checksum {
            Checksum::Partial { start, offset } => {
                usize::from(start) == self.transport && offset == self.checksum_offset()
            }
            _ => false,
        }
    }

    fn checksum_offset(&self) -> u16 {
        if self.protocol == TCP { TCP_CHECKSUM } else { UDP_CHECKSUM }
    }

    fn checksum_field(&self) -> usize {
        self.transport + usize::from(self.checksum_offset())
    }

    fn payload_len(&self) -> usize {
        self.end - self.headers
    }

    fn largest_frame_len(&self) -> usize {
        self.headers + self.size.min(self.payload_len())
    }

    /// The sum of the pseudo-header without its length. `frame` is as long as
    /// the one that was read.
    fn pseudo_header(&self, frame: &[u8]) -> Sum {
        if !self.own_addresses {
            let field = &frame[self.checksum_field()..][..2];
            return Sum::of(field).minus(Sum::of_number((self.end - self.transport) as u32));
        }
        let addresses = match self.ipv4 {
            true => &frame[self.network + 12..self.network + 20],
            false => &frame[self.network + 8..self.network + IPV6_HEADER],
        };
        Sum::of(addresses).plus(Sum::of_number(self.protocol.into()))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn set_word(bytes: &mut [u8], at: usize, word: u16) {
    bytes[at..at + 2].copy_from_slice(&word.to_be_bytes());
}

/// The EtherType behind all VLAN tags, and where its header begins.
fn skip_tags(head: &[u8]) -> Option<(u16, usize)> {
    let mut at = ETHERTYPE;
    loop {
        match word(head, at)? {
            0x8100 | 0x88a8 => at += 4,
            ethertype => return Some((ethertype, at + 2)),
        }
    }
}

/// RFC 791, 3.1. A fragment is never a super-frame.
fn read_ipv4(head: &[u8], at: usize) -> Option<Network> {
    let first = *head.get(at)?;
    let len = usize::from(first & 0x0f) * 4;
    let is_fragment = word(head, at + 6)? & 0x3fff != 0;
    if first >> 4 != 4 || len < 20 || is_fragment {
        return None;
    }
    let protocol = *head.get(at + 9)?;
    matches!(protocol, TCP | UDP).then_some(Network {
        ipv4: true,
        transport: at + len,
        protocol,
        own_addresses: true,
    })
}

/// RFC 8200, 3 and 4, with the extension headers that each segment may repeat.
///
/// The pseudo-header's destination is the last that a routing header names
/// (RFC 8200, 8.1), its source the one that a home address option names (RFC
/// 6275, 6.3). Where they are not the header's own, the sender's sum of
/// them is used.
fn read_ipv6(head: &[u8], at: usize) -> Option<Network> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const DESTINATION: u8 = 60;
    if head.get(at)? >> 4 != 6 {
        return None;
    }
    let mut protocol = *head.get(at + 6)?;
    let mut transport = at + IPV6_HEADER;
    let mut own_addresses = true;
    while !matches!(protocol, TCP | UDP) {
        own_addresses &= match protocol {
            HOP_BY_HOP => true,
            ROUTING => *head.get(transport + 3)? == 0,
            DESTINATION => false,
            _ => return None,
        };
        protocol = *head.get(transport)?;
        transport += 8 * (1 + usize::from(*head.get(transport + 1)?));
    }
    Some(Network { ipv4: false, transport, protocol, own_addresses })
}

/// The cut of one super-frame: writes its segments one after the other.
#[derive(Clone, Debug)]
pub struct Segmenter {
    layout: Layout,
    clears_cwr: bool,
    pseudo_header: Sum,
    /// Segments written.
    done: usize,
}

impl Segmenter {
    /// `None` where the frame cannot be cut: it is no super-frame; its headers
    /// contradict its offload state, are cut short or of a kind unknown here;
    /// or it exceeds [`MAX_SEGMENTS`], [`MAX_HEADERS`], or, with a single
    /// segment, what an IP header can tell or a [`Frame`] can hold.
    pub fn new(frame: &Frame) -> Option<Segmenter> {
        let layout = Layout::of(frame)?;
        let segmenter = Segmenter {
            layout,
            clears_cwr: frame.offload.gso?.ecn,
            pseudo_header: layout.pseudo_header(frame.bytes()),
            done: 0,
        };
        let largest = layout.largest_frame_len();
        let writable = largest <= MAX_FRAME && largest - layout.network <= 0xffff;
        (writable && segmenter.count() <= MAX_SEGMENTS).then_some(segmenter)
    }

    /// How many segments the super-frame stands for: at least 1.
    #[inline]
    pub fn count(&self) -> usize {
        self.layout.payload_len().div_ceil(self.layout.size).max(1)
    }

    /// Whether it is cut finer than any real stack asks for: into TCP segments below
    /// [`MIN_TCP_SIZE`], or more than [`MAX_DATAGRAMS`]. It would make much work of one frame.
    pub fn is_too_fine(&self) -> bool {
        match self.layout.protocol {
            TCP => self.layout.size < MIN_TCP_SIZE && self.count() > 1,
            _ => self.count() > MAX_DATAGRAMS,
        }
    }

    /// The length in bytes of its longest segment.
    #[inline]
    pub fn largest_frame_len(&self) -> usize {
        self.layout.largest_frame_len()
    }

    /// Writes the next segment of `from`, the super-frame given to
    /// [`Segmenter::new`] and not changed since, into `into`: final and plain.
    ///
    /// `false`, with `into` unchanged, after the last one, and for a frame of
    /// another length than the one given.
    pub fn next(&mut self, from: &Frame, into: &mut Frame) -> bool {
        let Layout { headers, end, size, .. } = self.layout;
        if self.done == self.count() || from.len() != end {
            return false;
        }
        let begin = headers + self.done * size;
        let payload = &from.bytes()[begin..end.min(begin + size)];
        into.reset(headers + payload.len());
        let segment = into.bytes_mut();
        segment[..headers].copy_from_slice(&from.bytes()[..headers]);
        segment[headers..].copy_from_slice(payload);
        self.write_network(segment);
        if self.layout.protocol == TCP {
            self.write_tcp(segment);
        }
        self.write_transport(segment);
        self.done += 1;
        true
    }

    fn write_network(&self, segment: &mut [u8]) {
        let Layout { network, transport, ipv4, .. } = self.layout;
        let len = segment.len() - network;
        if !ipv4 {
            set_word(segment, network + 4, (len - IPV6_HEADER) as u16);
            return;
        }
        let header = &mut segment[network..transport];
        let first_id = u16::from_be_bytes([header[4], header[5]]);
        set_word(header, 2, len as u16);
        set_word(header, 4, first_id.wrapping_add(self.done as u16));
        set_word(header, 10, 0);
        let checksum = Sum::of(header).checksum();
        set_word(header, 10, checksum);
    }

    fn write_tcp(&self, segment: &mut [u8]) {
        let header = &mut segment[self.layout.transport..];
        let first = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let sequence = first.wrapping_add((self.done * self.layout.size) as u32);
        header[4..8].copy_from_slice(&sequence.to_be_bytes());
        let flags = &mut header[13];
        if self.done + 1 < self.count() {
            *flags &= !FIN_PSH;
        }
        if self.done > 0 && self.clears_cwr {
            *flags &= !CWR;
        }
    }

    fn write_transport(&self, segment: &mut [u8]) {
        let Layout { transport, protocol, .. } = self.layout;
        let len = segment.len() - transport;
        if protocol == UDP {
            set_word(segment, transport + 4, len as u16);
        }
        let field = self.layout.checksum_field();
        set_word(segment, field, 0);
        let pseudo_header = self.pseudo_header.plus(Sum::of_number(len as u32));
        let sum = Sum::of(&segment[transport..]).plus(pseudo_header);
        let checksum = if protocol == UDP { sum.udp_checksum() } else { sum.checksum() };
        set_word(segment, field, checksum);
    }
}
