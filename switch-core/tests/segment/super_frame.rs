//! Super-frames made to measure, and what their segments must be: each, to the
//! byte, the frame that etherparse builds for its part of the payload.

use etherparse::{
    IpHeaders, IpNumber, Ipv4Header, Ipv4Options, Ipv6Extensions, Ipv6Header, Ipv6RawExtHeader,
    Ipv6RoutingExtensions, PacketBuilder, SlicedPacket, TcpHeader,
};
use proptest::prelude::*;
use switch_core::Frame;
use switch_core::frame::checksum::{Sum, finish};
use switch_core::frame::segment::{Segmenter, measured_len};
use switch_core::frame::{Checksum, Gso, GsoKind, Offload};

/// What can be super-framed: the kind, and whether over IPv4.
pub const KINDS: [(GsoKind, bool); 4] = [
    (GsoKind::TcpV4, true),
    (GsoKind::TcpV6, false),
    (GsoKind::UdpL4, true),
    (GsoKind::UdpL4, false),
];

/// A super-frame to be: what a sender would say about it.
#[derive(Clone, Debug)]
pub struct Super {
    pub kind: GsoKind,
    pub ipv4: bool,
    /// Tags in front, alternately 0x88a8 and 0x8100.
    pub tags: usize,
    /// Words of IPv4 options; for IPv6 the sum of the extension headers there
    /// are: 1 hop-by-hop options, 2 routing, 4 destination options.
    pub extras: usize,
    /// Words of TCP options.
    pub tcp_options: usize,
    pub fin_psh_cwr: bool,
    pub ecn: bool,
    pub first_id: u16,
    pub sequence: u32,
    pub size: u16,
    pub payload: Vec<u8>,
}

impl Super {
    /// `payload` bytes without tags, options and flags, numbers about to wrap.
    pub fn new(kind: GsoKind, ipv4: bool, size: u16, payload: usize) -> Super {
        let payload = (0..payload).map(|i| (i * 7 + i / 256 * 13) as u8).collect();
        Super {
            kind,
            ipv4,
            tags: 0,
            extras: 0,
            tcp_options: 0,
            fin_psh_cwr: false,
            ecn: false,
            first_id: 0xfffe,
            sequence: u32::MAX - 2000,
            size,
            payload,
        }
    }

    fn is_udp(&self) -> bool {
        self.kind == GsoKind::UdpL4
    }

    fn ip_headers(&self, index: usize) -> IpHeaders {
        if self.ipv4 {
            let options: Vec<u8> = vec![1; self.extras * 4];
            let header = Ipv4Header {
                identification: self.first_id.wrapping_add(index as u16),
                dont_fragment: true,
                time_to_live: 64,
                source: [10, 0, 0, 1],
                destination: [10, 255, 3, 2],
                options: Ipv4Options::try_from(&options[..]).unwrap(),
                ..Ipv4Header::default()
            };
            return IpHeaders::Ipv4(header, Default::default());
        }
        let header = Ipv6Header {
            traffic_class: 3,
            hop_limit: 9,
            source: [0xfd; 16],
            destination: [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8],
            ..Ipv6Header::default()
        };
        // A routing header of zeros has no segments left: the frame's destination is the last.
        let raw = |len| Ipv6RawExtHeader::new_raw(IpNumber::UDP, &vec![0; len]).unwrap();
        let extensions = Ipv6Extensions {
            hop_by_hop_options: (self.extras & 1 != 0).then(|| raw(14)),
            routing: (self.extras & 2 != 0).then(|| Ipv6RoutingExtensions {
                routing: raw(22),
                final_destination_options: None,
            }),
            destination_options: (self.extras & 4 != 0).then(|| raw(6)),
            ..Ipv6Extensions::default()
        };
        IpHeaders::Ipv6(header, extensions)
    }

    fn tcp_header(&self, index: usize, is_last: bool) -> TcpHeader {
        let sequence = self.sequence.wrapping_add((index * usize::from(self.size)) as u32);
        let mut header = TcpHeader::new(5001, 80, sequence, 512);
        (header.ack, header.acknowledgment_number) = (true, 77);
        header.fin = self.fin_psh_cwr && is_last;
        header.psh = self.fin_psh_cwr && is_last;
        header.cwr = self.fin_psh_cwr && (index == 0 || !self.ecn);
        header.ece = self.fin_psh_cwr;
        header.set_options_raw(&vec![1; self.tcp_options * 4]).unwrap();
        header
    }

