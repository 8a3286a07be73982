//! What both engines promise, and each is held to.

use std::os::fd::OwnedFd;
use std::thread;
use std::time::Instant;

use rustix::io::{Errno, read, write};
use switch_core::port::{BURST, Burst, MAX_PORTS, Tx, TxError};

use super::*;
use crate::engine::epoll::EpollEngine;
use crate::engine::queues::MIN_SHARE;
use crate::engine::uring::UringEngine;
use crate::ports::tap;
use crate::queue::memory;
use crate::queue::tap::tests;
use crate::testing::in_own_netns;

trait Make: QueueEngine + Sized {
    fn make() -> Self;
}

impl Make for EpollEngine {
    fn make() -> EpollEngine {
        EpollEngine::new().unwrap()
    }
}

impl Make for UringEngine {
    fn make() -> UringEngine {
        UringEngine::new().unwrap()
    }
}

/// Each of these as a test of either engine.
macro_rules! of_both_engines {
    ($($test:ident),* $(,)?) => {
        mod epoll {
            $(#[test] fn $test() { super::$test::<super::EpollEngine>(); })*
        }
        mod uring {
            $(#[test] fn $test() { super::$test::<super::UringEngine>(); })*
        }
    };
}

of_both_engines!(
    sleeps_until_a_frame_comes,
    a_waker_ends_the_sleep_once,
    a_waker_is_heard_by_a_busy_engine,
    a_busy_port_keeps_nobody_waiting,
    many_ready_ports_take_turns,
    a_number_given_out_again_is_another_port,
    every_queue_of_a_port_is_read_and_the_first_written,
    no_port_past_the_last_number,
    a_deleted_tap_is_told_once_and_then_costs_nothing,
    a_tap_that_is_down_costs_nothing,
    frames_in_memory_come_and_go,
    the_far_end_is_signalled_once_a_turn,
    a_far_end_that_went_away_is_told_once,
);

/// A queue over one end of a socket pair, and the other end.
fn pair(header: bool) -> (Queue, OwnedFd) {
    let (queue, far) = tests::pair(header);
    (queue.into(), far)
}

const LONG: Duration = Duration::from_secs(10);

fn id(number: u16, generation: u16) -> PortId {
    PortId { number, generation }
}

/// Who the burst's frames came from and their first bytes.
fn turn(engine: &mut impl QueueEngine, burst: &mut Burst) -> Vec<(u16, u8)> {
    burst.clear();
    engine.receive(burst);
    (0..burst.len())
        .map(|slot| (burst.ingress(slot).number, burst.frames()[slot].bytes()[0]))
        .collect()
}

fn send(far: &OwnedFd, first: u8) {
    write(far, &[first; 60]).unwrap();
}

fn transmit(engine: &mut impl QueueEngine, burst: &mut Burst, port: PortId) -> Result<(), TxError> {
    burst.frames_mut()[0].set(&[9; 60]);
    let mut queue = [Tx::new(port, 0, 60)];
    engine.transmit(burst.frames_mut(), &mut queue);
    queue[0].result
}

fn sleeps_until_a_frame_comes<E: Make>() {
    let (mut engine, mut burst) = (E::make(), Burst::new());
    let (port, far) = pair(false);
    engine.add(id(4, 7), port).unwrap();
    assert!(turn(&mut engine, &mut burst).is_empty());
    thread::scope(|scope| {
        scope.spawn(|| send(&far, 1));
        engine.wait(Some(LONG));
    });
    assert_eq!(turn(&mut engine, &mut burst), [(4, 1)]);
    assert_eq!(burst.ingress(0), id(4, 7));
}

fn a_waker_ends_the_sleep_once<E: Make>() {
    let mut engine = E::make();
    let waker = engine.waker();
    let begun = Instant::now();
    thread::scope(|scope| {
        scope.spawn(move || (0..3).for_each(|_| waker.wake()));
        engine.wait(None);
    });
    assert!(engine.take_woken() && begun.elapsed() < LONG);
    // What came while it was being read may still be there; then nothing is.
    engine.wait(Some(Duration::ZERO));
    engine.take_woken();
    engine.wait(Some(Duration::from_millis(1)));
    assert!(!engine.take_woken());
}

fn a_waker_is_heard_by_a_busy_engine<E: Make>() {
    let (mut engine, mut burst) = (E::make(), Burst::new());
    let (port, far) = pair(false);
    engine.add(id(0, 0), port).unwrap();
    (0..200).for_each(|_| send(&far, 0));
    turn(&mut engine, &mut burst);
    engine.waker().wake();
    turn(&mut engine, &mut burst);
    assert!(engine.take_woken());
}

fn a_busy_port_keeps_nobody_waiting<E: Make>() {
    let (mut engine, mut burst) = (E::make(), Burst::new());
    let (busy, busy_far) = pair(false);
    let (calm, calm_far) = pair(false);
    engine.add(id(0, 0), busy).unwrap();
    engine.add(id(1, 0), calm).unwrap();
    // An engine may have to find out how much a port gives.
    let fill = || while write(&busy_far, &[0; 60]).is_ok() {};
    let begun = Instant::now();
    loop {
        fill();
        if turn(&mut engine, &mut burst).len() == BURST {
            break;
        }
        assert!(begun.elapsed() < LONG, "alone it never has the whole burst");
    }
    fill();
    send(&calm_far, 1);
    // Who comes in the middle of a turn has its share in the next.
    let turns = [turn(&mut engine, &mut burst), turn(&mut engine, &mut burst)];
    let shared = turns.iter().find(|turn| turn.contains(&(1, 1)));
    let shared = shared.unwrap_or_else(|| panic!("{turns:?}"));
    assert_eq!(shared.iter().filter(|(port, _)| *port == 0).count(), BURST / 2);
}

fn many_ready_ports_take_turns<E: Make>() {
    let (mut engine, mut burst) = (E::make(), Burst::new());
    let mut far_ends = Vec::new();
    for number in 0..40 {
        let (port, far) = pair(false);
        engine.add(id(number, 0), port).unwrap();
        (0..20).for_each(|n| send(&far, n));
        far_ends.push(far);
    }
    let mut next = [0; 40];
    let mut received = 0;
    for _ in 0..40 {
        for (port, byte) in turn(&mut engine, &mut burst) {
            assert_eq!(next[usize::from(port)], byte, "order within port {port}");
            next[usize::from(port)] += 1;
            received += 1;
        }
        let (least, most) = (next.iter().min().unwrap(), next.iter().max().unwrap());
        assert!(most - least <= 2 * MIN_SHARE as u8, "{next:?}");
    }
    assert_eq!(received, 40 * 20);
}

fn a_number_given_out_again_is_another_port<E: Make>() {
    let (mut engine, mut burst) = (E::make(), Burst::new());
    let (old, old_far) = pair(false);
    let (new, new_far) = pair(false);
    engine.add(id(2, 0), old).unwrap();
    send(&old_far, 1);
    engine.wait(Some(LONG));
    assert_eq!(engine.remove(id(2, 1)).len(), 0);
    assert_eq!(engine.remove(id(2, 0)).len(), 1);
    engine.add(id(2, 1), new).unwrap();
    assert!(turn(&mut engine, &mut burst).is_empty());
    assert_eq!(transmit(&mut engine, &mut burst, id(2, 0)), Err(TxError::Down));
    assert_eq!(transmit(&mut engine, &mut burst, id(2, 1)), Ok(()));
    assert_eq!(read(&new_far, &mut [0; 100]), Ok(60));
    assert_eq!(transmit(&mut engine, &mut burst, id(9, 0)), Err(TxError::Down));
}

fn every_queue_of_a_port_is_read_and_the_first_written<E: Make>() {
    let (mut engine, mut burst) = (E::make(), Burst::new());
    let (first, first_far) = pair(false);
    let (second, second_far) = pair(false);
    engine.add(id(3, 0), first).unwrap();
    engine.add(id(3, 0), second).unwrap();
    send(&first_far, 1);
    send(&second_far, 2);
    let mut seen = turn(&mut engine, &mut burst);
    seen.sort_unstable();
    assert_eq!(seen, [(3, 1), (3, 2)]);
    assert_eq!(transmit(&mut engine, &mut burst, id(3, 0)), Ok(()));
    assert_eq!(read(&first_far, &mut [0; 100]), Ok(60));
    assert_eq!(read(&second_far, &mut [0; 100]), Err(Errno::AGAIN));
    assert_eq!(engine.remove(id(3, 0)).len(), 2);
}

fn no_port_past_the_last_number<E: Make>() {
    let mut engine = E::make();
    engine.add(id(MAX_PORTS as u16 - 1, 0), pair(false).0).unwrap();
    assert!(engine.add(id(MAX_PORTS as u16, 0), pair(false).0).is_err());
}

fn a_deleted_tap_is_told_once_and_then_costs_nothing<E: Make>() {
    in_own_netns(|| {
        let (mut engine, mut burst) = (E::make(), Burst::new());
        let taps = tap::create("doomed", 2).unwrap();
        for queue in taps {
            engine.add(id(0, 0), queue.into()).unwrap();
        }
        let (other, far) = pair(false);
        engine.add(id(1, 0), other).unwrap();
        assert!(turn(&mut engine, &mut burst).is_empty());

        crate::lab::Place::Here
            .links(|links| links.require("doomed").and_then(|link| links.delete(&link)))
            .unwrap();
        engine.wait(Some(LONG));
        assert!(turn(&mut engine, &mut burst).is_empty());
        assert_eq!(engine.take_gone(), Some(id(0, 0)));
        assert_eq!(engine.take_gone(), None);
        assert_eq!(transmit(&mut engine, &mut burst, id(0, 0)), Err(TxError::Down));

        // Nothing is ready: the sleep lasts as long as it may.
        let begun = Instant::now();
        engine.wait(Some(Duration::from_millis(50)));
        assert!(begun.elapsed() >= Duration::from_millis(50));
        send(&far, 5);
        assert_eq!(turn(&mut engine, &mut burst), [(1, 5)]);

        // The port comes back under the same id.
        let tap = tap::create("doomed", 1).unwrap().remove(0);
        engine.add(id(0, 0), tap.into()).unwrap();
        assert_eq!(engine.remove(id(0, 0)).len(), 1);
    });
}

fn a_tap_that_is_down_costs_nothing<E: Make>() {
    in_own_netns(|| {
        let (mut engine, mut burst) = (E::make(), Burst::new());
        engine.add(id(0, 0), tap::create("resting", 1).unwrap().remove(0).into()).unwrap();
        assert_eq!(transmit(&mut engine, &mut burst, id(0, 0)), Err(TxError::Down));
        let begun = Instant::now();
        engine.wait(Some(Duration::from_millis(50)));
        assert!(begun.elapsed() >= Duration::from_millis(50));
        assert_eq!(engine.take_gone(), None);
    });
}

fn frames_in_memory_come_and_go<E: Make>() {
    let (mut engine, mut burst) = (E::make(), Burst::new());
    let (queue, far) = memory::pair(200);
    let (other, other_far) = pair(false);
    engine.add(id(6, 0), queue.into()).unwrap();
    engine.add(id(1, 0), other).unwrap();
    assert!(turn(&mut engine, &mut burst).is_empty());
    thread::scope(|scope| {
        scope.spawn(|| far.send(&[1; 60][..]));
        engine.wait(Some(LONG));
    });
    // What came after the signal was cleared, and what fills more than a burst, is found too.
    (2..100).for_each(|n| assert!(far.send(&[n; 60][..])));
    (0..100).for_each(|n| send(&other_far, n));
    let (mut next, mut other_next) = (1, 0);
    while next < 100 || other_next < 100 {
        engine.wait(Some(LONG));
        let brought = turn(&mut engine, &mut burst);
        for (port, byte) in brought {
            let expected = if port == 6 { &mut next } else { &mut other_next };
            assert_eq!(byte, *expected, "order within port {port}");
            *expected += 1;
        }
    }
    let begun = Instant::now();
    engine.wait(Some(Duration::from_millis(20)));
    assert!(turn(&mut engine, &mut burst).is_empty());
    assert!(begun.elapsed() >= Duration::from_millis(20), "a queue without frames is not ready");
}

fn the_far_end_is_signalled_once_a_turn<E: Make>() {
    let (mut engine, mut burst) = (E::make(), Burst::new());
    let (queue, far) = memory::pair(200);
    let (tap, tap_far) = pair(true);
    // The worker that reads it, and one that only sends.
    let mut sender = E::make();
    let queue = Queue::from(queue);
    sender.add_sender(id(6, 0), queue.sender().unwrap()).unwrap();
    engine.add(id(6, 0), queue).unwrap();
    engine.add(id(1, 0), tap).unwrap();
    for engine in [&mut engine, &mut sender] {
        let frames = burst.frames_mut();
        (0..3).for_each(|slot: u8| frames[usize::from(slot)].set(&[slot; 60]));
        // A flood: the same frames to a port with a header, and to one without.
        let mut list: Vec<Tx> = (0..3)
            .flat_map(|slot| [Tx::new(id(1, 0), slot, 60), Tx::new(id(6, 0), slot, 60)])
            .collect();
        engine.transmit(frames, &mut list);
        let sent: Vec<u8> = std::iter::from_fn(|| far.receive()).map(|it| it.bytes[0]).collect();
        assert_eq!(sent, [0, 1, 2]);
        assert!(list.iter().skip(1).step_by(2).all(|tx| tx.result.is_ok()));
        assert_eq!(far.kicks(), 1);
    }
    let mut bytes = [0; 100];
    let sent: Vec<_> = (0..3).map(|_| (read(&tap_far, &mut bytes), bytes[12])).collect();
    assert_eq!(sent, [(Ok(72), 0), (Ok(72), 1), (Ok(72), 2)]);
    assert_eq!(transmit(&mut engine, &mut burst, id(1, 0)), Ok(()));
    assert_eq!(far.kicks(), 0, "there was nothing for it");
}

fn a_far_end_that_went_away_is_told_once<E: Make>() {
    let (mut engine, mut burst) = (E::make(), Burst::new());
    let (queue, far) = memory::pair(10);
    engine.add(id(0, 0), queue.into()).unwrap();
    assert!(far.send(&[1; 60][..]));
    assert_eq!(turn(&mut engine, &mut burst), [(0, 1)]);
    drop(far);
    engine.wait(Some(LONG));
    assert!(turn(&mut engine, &mut burst).is_empty());
    assert_eq!(engine.take_gone(), Some(id(0, 0)));
    assert_eq!(engine.take_gone(), None);
    assert_eq!(transmit(&mut engine, &mut burst, id(0, 0)), Err(TxError::Down));
    let begun = Instant::now();
    engine.wait(Some(Duration::from_millis(50)));
    assert!(begun.elapsed() >= Duration::from_millis(50));
}
