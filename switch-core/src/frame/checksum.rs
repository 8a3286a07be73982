//! The Internet checksum (RFC 1071), and finishing a frame that was handed
//! over without one.
//!
//! A sum is worked out in the machine's own byte order, 32 bits at a time into
//! 64-bit lanes that cannot overflow, and turned round once at the end (RFC
//! 1071, 2(B)): plain code that the compiler makes into vector instructions.

use crate::frame::{Checksum, Frame};

/// A one's complement sum of 16-bit words in network byte order.
///
/// ```
/// use switch_core::frame::checksum::Sum;
/// let words = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]; // RFC 1071, 3
/// assert_eq!(Sum::of(&words).get(), 0xddf2);
/// assert_eq!(Sum::of(&words[..4]).plus(Sum::of(&words[4..])), Sum::of(&words));
/// assert_eq!(Sum::of(&words).checksum(), 0x220d);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum(u16);

impl Sum {
    /// The sum of a slice of less than 16 GB. One of odd length counts as if a
    /// zero byte followed it, so of the slices of one sum only the last may be odd.
    #[inline]
    pub fn of(bytes: &[u8]) -> Sum {
        let mut lanes = [0u64; 4];
        let (blocks, rest) = bytes.as_chunks::<32>();
        for block in blocks {
            let (words, _) = block.as_chunks::<8>();
            for (lane, word) in lanes.iter_mut().zip(words) {
                let word = u64::from_ne_bytes(*word);
                *lane += (word & 0xffff_ffff) + (word >> 32);
            }
        }
        let mut total: u64 = lanes.iter().sum();
        let (words, rest) = rest.as_chunks::<4>();
        total += words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum::<u64>();
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        total += u64::from(u32::from_ne_bytes(last));
        Sum(u16::from_be(fold(total)))
    }

    /// One word, or a number of up to 32 bits as the two words it takes.
    #[inline]
    pub const fn of_number(number: u32) -> Sum {
        Sum(fold(number as u64))
    }

    /// The sum of what both sums cover.
    #[inline]
    #[must_use]
    pub const fn plus(self, other: Sum) -> Sum {
        Sum(fold(self.0 as u64 + other.0 as u64))
    }

    /// What is left when words that the sum covers are taken out of it (RFC 1624, 3).
    #[inline]
    #[must_use]
    pub const fn minus(self, other: Sum) -> Sum {
        self.plus(Sum(!other.0))
    }

    /// The sum itself.
    #[inline]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// What a checksum field holds: the complement.
    #[inline]
    pub const fn checksum(self) -> u16 {
        !self.0
    }

    /// What UDP's checksum field holds: the complement, 0 written as 0xffff,
    /// since 0 says that there is no checksum (RFC 768).
    #[inline]
    pub const fn udp_checksum(self) -> u16 {
        match self.checksum() {
            0 => 0xffff,
            checksum => checksum,
        }
    }
}

/// Adds the upper halves to the lower ones until 16 bits are left.
const fn fold(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    ((sum >> 16) + (sum & 0xffff)) as u16
}

/// Where UDP's checksum lies in its header.
pub(crate) const UDP_CHECKSUM: u16 = 6;

