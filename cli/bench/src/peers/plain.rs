//! The simplest forwarder: a thread between two TAPs.
//!
//! It is in this program so that it needs nothing installed, and does what the
//! `plain` backend over the `tun-tap` crate does, frame by frame: epoll, then
//! a read and a write for up to 64 frames ([`measure::cable`]). That crate
//! can't give a TAP a virtio-net header; this loop measures both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use io_backends::lab::netns::in_netns;
use io_backends::ports::tap;
use io_backends::queue::tap::TapQueue;
use measure::cable;

use super::rig::{NETDEV, Rig, Wiring};
use io_backends::Error;

/// The thread; it ends with the value.
struct Cable {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(super) fn start(rig: &mut Rig<'_>, header: bool, wiring: &Wiring) -> Result<(), Error> {
    let mut ends = Vec::new();
    for host in &rig.hosts {
        let make = if header { tap::create } else { tap::create_without_header };
        ends.extend(in_netns(&host.netns, || make(NETDEV, 1))??);
        host.set_up(wiring)?;
    }
    let Ok([one, two]) = <[TapQueue; 2]>::try_from(ends) else {
        return Err(Error::failed("plain", "a cable has two ends"));
    };
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // It ends early only when a netdev goes, and then nothing arrives any more.
    let run = move || drop(cable::run([&one, &two], &flag));
    let thread = thread::Builder::new()
        .name("plain".into())
        .spawn(run)
        .map_err(|error| Error::failed("plain", io_backends::error::describe(&error)))?;
    rig.keep(Cable { stop, thread: Some(thread) });
    rig.configuration = match header {
        false => "one thread of this program between two TAPs: epoll, then a read and a write for \
                  up to 64 frames; no virtio-net header, no offloads"
            .into(),
        true => {
            "the same loop with a 12-byte virtio-net header and every offload passed through".into()
        }
    };
    Ok(())
}
