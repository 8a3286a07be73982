//! Cutting super-frames and finishing checksums, with etherparse as the
//! independent frame factory.

mod hostile;
mod super_frame;

use std::ops::Range;

use proptest::prelude::*;
use switch_core::Frame;
use switch_core::frame::segment::{MAX_HEADERS, MAX_SEGMENTS, Segmenter};
use switch_core::frame::{Checksum, GsoKind, MAX_FRAME};

use super_frame::{KINDS, Super, any_super};

#[test]
fn every_kind_behind_any_tags_in_any_size() {
    for (kind, ipv4) in KINDS {
        for tags in 0..=3 {
            for (size, payload) in
                [(1448, 64_000), (8948, 60_001), (1447, 14_471), (1, 3), (3, 3001), (1000, 4000)]
            {
                Super { tags, ..Super::new(kind, ipv4, size, payload) }.check();
            }
        }
    }
}

#[test]
fn options_and_extension_headers_are_repeated() {
    for (kind, ipv4) in KINDS {
        for (extras, tcp_options) in [(1, 3), (2, 0), (4, 1), (7, 10), (10, 10)] {
            for tags in [0, 2] {
                let plain = Super::new(kind, ipv4, 1399, 9000);
                Super { extras, tcp_options, tags, ..plain }.check();
            }
        }
    }
}

#[test]
fn fin_and_psh_go_last_and_cwr_first() {
    for (kind, ipv4) in KINDS {
        for ecn in [false, true] {
            for payload in [100, 1000, 5000] {
                let plain = Super::new(kind, ipv4, 1000, payload);
                Super { fin_psh_cwr: true, ecn, ..plain }.check();
            }
        }
    }
}

#[test]
fn a_payload_that_fits_is_one_segment() {
    for (kind, ipv4) in KINDS {
        for payload in [0, 1, 999, 1000] {
            Super::new(kind, ipv4, 1000, payload).check();
        }
        Super::new(kind, ipv4, 0xffff, 65_000).check();
    }
}

#[test]
fn lengths_in_the_headers_are_not_asked() {
    let udp = Super::new(GsoKind::UdpL4, true, 1000, 2500);
    let mut frame = udp.frame();
    frame.bytes_mut()[16..18].copy_from_slice(&[0xff, 0xff]);
    frame.bytes_mut()[38..40].copy_from_slice(&[0, 0]);
    let (mut cut, mut segment) = (Segmenter::new(&frame).unwrap(), Frame::new());
    assert!(cut.next(&frame, &mut segment));
    assert_eq!(segment.bytes(), udp.build(0, false, &udp.payload[..1000]));
}

#[test]
fn the_pseudo_header_is_worked_out_anew() {
    for (kind, ipv4) in KINDS {
        for extras in [0, 1, 2, 3] {
            let whole = Super { extras, ..Super::new(kind, ipv4, 1000, 2500) };
            let mut frame = whole.frame();
            let field = checksum_field(&frame);
            frame.bytes_mut()[field.clone()].fill(0x5a);
            let (mut cut, mut segment) = (Segmenter::new(&frame).unwrap(), Frame::new());
            assert!(cut.next(&frame, &mut segment));
            let expected = whole.build(0, false, &whole.payload[..1000]);
            assert_eq!(segment.bytes()[field.clone()], expected[field], "{whole:?}");
        }
    }
}

#[test]
fn the_senders_pseudo_header_is_kept_where_addresses_are_not_its_own() {
    let (source, destination) = (14 + 8..14 + 24, 14 + 24..14 + 40);
    let segments_left = 14 + 40 + 3;
    for (extras, elsewhere) in [(2, destination), (4, source.clone()), (6, source)] {
        let tcp = Super { extras, ..Super::new(GsoKind::TcpV6, false, 1000, 2500) };
        let mut frame = tcp.frame();
        let field = checksum_field(&frame);
        frame.bytes_mut()[segments_left] |= u8::from(extras == 2);
        frame.bytes_mut()[elsewhere].fill(0x55);
        let (mut cut, mut segment) = (Segmenter::new(&frame).unwrap(), Frame::new());
        for (index, part) in tcp.payload.chunks(1000).enumerate() {
            assert!(cut.next(&frame, &mut segment));
            let there = tcp.build(index, index == 2, part);
            assert_eq!(segment.bytes()[field.clone()], there[field.clone()], "{extras} {index}");
        }
    }
}

fn checksum_field(frame: &Frame) -> Range<usize> {
    let Checksum::Partial { start, offset } = frame.offload.checksum else { panic!("none") };
    let field = usize::from(start + offset);
    field..field + 2
}

#[test]
fn a_udp_checksum_of_zero_is_sent_as_all_ones() {
    for ipv4 in [true, false] {
        let mut udp = Super::new(GsoKind::UdpL4, ipv4, 100, 250);
        // What the first segment's checksum is without this word, the word makes zero.
        udp.payload[..2].fill(0);
        let field = udp.build(0, false, &[]).len() - 2;
        let word = udp.build(0, false, &udp.payload[..100])[field..field + 2].to_vec();
        udp.payload[..2].copy_from_slice(&word);
        assert_eq!(udp.build(0, false, &udp.payload[..100])[field..field + 2], [0xff, 0xff]);
        udp.check();
    }
}

#[test]
fn the_limits_are_where_they_are_said() {
    Super::new(GsoKind::TcpV4, true, 1, MAX_SEGMENTS).check();
    let at_most = (MAX_HEADERS - 14 - 20 - 20) / 4;
    Super { tags: at_most, ..Super::new(GsoKind::TcpV4, true, 100, 500) }.check();
    let longer = Super { tags: at_most + 1, ..Super::new(GsoKind::TcpV4, true, 100, 500) };
    assert!(Segmenter::new(&longer.frame()).is_none());
}

#[test]
fn a_single_segment_has_limits_too() {
    // 65,535 bytes of IP packet behind two tags are the longest frame.
    let longest = Super { tags: 2, ..Super::new(GsoKind::TcpV4, true, 0xffff, 65_535 - 40) };
    longest.check();
    let mut frame = longest.frame();
    assert_eq!(frame.len(), MAX_FRAME);
    frame.push_tag(0x8100, 1);
    assert!(Segmenter::new(&frame).is_none(), "longer than a frame");
    let mut frame = Super::new(GsoKind::TcpV4, true, 0xffff, 65_535 - 40).frame();
    let (bytes, offload) = (frame.bytes().to_vec(), frame.offload);
    frame.set(&[&bytes[..], &[0]].concat());
    frame.offload = offload;
    assert!(Segmenter::new(&frame).is_none(), "longer than an IP packet");
}

#[test]
fn another_frame_than_the_one_given_is_left_alone() {
    let mut frame = Super::new(GsoKind::TcpV4, true, 100, 500).frame();
    let mut cut = Segmenter::new(&frame).unwrap();
    frame.push_tag(0x8100, 5);
    assert!(!cut.next(&frame, &mut Frame::new()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_true_super_frame_is_cut_rightly(frame in any_super()) {
        frame.check();
    }
}
