//! A frame's headers in one line, as an independent parser reads them.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use switch_core::Mac;

/// Like `02:00:00:00:00:0a > ff:ff:ff:ff:ff:ff, VLAN 10, ARP, 60 bytes`.
pub fn frame_line(frame: &[u8]) -> String {
    let length = format!("{} bytes", frame.len());
    let Ok(parsed) = LaxSlicedPacket::from_ethernet(frame) else {
        return format!("no Ethernet header, {length}");
    };
    let mac =
        |at: usize| frame.get(at..at + 6).and_then(|mac| Some(Mac::new(mac.try_into().ok()?)));
    let mut parts = Vec::new();
    if let (Some(dst), Some(src)) = (mac(0), mac(6)) {
        parts.push(format!("{src} > {dst}"));
    }
    parts.extend(parsed.link_exts.iter().filter_map(tag));
    match &parsed.net {
        Some(net) => parts.push(network(net)),
        None => parts.extend(
            parsed
                .ether_payload()
                .map(|payload| format!("EtherType {:#06x}", payload.ether_type.0)),
        ),
    }
    parts.extend(parsed.transport.as_ref().map(transport));
    parts.push(length);
    parts.join(", ")
}

fn tag(tag: &LaxLinkExtSlice<'_>) -> Option<String> {
    match tag {
        LaxLinkExtSlice::Vlan(tag) => {
            let (vid, priority) =
                (tag.vlan_identifier().value(), tag.priority_code_point().value());
            Some(match priority {
                0 => format!("VLAN {vid}"),
                priority => format!("VLAN {vid} priority {priority}"),
            })
        }
        LaxLinkExtSlice::Macsec(_) => Some("MACsec".into()),
    }
}

fn network(net: &LaxNetSlice<'_>) -> String {
    match net {
        LaxNetSlice::Ipv4(packet) => {
            let header = packet.header();
            let (src, dst) = (header.source_addr(), header.destination_addr());
            format!("IPv4 {src} > {dst}")
        }
        LaxNetSlice::Ipv6(packet) => {
            let header = packet.header();
            let (src, dst) = (header.source_addr(), header.destination_addr());
            format!("IPv6 {src} > {dst}")
        }
        LaxNetSlice::Arp(packet) => {
            match addresses(packet.sender_protocol_addr(), packet.target_protocol_addr()) {
                Some(addresses) => format!("ARP {addresses}"),
                None => "ARP".into(),
            }
        }
    }
}

fn addresses(sender: &[u8], target: &[u8]) -> Option<String> {
    if let (Ok(sender), Ok(target)) = (<[u8; 4]>::try_from(sender), <[u8; 4]>::try_from(target)) {
        return Some(format!("{} asks for {}", Ipv4Addr::from(sender), Ipv4Addr::from(target)));
    }
    let (sender, target) = (<[u8; 16]>::try_from(sender).ok()?, <[u8; 16]>::try_from(target).ok()?);
    Some(format!("{} asks for {}", Ipv6Addr::from(sender), Ipv6Addr::from(target)))
}

fn transport(transport: &TransportSlice<'_>) -> String {
    let ports = |name, from, to| format!("{name} {from} > {to}");
    match transport {
        TransportSlice::Tcp(tcp) => ports("TCP", tcp.source_port(), tcp.destination_port()),
        TransportSlice::Udp(udp) => ports("UDP", udp.source_port(), udp.destination_port()),
        TransportSlice::Icmpv4(_) => "ICMP".into(),
        TransportSlice::Icmpv6(_) => "ICMPv6".into(),
        TransportSlice::Igmp(_) => "IGMP".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    #[test]
    fn headers_in_one_line() {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .single_vlan(10.try_into().unwrap())
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(68, 67)
            .write(&mut frame, &[0; 4])
            .unwrap();
        assert_eq!(
            frame_line(&frame),
            "02:00:00:00:00:01 > 02:00:00:00:00:02, VLAN 10, IPv4 10.0.0.1 > 10.0.0.2, UDP 68 > 67, 50 bytes"
        );
    }

    #[test]
    fn what_is_unknown_is_told_by_its_number() {
        let mut frame = vec![0xff; 6];
        frame.extend([2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
        assert_eq!(
            frame_line(&frame),
            "02:00:00:00:00:09 > ff:ff:ff:ff:ff:ff, EtherType 0x88b5, 14 bytes"
        );
        assert_eq!(frame_line(&frame[..9]), "no Ethernet header, 9 bytes");
    }
}
