//! Frames that tests send and recognise: an experimental EtherType under any tags.

/// A MAC address.
pub type Mac = [u8; 6];

/// The broadcast address.
pub const BROADCAST: Mac = [0xff; 6];

/// An EtherType no protocol of the kernel listens to (IEEE 802, local experimental 1).
pub const EXPERIMENTAL: u16 = 0x88b5;

/// The shortest frame without its check sequence, in bytes.
const SHORTEST: usize = 60;

/// The station address number `number`.
#[must_use]
pub fn mac(number: u16) -> Mac {
    let [high, low] = number.to_be_bytes();
    [2, 0, 0, 0, high, low]
}

/// A frame in its parts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Frame {
    /// The destination.
    pub dst: Mac,
    /// The source.
    pub src: Mac,
    /// TPID and TCI of each tag, outermost first.
    pub tags: Vec<(u16, u16)>,
    /// What follows the EtherType, padding included.
    pub payload: Vec<u8>,
}

impl Frame {
    /// An untagged frame whose payload is `text`, padded with zeros.
    #[must_use]
    pub fn new(dst: Mac, src: Mac, text: &str) -> Frame {
        let mut payload = text.as_bytes().to_vec();
        payload.resize(payload.len().max(SHORTEST - 14), 0);
        Frame { dst, src, tags: Vec::new(), payload }
    }

    /// The same frame inside one more tag.
    #[must_use]
    pub fn tag(mut self, tpid: u16, tci: u16) -> Frame {
        self.tags.insert(0, (tpid, tci));
        self
    }

    /// The same frame with a payload of zeros up to `length` bytes in all.
    #[must_use]
    pub fn length(mut self, length: usize) -> Frame {
        self.payload.resize(length - 14 - 4 * self.tags.len(), 0);
        self
    }

    /// The frame as it is on the wire.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = [self.dst, self.src].concat();
        for (tpid, tci) in &self.tags {
            bytes.extend(tpid.to_be_bytes());
            bytes.extend(tci.to_be_bytes());
        }
        bytes.extend(EXPERIMENTAL.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// Reads a frame; `None` when it is none of ours.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Frame> {
        let word = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let (mut at, mut tags) = (12, Vec::new());
        while let tpid @ (0x8100 | 0x88a8) = word(at)? {
            tags.push((tpid, word(at + 2)?));
            at += 4;
        }
        (word(at)? == EXPERIMENTAL).then(|| Frame {
            dst: bytes[..6].try_into().expect("six bytes"),
            src: bytes[6..12].try_into().expect("six bytes"),
            tags,
            payload: bytes[at + 2..].to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let frame = Frame::new(BROADCAST, mac(258), "text").tag(0x8100, 10).tag(0x88a8, 0xe014);
        let bytes = frame.bytes();
        assert_eq!(bytes.len(), SHORTEST + 8);
        assert_eq!(bytes[6..20], [2, 0, 0, 0, 1, 2, 0x88, 0xa8, 0xe0, 20, 0x81, 0, 0, 10]);
        assert_eq!(Frame::read(&bytes), Some(frame));
        assert_eq!(Frame::read(&bytes[..15]), None);
        assert_eq!(Frame::new(mac(1), mac(2), "").tag(0x8100, 0).length(1518).bytes().len(), 1518);
    }
}
