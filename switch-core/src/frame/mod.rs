//! A frame: an owned buffer with room in front for tags, and its offload state.

pub mod checksum;
pub mod segment;

use std::fmt;

use crate::vlan::TagEdit;

/// Bytes free before a received frame: a virtio-net header (12), two pushed
/// tags (8), and what rounds the frame's start to a cache line.
pub const HEADROOM: usize = 64;

/// The longest frame: what a TAP hands over as one GSO super-frame (64 KB of
/// IP packet, an Ethernet header and two tags).
pub const MAX_FRAME: usize = 65_535 + 14 + 8;

const CAPACITY: usize = HEADROOM + MAX_FRAME;

const _: () = assert!(size_of::<Frame>() == 32);

/// What remains to be done to a frame's checksum, as virtio-net says it (virtio 1.2, 5.1.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checksum {
    /// Nothing is known or promised: the bytes are final.
    #[default]
    None,
    /// The sender vouches for the bytes (`VIRTIO_NET_HDR_F_DATA_VALID`).
    Valid,
    /// The one's complement sum from `start` to the frame's end is to be
    /// stored at `start + offset` (`VIRTIO_NET_HDR_F_NEEDS_CSUM`).
    Partial {
        /// Bytes from the frame's first byte.
        start: u16,
        /// Bytes from `start`.
        offset: u16,
    },
}

/// The kinds of super-frame (virtio 1.2, 5.1.6: `gso_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GsoKind {
    /// TCP over IPv4.
    TcpV4,
    /// TCP over IPv6.
    TcpV6,
    /// UDP datagrams of equal length (`VIRTIO_NET_HDR_GSO_UDP_L4`).
    UdpL4,
}

/// A super-frame's cut: it stands for frames with at most `size` payload bytes each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gso {
    /// The transport and address family.
    pub kind: GsoKind,
    /// Whether TCP's CWR bit goes on the first segment only (`VIRTIO_NET_HDR_GSO_ECN`).
    pub ecn: bool,
    /// Payload bytes a segment, never 0.
    pub size: u16,
    /// Bytes of all headers, from the frame's first byte. A hint: the switch
    /// reads the headers themselves before it relies on it.
    pub hdr_len: u16,
}

/// A frame's offload state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offload {
    /// The state of the transport checksum.
    pub checksum: Checksum,
    /// Set on a super-frame.
    pub gso: Option<Gso>,
}

impl Offload {
    /// Whether the bytes are final and stand for one frame.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.gso.is_none() && !matches!(self.checksum, Checksum::Partial { .. })
    }

    /// Moves the header offsets when `delta` bytes of tag came into (or, negative, went out of) the frame.
    #[inline]
    pub fn shift(&mut self, delta: i16) {
        if let Checksum::Partial { start, .. } = &mut self.checksum {
            *start = start.wrapping_add_signed(delta);
        }
        if let Some(gso) = &mut self.gso {
            gso.hdr_len = gso.hdr_len.wrapping_add_signed(delta);
        }
    }

    /// Whether checksum field and payload lie inside a frame of `len` bytes,
    /// and a super-frame's checksum is partial, as virtio-net demands.
    #[inline]
    pub fn fits(&self, len: usize) -> bool {
        match self.checksum {
            Checksum::Partial { start, offset } => {
                let start = usize::from(start);
                start >= 14 && start + usize::from(offset) + 2 <= len
            }
            _ => self.gso.is_none(),
        }
    }
}

/// What a port's device takes unfinished. A frame that needs more is finished in software first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Takes {
    /// Frames with a partial checksum.
    pub checksum: bool,
    /// TCP over IPv4 super-frames.
    pub tso4: bool,
    /// TCP over IPv6 super-frames.
    pub tso6: bool,
    /// TCP super-frames with [`Gso::ecn`].
    pub tso_ecn: bool,
    /// UDP super-frames.
    pub uso: bool,
}

impl Takes {
    /// Only finished, single frames.
    pub const NOTHING: Takes =
        Takes { checksum: false, tso4: false, tso6: false, tso_ecn: false, uso: false };
    /// All of it.
    pub const EVERYTHING: Takes =
        Takes { checksum: true, tso4: true, tso6: true, tso_ecn: true, uso: true };

