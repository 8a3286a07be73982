//! What `tcpdump` sees come in at a netdev, tags included.

use super::{Frame, Lab, Running, within};

/// How long a frame may take, in seconds.
const PATIENCE: u64 = 10;

/// Bytes before the first record of a pcap file, and before each record's frame.
const HEADERS: (usize, usize) = (24, 16);

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
        tcpdump.says("listening on", 10);
        Capture { tcpdump }
    }
}

impl Capture<'_> {
    /// Every frame so far, byte for byte.
    #[must_use]
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        let file = self.tcpdump.bytes();
        let mut rest = file.get(HEADERS.0..).unwrap_or_default();
        let mut frames = Vec::new();
        while let Some((header, after)) = rest.split_at_checked(HEADERS.1) {
            let length = u32::from_ne_bytes(header[8..12].try_into().expect("four bytes"));
            let Some((frame, after)) = after.split_at_checked(length as usize) else { break };
            frames.push(frame.to_vec());
            rest = after;
        }
        frames
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
        let seen = within(PATIENCE, || {
            let frames = self.frames();
            if frames.contains(last) { Ok(frames) } else { Err(frames) }
        });
        seen.unwrap_or_else(|frames| panic!("{last:?} did not come, but {frames:?}"))
    }
}
