//! Which worker reads which queue of a port, and how the others reach it.
//!
//! Queue `i` of a port is read by worker (port number + `i`) modulo workers,
//! for as long as the port lives. A flow keeps to one queue ([`crate::ports::tap`]),
//! so it stays with one worker, and in order. Counting from the port's number
//! spreads ports of a single queue over the workers, and the two directions of
//! a conversation too.

use switch_core::PortId;

use crate::error::Error;
use crate::queue::Queue;

/// A worker's part of a port.
pub enum Share {
    /// Queues that it reads, the first of them also to write to.
    Queues(Vec<Queue>),
    /// A [`Queue::sender`]: other workers read the port.
    Sender(Queue),
}

/// Every worker's share of a port with these queues, of which there is at least one.
///
/// # Errors
/// When the process may open no more descriptors.
pub fn share_out(id: PortId, queues: Vec<Queue>, workers: usize) -> Result<Vec<Share>, Error> {
    let senders = (queues.len()..workers).map(|number| queues[number % queues.len()].sender());
    let senders = senders.collect::<Result<Vec<_>, _>>()?;
    let mut read: Vec<Vec<Queue>> = (0..workers).map(|_| Vec::new()).collect();
    for (number, queue) in queues.into_iter().enumerate() {
        read[(id.index() + number) % workers].push(queue);
    }
    // There is one sender for each worker without a queue.
    let mut senders = senders.into_iter();
    let share = |queues: Vec<Queue>| {
        let sender = if queues.is_empty() { senders.next() } else { None };
        sender.map_or(Share::Queues(queues), Share::Sender)
    };
    Ok(read.into_iter().map(share).collect())
}

#[cfg(test)]
mod tests {
    use rustix::io::{read, write};
    use switch_core::Frame;
    use switch_core::port::Port;

    use super::*;
    use crate::queue::tap::tests;

    /// The queues each worker reads, by their order in the port; none for a sender.
    fn shares(number: u16, queues: usize, workers: usize) -> Vec<Vec<u8>> {
        let (ports, far_ends): (Vec<_>, Vec<_>) = (0..queues)
            .map(|_| tests::pair(false))
            .map(|(queue, far)| (Queue::from(queue), far))
            .unzip();
        let id = PortId { number, generation: 0 };
        let mut into = [Frame::new()];
        for (queue, far) in far_ends.iter().enumerate() {
            write(far, &[queue as u8; 60]).unwrap();
        }
        let shares = share_out(id, ports, workers).unwrap();
        assert_eq!(shares.len(), workers);
        let numbers = shares.into_iter().map(|share| match share {
            Share::Queues(queues) => {
                assert!(!queues.is_empty());
                let mut number = |mut queue: Queue| {
                    assert_eq!(queue.receive(&mut into), Ok(1));
                    into[0].bytes()[0]
                };
                queues.into_iter().map(&mut number).collect()
            }
            Share::Sender(mut sender) => {
                sender.transmit(&mut Frame::from_bytes(&[9; 60])).unwrap();
                let mut got = [0; 100];
                assert!(far_ends.iter().any(|far| read(far, &mut got).is_ok()));
                Vec::new()
            }
        });
        numbers.collect()
    }

    #[test]
    fn each_worker_has_a_queue_of_its_own() {
        assert_eq!(shares(0, 3, 3), [[0], [1], [2]]);
        assert_eq!(shares(4, 3, 3), [[2], [0], [1]]);
        assert_eq!(shares(7, 1, 1), [[0]]);
    }

    #[test]
    fn single_queues_are_spread_over_the_workers_and_reached_by_all() {
        assert_eq!(shares(0, 1, 3), [vec![0], vec![], vec![]]);
        assert_eq!(shares(1, 1, 3), [vec![], vec![0], vec![]]);
        assert_eq!(shares(5, 2, 3), [vec![1], vec![], vec![0]]);
    }

    #[test]
    fn more_queues_than_workers() {
        assert_eq!(shares(1, 5, 2), [vec![1, 3], vec![0, 2, 4]]);
    }
}