    /// Whether a frame in this state may be handed over as it is.
    #[inline]
    pub fn accepts(&self, offload: &Offload) -> bool {
        if offload.is_plain() {
            return true;
        }
        self.checksum
            && offload.gso.is_none_or(|gso| {
                (!gso.ecn || self.tso_ecn)
                    && match gso.kind {
                        GsoKind::TcpV4 => self.tso4,
                        GsoKind::TcpV6 => self.tso6,
                        GsoKind::UdpL4 => self.uso,
                    }
            })
    }
}

/// One frame in a buffer of its own, from the destination address to the last
/// payload byte, without FCS.
///
/// Buffers are made once, at start; a burst's slots own theirs and are filled
/// again and again. In-memory ports may swap a whole `Frame` instead of copying:
/// 32 bytes.
pub struct Frame {
    buffer: Box<[u8; CAPACITY]>,
    start: u32,
    len: u32,
    /// What is left to be done before the bytes are final.
    pub offload: Offload,
}

impl Frame {
    /// An empty frame with room for [`MAX_FRAME`] bytes. Pages are not touched until used.
    pub fn new() -> Frame {
        Frame { buffer: zeroed(), start: HEADROOM as u32, len: 0, offload: Offload::default() }
    }

    /// A frame that holds a copy of `bytes`.
    ///
    /// # Panics
    /// When `bytes` is longer than [`MAX_FRAME`].
    pub fn from_bytes(bytes: &[u8]) -> Frame {
        let mut frame = Frame::new();
        frame.set(bytes);
        frame
    }

    /// The frame's length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether the frame holds no byte.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The frame's bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start as usize..][..self.len as usize]
    }

    /// The frame's bytes, to be changed.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start as usize..][..self.len as usize]
    }

    /// Replaces the content by a copy of `bytes`, final and plain.
    ///
    /// # Panics
    /// When `bytes` is longer than [`MAX_FRAME`].
    #[inline]
    pub fn set(&mut self, bytes: &[u8]) {
        self.reset(bytes.len());
        self.bytes_mut().copy_from_slice(bytes);
    }

    /// Replaces the content by a copy of `other`, offload state and headroom
    /// included: a tag may have made `other` longer than [`MAX_FRAME`].
    #[inline]
    pub fn copy_from(&mut self, other: &Frame) {
        (self.start, self.len) = (other.start, other.len);
        self.bytes_mut().copy_from_slice(other.bytes());
        self.offload = other.offload;
    }

    /// Makes the content `len` bytes long, whatever they hold, final and plain.
    ///
    /// # Panics
    /// When `len` is more than [`MAX_FRAME`].
    #[inline]
    pub fn reset(&mut self, len: usize) {
        assert!(len <= MAX_FRAME, "a frame of {len} bytes");
        self.start = HEADROOM as u32;
        self.len = len as u32;
        self.offload = Offload::default();
    }

    /// The whole room for a read: `header` bytes before the frame, then [`MAX_FRAME`].
    /// Follow it with [`Frame::received`].
    ///
    /// # Panics
    /// When `header` is more than [`HEADROOM`].
    #[inline]
    pub fn receive_buffer(&mut self, header: usize) -> &mut [u8] {
        &mut self.buffer[HEADROOM - header..]
    }

    /// Says how many bytes of [`Frame::receive_buffer`] were filled behind its header.
    #[inline]
    pub fn received(&mut self, len: usize, offload: Offload) {
        self.reset(len);
        self.offload = offload;
    }

    /// The frame's bytes with `header` bytes of headroom before them, for a device header.
    ///
    /// # Panics
    /// When less than `header` bytes of headroom are left: after more than two pushed tags.
    #[inline]
    pub fn with_header(&mut self, header: usize) -> &mut [u8] {
        let len = header + self.len();
        &mut self.buffer[self.start as usize - header..][..len]
    }

    /// Puts a tag of TPID and TCI behind the source address. The header offsets move along.
    #[inline]
    pub fn push_tag(&mut self, tpid: u16, tci: u16) {
        let start = self.start as usize;
        self.buffer.copy_within(start..start + 12, start - 4);
        self.start -= 4;
        self.len += 4;
        self.offload.shift(4);
        self.write_tag(tpid, tci);
    }

    /// Takes the tag behind the source address out.
    #[inline]
    pub fn pop_tag(&mut self) {
        let start = self.start as usize;
        self.buffer.copy_within(start..start + 12, start + 4);
        self.start += 4;
        self.len -= 4;
        self.offload.shift(-4);
    }

    /// Does to the frame's tag what `edit` says.
    #[inline]
    pub fn edit_tag(&mut self, edit: TagEdit) {
        match edit {
            TagEdit::Keep => {}
            TagEdit::Pop => self.pop_tag(),
            TagEdit::Push(tag) => self.push_tag(tag.tpid.get(), tag.tci.0),
            TagEdit::Rewrite(tag) => self.write_tag(tag.tpid.get(), tag.tci.0),
        }
    }

    /// Overwrites the tag behind the source address.
    #[inline]
    pub fn write_tag(&mut self, tpid: u16, tci: u16) {
        let at = self.start as usize + 12;
        self.buffer[at..at + 2].copy_from_slice(&tpid.to_be_bytes());
        self.buffer[at + 2..at + 4].copy_from_slice(&tci.to_be_bytes());
    }
}

