//! What a client may do to the control socket, by mistake or on purpose.

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::{Conversation, HELLO};

/// How long an attacker waits at a socket before it looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

/// One kind of attack.
pub struct Attack {
    /// What the attackers do.
    pub name: &'static str,
    attackers: usize,
    attacker: fn(&Attacker),
}

/// Every kind.
pub const ATTACKS: &[Attack] = &[
    Attack { name: "asks and never reads", attackers: 1, attacker: deaf },
    Attack { name: "20 ask and never read", attackers: 20, attacker: deaf },
    Attack { name: "asks without end", attackers: 2, attacker: endless },
    Attack { name: "lists the FDB without end", attackers: 4, attacker: lister },
    Attack { name: "four descriptors a byte", attackers: 1, attacker: descriptors },
    Attack { name: "one line, byte by byte", attackers: 1, attacker: byte_by_byte },
    Attack { name: "50 clients that come and go", attackers: 50, attacker: honest },
    Attack { name: "1,000 silent clients", attackers: 1, attacker: silent },
    Attack { name: "half a line and half closed", attackers: 1, attacker: half_open },
    Attack { name: "giant lines", attackers: 4, attacker: giant_lines },
    Attack { name: "binary garbage", attackers: 2, attacker: garbage },
];

/// What one attacker knows.
struct Attacker {
    socket: PathBuf,
    ends: AtomicBool,
    answered: AtomicU64,
    cut_off: AtomicU64,
}

/// An attack under way.
pub struct Attackers {
    shared: Arc<Attacker>,
    threads: Vec<JoinHandle<()>>,
}

impl Attack {
    /// Lets the attackers loose on a switch.
    #[must_use]
    pub fn begin(&self, socket: &Path) -> Attackers {
        let shared = Arc::new(Attacker {
            socket: socket.into(),
            ends: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            cut_off: AtomicU64::new(0),
        });
        let attacker = self.attacker;
        let start = |_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || attacker(&shared))
        };
        let threads = (0..self.attackers).map(start).collect();
        Attackers { shared, threads }
    }
}

impl Attackers {
    /// Requests of honest clients that were answered, and that were not.
    #[must_use]
    pub fn honest(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.shared.answered), read(&self.shared.cut_off))
    }

    /// Ends the attack; what became of honest clients' requests.
    ///
    /// # Panics
    /// When an attacker did.
    pub fn end(self) -> (u64, u64) {
        self.shared.ends.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("the attacker");
        }
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.shared.answered), read(&self.shared.cut_off))
    }
}

impl Attacker {
    fn goes_on(&self) -> bool {
        !self.ends.load(Ordering::Relaxed)
    }

    /// A connection whose calls do not wait for long; `None` when the attack ends first.
    fn connect(&self) -> Option<UnixStream> {
        while self.goes_on() {
            let Ok(stream) = UnixStream::connect(&self.socket) else {
                thread::sleep(LOOK);
                continue;
            };
            stream.set_write_timeout(Some(LOOK)).expect("a timeout");
            stream.set_read_timeout(Some(LOOK)).expect("a timeout");
            return Some(stream);
        }
        None
    }

