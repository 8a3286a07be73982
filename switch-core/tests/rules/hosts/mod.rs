//! Hosts with TCP stacks of their own, cabled to the switch: ARP, neighbour
//! discovery, ping, and megabytes of TCP, under a simulated clock.

mod station;

use std::time::Duration;

use smoltcp::iface::SocketHandle;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::{icmp, tcp};
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpAddress};
use switch_core::Vid;
use switch_core::config::{BridgeRules, PortRules};
use switch_core::port::DeviceState;
use switch_core::vlan::{Allowed, VidSet, VlanMode};

use crate::lab::{DEVICE, Lab};
use station::{Station, v4, v6};

/// Cables carry a frame in no time; this much passes between two looks at everything.
const TICK: Duration = Duration::from_micros(200);

struct World {
    lab: Lab,
    stations: Vec<Station>,
}

fn vid(number: u16) -> Vid {
    Vid::configured(number).expect("a VID")
}

fn access(number: u16) -> VlanMode {
    VlanMode::Access(vid(number))
}

impl World {
    fn new() -> World {
        World { lab: Lab::new(BridgeRules::default(), 1024), stations: Vec::new() }
    }

    /// Plugs host `number` in; says its place in the world.
    fn plug(&mut self, number: u8, vlan: VlanMode, tag: Option<u16>, mtu: u32) -> usize {
        let rules = PortRules { vlan, ..PortRules::default() };
        let name = format!("p{}", self.stations.len());
        let port = self.lab.add(&name, rules, DeviceState { mtu, ..DEVICE });
        self.stations.push(Station::new(port, number, tag, mtu as usize));
        self.stations.len() - 1
    }

    /// Lets time pass until `done`, at most so much of it; says whether it was done.
    fn run(&mut self, limit: Duration, mut done: impl FnMut(&mut [Station]) -> bool) -> bool {
        let deadline = self.lab.now + limit;
        while self.lab.now < deadline {
            if done(&mut self.stations) {
                self.lab.check_conservation();
                return true;
            }
            self.stations.iter_mut().for_each(|station| station.poll(&self.lab));
            self.lab.run();
            let now = self.lab.now;
            let rest = self.stations.iter_mut().filter_map(|station| station.rests_for(now)).min();
            self.lab.now += rest.unwrap_or(TICK).clamp(TICK, Duration::from_millis(10));
        }
        false
    }

    fn ping(&mut self, from: usize, to: IpAddress) -> bool {
        let ident = 0x1234;
        let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 512]);
        let mut socket = icmp::Socket::new(buffer(), buffer());
        socket.bind(icmp::Endpoint::Ident(ident)).expect("a free identifier");
        let echo = echo_request(&self.stations[from], ident, to);
        socket.send_slice(&echo, to).expect("room for one");
        let station = &mut self.stations[from];
        let handle = station.sockets.add(socket);
        let answered = self.run(Duration::from_secs(5), |stations| {
            stations[from].sockets.get_mut::<icmp::Socket<'_>>(handle).can_recv()
        });
        self.stations[from].sockets.remove(handle);
        answered
    }

    /// Sends `bytes` from one host to another, several pairs at once, and checks what arrives.
    fn transfer(&mut self, flows: &[(usize, usize, IpAddress)], bytes: usize) {
        let mut ends: Vec<Flow> = Vec::new();
        for (port, &(from, to, address)) in (5001..).zip(flows) {
            let mut server = socket();
            server.listen(port).expect("a free port");
            let server = self.stations[to].sockets.add(server);
            let station = &mut self.stations[from];
            let client = station.sockets.add(socket());
            let socket = station.sockets.get_mut::<tcp::Socket<'_>>(client);
            let context = station.interface.context();
            socket.connect(context, (address, port), 40_000 + port).expect("a way there");
            ends.push(Flow { from, to, client, server, sent: 0, received: 0, bytes });
        }
        let finished = self.run(Duration::from_secs(60), |stations| {
            // Each of them goes on, whether or not another is done.
            ends.iter_mut().map(|flow| flow.step(stations)).filter(|done| !done).count() == 0
        });
        assert!(finished, "a minute has passed");
        for flow in ends {
            self.stations[flow.from].sockets.remove(flow.client);
            self.stations[flow.to].sockets.remove(flow.server);
        }
    }
}

fn socket() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; 128 * 1024]);
    tcp::Socket::new(buffer(), buffer())
}

fn echo_request(station: &Station, ident: u16, to: IpAddress) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let data = b"netloom";
    match to {
        IpAddress::Ipv4(_) => {
            let echo = Icmpv4Repr::EchoRequest { ident, seq_no: 1, data };
            let mut bytes = vec![0; echo.buffer_len()];
            echo.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes), &checksums);
            bytes
        }
        IpAddress::Ipv6(to) => {
            let from = station.interface.get_source_address_ipv6(&to);
            let echo = Icmpv6Repr::EchoRequest { ident, seq_no: 1, data };
            let mut bytes = vec![0; echo.buffer_len()];
            echo.emit(&from, &to, &mut Icmpv6Packet::new_unchecked(&mut bytes), &checksums);
            bytes
        }
    }
}

/// One transfer.
struct Flow {
    from: usize,
    to: usize,
    client: SocketHandle,
    server: SocketHandle,
    sent: usize,
    received: usize,
    bytes: usize,
}