/// A buffer the system has not handed out pages for yet.
fn zeroed() -> Box<[u8; CAPACITY]> {
    let buffer: Result<Box<[u8; CAPACITY]>, _> = vec![0; CAPACITY].into_boxed_slice().try_into();
    buffer.expect("as long as asked for")
}

impl Default for Frame {
    fn default() -> Self {
        Frame::new()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:02x?}, {:?})", self.bytes(), self.offload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        let bytes: Vec<u8> = (0..60).collect();
        Frame::from_bytes(&bytes)
    }

    #[test]
    fn push_and_pop_are_inverse_and_move_offsets() {
        let mut f = frame();
        f.offload.checksum = Checksum::Partial { start: 34, offset: 16 };
        f.offload.gso = Some(Gso { kind: GsoKind::TcpV4, ecn: false, size: 1448, hdr_len: 54 });
        let before = f.bytes().to_vec();
        f.push_tag(0x8100, 0x2005);
        assert_eq!(f.len(), 64);
        assert_eq!(f.bytes()[..12], before[..12]);
        assert_eq!(f.bytes()[12..16], [0x81, 0, 0x20, 5]);
        assert_eq!(f.bytes()[16..], before[12..]);
        assert_eq!(f.offload.checksum, Checksum::Partial { start: 38, offset: 16 });
        assert_eq!(f.offload.gso.unwrap().hdr_len, 58);
        f.pop_tag();
        assert_eq!(f.bytes(), before);
        assert_eq!(f.offload.checksum, Checksum::Partial { start: 34, offset: 16 });
    }

    #[test]
    fn two_pushed_tags_leave_room_for_a_device_header() {
        let mut f = frame();
        f.push_tag(0x8100, 1);
        f.push_tag(0x88a8, 2);
        assert_eq!(f.with_header(12).len(), 12 + 68);
    }

    #[test]
    fn a_copy_may_be_as_long_as_the_longest_frame_with_a_tag() {
        let mut longest = Frame::from_bytes(&vec![7; MAX_FRAME]);
        longest.push_tag(0x8100, 1);
        let mut copy = frame();
        copy.copy_from(&longest);
        assert_eq!(copy.bytes(), longest.bytes());
        assert_eq!(copy.len(), MAX_FRAME + 4);
        copy.pop_tag();
        assert_eq!(copy.bytes(), [7; MAX_FRAME]);
    }

    #[test]
    fn offload_must_lie_inside_the_frame() {
        let partial =
            |start, offset| Offload { checksum: Checksum::Partial { start, offset }, gso: None };
        assert!(partial(34, 16).fits(52));
        assert!(!partial(34, 16).fits(51));
        assert!(!partial(13, 16).fits(100));
        let gso = Gso { kind: GsoKind::TcpV4, ecn: false, size: 1, hdr_len: 0 };
        assert!(!Offload { checksum: Checksum::None, gso: Some(gso) }.fits(100));
        assert!(Offload::default().fits(0));
    }

    #[test]
    fn what_a_port_takes() {
        let partial = Offload { checksum: Checksum::Partial { start: 34, offset: 16 }, gso: None };
        assert!(Takes::NOTHING.accepts(&Offload::default()));
        assert!(!Takes::NOTHING.accepts(&partial));
        let ecn = Offload {
            gso: Some(Gso { kind: GsoKind::TcpV4, ecn: true, size: 1, hdr_len: 0 }),
            ..partial
        };
        assert!(Takes::EVERYTHING.accepts(&ecn));
        assert!(!Takes { tso_ecn: false, ..Takes::EVERYTHING }.accepts(&ecn));
    }
}
