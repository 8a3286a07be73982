//! Order within a flow (rule 7): sequence numbers at full speed, both ways,
//! through both engines, one and several workers, one and several queues.
//!
//! Frames may be lost, since nobody waits for anybody; none may overtake
//! another of its flow. Needs root and `/dev/net/tun`.

mod flows;
mod rig;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use io_backends::testing::in_own_netns;
use measure::packet_socket::PacketSocket;
use rustix::io::Errno;

use flows::{Checker, FLOWS, Flow, Side};
use rig::{EngineKind, Rig};

/// Every EtherType (`ETH_P_ALL`).
const ALL: u16 = 3;

/// How long traffic flows.
const TIME: Duration = Duration::from_millis(700);

/// How long the last frames may take.
const SOON: Duration = Duration::from_secs(10);

/// How long a conversation is before the next, with other ports, begins on both sides at once.
const CONVERSATION: Duration = Duration::from_millis(20);

/// Frames in a row from one flow before it is the next one's turn.
const RUN: u64 = 3;

fn check(engine: EngineKind, workers: usize, queues: [u16; 2]) {
    in_own_netns(move || {
        let rig = Rig::new(engine, workers, queues);
        let sockets =
            ["left", "right"].map(|name| PacketSocket::open(name, ALL).expect("a socket"));
        let stop = AtomicBool::new(false);
        let begun = Instant::now();
        let sides = [Side::Left, Side::Right];
        let checked = thread::scope(|scope| {
            let receivers = [1, 0].map(|from: usize| {
                let (socket, stop) = (&sockets[1 - from], &stop);
                scope.spawn(move || receive(socket, sides[from], stop))
            });
            let senders = [0, 1].map(|from: usize| {
                let (socket, stop) = (&sockets[from], &stop);
                scope.spawn(move || send(socket, sides[from], begun, stop))
            });
            // No event is waited for: traffic runs for so long.
            thread::sleep(TIME);
            stop.store(true, Ordering::Relaxed);
            senders.into_iter().for_each(|sender| sender.join().expect("a sender"));
            receivers.map(|receiver| receiver.join().expect("a receiver"))
        });
        rig.at_rest(SOON);
        for checker in checked {
            assert_eq!(checker.overtaken(), 0, "{engine:?}, {workers} workers, {queues:?} queues");
            for flow in 0..FLOWS {
                assert!(checker.received(flow) > 0, "flow {flow} never arrived");
            }
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

/// Takes what arrives from `side`, until nothing has come for a moment after the end.
fn receive(socket: &PacketSocket, side: Side, stop: &AtomicBool) -> Checker {
    let mut checker = Checker::new(side);
    let mut last = Instant::now();
    let mut frame = [0; 2048];
    while !stop.load(Ordering::Relaxed) || last.elapsed() < Duration::from_millis(200) {
        match socket.receive(&mut frame).expect("the TAP is up") {
            Some(len) => {
                checker.take(&frame[..len]);
                last = Instant::now();
            }
            // Whoever sends needs the CPU more.
            None => thread::sleep(Duration::from_micros(100)),
        }
    }
    checker
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
