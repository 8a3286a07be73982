//! The worker threads: how many, where, and on which engine.

use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::Sender;
use io_backends::epoll::EpollEngine;
use io_backends::fd_port::FdPort;
use io_backends::runner::Runner;
use io_backends::share::share_out;
use io_backends::uring::UringEngine;
use mio::Waker;
use switch_core::{PortId, Worker};

use crate::config;
use crate::error::CliError;

/// All workers of a switch.
pub(super) struct Workers {
    runners: Vec<Runner>,
    cpus: Vec<Option<usize>>,
    engine: Engine,
}

/// The engine at work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Engine {
    Epoll,
    IoUring,
}

/// The CPU each worker is pinned to, if any.
pub(super) fn cpus(wanted: &config::Workers) -> Vec<Option<usize>> {
    match wanted {
        config::Workers::Auto => vec![None],
        config::Workers::Count(count) => vec![None; *count],
        config::Workers::Cpus(cpus) => cpus.iter().copied().map(Some).collect(),
    }
}

impl Workers {
    /// Starts a thread for each worker, on the engine `wanted`. They tell `gone` of each port whose
    /// device went away, and wake `waker`.
    pub(super) fn start(
        workers: Vec<Worker>,
        cpus: Vec<Option<usize>>,
        wanted: config::Engine,
        clock: Instant,
        gone: &Sender<PortId>,
        waker: &Arc<Waker>,
    ) -> Result<Workers, CliError> {
        let engine = match wanted {
            config::Engine::Auto | config::Engine::Epoll => Engine::Epoll,
            config::Engine::IoUring => Engine::IoUring,
        };
        let start = |(worker, &cpu): (Worker, &Option<usize>)| {
            let (gone, waker) = (gone.clone(), Arc::clone(waker));
            let gone = move |id| {
                // A control thread that no longer listens is about to stop everything.
                let _ = gone.send(id);
                let _ = waker.wake();
            };
            match engine {
                Engine::Epoll => Runner::start(worker, EpollEngine::new, cpu, clock, gone),
                Engine::IoUring => Runner::start(worker, UringEngine::new, cpu, clock, gone),
            }
        };
        let runners = workers.into_iter().zip(&cpus).map(start).collect::<Result<_, _>>()?;
        Ok(Workers { runners, cpus, engine })
    }

    /// The engine at work, as the configuration calls it.
    pub(super) fn engine(&self) -> &'static str {
        match self.engine {
            Engine::Epoll => "epoll",
            Engine::IoUring => "io_uring",
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.runners.len()
    }

    /// The CPU each one is pinned to, if any.
    pub(super) fn cpus(&self) -> &[Option<usize>] {
        &self.cpus
    }

    /// Gives every worker its share of a port.
    ///
    /// # Errors
    /// When the process or the kernel takes no more descriptors; no worker has the port then.
    pub(super) fn add(&self, id: PortId, queues: Vec<FdPort>) -> Result<(), CliError> {
        let shares = share_out(id, queues, self.runners.len())?;
        let mut given = self.runners.iter().zip(shares);
        given.try_for_each(|(runner, share)| runner.add(id, share)).map_err(|error| {
            self.remove(id);
            CliError::from(error)
        })
    }

    /// Takes a port from every worker and closes it.
    pub(super) fn remove(&self, id: PortId) {
        self.runners.iter().for_each(|runner| drop(runner.remove(id)));
    }

    /// Wakes every worker for a turn.
    pub(super) fn wake(&self) {
        self.runners.iter().for_each(Runner::wake);
    }

    /// Ends every worker; their ports are closed then.
    pub(super) fn stop(&mut self) {
        self.runners.clear();
    }
}
