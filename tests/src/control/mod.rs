//! The control socket by hand: conversations as the program leads them, and attacks.

mod attacks;

use std::io::{BufRead, BufReader, Error, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

pub use attacks::{ATTACKS, Attack, Attackers};

/// The first line of either side.
pub const HELLO: &str = "{\"netloom\":1}\n";

/// How long an answer may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A conversation past the greeting.
pub struct Conversation(BufReader<UnixStream>);

impl Conversation {
    /// Connects and greets.
    ///
    /// # Errors
    /// What the socket reports; the conversation was cut off then, or never began.
    pub fn begin(socket: &Path) -> std::io::Result<Conversation> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut conversation = Conversation(BufReader::new(stream));
        match conversation.ask(HELLO)? {
            hello if hello["netloom"] == 1 => Ok(conversation),
            other => Err(Error::other(format!("no greeting: {other}"))),
        }
    }

    /// Says a line and returns the answer.
    ///
    /// # Errors
    /// What the socket reports, or that the switch hung up.
    pub fn ask(&mut self, line: &str) -> std::io::Result<Value> {
        self.0.get_mut().write_all(line.as_bytes())?;
        let mut answer = String::new();
        self.0.read_line(&mut answer)?;
        if !answer.ends_with('\n') {
            return Err(Error::new(ErrorKind::UnexpectedEof, format!("cut off after {answer:?}")));
        }
        Ok(serde_json::from_str(&answer)?)
    }
}
