//! What keeps a client waiting while the switch works for it: signs of life.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::net::{SendFlags, send};

/// The time between two signs.
const SIGN: Duration = Duration::from_millis(500);

/// Signs of life on the way to a client that waits: blanks, which mean nothing in JSON.
pub(in crate::daemon) struct Patience {
    stream: Option<OwnedFd>,
    next: Instant,
}

impl Patience {
    /// Told over `stream`, if anybody waits there.
    pub(in crate::daemon) fn with(stream: Option<OwnedFd>) -> Patience {
        Patience { stream, next: Instant::now() + SIGN }
    }

    /// Nobody waits.
    pub(in crate::daemon) fn of_nobody() -> Patience {
        Patience::with(None)
    }

    /// A step is done: says so if nothing was said for a while.
    pub(in crate::daemon) fn step(&mut self) {
        let now = Instant::now();
        if let Some(stream) = &self.stream
            && now >= self.next
        {
            self.next = now + SIGN;
            // A client that is gone or does not read is told nothing.
            let _ = send(stream, b" ", SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn signs_of_life_are_blanks_and_not_many() {
        let (mut client, switch) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut patience = Patience::with(Some(switch.into()));
        patience.step();
        client.set_nonblocking(true).unwrap();
        let mut read = || {
            let mut bytes = [0; 8];
            client.read(&mut bytes).map_or(String::new(), |count| {
                String::from_utf8_lossy(&bytes[..count]).into_owned()
            })
        };
        assert_eq!(read(), "");
        patience.next = Instant::now();
        (0..100).for_each(|_| patience.step());
        assert_eq!(read(), " ");
    }
}