    /// The frame for one part of the payload, its checksums final.
    pub fn build(&self, index: usize, is_last: bool, payload: &[u8]) -> Vec<u8> {
        let ip = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .ip(self.ip_headers(index));
        let mut bytes = Vec::new();
        if self.is_udp() {
            ip.udp(5001, 53).write(&mut bytes, payload).unwrap();
        } else {
            ip.tcp_header(self.tcp_header(index, is_last)).write(&mut bytes, payload).unwrap();
        }
        for tag in 0..self.tags {
            let tpid = if tag % 2 == 0 { 0x88 } else { 0x81 };
            let tag = [tpid, if tpid == 0x88 { 0xa8 } else { 0 }, 0x20, tag as u8 + 1];
            bytes.splice(12..12, tag);
        }
        bytes
    }

    fn headers_len(&self) -> usize {
        self.build(0, true, &[]).len()
    }

    /// The frame as a TAP hands it over: whole, the sum of its pseudo-header in the checksum field.
    pub fn frame(&self) -> Frame {
        let mut bytes = self.build(0, true, &self.payload);
        if !self.is_udp() && self.fin_psh_cwr {
            assert_eq!(bytes[self.transport() + 13], 0b1101_1001, "CWR ECE ACK PSH FIN");
        }
        let (transport, offset) = (self.transport(), if self.is_udp() { 6 } else { 16 });
        let protocol = if self.is_udp() { 17 } else { 6 };
        let len = bytes.len() - transport;
        let addresses = match self.ip_headers(0) {
            IpHeaders::Ipv4(header, _) => [header.source, header.destination].concat(),
            IpHeaders::Ipv6(header, _) => [header.source, header.destination].concat(),
        };
        let pseudo = Sum::of(&addresses).plus(Sum::of_number(len as u32 + protocol)).get();
        bytes[transport + offset..][..2].copy_from_slice(&pseudo.to_be_bytes());
        let mut frame = Frame::from_bytes(&bytes);
        frame.offload = Offload {
            checksum: Checksum::Partial { start: transport as u16, offset: offset as u16 },
            gso: Some(Gso { kind: self.kind, ecn: self.ecn, size: self.size, hdr_len: 0 }),
        };
        frame
    }

    fn transport(&self) -> usize {
        let header = if self.is_udp() { 8 } else { 20 + 4 * self.tcp_options };
        self.headers_len() - header
    }

    /// Cuts it, and compares each segment with what etherparse builds.
    pub fn check(&self) {
        let frame = self.frame();
        let mut cut = Segmenter::new(&frame).unwrap_or_else(|| panic!("not cut: {self:?}"));
        let count = self.payload.len().div_ceil(self.size.into()).max(1);
        assert_eq!(cut.count(), count);
        let longest = self.headers_len() + self.payload.len().min(self.size.into());
        assert_eq!((cut.largest_frame_len(), measured_len(&frame)), (longest, longest));

        let mut segment = Frame::new();
        segment.offload = frame.offload;
        let mut payload = self.payload.as_slice();
        for index in 0..count {
            let (part, rest) = payload.split_at(payload.len().min(self.size.into()));
            payload = rest;
            assert!(cut.next(&frame, &mut segment), "segment {index} of {count}");
            let expected = self.build(index, index + 1 == count, part);
            assert_eq!(segment.bytes(), expected, "segment {index} of {count}");
            assert_eq!(segment.offload, Offload::default());
            SlicedPacket::from_ethernet(segment.bytes()).unwrap();
        }
        let last = segment.bytes().to_vec();
        assert!(!cut.next(&frame, &mut segment), "one too many");
        assert_eq!(segment.bytes(), last);

        // The same sender's frame without GSO: only its checksum is to be finished.
        let mut single = frame;
        single.offload.gso = None;
        assert!(finish(&mut single));
        assert_eq!(single.bytes(), self.build(0, true, &self.payload));
    }
}

/// Any super-frame of up to 100 segments.
pub fn any_super() -> impl Strategy<Value = Super> {
    let flags = (any::<bool>(), any::<bool>());
    let numbers = (any::<u16>(), any::<u32>());
    let lens = (1u16..3000, 0usize..64_000);
    (0..4usize, 0..4usize, 0..=10usize, 0..=10usize, flags, numbers, lens).prop_map(
        |(kind, tags, extras, tcp_options, flags, numbers, (size, payload))| {
            let (kind, ipv4) = KINDS[kind];
            let (fin_psh_cwr, ecn) = flags;
            let (first_id, sequence) = numbers;
            let payload = payload.min(usize::from(size) * 100);
            let plain = Super::new(kind, ipv4, size, payload);
            let plain = Super { tags, extras, tcp_options, fin_psh_cwr, ecn, ..plain };
            Super { first_id, sequence, ..plain }
        },
    )
}
