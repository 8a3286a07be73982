//! The virtio-net header before each frame on a TAP or macvtap fd (virtio 1.2, 5.1.6).
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | `flags`: 1 checksum to be finished, 2 checksum vouched for |
//! | 1 | 1 | `gso_type`: 0 none, 1 TCP/IPv4, 4 TCP/IPv6, 5 UDP, and 0x80 with TCP's ECN |
//! | 2 | 2 | `hdr_len`: bytes of all headers of a super-frame; a hint |
//! | 4 | 2 | `gso_size`: payload bytes a segment |
//! | 6 | 2 | `csum_start`: from the frame's first byte |
//! | 8 | 2 | `csum_offset`: from `csum_start` |
//! | 10 | 2 | `num_buffers`: always 0 towards a TAP |
//!
//! All fields are little-endian; every attach sets the fd so.

use switch_core::frame::{Checksum, Gso, GsoKind, Offload};

/// Bytes of the header (`struct virtio_net_hdr_v1`).
pub const LEN: usize = 12;

const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;

const TCP_V4: u8 = 1;
const TCP_V6: u8 = 4;
const UDP_L4: u8 = 5;
const ECN: u8 = 0x80;

/// Stands for a header with no meaning here: [`Offload::fits`] refuses a
/// super-frame whose checksum is not partial, whatever the frame's length, so
/// the switch drops the frame under a name of its own.
const UNFIT: Offload = Offload {
    checksum: Checksum::None,
    gso: Some(Gso { kind: GsoKind::UdpL4, ecn: false, size: 0, hdr_len: 0 }),
};

/// Reads a header.
///
/// A header that contradicts itself, or asks for what was never offered
/// (unknown flags or kinds, UFO, tunnels, ECN without TCP, segments of 0
/// bytes), becomes a state that [`Offload::fits`] refuses for any frame.
#[inline]
pub fn decode(header: &[u8; LEN]) -> Offload {
    // Most frames are single and final: one load decides.
    if header[0] == 0 && header[1] == 0 {
        return Offload::default();
    }
    decode_offload(header).unwrap_or(UNFIT)
}

fn decode_offload(header: &[u8; LEN]) -> Option<Offload> {
    let field = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let checksum = match header[0] {
        0 => Checksum::None,
        DATA_VALID => Checksum::Valid,
        // What is to be finished can't be vouched for: the first bit decides.
        flags if flags & !DATA_VALID == NEEDS_CSUM => {
            Checksum::Partial { start: field(6), offset: field(8) }
        }
        _ => return None,
    };
    if header[1] == 0 {
        return Some(Offload { checksum, gso: None });
    }
    let ecn = header[1] & ECN != 0;
    let kind = match header[1] & !ECN {
        TCP_V4 => GsoKind::TcpV4,
        TCP_V6 => GsoKind::TcpV6,
        UDP_L4 if !ecn => GsoKind::UdpL4,
        _ => return None,
    };
    let gso = Gso { kind, ecn, size: field(4), hdr_len: field(2) };
    (gso.size > 0).then_some(Offload { checksum, gso: Some(gso) })
}

/// Writes the header for `frame` in state `offload`.
///
/// A vouched-for checksum goes out as "nothing promised": a driver must not
/// set that flag when it transmits (virtio 1.2, 5.1.6.2.1).
#[inline]
pub fn encode(offload: &Offload, frame: &[u8]) -> [u8; LEN] {
    let mut header = [0; LEN];
    let mut put = |at: usize, value: u16| header[at..at + 2].copy_from_slice(&value.to_le_bytes());
    if let Some(gso) = &offload.gso {
        put(2, header_len(gso, offload.checksum, frame));
        put(4, gso.size);
    }
    if let Checksum::Partial { start, offset } = offload.checksum {
        put(6, start);
        put(8, offset);
        header[0] = NEEDS_CSUM;
    }
    if let Some(gso) = &offload.gso {
        let kind = match gso.kind {
            GsoKind::TcpV4 => TCP_V4,
            GsoKind::TcpV6 => TCP_V6,
            GsoKind::UdpL4 => UDP_L4,
        };
        header[1] = if gso.ecn { kind | ECN } else { kind };
    }
    header
}

