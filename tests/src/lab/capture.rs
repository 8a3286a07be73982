//! What `tcpdump` sees come in at a netdev, tags included.

use pcap_file::PcapError;
use pcap_file::pcap::PcapParser;

use super::{Frame, Lab, Running, SOON, within};

/// A running `tcpdump`.
pub struct Capture<'l> {
    tcpdump: Running<'l>,
}

/// Frames in the order they came.
pub type Frames = Vec<Frame>;

impl Lab {
    /// Starts `tcpdump` on what the netdev `netdev` of the namespace `netns` receives.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn capture(&self, netns: &str, netdev: &str) -> Capture<'_> {
        let words = ["tcpdump", "-i", netdev, "-Q", "in", "-U", "--immediate-mode", "-w", "-"];
        let tcpdump = self.spawn_in(netns, &words);
        tcpdump.says("listening on", SOON);
        Capture { tcpdump }
    }
}

impl Capture<'_> {
    /// Every frame so far, byte for byte.
    ///
    /// # Panics
    /// When what `tcpdump` writes is no capture.
    #[must_use]
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        let file = self.tcpdump.bytes();
        frames(&file).unwrap_or_else(|error| panic!("{error}: {file:02x?}"))
    }

    /// The frames of ours so far.
    #[must_use]
    pub fn frames(&self) -> Frames {
        self.bytes().iter().filter_map(|bytes| Frame::read(bytes)).collect()
    }

    /// The frames of ours up to and including `last`.
    ///
    /// # Panics
    /// When `last` does not come.
    #[track_caller]
    pub fn until(&self, last: &Frame) -> Frames {
        let seen = within(SOON, || {
            let frames = self.frames();
            if frames.contains(last) { Ok(frames) } else { Err(frames) }
        });
        seen.unwrap_or_else(|frames| panic!("{last:?} did not come, but {frames:?}"))
    }
}

/// The whole frames in the beginning of a capture, which may end anywhere.
fn frames(capture: &[u8]) -> Result<Vec<Vec<u8>>, PcapError> {
    let mut frames = Vec::new();
    let mut read = || {
        let (mut rest, parser) = PcapParser::new(capture)?;
        loop {
            let (after, packet) = parser.next_packet(rest)?;
            frames.push(packet.data.into_owned());
            rest = after;
        }
    };
    match read() {
        Err(PcapError::IncompleteBuffer) => Ok(frames),
        Err(error) => Err(error),
        Ok(never) => never,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pcap_file::pcap::{PcapPacket, PcapWriter};

    use super::*;

    #[test]
    fn a_capture_is_read_as_far_as_it_goes() {
        let mut writer = PcapWriter::new(Vec::new()).expect("a vector takes all");
        for byte in [1, 2] {
            let bytes = [byte; 60];
            let packet = PcapPacket::new(Duration::from_secs(7), 60, &bytes);
            writer.write_packet(&packet).expect("a vector takes all");
        }
        let file = writer.into_writer();
        let count = |length: usize| frames(&file[..length]).map(|frames| frames.len()).ok();
        assert_eq!(frames(&file).ok(), Some(vec![vec![1; 60], vec![2; 60]]));
        let lengths = [0, 23, 24, 99, 100, file.len() - 1].map(count);
        assert_eq!(lengths, [0, 0, 0, 0, 1, 1].map(Some));
        assert!(frames(&[7; 24]).is_err(), "no capture");
    }
}
