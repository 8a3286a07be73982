//! What a client's bytes say: the reading side of the control protocol, without a socket.

use crate::control::api::{Hello, LONGEST_REQUEST, Request, VERSION};

/// Storage up to this size is kept for the next line, in bytes.
const KEPT: usize = 4096;

/// The bytes a client has sent and that are not understood yet.
///
/// Each byte is looked at once for the end of its line, however the line is cut up on its way.
#[derive(Default)]
pub struct Incoming {
    bytes: Vec<u8>,
    /// Before this all is understood.
    line: usize,
    /// Before this there is no end of a line.
    searched: usize,
    greeted: bool,
}

/// What a line says.
#[derive(Clone, PartialEq, Debug)]
pub enum Heard {
    /// The client speaks this protocol.
    Hello,
    /// It asks.
    Request(Request),
    /// It makes no sense, for this reason; what follows makes none either.
    Nonsense(String),
}

impl Incoming {
    /// Takes in what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next line, once it is whole.
    pub fn hear(&mut self) -> Option<Heard> {
        match self.bytes[self.searched..].iter().position(|&byte| byte == b'\n') {
            Some(length) => {
                let end = self.searched + length;
                let heard = understand(&self.bytes[self.line..end], self.greeted);
                self.greeted |= heard == Heard::Hello;
                self.line = end + 1;
                self.searched = self.line;
                Some(heard)
            }
            None => {
                self.searched = self.bytes.len();
                self.tidy_up();
                (self.bytes.len() > LONGEST_REQUEST).then(|| {
                    let most = LONGEST_REQUEST >> 10;
                    Heard::Nonsense(format!("a request is one line of at most {most} KiB"))
                })
            }
        }
    }

    /// Whether the first line was understood.
    pub fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// Whether nothing is left of what was pushed.
    pub fn is_empty(&self) -> bool {
        self.line == self.bytes.len()
    }

    /// The memory it takes, in bytes.
    pub fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives up what is understood. Only a part of a line is left, so no byte is moved twice.
    fn tidy_up(&mut self) {
        if self.line == 0 {
            return;
        }
        self.bytes.drain(..self.line);
        self.searched -= self.line;
        self.line = 0;
        if self.bytes.is_empty() {
            self.bytes.shrink_to(KEPT);
        }
    }
}

fn understand(line: &[u8], greeted: bool) -> Heard {
    if greeted {
        return match serde_json::from_slice(line) {
            Ok(request) => Heard::Request(request),
            Err(error) => Heard::Nonsense(format!("this is not a request: {error}")),
        };
    }
    match serde_json::from_slice(line) {
        Ok(Hello { netloom: VERSION }) => Heard::Hello,
        Ok(Hello { netloom }) => Heard::Nonsense(format!(
            "the client speaks protocol {netloom}, this switch protocol {VERSION}"
        )),
        Err(_) => Heard::Nonsense("the first line has to be {\"netloom\":1}".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(pieces: &[&[u8]]) -> Vec<Heard> {
        let mut incoming = Incoming::default();
        let mut heard = Vec::new();
        for piece in pieces {
            incoming.push(piece);
            while let Some(line) = incoming.hear() {
                heard.push(line);
            }
        }
        heard
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let bytes = b"{\"netloom\":1}\n{\"info\":{}}\n{\"stats\":{\"port\":null}}\n";
        let whole = heard(&[bytes]);
        let asked = [Request::Info {}, Request::Stats { port: None }].map(Heard::Request);
        assert_eq!(whole, [&[Heard::Hello][..], &asked].concat());
        assert_eq!(heard(&bytes.chunks(1).collect::<Vec<_>>()), whole);
        assert_eq!(heard(&bytes.chunks(20).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn no_byte_is_searched_twice() {
        let mut incoming = Incoming::default();
        for count in 1..=1000 {
            incoming.push(b"x");
            assert_eq!(incoming.hear(), None);
            assert_eq!(incoming.searched, count);
        }
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut incoming = Incoming::default();
        incoming.push(&vec![b' '; LONGEST_REQUEST]);
        assert_eq!(incoming.hear(), None);
        incoming.push(b" ");
        assert!(matches!(incoming.hear(), Some(Heard::Nonsense(why)) if why.contains("256 KiB")));
    }

    #[test]
    fn what_is_understood_takes_no_memory() {
        let mut incoming = Incoming::default();
        incoming.push(b"{\"netloom\":1}\n");
        incoming.push(&[&vec![b' '; 100_000][..], b"{\"info\":{}}\n"].concat());
        assert_eq!(incoming.hear(), Some(Heard::Hello));
        assert!(!incoming.is_empty());
        assert_eq!(incoming.hear(), Some(Heard::Request(Request::Info {})));
        assert_eq!(incoming.hear(), None);
        assert!(incoming.is_empty() && incoming.held() <= KEPT, "{} bytes", incoming.held());
    }
}