/// The byte at a place of the stream.
fn pattern(at: usize) -> u8 {
    (at.wrapping_mul(31) >> 3) as u8
}

impl Flow {
    /// Writes and reads what goes; `true` when all has arrived and the end was seen.
    fn step(&mut self, stations: &mut [Station]) -> bool {
        let client = stations[self.from].sockets.get_mut::<tcp::Socket<'_>>(self.client);
        while client.can_send() && self.sent < self.bytes {
            let (sent, bytes) = (self.sent, self.bytes);
            let fill = |room: &mut [u8]| {
                let count = room.len().min(bytes - sent);
                room[..count].iter_mut().zip(sent..).for_each(|(byte, at)| *byte = pattern(at));
                (count, count)
            };
            self.sent += client.send(fill).expect("an open connection");
        }
        if self.sent == self.bytes {
            client.close();
        }
        let server = stations[self.to].sockets.get_mut::<tcp::Socket<'_>>(self.server);
        while server.can_recv() {
            let received = self.received;
            let check = |bytes: &mut [u8]| {
                assert!(bytes.iter().zip(received..).all(|(&byte, at)| byte == pattern(at)));
                (bytes.len(), bytes.len())
            };
            self.received += server.recv(check).expect("an open connection");
        }
        self.received == self.bytes && !server.may_recv()
    }
}

#[test]
fn two_hosts_ping_and_the_switch_learns_where_they_are() {
    let mut world = World::new();
    let a = world.plug(1, VlanMode::Transparent, None, 1500);
    world.plug(2, VlanMode::Transparent, None, 1500);
    world.plug(3, VlanMode::Transparent, None, 1500);
    assert!(world.ping(a, v4(2)), "ARP and ICMP");
    assert!(world.ping(a, v6(2)), "neighbour discovery and ICMPv6");
    assert!(!world.ping(a, v4(9)), "nobody is there");
    let entries = world.lab.entries();
    let ports: Vec<u16> = entries.iter().map(|entry| entry.port.number).collect();
    assert_eq!(ports, [0, 1], "the third host has only listened");
}

#[test]
fn four_hosts_move_megabytes_of_tcp_over_both_families() {
    let mut world = World::new();
    let hosts: Vec<usize> =
        (1..=4).map(|number| world.plug(number, VlanMode::Transparent, None, 1500)).collect();
    world.transfer(&[(hosts[0], hosts[1], v4(2)), (hosts[2], hosts[3], v6(4))], 3_000_000);
    world.transfer(&[(hosts[3], hosts[0], v6(1)), (hosts[1], hosts[2], v4(3))], 1_000_000);
    let stats = world.lab.switch.stats();
    assert!(stats.flood_copies < 100, "known addresses are not flooded");
    assert_eq!(stats.ports.iter().map(|port| port.1.all_drops()).sum::<u64>(), 0);
}

#[test]
fn the_same_addresses_in_two_vlans_never_meet() {
    let mut world = World::new();
    let trunk = |vids: &[u16]| VlanMode::Trunk {
        allowed: Allowed::Only(vids.iter().map(|&number| vid(number)).collect::<VidSet>()),
        native: None,
        tpid: switch_core::Tpid::Customer,
    };
    let ten = world.plug(1, access(10), None, 1500);
    let ten_peer = world.plug(2, trunk(&[10]), Some(10), 1500);
    let twenty = world.plug(1, access(20), None, 1500);
    let twenty_peer = world.plug(2, trunk(&[20]), Some(20), 1500);
    let lonely = world.plug(3, access(30), None, 1500);
    world.transfer(&[(ten, ten_peer, v4(2)), (twenty, twenty_peer, v4(2))], 1_000_000);
    world.transfer(&[(ten_peer, ten, v6(1)), (twenty_peer, twenty, v6(1))], 1_000_000);
    assert!(!world.ping(lonely, v4(1)) && !world.ping(lonely, v6(2)));
    let in_vlan = |vlan| world.lab.entries().iter().filter(|e| e.vid == vid(vlan)).count();
    assert_eq!((in_vlan(10), in_vlan(20), in_vlan(30)), (2, 2, 1));
}

#[test]
fn a_tunnel_carries_hosts_that_tag_for_themselves() {
    let mut world = World::new();
    let a = world.plug(1, VlanMode::Tunnel(vid(100)), Some(7), 1500);
    let b = world.plug(2, VlanMode::Tunnel(vid(100)), Some(7), 1500);
    world.transfer(&[(a, b, v4(2)), (b, a, v6(1))], 500_000);
    assert!(world.ping(a, v4(2)));
}

#[test]
fn jumbo_frames_work() {
    let mut world = World::new();
    let a = world.plug(1, access(10), None, 9000);
    let b = world.plug(2, access(10), None, 9000);
    world.transfer(&[(a, b, v4(2)), (b, a, v6(1))], 3_000_000);
    let stats = world.lab.switch.stats();
    let (frames, bytes) = (stats.ports[1].1.tx_frames, stats.ports[1].1.tx_bytes);
    assert!(bytes / frames > 3000, "{bytes} bytes in {frames} frames");
    assert_eq!(stats.ports.iter().map(|port| port.1.all_drops()).sum::<u64>(), 0);
}
