//! Frames as bytes, with a number by which they are known again at the other end.

/// A MAC address.
pub type Mac = [u8; 6];

/// Everybody.
pub const BROADCAST: Mac = [0xff; 6];

/// The customer's and the provider's tag type (IEEE 802.1Q).
pub const C_TAG: u16 = 0x8100;
/// See [`C_TAG`].
pub const S_TAG: u16 = 0x88a8;

/// What stands before a frame's number.
const MARK: [u8; 4] = *b"nlor";

/// A station's address.
pub fn station(number: u16) -> Mac {
    let [high, low] = number.to_be_bytes();
    [2, 0, 0, 0, high, low]
}

/// A frame of `len` bytes with these tags, outermost first.
pub fn frame(dst: Mac, src: Mac, tags: &[(u16, u16)], len: usize) -> Vec<u8> {
    let mut bytes = [dst, src].concat();
    for (tpid, tci) in tags {
        bytes.extend(tpid.to_be_bytes());
        bytes.extend(tci.to_be_bytes());
    }
    // Local experimental EtherType 1: no protocol of the kernel listens.
    bytes.extend([0x88, 0xb5]);
    let headers = bytes.len();
    bytes.extend((0..len.saturating_sub(headers)).map(|at| (at * 7 + len) as u8));
    bytes
}

/// Puts the number into the frame's last bytes, where it is long enough.
pub fn mark(frame: &mut [u8], number: u32) {
    let headers = headers(frame);
    if let Some(at) = frame.len().checked_sub(8).filter(|&at| at >= headers) {
        frame[at..at + 4].copy_from_slice(&MARK);
        frame[at + 4..].copy_from_slice(&number.to_be_bytes());
    }
}

/// The number in a frame, if it has one. Padding may follow it.
pub fn number(frame: &[u8]) -> Option<u32> {
    let at = frame.windows(4).rposition(|bytes| bytes == MARK)?;
    Some(u32::from_be_bytes(frame.get(at + 4..at + 8)?.try_into().ok()?))
}

/// TPID and TCI of every tag, outermost first.
pub fn tags(frame: &[u8]) -> Vec<(u16, u16)> {
    let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
    let tag = |at| {
        let tpid = word(at).filter(|tpid| [C_TAG, S_TAG].contains(tpid))?;
        Some((tpid, word(at + 2)?))
    };
    (0..).map_while(|nth| tag(12 + 4 * nth)).collect()
}

/// The frame inside one more tag.
pub fn tagged(frame: &[u8], tpid: u16, tci: u16) -> Vec<u8> {
    let tag = [tpid.to_be_bytes(), tci.to_be_bytes()].concat();
    [&frame[..12], &tag, &frame[12..]].concat()
}

fn headers(frame: &[u8]) -> usize {
    14 + 4 * tags(frame).len()
}