/// Works out and stores a partial checksum; afterwards the frame's bytes are
/// final. A frame whose checksum is not partial stays as it is.
///
/// The sum runs to the frame's last byte, as virtio says (virtio 1.2,
/// 5.1.6.2), not to the end that the IP header tells: a zero trailer changes
/// nothing, any other is the sender's fault.
///
/// `false`, with the frame unchanged, where the checksum lies outside of the
/// frame, or the frame is a super-frame: cut that by a
/// [`Segmenter`](crate::frame::segment::Segmenter).
pub fn finish(frame: &mut Frame) -> bool {
    if frame.offload.gso.is_some() || !frame.offload.fits(frame.len()) {
        return false;
    }
    let Checksum::Partial { start, offset } = frame.offload.checksum else { return true };
    let summed = &mut frame.bytes_mut()[usize::from(start)..];
    let sum = Sum::of(summed);
    // What else has its checksum at this offset (DCCP) takes both forms of zero.
    let checksum = if offset == UDP_CHECKSUM { sum.udp_checksum() } else { sum.checksum() };
    let field = usize::from(offset);
    summed[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
    frame.offload.checksum = Checksum::None;
    true
}

#[cfg(test)]
mod tests {
    use etherparse::checksum::Sum16BitWords;
    use proptest::prelude::*;

    use super::*;
    use crate::frame::{Gso, GsoKind, Offload};

    #[test]
    fn lengths_around_every_chunk_agree_with_etherparse() {
        let bytes: Vec<u8> = (0..200u32).map(|i| (i * 151 + 7) as u8).collect();
        for from in 0..9 {
            for to in from..bytes.len() {
                check_sum(&bytes[from..to]);
            }
        }
        check_sum(&[0xff; 65_557]);
        check_sum(&[0; 100]);
    }

    fn check_sum(bytes: &[u8]) {
        let theirs = Sum16BitWords::new().add_slice(bytes).ones_complement().to_be();
        assert_eq!(Sum::of(bytes).checksum(), theirs, "{} bytes", bytes.len());
    }

    #[test]
    fn udp_never_sends_zero() {
        assert_eq!(Sum::of(&[0xff, 0xff]).checksum(), 0);
        assert_eq!(Sum::of(&[0xff, 0xff]).udp_checksum(), 0xffff);
        for (offset, stored) in [(UDP_CHECKSUM, [0xff, 0xff]), (16, [0, 0])] {
            let mut frame = Frame::from_bytes(&[0; 60]);
            frame.bytes_mut()[50..52].copy_from_slice(&[0xff, 0xff]);
            frame.offload.checksum = Checksum::Partial { start: 34, offset };
            assert!(finish(&mut frame));
            let field = usize::from(34 + offset);
            assert_eq!(frame.bytes()[field..field + 2], stored);
            assert!(frame.offload.is_plain());
        }
    }

    #[test]
    fn what_cannot_be_finished_stays_as_it_is() {
        let partial = Checksum::Partial { start: 34, offset: 16 };
        let gso = Some(Gso { kind: GsoKind::TcpV4, ecn: false, size: 1, hdr_len: 54 });
        for (len, offload) in [
            (51, Offload { checksum: partial, gso: None }),
            (100, Offload { checksum: Checksum::Partial { start: 13, offset: 6 }, gso: None }),
            (100, Offload { checksum: Checksum::Partial { start: 9, offset: 0xffff }, gso: None }),
            (100, Offload { checksum: partial, gso }),
            (100, Offload { checksum: Checksum::None, gso }),
        ] {
            let mut frame = Frame::from_bytes(&vec![0xa5; len]);
            frame.offload = offload;
            assert!(!finish(&mut frame));
            assert_eq!(frame.offload, offload);
            assert!(frame.bytes().iter().all(|&byte| byte == 0xa5));
        }
    }

    #[test]
    fn a_final_frame_is_not_touched() {
        let mut frame = Frame::from_bytes(&[0xa5; 60]);
        frame.offload.checksum = Checksum::Valid;
        assert!(finish(&mut frame));
        assert_eq!(frame.offload.checksum, Checksum::Valid);
        assert_eq!(frame.bytes(), [0xa5; 60]);
    }

    #[test]
    fn folding_keeps_the_value() {
        for sum in [0, 0xffff, 0x1_0000, 0xffff_ffff, 0x0001_0000_ffff_ffff, u64::MAX] {
            assert_eq!(u64::from(fold(sum)) % 0xffff, sum % 0xffff, "{sum:#x}");
            assert_eq!(fold(sum) == 0, sum == 0, "{sum:#x}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_etherparse(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
            check_sum(&bytes);
        }

        #[test]
        fn sums_add_up(bytes in prop::collection::vec(any::<u8>(), 2..400), at in 0usize..200) {
            let (first, second) = bytes.split_at((at * 2).min(bytes.len() & !1));
            let (whole, first, second) = (Sum::of(&bytes), Sum::of(first), Sum::of(second));
            prop_assert_eq!(first.plus(second), whole);
            // One's complement has two zeros; they may differ here.
            prop_assert_eq!(whole.minus(second).get() % 0xffff, first.get() % 0xffff);
        }

        #[test]
        fn a_finished_frame_sums_to_all_ones(
            bytes in prop::collection::vec(any::<u8>(), 60..2000),
            start in 14u16..40,
            offset in prop::sample::select(vec![6u16, 16, 2]),
        ) {
            let mut frame = Frame::from_bytes(&bytes);
            frame.offload.checksum = Checksum::Partial { start, offset };
            let pseudo = {
                let field = usize::from(start + offset);
                Sum::of(&bytes[field..field + 2])
            };
            prop_assert!(finish(&mut frame));
            let verified = Sum::of(&frame.bytes()[usize::from(start)..]).plus(pseudo);
            prop_assert_eq!(verified.get(), 0xffff);
        }
    }
}
