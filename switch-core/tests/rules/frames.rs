//! The frame factory: what tests send and expect, built by etherparse.

use std::fmt;
use std::str::FromStr;

use etherparse::{EtherType, Ethernet2Header, SingleVlanHeader, VlanId, VlanPcp};
use switch_core::Mac;
use switch_core::frame::{GsoKind, Offload};
use switch_core::ports::memory::Wire;

use crate::super_frame::Super;

/// A tag as tests write it: `10`, `10.5` (PCP), `10.5d` (DEI), `88a8:10`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag {
    pub tpid: u16,
    pub vid: u16,
    pub pcp: u8,
    pub dei: bool,
}

/// What a frame carries behind its addresses and tags.
#[derive(Clone, Debug)]
pub enum Body {
    /// An experimental EtherType and this running number.
    Numbered(u32),
    /// UDP over IPv4, its checksum left to be finished.
    Unfinished,
    /// A super-frame.
    Super(Super),
}

/// A frame to be.
#[derive(Clone, Debug)]
pub struct Spec {
    pub dst: Mac,
    pub src: Mac,
    pub tags: Vec<Tag>,
    pub body: Body,
    /// Its length in bytes, tags included; the least Ethernet allows unless said.
    pub len: Option<usize>,
    /// Where it is cut off.
    pub cut: Option<usize>,
    /// An offload state of the sender's own making.
    pub offload: Option<Offload>,
}

impl Spec {
    /// A minimal frame.
    pub fn new(src: Mac, dst: Mac, tags: Vec<Tag>, number: u32) -> Spec {
        let body = Body::Numbered(number);
        Spec { dst, src, tags, body, len: None, cut: None, offload: None }
    }

    /// As the sender hands it over.
    pub fn sent(&self) -> Wire {
        self.with_tags(&self.tags)
    }

    /// The same frame with other tags, as unfinished as it was.
    pub fn with_tags(&self, tags: &[Tag]) -> Wire {
        let (parts, is_super) = match &self.body {
            Body::Numbered(_) => {
                let offload = self.offload.unwrap_or_default();
                return Wire { bytes: self.finished(tags), offload };
            }
            Body::Unfinished => (&self.single(), false),
            Body::Super(parts) => (parts, true),
        };
        let frame = parts.frame();
        let mut offload = frame.offload;
        offload.shift(4 * tags.len() as i16);
        offload.gso = offload.gso.filter(|_| is_super);
        Wire { bytes: self.assemble(tags, &frame.bytes()[12..]), offload }
    }

    /// The same frame with other tags, every checksum in place.
    pub fn finished(&self, tags: &[Tag]) -> Vec<u8> {
        let rest = match &self.body {
            Body::Numbered(number) => numbered(*number, self.inner_len() - 12),
            Body::Unfinished => self.single().build(0, true, &self.single().payload).split_off(12),
            Body::Super(_) => panic!("a super-frame is finished in segments"),
        };
        let mut bytes = self.assemble(tags, &rest);
        if let Some(cut) = self.cut {
            bytes.truncate(cut + 4 * tags.len() - 4 * self.tags.len());
        }
        bytes
    }

    /// The frame's length without its tags.
    fn inner_len(&self) -> usize {
        self.len.map_or(60, |len| len - 4 * self.tags.len()).max(14)
    }

    /// The one UDP datagram of an unfinished frame.
    fn single(&self) -> Super {
        Super::new(GsoKind::UdpL4, true, 1, self.inner_len() - 42)
    }

    /// The frames a super-frame stands for, with other tags.
    pub fn segments(&self, tags: &[Tag]) -> Vec<Vec<u8>> {
        let Body::Super(parts) = &self.body else { panic!("no super-frame") };
        let chunks: Vec<_> = parts.payload.chunks(parts.size.into()).collect();
        let built = chunks.iter().enumerate().map(|(index, chunk)| {
            let whole = parts.build(index, index + 1 == chunks.len(), chunk);
            self.assemble(tags, &whole[12..])
        });
        built.collect()
    }

