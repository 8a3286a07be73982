//! UDP from one of a lab's namespaces to another, one datagram at a time.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use super::{Lab, SOON};

impl Lab {
    /// Sends `count` datagrams of `length` bytes from the namespace `from` to `address` in
    /// `to`, each when the last has arrived, just as it was sent.
    ///
    /// # Panics
    /// When one does not arrive, or otherwise.
    #[track_caller]
    pub fn datagrams(&self, from: &str, to: &str, address: &str, length: usize, count: usize) {
        let address: IpAddr = address.parse().unwrap_or_else(|error| panic!("{address}: {error}"));
        let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let bind = |netns, address| {
            let socket = self.inside(netns, || UdpSocket::bind((address, 0)));
            socket.unwrap_or_else(|error| panic!("{address} in {netns}: {error}"))
        };
        let (sender, receiver) = (bind(from, any), bind(to, address));
        receiver.set_read_timeout(Some(Duration::from_secs(SOON))).expect("a deadline");
        let at = receiver.local_addr().expect("an address");
        let mut buffer = vec![0; length + 1];
        for number in 0..count {
            let sent: Vec<_> = (0..length).map(|at| (at * 13 + number + at / 256) as u8).collect();
            sender.send_to(&sent, at).unwrap_or_else(|error| panic!("{from} to {at}: {error}"));
            let (arrived, _) = receiver.recv_from(&mut buffer).unwrap_or_else(|error| {
                panic!("datagram {number} of {length} bytes from {from} to {at}: {error}")
            });
            assert!(buffer[..arrived] == sent, "datagram {number}: {:02x?}", &buffer[..arrived]);
        }
    }
}