    /// Writes all of it; `false` when the switch hung up or the attack ends.
    fn write(&self, stream: &mut UnixStream, mut bytes: &[u8]) -> bool {
        while self.goes_on() {
            match stream.write(bytes) {
                Ok(count) if count == bytes.len() => return true,
                Ok(count) => bytes = &bytes[count..],
                Err(error) if is_timeout(&error) => {}
                Err(_) => return false,
            }
        }
        false
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// Asks and never reads.
fn deaf(attacker: &Attacker) {
    while let Some(mut stream) = attacker.connect() {
        let mut lives = attacker.write(&mut stream, HELLO.as_bytes());
        while lives {
            lives = attacker.write(&mut stream, b"{\"stats\":{\"port\":null}}\n");
        }
    }
}

/// Writes `line` without end and throws the answers away.
fn flood(attacker: &Attacker, line: &[u8]) {
    let many = line.repeat(1000);
    while let Some(mut stream) = attacker.connect() {
        let mut answers = stream.try_clone().expect("a second handle");
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut waste = vec![0; 1 << 20];
                loop {
                    match answers.read(&mut waste) {
                        Ok(0) => return,
                        Err(error) if !is_timeout(&error) => return,
                        _ => {}
                    }
                }
            });
            let mut lives = attacker.write(&mut stream, HELLO.as_bytes());
            while lives {
                lives = attacker.write(&mut stream, &many);
            }
            // The switch may have hung up first.
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
}

fn endless(attacker: &Attacker) {
    flood(attacker, b"{\"stats\":{\"port\":null}}\n");
}

fn lister(attacker: &Attacker) {
    flood(attacker, b"{\"fdb\":{}}\n");
}

/// Sends four descriptors with each byte.
fn descriptors(attacker: &Attacker) {
    let file = std::fs::File::open("/dev/null").expect("/dev/null");
    let four = [file.as_fd(); 4];
    while let Some(mut stream) = attacker.connect() {
        let mut lives = attacker.write(&mut stream, HELLO.as_bytes());
        while lives && attacker.goes_on() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(&four));
            let sent = sendmsg(&stream, &[IoSlice::new(b" ")], &mut ancillary, SendFlags::NOSIGNAL);
            match sent {
                Ok(_) => {}
                // The kernel bounds what is under way.
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::TOOMANYREFS) => {
                    thread::yield_now();
                }
                Err(_) => lives = false,
            }
        }
    }
}

/// Sends one long line byte by byte.
fn byte_by_byte(attacker: &Attacker) {
    while let Some(mut stream) = attacker.connect() {
        let mut lives = attacker.write(&mut stream, HELLO.as_bytes());
        while lives {
            lives = attacker.write(&mut stream, b" ");
        }
    }
}

/// Connects, asks, reads the answer and goes, again and again.
fn honest(attacker: &Attacker) {
    while attacker.goes_on() {
        let answer = Conversation::begin(&attacker.socket)
            .and_then(|mut conversation| conversation.ask("{\"info\":{}}\n"));
        let count = match answer {
            Ok(answer) if answer["done"].is_object() => &attacker.answered,
            _ => &attacker.cut_off,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Connects a thousand times, says nothing, and begins anew.
fn silent(attacker: &Attacker) {
    while attacker.goes_on() {
        let held: Vec<_> = (0..1000).map_while(|_| attacker.connect()).collect();
        thread::sleep(LOOK);
        drop(held);
    }
}

/// Says half a line and stays; closes one direction; goes in the middle of an answer.
fn half_open(attacker: &Attacker) {
    while attacker.goes_on() {
        let mut held = Vec::new();
        for n in 0..200 {
            let Some(mut stream) = attacker.connect() else { return };
            let words: &[u8] = match n % 4 {
                0 => b"{\"netl",
                1 => b"{\"netloom\":1}\n{\"po",
                _ => b"{\"netloom\":1}\n{\"stats\":{\"port\":null}}\n",
            };
            attacker.write(&mut stream, words);
            match n % 4 {
                // The switch may have hung up first.
                2 => drop(stream.shutdown(Shutdown::Write)),
                3 => continue,
                _ => {}
            }
            held.push(stream);
        }
        thread::sleep(LOOK);
    }
}

/// Sends lines that have no end.
fn giant_lines(attacker: &Attacker) {
    let chunk = vec![b'x'; 1 << 20];
    while let Some(mut stream) = attacker.connect() {
        let mut lives = attacker.write(&mut stream, HELLO.as_bytes());
        while lives {
            lives = attacker.write(&mut stream, &chunk);
        }
    }
}

/// Sends bytes of every value.
fn garbage(attacker: &Attacker) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while let Some(mut stream) = attacker.connect() {
        let bytes: Vec<u8> = (0..4096)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        attacker.write(&mut stream, &bytes);
        attacker.write(&mut stream, HELLO.as_bytes());
    }
}
