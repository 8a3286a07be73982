use std::thread;
use std::time::Instant;

use rustix::io::{read, write};
use switch_core::port::MAX_PORTS;

use super::*;
use crate::fd_port::tests::pair;
use crate::tap;
use crate::testing::in_own_netns;

const LONG: Duration = Duration::from_secs(10);

fn id(number: u16, generation: u16) -> PortId {
    PortId { number, generation }
}

/// Who the burst's frames came from and their first bytes.
fn turn(engine: &mut EpollEngine, burst: &mut Burst) -> Vec<(u16, u8)> {
    burst.clear();
    engine.receive(burst);
    (0..burst.len())
        .map(|slot| (burst.ingress(slot).number, burst.frames()[slot].bytes()[0]))
        .collect()
}

fn send(far: &OwnedFd, first: u8) {
    write(far, &[first; 60]).unwrap();
}

fn transmit(engine: &mut EpollEngine, burst: &mut Burst, port: PortId) -> Result<(), TxError> {
    burst.frames_mut()[0].set(&[9; 60]);
    let mut queue = [Tx::new(port, 0, 60)];
    engine.transmit(burst.frames_mut(), &mut queue);
    queue[0].result
}

#[test]
fn sleeps_until_a_frame_comes() {
    let (mut engine, mut burst) = (EpollEngine::new().unwrap(), Burst::new());
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

#[test]
fn a_waker_ends_the_sleep_once() {
    let mut engine = EpollEngine::new().unwrap();
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

#[test]
fn a_waker_is_heard_by_a_busy_engine() {
    let (mut engine, mut burst) = (EpollEngine::new().unwrap(), Burst::new());
    let (port, far) = pair(false);
    engine.add(id(0, 0), port).unwrap();
    (0..200).for_each(|_| send(&far, 0));
    turn(&mut engine, &mut burst);
    engine.waker().wake();
    turn(&mut engine, &mut burst);
    assert!(engine.take_woken());
}

#[test]
fn a_busy_port_keeps_nobody_waiting() {
    let (mut engine, mut burst) = (EpollEngine::new().unwrap(), Burst::new());
    let (busy, busy_far) = pair(false);
    let (calm, calm_far) = pair(false);
    engine.add(id(0, 0), busy).unwrap();
    engine.add(id(1, 0), calm).unwrap();
    (0..200).for_each(|_| send(&busy_far, 0));
    assert_eq!(turn(&mut engine, &mut burst).len(), BURST, "alone it has the whole burst");
    send(&calm_far, 1);
    let next = turn(&mut engine, &mut burst);
    assert!(next.contains(&(1, 1)), "{next:?}");
    assert_eq!(next.iter().filter(|(port, _)| *port == 0).count(), BURST / 2);
}

#[test]
fn many_ready_ports_take_turns() {
    let (mut engine, mut burst) = (EpollEngine::new().unwrap(), Burst::new());
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

#[test]
fn a_number_given_out_again_is_another_port() {
    let (mut engine, mut burst) = (EpollEngine::new().unwrap(), Burst::new());
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

#[test]
fn every_queue_of_a_port_is_read_and_the_first_written() {
    let (mut engine, mut burst) = (EpollEngine::new().unwrap(), Burst::new());
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

#[test]
fn no_port_past_the_last_number() {
    let mut engine = EpollEngine::new().unwrap();
    engine.add(id(MAX_PORTS as u16 - 1, 0), pair(false).0).unwrap();
    assert!(engine.add(id(MAX_PORTS as u16, 0), pair(false).0).is_err());
}

#[test]
fn a_deleted_tap_is_told_once_and_then_costs_nothing() {
    in_own_netns(|| {
        let (mut engine, mut burst) = (EpollEngine::new().unwrap(), Burst::new());
        let taps = tap::create("doomed", 2).unwrap();
        for queue in taps {
            engine.add(id(0, 0), queue).unwrap();
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
        engine.add(id(0, 0), tap).unwrap();
        assert_eq!(engine.remove(id(0, 0)).len(), 1);
    });
}

#[test]
fn a_tap_that_is_down_costs_nothing() {
    in_own_netns(|| {
        let (mut engine, mut burst) = (EpollEngine::new().unwrap(), Burst::new());
        engine.add(id(0, 0), tap::create("resting", 1).unwrap().remove(0)).unwrap();
        assert_eq!(transmit(&mut engine, &mut burst, id(0, 0)), Err(TxError::Down));
        let begun = Instant::now();
        engine.wait(Some(Duration::from_millis(50)));
        assert!(begun.elapsed() >= Duration::from_millis(50));
        assert_eq!(engine.take_gone(), None);
    });
}
