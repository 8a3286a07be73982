//! A switch of two TAPs, with workers on threads of their own.

use std::time::{Duration, Instant};

use io_backends::engine::epoll::EpollEngine;
use io_backends::engine::runner::Runner;
use io_backends::engine::share::share_out;
use io_backends::engine::uring::UringEngine;
use io_backends::lab::{Place, Wanted};
use io_backends::ports::tap;
use switch_core::config::{BridgeRules, PortRules};
use switch_core::fdb::Seed;
use switch_core::port::DeviceState;
use switch_core::switch::SwitchStats;
use switch_core::{Port, Switch};

/// Which engine moves the frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EngineKind {
    Epoll,
    IoUring,
}

/// The switch; it ends with the value.
pub struct Rig {
    switch: Switch,
    runners: Vec<Runner>,
}

impl Rig {
    /// Joins the new TAPs `left` and `right` of the calling thread's namespace.
    pub fn new(engine: EngineKind, workers: usize, queues: [u16; 2]) -> Rig {
        let (mut switch, made) =
            Switch::new(BridgeRules::default(), 1024, workers, Seed([1, 2, 3, 4]));
        let clock = Instant::now();
        let runners: Vec<Runner> = made
            .into_iter()
            .map(|worker| match engine {
                EngineKind::Epoll => Runner::start(worker, EpollEngine::new, None, clock, drop),
                EngineKind::IoUring => Runner::start(worker, UringEngine::new, None, clock, drop),
            })
            .collect::<Result<_, _>>()
            .expect("workers");
        for (name, queues) in ["left", "right"].into_iter().zip(queues) {
            let queues = tap::create(name, queues).expect("a TAP");
            let takes = queues[0].takes();
            let device = DeviceState { up: true, mtu: 1500, takes };
            let id = switch.add_port(name, PortRules::default(), device).expect("a number");
            let queues = queues.into_iter().map(Into::into).collect();
            let shares = share_out(id, queues, workers).expect("descriptors");
            for (runner, share) in runners.iter().zip(shares) {
                runner.add(id, share).expect("room");
            }
        }
        let mut rig = Rig { switch, runners };
        rig.cross();
        for name in ["left", "right"] {
            let up = Wanted { up: Some(true), ..Wanted::default() };
            Place::Here
                .links(|links| links.require(name).and_then(|link| links.set(&link, &up)))
                .expect("it can be set up");
        }
        rig
    }

    fn cross(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.switch.crossed() {
            assert!(Instant::now() < deadline, "a worker never crossed");
            self.runners.iter().for_each(Runner::wake);
            std::thread::yield_now();
        }
    }

    /// Waits until the switch has forwarded all; every frame is accounted for then. If some
    /// never are, its counters.
    pub fn at_rest(&self, soon: Duration) -> Result<(), Box<SwitchStats>> {
        let deadline = Instant::now() + soon;
        loop {
            let stats = self.switch.stats();
            if stats.imbalance() == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Box::new(stats));
            }
            std::thread::yield_now();
        }
    }
}
