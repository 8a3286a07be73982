//! Order within a flow (rule 7): sequence numbers at full speed, both ways,
//! through both engines, one and several workers, one and several queues.
//!
//! Frames may be lost, since nobody waits for anybody; none may overtake
//! another of its flow. Needs root and `/dev/net/tun`.

mod flows;
mod rig;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use io_backends::testing::in_own_netns;
use measure::packet_socket::PacketSocket;
use rustix::io::Errno;

use flows::{Checker, FLOWS, Flow, Side};
use rig::{EngineKind, Rig};

/// Every EtherType (`ETH_P_ALL`).
const ALL: u16 = 3;

/// How long traffic flows at least: many conversations.
const TIME: Duration = Duration::from_millis(700);

/// How many frames of each flow arrive at least before it ends.
const ENOUGH: u64 = 200;

/// How long that may take, and then the last frames.
const SOON: Duration = Duration::from_secs(60);

/// How long a conversation is before the next, with other ports, begins on both sides at once.
const CONVERSATION: Duration = Duration::from_millis(20);

/// Frames in a row from one flow before it is the next one's turn.
const RUN: u64 = 3;

fn check(engine: EngineKind, workers: usize, queues: [u16; 2]) {
    in_own_netns(move || {
        let rig = Rig::new(engine, workers, queues);
        let sockets =
            ["left", "right"].map(|name| PacketSocket::open(name, ALL).expect("a socket"));
        let (stop, rested) = (AtomicBool::new(false), AtomicBool::new(false));
        let fewest = [AtomicU64::new(0), AtomicU64::new(0)];
        let begun = Instant::now();
        let sides = [Side::Left, Side::Right];
        let checked = thread::scope(|scope| {
            let receivers = [1, 0].map(|from: usize| {
                let (socket, fewest, rested) = (&sockets[1 - from], &fewest[from], &rested);
                scope.spawn(move || receive(socket, sides[from], fewest, rested))
            });
            let senders = [0, 1].map(|from: usize| {
                let (socket, stop) = (&sockets[from], &stop);
                scope.spawn(move || send(socket, sides[from], begun, stop))
            });
            let arrived = || fewest.each_ref().map(|count| count.load(Ordering::Relaxed));
            let is_enough = || begun.elapsed() > TIME && arrived().iter().all(|n| *n >= ENOUGH);
            while !is_enough() && begun.elapsed() < SOON {
                thread::sleep(Duration::from_millis(10));
            }
            stop.store(true, Ordering::Relaxed);
            senders.into_iter().for_each(|sender| sender.join().expect("a sender"));
            let balance = rig.at_rest(SOON);
            rested.store(true, Ordering::Relaxed);
            let checked = receivers.map(|receiver| receiver.join().expect("a receiver"));
            balance.unwrap_or_else(|stats| panic!("frames are unaccounted for: {stats:?}"));
            checked
        });
        for checker in checked {
            let case = format!("{engine:?}, {workers} workers, {queues:?} queues");
            assert_eq!(checker.overtaken(), 0, "{case}");
            let received: Vec<_> = (0..FLOWS).map(|flow| checker.received(flow)).collect();
            assert!(received.iter().all(|count| *count >= ENOUGH), "{case}: {received:?}");
        }
    });
}

/// Sends all flows in turns, as fast as the netdev takes them.
fn send(socket: &PacketSocket, side: Side, begun: Instant, stop: &AtomicBool) {
    let mut flows: Vec<(Flow, u64)> = (0..FLOWS).map(|flow| (Flow::new(side, flow), 0)).collect();
    while !stop.load(Ordering::Relaxed) {
        let conversation = (begun.elapsed().as_micros() / CONVERSATION.as_micros()) as u16;
        for (flow, next) in &mut flows {
            for _ in 0..RUN {
                match socket.send(flow.frame(conversation, *next)) {
                    Ok(()) => *next += 1,
                    Err(Errno::NOBUFS | Errno::AGAIN) => thread::yield_now(),
                    Err(errno) => panic!("{errno}"),
                }
            }
        }
    }
}

/// Takes what arrives from `side`, until the switch rests and all it sent is taken. Says how
/// many frames of the flow have arrived of which the fewest have.
fn receive(socket: &PacketSocket, side: Side, fewest: &AtomicU64, rested: &AtomicBool) -> Checker {
    let mut checker = Checker::new(side);
    let mut frame = [0; 2048];
    loop {
        let is_last = rested.load(Ordering::Relaxed);
        while let Some(len) = socket.receive(&mut frame).expect("the TAP is up") {
            checker.take(&frame[..len]);
        }
        if is_last {
            return checker;
        }
        let counts = (0..FLOWS).map(|flow| checker.received(flow));
        fewest.store(counts.min().unwrap_or_default(), Ordering::Relaxed);
        // Whoever sends needs the CPU more.
        thread::sleep(Duration::from_micros(100));
    }
}

#[test]
fn epoll_one_worker() {
    check(EngineKind::Epoll, 1, [1, 1]);
    check(EngineKind::Epoll, 1, [3, 2]);
}

#[test]
fn epoll_two_workers_a_queue_each() {
    check(EngineKind::Epoll, 2, [2, 2]);
}

#[test]
fn epoll_two_workers_that_share_queues() {
    check(EngineKind::Epoll, 2, [1, 1]);
    check(EngineKind::Epoll, 2, [3, 1]);
}

#[test]
fn io_uring_one_worker() {
    check(EngineKind::IoUring, 1, [1, 1]);
    check(EngineKind::IoUring, 1, [3, 2]);
}

#[test]
fn io_uring_two_workers_a_queue_each() {
    check(EngineKind::IoUring, 2, [2, 2]);
}

#[test]
fn io_uring_two_workers_that_share_queues() {
    check(EngineKind::IoUring, 2, [1, 1]);
    check(EngineKind::IoUring, 2, [3, 1]);
}
