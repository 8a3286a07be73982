//! Any virtio-net header before any frame: what is read and written again means
//! the same, or fits no frame.
#![no_main]

use io_backends::queue::vnet::{LEN, decode, encode};
use libfuzzer_sys::fuzz_target;
use switch_core::frame::{Checksum, Offload};

fn meaning(offload: &Offload) -> impl PartialEq + std::fmt::Debug {
    let partial = match offload.checksum {
        Checksum::Partial { start, offset } => Some((start, offset)),
        _ => None,
    };
    (partial, offload.gso.map(|gso| (gso.kind, gso.ecn, gso.size)))
}

fuzz_target!(|input: ([u8; LEN], &[u8])| {
    let (header, frame) = input;
    let offload = decode(&header);
    let again = decode(&encode(&offload, frame));
    if offload.fits(frame.len()) {
        assert_eq!(meaning(&again), meaning(&offload));
        assert!(again.gso.is_none_or(|gso| usize::from(gso.hdr_len) <= frame.len()));
    } else {
        assert!(!again.fits(frame.len()));
    }
});
