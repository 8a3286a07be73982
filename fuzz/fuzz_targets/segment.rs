//! Any super-frame, true or not, cut into segments; any checksum finished.
#![no_main]

use std::cell::RefCell;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use switch_core::Frame;
use switch_core::frame::checksum::finish;
use switch_core::frame::{Checksum, Gso, GsoKind, MAX_FRAME, Offload};
use switch_core::frame::segment::{MAX_SEGMENTS, Segmenter, measured_len};

#[derive(Arbitrary, Debug)]
struct Input {
    kind: u8,
    size: u16,
    hdr_len: u16,
    checksum: Option<(u16, u16)>,
    /// Zero bytes behind the others.
    trailer: u16,
    bytes: Vec<u8>,
}

impl Input {
    fn fill(&self, frame: &mut Frame) {
        let mut bytes = self.bytes.clone();
        bytes.resize((bytes.len() + usize::from(self.trailer)).min(MAX_FRAME), 0);
        frame.set(&bytes);
        let checksum = match self.checksum {
            Some((start, offset)) => Checksum::Partial { start, offset },
            None => Checksum::None,
        };
        let kind = match self.kind % 4 {
            0 => Some(GsoKind::TcpV4),
            1 => Some(GsoKind::TcpV6),
            2 => Some(GsoKind::UdpL4),
            _ => None,
        };
        let gso = kind.map(|kind| Gso {
            kind,
            ecn: self.kind >= 128,
            size: self.size,
            hdr_len: self.hdr_len,
        });
        frame.offload = Offload { checksum, gso };
    }
}

fn run(input: &Input, frame: &mut Frame, copy: &mut Frame) {
    input.fill(frame);
    assert!(measured_len(frame) <= frame.len());
    copy.copy_from(frame);
    assert_eq!(finish(copy), copy.offload.is_plain());
    let Some(mut cut) = Segmenter::new(frame) else { return };
    let (count, longest) = (cut.count(), cut.largest_frame_len());
    assert!((1..=MAX_SEGMENTS).contains(&count) && longest <= MAX_FRAME);
    let mut written = 0;
    while cut.next(frame, copy) {
        assert!(copy.len() <= longest && copy.offload.is_plain());
        written += 1;
    }
    assert_eq!(written, count);
}

thread_local! {
    static FRAMES: RefCell<(Frame, Frame)> = RefCell::new((Frame::new(), Frame::new()));
}

fuzz_target!(|input: Input| {
    FRAMES.with_borrow_mut(|(frame, copy)| run(&input, frame, copy));
});
