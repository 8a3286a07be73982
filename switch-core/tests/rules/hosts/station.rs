//! A host with a TCP/IP stack of its own (smoltcp) on a port of the lab.

use std::collections::VecDeque;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
use switch_core::PortId;

use crate::frames::tags_of;
use crate::lab::Lab;

/// The host's network card: what came, and what is to go.
struct Card {
    mtu: usize,
    /// The VLAN it tags its frames with, as a host on a trunk does.
    vid: Option<u16>,
    came: VecDeque<Vec<u8>>,
    goes: Vec<Vec<u8>>,
}

pub struct RxToken(Vec<u8>);
pub struct TxToken<'c>(&'c mut Vec<Vec<u8>>);

impl phy::RxToken for RxToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut frame = vec![0; len];
        let result = write(&mut frame);
        self.0.push(frame);
        result
    }
}

impl Device for Card {
    type RxToken<'c> = RxToken;
    type TxToken<'c> = TxToken<'c>;

    fn receive(&mut self, _now: Instant) -> Option<(RxToken, TxToken<'_>)> {
        Some((RxToken(self.came.pop_front()?), TxToken(&mut self.goes)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        Some(TxToken(&mut self.goes))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + 14;
        capabilities
    }
}

/// A host.
pub struct Station {
    port: PortId,
    card: Card,
    pub interface: Interface,
    pub sockets: SocketSet<'static>,
}

impl Station {
    /// Host `number` with the addresses 10.0.0.`number`/24 and fd00::`number`/64.
    pub fn new(port: PortId, number: u8, vid: Option<u16>, mtu: usize) -> Station {
        let mac = EthernetAddress([2, 0, 0, 0, port.number as u8, number]);
        let mut card = Card { mtu, vid, came: VecDeque::new(), goes: Vec::new() };
        let mut interface = Interface::new(Config::new(mac.into()), &mut card, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            for (address, prefix) in [(v4(number), 24), (v6(number), 64)] {
                addresses.push(IpCidr::new(address, prefix)).expect("room for two");
            }
        });
        Station { port, card, interface, sockets: SocketSet::new(Vec::new()) }
    }

    /// Takes what came in, lets the stack work, sends what it wants sent.
    pub fn poll(&mut self, lab: &Lab) {
        for wire in lab.received(self.port) {
            let mut bytes = wire.bytes;
            if let Some(vid) = self.card.vid {
                assert_eq!(tags_of(&bytes).first().map(|tag| tag.vid), Some(vid));
                bytes.drain(12..16);
            }
            self.card.came.push_back(bytes);
        }
        let now = Instant::from_micros(lab.now.as_micros() as i64);
        self.interface.poll(now, &mut self.card, &mut self.sockets);
        for mut bytes in self.card.goes.drain(..) {
            if let Some(vid) = self.card.vid {
                let [high, low] = vid.to_be_bytes();
                bytes.splice(12..12, [0x81, 0, high, low]);
            }
            lab.send(self.port, &bytes[..]);
        }
    }

    /// How long it has nothing to do by itself.
    pub fn rests_for(&mut self, now: Duration) -> Option<Duration> {
        let now = Instant::from_micros(now.as_micros() as i64);
        self.interface.poll_delay(now, &self.sockets).map(Into::into)
    }
}

pub fn v4(number: u8) -> IpAddress {
    IpAddress::v4(10, 0, 0, number)
}

pub fn v6(number: u8) -> IpAddress {
    IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, number.into())
}
