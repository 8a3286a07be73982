//! Ports as the two engines move their frames.

use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use io_backends::Error;
use io_backends::engine::QueueEngine;
use io_backends::engine::epoll::EpollEngine;
use io_backends::engine::uring::UringEngine;
use io_backends::ports::MacvtapMode;
use io_backends::ports::{fd, tap};
use io_backends::queue::{Queue, memory};
use io_backends::testing::in_own_netns;
use switch_core::frame::{Frame, Takes};
use switch_core::port::{Burst, Port, PortFault, PortId, Tx, TxError};
use tests::conformance::check;
use tun_tap::{Iface, Mode};

use crate::rigs::{
    DEVICE, far_end_rig, leave_behind, macvtap_rig, must, one, renew_netns, tap_rig,
};

const ID: PortId = PortId { number: 3, generation: 1 };

/// What the engine's thread is asked; the frames go there and come back.
enum Ask {
    Receive(Vec<Frame>),
    Transmit(Frame),
}

/// The frames, and what became of them.
enum Answer {
    Received(Vec<Frame>, Result<usize, PortFault>),
    Transmitted(Frame, Result<(), TxError>),
}

/// One port of an engine that has a thread of its own.
struct Driven {
    takes: Takes,
    ask: Sender<Ask>,
    answers: Receiver<Answer>,
}

impl Driven {
    fn new<E: QueueEngine + 'static>(
        make: fn() -> Result<E, Error>,
        queue: impl Into<Queue>,
    ) -> Driven {
        let queue = queue.into();
        let takes = queue.takes();
        let (ask, asked) = channel();
        let (answer, answers) = channel();
        thread::spawn(move || {
            let mut engine = must(make());
            must(engine.add(ID, queue));
            let mut driver = Driver { engine, burst: Burst::new(), given: 0, gone: false };
            for ask in asked {
                // Who no longer listens asks no more either.
                let _ = answer.send(driver.obey(ask));
            }
        });
        Driven { takes, ask, answers }
    }

    fn ask(&self, ask: Ask) -> Answer {
        self.ask.send(ask).expect("the engine's thread goes on");
        self.answers.recv().expect("the engine's thread goes on")
    }
}

impl Port for Driven {
    fn receive(&mut self, into: &mut [Frame]) -> Result<usize, PortFault> {
        let frames = into.iter_mut().map(std::mem::take).collect();
        let Answer::Received(frames, result) = self.ask(Ask::Receive(frames)) else {
            unreachable!("it was asked to receive");
        };
        into.iter_mut().zip(frames).for_each(|(place, frame)| *place = frame);
        result
    }

    fn transmit(&mut self, frame: &mut Frame) -> Result<(), TxError> {
        let ask = Ask::Transmit(std::mem::take(frame));
        let Answer::Transmitted(back, result) = self.ask(ask) else {
            unreachable!("it was asked to transmit");
        };
        *frame = back;
        result
    }

    fn takes(&self) -> Takes {
        self.takes
    }
}

/// The engine, and a burst that is handed out piece by piece.
struct Driver<E> {
    engine: E,
    burst: Burst,
    given: usize,
    gone: bool,
}

impl<E: QueueEngine> Driver<E> {
    fn obey(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Receive(mut frames) => {
                let result = self.receive(&mut frames);
                Answer::Received(frames, result)
            }
            Ask::Transmit(frame) => {
                let mut frames = [frame];
                let mut queue = [Tx::new(ID, 0, frames[0].len())];
                self.engine.transmit(&mut frames, &mut queue);
                let [frame] = frames;
                Answer::Transmitted(frame, queue[0].result)
            }
        }
    }

    fn receive(&mut self, into: &mut [Frame]) -> Result<usize, PortFault> {
        if self.given == self.burst.len() && !into.is_empty() {
            self.burst.clear();
            self.given = 0;
            self.engine.receive(&mut self.burst);
            self.gone |= self.engine.take_gone() == Some(ID);
        }
        let count = into.len().min(self.burst.len() - self.given);
        let frames = &mut self.burst.frames_mut()[self.given..self.given + count];
        into[..count].swap_with_slice(frames);
        self.given += count;
        if count == 0 && self.gone { Err(PortFault::Gone) } else { Ok(count) }
    }
}

fn check_tap<E: QueueEngine + 'static>(make: fn() -> Result<E, Error>) {
    in_own_netns(move || {
        check(|| {
            renew_netns();
            tap_rig(Box::new(Driven::new(make, one(tap::create(DEVICE, 1)))))
        });
    });
}

fn check_macvtap<E: QueueEngine + 'static>(make: fn() -> Result<E, Error>) {
    in_own_netns(move || {
        check(|| {
            renew_netns();
            macvtap_rig(MacvtapMode::Passthru, |port| Driven::new(make, port))
        });
    });
}

#[test]
fn tap_by_epoll() {
    check_tap(EpollEngine::new);
}

#[test]
fn tap_by_io_uring() {
    check_tap(UringEngine::new);
}

#[test]
fn tap_without_a_header_by_io_uring() {
    in_own_netns(|| {
        check(|| {
            renew_netns();
            let opener = Iface::without_packet_info(DEVICE, Mode::Tap).expect("a TAP");
            let number = leave_behind(opener.as_raw_fd());
            drop(opener);
            let port = must(fd::adopt(number));
            tap_rig(Box::new(Driven::new(UringEngine::new, port)))
        });
    });
}

#[test]
fn macvtap_by_epoll() {
    check_macvtap(EpollEngine::new);
}

#[test]
fn macvtap_by_io_uring() {
    check_macvtap(UringEngine::new);
}

/// A kind whose frames go through no descriptor.
fn check_memory<E: QueueEngine + 'static>(make: fn() -> Result<E, Error>) {
    check(|| {
        let (queue, far) = memory::pair(1000);
        far_end_rig(Driven::new(make, queue), far)
    });
}

#[test]
fn frames_in_memory_by_epoll() {
    check_memory(EpollEngine::new);
}

#[test]
fn frames_in_memory_by_io_uring() {
    check_memory(UringEngine::new);
}
