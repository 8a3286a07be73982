//! What is on its way to a client: bytes, and rows that become bytes as they are taken.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use serde::Serialize;

/// A piece of a list ends with the chunk that makes it this long, in bytes …
const PIECE: usize = 64 * 1024;
/// … or, where chunks have few rows or none, when it has taken that long.
const MAKING: Duration = Duration::from_millis(1);
/// Storage up to this size is kept for the next answer, in bytes.
const KEPT: usize = 4096;

/// Writes the next rows; `false` when there are none.
type Writer = dyn FnMut(&mut Vec<u8>) -> bool;

/// A long list, written a few rows at a time.
pub(in crate::daemon) struct Rows {
    write: Box<Writer>,
    /// What it keeps to make them of, in bytes.
    held: usize,
}

impl Rows {
    /// The rows of all `chunks`. Each chunk is made in one go: a bounded amount of work. `held` is
    /// what they keep, in bytes.
    pub(in crate::daemon) fn new<C>(
        held: usize,
        chunks: impl IntoIterator<Item = C, IntoIter: 'static>,
    ) -> Rows
    where
        C: IntoIterator<Item: Serialize>,
    {
        let mut chunks = chunks.into_iter();
        let mut is_first = true;
        let write = move |bytes: &mut Vec<u8>| {
            let Some(chunk) = chunks.next() else { return false };
            for row in chunk {
                if !std::mem::take(&mut is_first) {
                    bytes.push(b',');
                }
                write_json(bytes, &row);
            }
            true
        };
        Rows { write: Box::new(write), held }
    }
}

/// What a client has not taken yet.
#[derive(Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    rows: Option<Rows>,
}

/// How far sending got.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Sent {
    /// Everything is sent.
    All,
    /// The socket took a piece; there is more.
    Piece,
    /// The socket takes no more for now.
    Full,
}

impl Outgoing {
    /// Queues a message: one line.
    pub(super) fn queue(&mut self, message: &impl Serialize) {
        write_json(&mut self.bytes, message);
        self.bytes.push(b'\n');
    }

    /// Queues `{"done":[…]}`. Nothing else may be queued until all is sent.
    pub(super) fn queue_rows(&mut self, rows: Rows) {
        self.bytes.extend_from_slice(b"{\"done\":[");
        self.rows = Some(rows);
    }

    /// Makes the next piece, if there is more to make, and sends as much as goes.
    pub(super) fn send(&mut self, stream: &mut impl Write) -> io::Result<Sent> {
        self.make();
        while self.sent < self.bytes.len() {
            match stream.write(&self.bytes[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Sent::Full),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.clear();
        self.sent = 0;
        if self.rows.is_some() {
            return Ok(Sent::Piece);
        }
        self.bytes.shrink_to(KEPT);
        Ok(Sent::All)
    }

    /// Whether everything is sent.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.rows.is_none()
    }

    /// What is made and not sent.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// The memory it takes, in bytes.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity() + self.rows.as_ref().map_or(0, |rows| rows.held)
    }

    fn make(&mut self) {
        let Some(rows) = &mut self.rows else { return };
        let until = Instant::now() + MAKING;
        while self.bytes.len() < PIECE && Instant::now() < until {
            if !(rows.write)(&mut self.bytes) {
                self.bytes.extend_from_slice(b"]}\n");
                self.rows = None;
                return;
            }
        }
    }
}

fn write_json(bytes: &mut Vec<u8>, message: &impl Serialize) {
    let before = bytes.len();
    // What is sent holds nothing that JSON cannot say, and memory takes any byte.
    if serde_json::to_writer(&mut *bytes, message).is_err() {
        bytes.truncate(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket that takes `room` bytes.
    struct Socket {
        room: usize,
        taken: Vec<u8>,
    }

    impl Write for Socket {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.room -= count;
            self.taken.extend(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn rows_are_made_as_they_are_taken() {
        let mut made = Vec::new();
        let (tell, told) = std::sync::mpsc::channel();
        let chunks = (0..100_000_u32).map(move |n| {
            tell.send(n).unwrap();
            [n, n]
        });
        let mut outgoing = Outgoing::default();
        outgoing.queue_rows(Rows::new(7, chunks));
        let mut socket = Socket { room: 100, taken: Vec::new() };
        // On a busy machine the first pieces may be small.
        while outgoing.send(&mut socket).unwrap() != Sent::Full {}
        made.extend(told.try_iter());
        assert!(made.len() < PIECE, "{} made for a socket that takes nothing", made.len());
        assert!(outgoing.held() < 3 * PIECE);
        socket.room = usize::MAX;
        let mut pieces = 0;
        while outgoing.send(&mut socket).unwrap() == Sent::Piece {
            pieces += 1;
        }
        assert!(pieces > 10 && outgoing.is_empty() && outgoing.held() <= KEPT);
        let document: serde_json::Value = serde_json::from_slice(&socket.taken).unwrap();
        let expected: Vec<_> = (0..100_000).flat_map(|n| [n, n]).collect();
        assert_eq!(document, serde_json::json!({ "done": expected }));
    }

    #[test]
    fn a_list_may_be_empty() {
        let mut socket = Socket { room: 100, taken: Vec::new() };
        let mut outgoing = Outgoing::default();
        outgoing.queue_rows(Rows::new(0, [[0; 0], []]));
        assert_eq!(outgoing.send(&mut socket).unwrap(), Sent::All);
        assert_eq!(socket.taken, b"{\"done\":[]}\n");
    }
}
