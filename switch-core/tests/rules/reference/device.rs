//! The reference switch's devices: sizes and offloads. Rules 18 and 19.

use switch_core::Frame;
use switch_core::frame::segment::Segmenter;
use switch_core::frame::{Checksum, GsoKind, Offload};
use switch_core::ports::memory::Wire;

use super::model::Port;
use super::tags::word;

/// What a port's device is given: rules 18 and 19.
pub fn hand_over(port: &Port, wire: Wire) -> Result<Vec<Wire>, &'static str> {
    if !port.device.up {
        return Err("port-down");
    }
    let mut frame = Frame::from_bytes(&wire.bytes);
    frame.offload = wire.offload;
    let segments = Segmenter::new(&frame);
    let longest = match &segments {
        Some(segments) => segments.largest_frame_len(),
        None => switch_core::frame::segment::measured_len(&frame),
    };
    let is_tag =
        |at: usize| wire.bytes.len() >= at + 2 && [0x8100, 0x88a8].contains(&word(&wire.bytes, at));
    let tags = if !is_tag(12) { 0 } else { 1 + usize::from(is_tag(16)) };
    if longest > port.device.mtu as usize + 14 + 4 * tags {
        return Err("too-big");
    }
    let (takes, offload) = (port.device.takes, wire.offload);
    let takes_kind = offload.gso.is_none_or(|gso| {
        let kind = match gso.kind {
            GsoKind::TcpV4 => takes.tso4,
            GsoKind::TcpV6 => takes.tso6,
            GsoKind::UdpL4 => takes.uso,
        };
        kind && (takes.tso_ecn || !gso.ecn)
    });
    let Checksum::Partial { start, offset } = offload.checksum else { return Ok(vec![wire]) };
    if takes.checksum && takes_kind {
        return Ok(vec![wire]);
    }
    if offload.gso.is_none() {
        return Ok(vec![finished(wire, start.into(), offset.into())]);
    }
    let mut segments = segments.ok_or("bad-segments")?;
    let gso = offload.gso.expect("a super-frame");
    let (is_udp, many) = (gso.kind == GsoKind::UdpL4, segments.count());
    if is_udp && many > 128 || !is_udp && many > 1 && gso.size < 36 {
        return Err("tiny-segments");
    }
    let mut out = Vec::new();
    let mut segment = Frame::new();
    while segments.next(&frame, &mut segment) {
        out.push(Wire { bytes: segment.bytes().to_vec(), offload: segment.offload });
    }
    Ok(out)
}

/// The Internet checksum (RFC 1071) of all from `start` on, put in its place.
fn finished(mut wire: Wire, start: usize, offset: usize) -> Wire {
    let mut sum: u64 = 0;
    for pair in wire.bytes[start..].chunks(2) {
        sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    let mut checksum = !(sum as u16);
    if checksum == 0 && offset == 6 {
        checksum = 0xffff;
    }
    wire.bytes[start + offset..][..2].copy_from_slice(&checksum.to_be_bytes());
    Wire { bytes: wire.bytes, offload: Offload::default() }
}
