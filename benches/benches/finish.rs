//! What software does for a port whose device takes no offloads: checksums,
//! and cutting a super-frame into segments. Rates are bytes.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use switch_core::Frame;
use switch_core::frame::checksum::{self, Sum};
use switch_core::frame::segment::Segmenter;
use switch_core::frame::{Checksum, Gso, GsoKind, Offload};

const HEADERS: usize = 14 + 20 + 20;
const MSS: usize = 1448;

fn checksums(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    quick(&mut group);
    for len in [60, 1514, 9014, 65_535] {
        let mut frame = Frame::from_bytes(&vec![0x5a; len]);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("sum/{len}"), |bencher| {
            bencher.iter(|| Sum::of(frame.bytes()));
        });
        group.bench_function(format!("finish/{len}"), |bencher| {
            bencher.iter(|| {
                frame.offload.checksum = Checksum::Partial { start: 34, offset: 16 };
                checksum::finish(&mut frame)
            });
        });
    }
    group.finish();
}

/// A TCP super-frame over IPv4 with `payload` bytes.
fn super_frame(payload: usize) -> Frame {
    let mut bytes = vec![0x5a; HEADERS + payload];
    bytes[12..16].copy_from_slice(&[0x08, 0x00, 0x45, 0]);
    bytes[20..24].copy_from_slice(&[0x40, 0, 64, 6]);
    bytes[46] = 0x50;
    let mut frame = Frame::from_bytes(&bytes);
    frame.offload = Offload {
        checksum: Checksum::Partial { start: 34, offset: 16 },
        gso: Some(Gso {
            kind: GsoKind::TcpV4,
            ecn: false,
            size: MSS as u16,
            hdr_len: HEADERS as u16,
        }),
    };
    frame
}

fn segmentation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("segmentation");
    quick(&mut group);
    for segments in [2, 10, 45] {
        let frame = super_frame(segments * MSS);
        let mut into = Frame::new();
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function(format!("TCP over IPv4/{segments} segments"), |bencher| {
            bencher.iter(|| {
                let mut segmenter = Segmenter::new(&frame).expect("a super-frame");
                assert_eq!(segmenter.count(), segments);
                while segmenter.next(&frame, &mut into) {}
                into.len()
            });
        });
    }
    group.finish();
}

fn quick<M: criterion::measurement::Measurement>(group: &mut criterion::BenchmarkGroup<'_, M>) {
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.sample_size(20);
}

criterion_group!(benches, checksums, segmentation);
criterion_main!(benches);
