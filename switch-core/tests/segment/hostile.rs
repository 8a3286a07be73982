//! Frames whose offload state and headers lie, as a hostile guest makes them.

use proptest::prelude::*;
use switch_core::Frame;
use switch_core::frame::checksum::finish;
use switch_core::frame::segment::{MAX_SEGMENTS, Segmenter, measured_len};
use switch_core::frame::{Checksum, Gso, GsoKind, MAX_FRAME, Offload};

use crate::super_frame::{KINDS, Super, any_super};

/// A change that makes a super-frame a lie.
type Lie = (&'static str, fn(&mut Frame));

/// About TCP over IPv4, without options.
const IPV4_LIES: &[Lie] = &[
    ("not a super-frame", |f| f.offload.gso = None),
    ("no partial checksum", |f| f.offload.checksum = Checksum::None),
    ("another start", |f| f.offload.checksum = Checksum::Partial { start: 35, offset: 16 }),
    ("another offset", |f| f.offload.checksum = Checksum::Partial { start: 34, offset: 6 }),
    ("another address family", |f| f.offload.gso.as_mut().unwrap().kind = GsoKind::TcpV6),
    ("another transport", |f| f.offload.gso.as_mut().unwrap().kind = GsoKind::UdpL4),
    ("no size", |f| f.offload.gso.as_mut().unwrap().size = 0),
    ("too many segments", |f| f.offload.gso.as_mut().unwrap().size = 1),
    ("another EtherType", |f| f.bytes_mut()[13] = 6),
    ("another IP version", |f| f.bytes_mut()[14] = 0x65),
    ("IP header too short", |f| {
        f.bytes_mut()[14] = 0x44;
        f.bytes_mut()[42] = 0x50;
        f.offload.checksum = Checksum::Partial { start: 30, offset: 16 };
    }),
    ("first fragment", |f| f.bytes_mut()[20] = 0x20),
    ("later fragment", |f| f.bytes_mut()[21] = 1),
    ("another protocol", |f| f.bytes_mut()[23] = 17),
    ("unknown protocol", |f| f.bytes_mut()[23] = 47),
    ("TCP header too short", |f| f.bytes_mut()[46] = 0x40),
    ("cut short", |f| shorten(f, 53)),
    ("cut short before the data offset", |f| shorten(f, 46)),
    ("empty", |f| shorten(f, 0)),
];

/// About TCP over IPv6, with a hop-by-hop header.
const IPV6_LIES: &[Lie] = &[
    ("another address family", |f| f.offload.gso.as_mut().unwrap().kind = GsoKind::TcpV4),
    ("another EtherType", |f| f.bytes_mut()[12..14].copy_from_slice(&[8, 0])),
    ("another IP version", |f| f.bytes_mut()[14] = 0x40),
    ("fragment", |f| f.bytes_mut()[20] = 44),
    ("unknown extension header", |f| f.bytes_mut()[20] = 51),
    ("longer extension header", |f| f.bytes_mut()[55] = 2),
    ("endless hop-by-hop headers", |f| f.bytes_mut()[54..].fill(0)),
    ("cut short in the extension header", |f| shorten(f, 55)),
];

fn shorten(frame: &mut Frame, len: usize) {
    let (bytes, offload) = (frame.bytes()[..len].to_vec(), frame.offload);
    frame.set(&bytes);
    frame.offload = offload;
}

#[test]
fn what_contradicts_itself_is_not_cut() {
    let payload = MAX_SEGMENTS + 1;
    let ipv4 = Super::new(GsoKind::TcpV4, true, 1000, payload);
    let ipv6 = Super { extras: 1, ..Super::new(GsoKind::TcpV6, false, 1000, payload) };
    for (truth, lies) in [(ipv4, IPV4_LIES), (ipv6, IPV6_LIES)] {
        for (lie, tell) in lies {
            let mut frame = truth.frame();
            assert!(Segmenter::new(&frame).is_some());
            tell(&mut frame);
            assert!(Segmenter::new(&frame).is_none(), "{lie}");
            let can_be_measured = *lie == "too many segments";
            assert_eq!(measured_len(&frame) < frame.len(), can_be_measured, "{lie}");
        }
    }
}

/// Cuts whatever it is and checks what must hold of any frame.
fn cut_anything(frame: &Frame) {
    assert!(measured_len(frame) <= frame.len());
    let mut copy = Frame::new();
    copy.copy_from(frame);
    assert_eq!(finish(&mut copy), copy.offload.is_plain());
    let Some(mut cut) = Segmenter::new(frame) else { return };
    let (count, longest) = (cut.count(), cut.largest_frame_len());
    assert!((1..=MAX_SEGMENTS).contains(&count) && longest <= MAX_FRAME);
    let (mut written, mut total) = (0, 0);
    while cut.next(frame, &mut copy) {
        assert!(copy.len() <= longest && copy.offload.is_plain());
        written += 1;
        total += copy.len();
    }
    assert_eq!(written, count);
    let size = usize::from(frame.offload.gso.unwrap().size);
    let headers = if count > 1 { longest - size } else { 0 };
    assert_eq!(total, frame.len() + (count - 1) * headers);
}

fn any_offload() -> impl Strategy<Value = Offload> {
    let number = || prop_oneof![0u16..100, any::<u16>()];
    let checksum = prop_oneof![
        Just(Checksum::None),
        Just(Checksum::Valid),
        (number(), number()).prop_map(|(start, offset)| Checksum::Partial { start, offset }),
    ];
    let kind = prop::sample::select(KINDS.map(|(kind, _)| kind).to_vec());
    let gso = (kind, any::<bool>(), number(), number())
        .prop_map(|(kind, ecn, size, hdr_len)| Gso { kind, ecn, size, hdr_len });
    (checksum, prop::option::of(gso)).prop_map(|(checksum, gso)| Offload { checksum, gso })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_with_any_offload_do_no_harm(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            prop::collection::vec(any::<u8>(), 0..=MAX_FRAME),
        ],
        offload in any_offload(),
    ) {
        let mut frame = Frame::from_bytes(&bytes);
        frame.offload = offload;
        cut_anything(&frame);
    }

    #[test]
    fn any_lie_about_a_true_super_frame_does_no_harm(
        truth in any_super(),
        bytes in prop::collection::vec((0usize..120, any::<u8>()), 0..4),
        len in prop_oneof![0usize..200, Just(usize::MAX)],
        size in prop::option::of(any::<u16>()),
        offload in prop::option::weighted(0.2, any_offload()),
    ) {
        let mut frame = truth.frame();
        let len = len.min(frame.len());
        shorten(&mut frame, len);
        for (at, byte) in bytes {
            if let Some(there) = frame.bytes_mut().get_mut(at) {
                *there = byte;
            }
        }
        if let (Some(gso), Some(size)) = (&mut frame.offload.gso, size) {
            gso.size = size;
        }
        frame.offload = offload.unwrap_or(frame.offload);
        cut_anything(&frame);
    }
}
