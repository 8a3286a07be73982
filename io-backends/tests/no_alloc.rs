//! A turn of the engine asks the allocator for nothing.
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use io_backends::epoll::EpollEngine;
use io_backends::fd_engine::FdEngine;
use io_backends::testing::{RawSocket, in_own_netns};
use io_backends::uring::UringEngine;
use io_backends::{Error, lab, tap};
use switch_core::memory::Wire;
use switch_core::{Burst, PortId, Tx};

struct Counting;

static ASKED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test for both: the count is the whole process's.
#[test]
fn turns_with_traffic_allocate_nothing() {
    allocates_nothing(EpollEngine::new);
    allocates_nothing(UringEngine::new);
}

fn allocates_nothing<E: FdEngine + 'static>(make: fn() -> Result<E, Error>) {
    in_own_netns(move || {
        let mut engine = make().unwrap();
        let id = |number| PortId { number, generation: 0 };
        let mut sockets = Vec::new();
        for (number, name) in ["first", "second", "doomed"].into_iter().enumerate() {
            engine.add(id(number as u16), tap::create(name, 1).unwrap().remove(0)).unwrap();
            lab::Place::Here
                .links(|links| {
                    let link = links.require(name)?;
                    links.set(&link, &lab::Wanted { up: Some(true), ..Default::default() })
                })
                .unwrap();
            sockets.push(RawSocket::open(name, false).unwrap());
        }
        let mut burst = Burst::new();
        let frame = Wire::from(&[0xff; 60][..]);
        (0..300).for_each(|_| sockets[0].send(&frame).unwrap());
        (0..100).for_each(|_| sockets[1].send(&frame).unwrap());
        lab::Place::Here
            .links(|links| links.require("doomed").and_then(|link| links.delete(&link)))
            .unwrap();

        let before = ASKED.load(Ordering::Relaxed);
        let mut received = 0;
        let mut gone = None;
        while received < 400 || gone.is_none() {
            burst.clear();
            engine.receive(&mut burst);
            received += burst.len();
            for slot in 0..burst.len() {
                let to = id(1 - burst.ingress(slot).number);
                let mut queue = [Tx::new(to, slot, 60)];
                engine.transmit(burst.frames_mut(), &mut queue);
                assert_eq!(queue[0].result, Ok(()));
            }
            gone = gone.or(engine.take_gone());
            engine.wait(Some(std::time::Duration::ZERO));
        }
        assert_eq!(ASKED.load(Ordering::Relaxed), before);
        assert_eq!(gone, Some(id(2)));
    });
}