    /// Addresses, tags, and `rest` from its EtherType on.
    fn assemble(&self, tags: &[Tag], rest: &[u8]) -> Vec<u8> {
        let inner = u16::from_be_bytes([rest[0], rest[1]]);
        let types: Vec<u16> = tags.iter().map(|tag| tag.tpid).chain([inner]).collect();
        let header = Ethernet2Header {
            destination: self.dst.octets(),
            source: self.src.octets(),
            ether_type: EtherType(types[0]),
        };
        let mut bytes = header.to_bytes().to_vec();
        for (tag, &next) in tags.iter().zip(&types[1..]) {
            let header = SingleVlanHeader {
                pcp: VlanPcp::try_new(tag.pcp).expect("a PCP"),
                drop_eligible_indicator: tag.dei,
                vlan_id: VlanId::try_new(tag.vid).expect("a VID"),
                ether_type: EtherType(next),
            };
            bytes.extend(header.to_bytes());
        }
        bytes.extend(&rest[2..]);
        bytes
    }
}

/// An experimental EtherType (IEEE 802, 0x88b5), a number, a pattern: `len` bytes.
fn numbered(number: u32, len: usize) -> Vec<u8> {
    let mut bytes = vec![0x88, 0xb5];
    bytes.extend(number.to_be_bytes());
    bytes.extend((bytes.len()..len).map(|at| (at * 7 + at / 251) as u8));
    bytes.truncate(len.max(2));
    bytes
}

/// The super-frame that a text like `tcp4`, `tcp6`, `udp4` or `udp6` names.
pub fn super_of(kind: &str, payload: usize, size: u16) -> Option<Super> {
    let (kind, ipv4) = match kind {
        "tcp4" => (GsoKind::TcpV4, true),
        "tcp6" => (GsoKind::TcpV6, false),
        "udp4" => (GsoKind::UdpL4, true),
        "udp6" => (GsoKind::UdpL4, false),
        _ => return None,
    };
    Some(Super::new(kind, ipv4, size, payload))
}

impl FromStr for Tag {
    type Err = ();

    fn from_str(text: &str) -> Result<Tag, ()> {
        let (tpid, text) = match text.split_once(':') {
            Some((tpid, text)) => (u16::from_str_radix(tpid, 16).map_err(drop)?, text),
            None => (0x8100, text),
        };
        let (vid, priority) = text.split_once('.').unwrap_or((text, "0"));
        let dei = priority.ends_with('d');
        let pcp = priority.trim_end_matches('d').parse().map_err(drop)?;
        let vid = vid.parse().map_err(drop)?;
        if pcp > 7 || vid > 4095 { Err(()) } else { Ok(Tag { tpid, vid, pcp, dei }) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tpid = if self.tpid == 0x8100 { String::new() } else { format!("{:x}:", self.tpid) };
        let pcp = if self.pcp == 0 && !self.dei { String::new() } else { format!(".{}", self.pcp) };
        write!(f, "[{tpid}{}{pcp}{}]", self.vid, if self.dei { "d" } else { "" })
    }
}

/// Reads `[10][20.5]`; `None` where something else stands there.
pub fn parse_tags(text: &str) -> Option<Vec<Tag>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.split("][").map(|tag| tag.parse().ok()).collect()
}

/// The leading tags of a frame's bytes, as etherparse reads them: at most three.
pub fn tags_of(bytes: &[u8]) -> Vec<Tag> {
    let Ok((header, mut rest)) = Ethernet2Header::from_slice(bytes) else { return Vec::new() };
    let mut tags = Vec::new();
    let mut tpid = header.ether_type.0;
    while matches!(tpid, 0x8100 | 0x88a8) {
        let Ok((header, behind)) = SingleVlanHeader::from_slice(rest) else { break };
        let (vid, pcp) = (header.vlan_id.value(), header.pcp.value());
        tags.push(Tag { tpid, vid, pcp, dei: header.drop_eligible_indicator });
        (tpid, rest) = (header.ether_type.0, behind);
    }
    tags
}