/// The bytes of all headers of a super-frame, read from its transport header.
/// The hint it came with may name the whole frame, and the kernel would then
/// ask for that much contiguous memory; more than the frame it refuses.
fn header_len(gso: &Gso, checksum: Checksum, frame: &[u8]) -> u16 {
    let read = || {
        let Checksum::Partial { start, .. } = checksum else { return None };
        let transport = match gso.kind {
            GsoKind::UdpL4 => 8,
            // TCP's data offset, in words of four bytes (RFC 9293, 3.1).
            GsoKind::TcpV4 | GsoKind::TcpV6 => {
                u16::from(*frame.get(usize::from(start) + 12)? >> 4) * 4
            }
        };
        start.checked_add(transport)
    };
    let len = u16::try_from(frame.len()).unwrap_or(u16::MAX);
    read().unwrap_or(gso.hdr_len).min(len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn partial(start: u16, offset: u16) -> Checksum {
        Checksum::Partial { start, offset }
    }

    /// A TCP/IPv4 frame of `len` bytes whose TCP header has 32 bytes.
    fn tcp_frame(len: usize) -> Vec<u8> {
        let mut frame = vec![0; len];
        frame[34 + 12] = 8 << 4;
        frame
    }

    #[test]
    fn a_final_frame_has_an_empty_header() {
        assert_eq!(decode(&[0; LEN]), Offload::default());
        assert_eq!(encode(&Offload::default(), &[0; 60]), [0; LEN]);
    }

    #[test]
    fn a_partial_checksum() {
        let header = [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0];
        let offload = Offload { checksum: partial(34, 16), gso: None };
        assert_eq!(decode(&header), offload);
        assert_eq!(encode(&offload, &[0; 60]), header);
    }

    #[test]
    fn super_frames_of_every_kind() {
        for (kind, code) in [(GsoKind::TcpV4, 1), (GsoKind::TcpV6, 4)] {
            for ecn in [false, true] {
                let code = if ecn { code | 0x80 } else { code };
                let header = [1, code, 66, 0, 0xa8, 0x05, 34, 0, 16, 0, 0, 0];
                let gso = Gso { kind, ecn, size: 1448, hdr_len: 66 };
                let offload = Offload { checksum: partial(34, 16), gso: Some(gso) };
                assert_eq!(decode(&header), offload);
                assert_eq!(encode(&offload, &tcp_frame(9000)), header);
            }
        }
        let header = [1, 5, 42, 0, 0x78, 0x05, 34, 0, 6, 0, 0, 0];
        let gso = Gso { kind: GsoKind::UdpL4, ecn: false, size: 1400, hdr_len: 42 };
        let offload = Offload { checksum: partial(34, 6), gso: Some(gso) };
        assert_eq!(decode(&header), offload);
        assert_eq!(encode(&offload, &[0; 9000]), header);
    }

    #[test]
    fn a_vouched_for_checksum_is_taken_and_not_passed_on() {
        let valid = Offload { checksum: Checksum::Valid, gso: None };
        assert_eq!(decode(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), valid);
        assert_eq!(encode(&valid, &[0; 60]), [0; LEN]);
        let both = decode(&[3, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0]);
        assert_eq!(both.checksum, partial(34, 16));
    }

    #[test]
    fn what_was_never_offered_fits_no_frame() {
        let cases: [(&str, [u8; LEN]); 9] = [
            ("receive coalescing", [5, 1, 66, 0, 1, 0, 34, 0, 16, 0, 0, 0]),
            ("tunnel checksum", [9, 1, 66, 0, 1, 0, 34, 0, 16, 0, 0, 0]),
            ("UFO", [1, 3, 42, 0, 1, 0, 34, 0, 6, 0, 0, 0]),
            ("an unknown kind", [1, 2, 42, 0, 1, 0, 34, 0, 6, 0, 0, 0]),
            ("a tunnel", [1, 0x21, 66, 0, 1, 0, 34, 0, 16, 0, 0, 0]),
            ("ECN without TCP", [1, 0x85, 42, 0, 1, 0, 34, 0, 6, 0, 0, 0]),
            ("ECN alone", [1, 0x80, 42, 0, 1, 0, 34, 0, 6, 0, 0, 0]),
            ("segments of 0 bytes", [1, 1, 66, 0, 0, 0, 34, 0, 16, 0, 0, 0]),
            ("a super-frame with a final checksum", [0, 1, 66, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
        ];
        for (what, header) in cases {
            let offload = decode(&header);
            assert!(!offload.fits(usize::from(u16::MAX)), "{what}: {offload:?}");
            assert!(!offload.is_plain(), "{what}: {offload:?}");
        }
    }

    #[test]
    fn the_header_length_stays_inside_the_frame() {
        let gso = Gso { kind: GsoKind::TcpV4, ecn: false, size: 1448, hdr_len: 60_000 };
        let length = |checksum, frame: &[u8]| {
            let header = encode(&Offload { checksum, gso: Some(gso) }, frame);
            u16::from_le_bytes([header[2], header[3]])
        };
        assert_eq!(length(partial(34, 16), &tcp_frame(9000)), 66);
        assert_eq!(length(partial(34, 16), &tcp_frame(60)), 60);
        assert_eq!(length(partial(34, 16), &[0; 40]), 40);
        assert_eq!(length(Checksum::None, &[0; 200]), 200);
        assert_eq!(length(Checksum::None, &vec![0; 65_557]), 60_000);
    }

    proptest! {
        /// Whatever comes in, what goes out again means the same, or fits no frame.
        #[test]
        fn any_header_survives(header: [u8; LEN], frame in prop::collection::vec(any::<u8>(), 0..200)) {
            let offload = decode(&header);
            let again = decode(&encode(&offload, &frame));
            if offload.fits(frame.len()) {
                let strip = |o: &Offload| o.gso.map(|g| Gso { hdr_len: 0, ..g });
                prop_assert_eq!(strip(&again), strip(&offload));
                match offload.checksum {
                    Checksum::Partial { .. } => prop_assert_eq!(again.checksum, offload.checksum),
                    _ => prop_assert_eq!(again.checksum, Checksum::None),
                }
                if let Some(gso) = again.gso {
                    prop_assert!(usize::from(gso.hdr_len) <= frame.len());
                }
            } else {
                prop_assert!(!again.fits(frame.len()));
            }
        }
    }
}
