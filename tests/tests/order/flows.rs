//! Flows with sequence numbers, and who checks them.

use std::mem::size_of;

use etherparse::PacketBuilder;
use tests::frames::EXPERIMENTAL;

/// Flows each way.
pub const FLOWS: usize = 12;

/// The last bytes of each frame: the numbers of the flow, of the conversation and of the frame in it.
const TRAILER: usize = 1 + size_of::<u16>() + size_of::<u64>();

/// Where the ports are in a frame of TCP over IPv4.
const TCP_PORTS: usize = 34;

/// Where a flow comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Left,
    Right,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }

    /// One of four hosts on this side.
    fn host(self, flow: usize) -> u8 {
        (flow % 4) as u8 + if self == Side::Left { 1 } else { 101 }
    }
}

/// The frames of one flow, made one after the other in the same bytes. A third
/// of the flows are TCP between the same two hosts, with other ports in each
/// conversation; a third UDP between several; the rest none of IP.
pub struct Flow {
    bytes: Vec<u8>,
    from: Side,
    number: usize,
}

impl Flow {
    pub fn new(from: Side, number: usize) -> Flow {
        let to = from.other();
        let mac = |host| [2, 0, 0, 0, 0, host];
        let (source, target) = match number % 3 {
            0 => (from.host(0), to.host(0)),
            _ => (from.host(number), to.host(number)),
        };
        let ethernet = PacketBuilder::ethernet2(mac(source), mac(target));
        let ip = ethernet.ipv4([10, 0, 0, source], [10, 0, 0, target], 64);
        let mut bytes = Vec::new();
        match number % 3 {
            0 => ip.tcp(0, 0, 0, 65_000).write(&mut bytes, &[0; TRAILER]),
            1 => ip.udp(4000, 4000).write(&mut bytes, &[0; TRAILER]),
            _ => {
                let addresses = [mac(target), mac(source)].concat();
                bytes = [&addresses[..], &EXPERIMENTAL, &[0; 40], &[0; TRAILER]].concat();
                Ok(())
            }
        }
        .expect("a vector takes all");
        let trailer = bytes.len() - TRAILER;
        bytes[trailer] = number as u8;
        Flow { bytes, from, number }
    }

    /// Frame `number` of the flow.
    pub fn frame(&mut self, conversation: u16, number: u64) -> &[u8] {
        let trailer = self.bytes.len() - TRAILER;
        self.bytes[trailer + 1..trailer + 3].copy_from_slice(&conversation.to_be_bytes());
        self.bytes[trailer + 3..].copy_from_slice(&number.to_be_bytes());
        if self.number.is_multiple_of(3) {
            // The same two ports both ways, as in a conversation.
            let port = 1024 + (conversation % 4000) * FLOWS as u16 + self.number as u16;
            let at = if self.from == Side::Left { TCP_PORTS } else { TCP_PORTS + 2 };
            self.bytes[at..at + 2].copy_from_slice(&port.to_be_bytes());
        }
        &self.bytes
    }
}

/// Who counts the frames from one side that were overtaken.
pub struct Checker {
    from: Side,
    flows: [Seen; FLOWS],
    overtaken: u64,
}

/// What was seen of a flow.
#[derive(Clone, Copy, Default)]
struct Seen {
    conversation: u16,
    highest: u64,
    count: u64,
}

impl Checker {
    pub fn new(from: Side) -> Checker {
        Checker { from, flows: [Seen::default(); FLOWS], overtaken: 0 }
    }

    pub fn take(&mut self, frame: &[u8]) {
        let trailer = &frame[frame.len() - TRAILER..];
        let flow = usize::from(trailer[0]);
        assert!(frame[11] == self.from.host(flow) || flow.is_multiple_of(3), "{frame:?}");
        let conversation = u16::from_be_bytes(trailer[1..3].try_into().expect("two bytes"));
        let number = u64::from_be_bytes(trailer[3..].try_into().expect("eight bytes"));
        let seen = &mut self.flows[flow];
        // Two conversations are two flows where ports count; only the latest is followed.
        if conversation > seen.conversation {
            *seen = Seen { conversation, highest: 0, ..*seen };
        } else if conversation == seen.conversation && seen.count > 0 && number <= seen.highest {
            self.overtaken += 1;
        }
        seen.highest = seen.highest.max(number);
        seen.count += 1;
    }

    /// How many frames came after one with the same or a higher number.
    pub fn overtaken(&self) -> u64 {
        self.overtaken
    }

    /// How many frames of a flow came.
    pub fn received(&self, flow: usize) -> u64 {
        self.flows[flow].count
    }
}

#[test]
fn the_checker_sees_frames_overtaken_and_doubled() {
    let mut checker = Checker::new(Side::Left);
    for (flow, conversation, number) in
        [(1, 0, 0), (1, 0, 1), (3, 0, 0), (1, 0, 4), (1, 0, 3), (3, 0, 1), (3, 0, 1), (1, 1, 5)]
    {
        checker.take(Flow::new(Side::Left, flow).frame(conversation, number));
    }
    assert_eq!(checker.overtaken(), 2, "number 3 of one flow, and the second 1 of another");
    assert_eq!((checker.received(1), checker.received(3), checker.received(0)), (5, 3, 0));
}
