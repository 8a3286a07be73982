//! The worker threads: how many, and where.

use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::Sender;
use io_backends::epoll::EpollEngine;
use io_backends::fd_port::FdPort;
use io_backends::runner::Runner;
use io_backends::share::share_out;
use mio::Waker;
use switch_core::{PortId, Worker};

use crate::config;
use crate::error::CliError;

/// All workers of a switch.
pub(super) struct Workers {
    runners: Vec<Runner>,
    cpus: Vec<Option<usize>>,
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
    /// Starts a thread for each worker. They tell `gone` of each port whose
    /// device went away, and wake `waker`.
    pub(super) fn start(
        workers: Vec<Worker>,
        cpus: Vec<Option<usize>>,
        clock: Instant,
        gone: &Sender<PortId>,
        waker: &Arc<Waker>,
    ) -> Result<Workers, CliError> {
        let start = |(worker, &cpu): (Worker, &Option<usize>)| {
            let (gone, waker) = (gone.clone(), Arc::clone(waker));
            Runner::start(worker, EpollEngine::new, cpu, clock, move |id| {
                // A control thread that no longer listens is about to stop everything.
                let _ = gone.send(id);
                let _ = waker.wake();
            })
        };
        let runners = workers.into_iter().zip(&cpus).map(start).collect::<Result<_, _>>()?;
        Ok(Workers { runners, cpus })
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
