//! The simplest forwarder there is: two TAPs, one thread, a read and a write a frame.
//!
//! It looks at no address and knows no VLAN; whatever one end reads the other
//! writes, a virtio-net header with it. `netloom bench` measures switches
//! beside it: with the header it shows what offloads cost and bring, without
//! it what a program gets that opens a TAP as most examples do.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{Timespec, epoll};
use rustix::io::{Errno, read, retry_on_intr, write};
use switch_core::frame::MAX_FRAME;

use io_backends::queue::tap::TapQueue;
use io_backends::queue::vnet;

/// The most frames read from one end before the other has its turn.
const TURN: usize = 64;
/// The longest time from setting `stop` to seeing it.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Carries frames between two queues until `stop` is set, which is seen within
/// 50 ms. Both have a virtio-net header or neither. What an end refuses is
/// lost, as on any cable.
///
/// # Errors
/// When an end's netdev is gone, or waiting fails.
pub fn run(ends: [&TapQueue; 2], stop: &AtomicBool) -> io::Result<()> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (number, end) in ends.iter().enumerate() {
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&poll, end, data, epoll::EventFlags::IN)?;
    }
    let mut events = Vec::with_capacity(ends.len());
    let mut buffer = vec![0; vnet::LEN + MAX_FRAME];
    while !stop.load(Ordering::Relaxed) {
        events.clear();
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&LOOK)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        for event in &events {
            let from = event.data.u64() as usize;
            carry(ends[from], ends[1 - from], &mut buffer)?;
        }
    }
    Ok(())
}

fn carry(from: impl AsFd, to: impl AsFd, buffer: &mut [u8]) -> io::Result<()> {
    for _ in 0..TURN {
        match retry_on_intr(|| read(&from, &mut *buffer)) {
            Ok(length) => {
                let _ = retry_on_intr(|| write(&to, &buffer[..length]));
            }
            Err(Errno::AGAIN) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use io_backends::lab::{Place, Wanted};
    use io_backends::ports::tap;
    use io_backends::testing::{RawSocket, in_own_netns};
    use switch_core::ports::memory::Wire;

    fn up(name: &str) {
        let raise = |links: &mut io_backends::lab::Links| {
            let link = links.require(name)?;
            links.set(&link, &Wanted { up: Some(true), ..Wanted::default() })
        };
        Place::Here.links(raise).unwrap();
    }

    #[test]
    fn carries_frames_both_ways_with_and_without_header() {
        for header in [true, false] {
            in_own_netns(move || {
                let make = |name| match header {
                    true => tap::create(name, 1).unwrap().remove(0),
                    false => tap::create_without_header(name, 1).unwrap().remove(0),
                };
                let ends = [make("one"), make("two")];
                assert!(ends.iter().all(|end| end.has_vnet_header() == header));
                ["one", "two"].into_iter().for_each(up);
                let sockets = ["one", "two"].map(|name| RawSocket::open(name, false).unwrap());
                let stop = AtomicBool::new(false);
                thread::scope(|scope| {
                    let cable = scope.spawn(|| run([&ends[0], &ends[1]], &stop));
                    for (from, to) in [(0, 1), (1, 0)] {
                        let sent = Wire::from(&[0x88; 100][..]);
                        sockets[from].send(&sent).unwrap();
                        let deadline =
                            std::time::Instant::now() + std::time::Duration::from_secs(5);
                        while sockets[to].receive().unwrap().is_none_or(|got| got != sent) {
                            assert!(std::time::Instant::now() < deadline);
                        }
                    }
                    stop.store(true, Ordering::Relaxed);
                    cable.join().unwrap().unwrap();
                });
            });
        }
    }

    #[test]
    fn ends_when_a_netdev_goes() {
        in_own_netns(|| {
            let mut ends = tap::create_without_header("one", 1).unwrap();
            ends.extend(tap::create_without_header("two", 1).unwrap());
            let remove = |links: &mut io_backends::lab::Links| {
                let link = links.require("two")?;
                links.delete(&link)
            };
            Place::Here.links(remove).unwrap();
            let stop = AtomicBool::new(false);
            run([&ends[0], &ends[1]], &stop).unwrap_err();
        });
    }
}
