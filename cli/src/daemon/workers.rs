//! The worker threads: how many, where, and on which engine.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

use crossbeam::channel::Sender;
use io_backends::engine::epoll::EpollEngine;
use io_backends::engine::runner::Runner;
use io_backends::engine::share::share_out;
use io_backends::engine::uring::{UringEngine, trial};
use io_backends::queue::Queue;
use mio::Waker;
use rustix::thread::{CpuSet, sched_getaffinity};
use switch_core::{PortId, Worker};

use crate::config;
use crate::error::Error;

/// The most workers the program chooses by itself.
const MOST_CHOSEN: usize = 4;
/// How many ports get a queue for each worker unless they say otherwise; further ones get one
/// queue, since the kernel takes some 6.5 MB for a TAP with several.
const MOST_WIDE: usize = 64;

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
        config::Workers::Auto => vec![None; chosen(available_parallelism().map_or(1, usize::from))],
        config::Workers::Count(count) => vec![None; *count],
        config::Workers::Cpus(cpus) => cpus.iter().copied().map(Some).collect(),
    }
}

/// Makes sure that this process may use the CPUs that workers are to be pinned to; `place` is
/// where they are named.
///
/// # Errors
/// Exit 2, naming the first that it may not use.
pub fn check_cpus(wanted: &config::Workers, place: &str) -> Result<(), Error> {
    let (config::Workers::Cpus(wanted), Ok(usable)) = (wanted, sched_getaffinity(None)) else {
        return Ok(());
    };
    let may = |cpu: &usize| *cpu < CpuSet::MAX_CPU && usable.is_set(*cpu);
    let Some(cpu) = wanted.iter().find(|cpu| !may(cpu)) else { return Ok(()) };
    let all: Vec<_> = (0..CpuSet::MAX_CPU).filter(may).collect();
    let why = format!("workers names CPU {cpu}, which this process can't use");
    Err(Error::usage(place, why).hint(format!("it can use {}", ranges(&all))))
}

/// Rising numbers in the words of `workers`, like `0-3,6`.
fn ranges(numbers: &[usize]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run.iter().map(ToString::to_string).collect(),
    });
    runs.collect::<Vec<_>>().join(",")
}

/// How many workers a machine with that many CPUs is best served by: the hosts that they
/// serve run there too, and do as much with each frame.
fn chosen(cpus: usize) -> usize {
    (cpus / 2).clamp(1, MOST_CHOSEN)
}

/// Which engine does what is `wanted`.
fn engine(wanted: config::Engine) -> Engine {
    match wanted {
        config::Engine::Epoll => Engine::Epoll,
        config::Engine::IoUring => Engine::IoUring,
        config::Engine::Auto if trial().is_ok_and(|trial| trial.favours_batches()) => {
            Engine::IoUring
        }
        config::Engine::Auto => Engine::Epoll,
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
    ) -> Result<Workers, Error> {
        let engine = engine(wanted);
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

    /// Queues that a port best gets when the switch has `ports` others.
    pub(super) fn queues(&self, ports: usize) -> u16 {
        if ports < MOST_WIDE { self.runners.len() as u16 } else { 1 }
    }

    /// The CPU each one is pinned to, if any.
    pub(super) fn cpus(&self) -> &[Option<usize>] {
        &self.cpus
    }

    /// Gives every worker its share of a port.
    ///
    /// # Errors
    /// When the process or the kernel takes no more descriptors; no worker has the port then.
    pub(super) fn add(&self, id: PortId, queues: Vec<Queue>) -> Result<(), Error> {
        let shares = share_out(id, queues, self.runners.len())?;
        let mut given = self.runners.iter().zip(shares);
        given
            .try_for_each(|(runner, share)| runner.add(id, share))
            .inspect_err(|_| drop(self.remove(id)))
    }

    /// Takes a port from every worker. One of its queues is still open; the others are closed.
    pub(super) fn remove(&self, id: PortId) -> Option<Queue> {
        let take = |kept, runner: &Runner| runner.remove(id).into_iter().next().or(kept);
        self.runners.iter().fold(None, take)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_that_are_not_there_are_named() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(check_cpus(&config::Workers::Count(3), "workers"), Ok(()));
        let error = check_cpus(&config::Workers::Cpus(vec![1023]), "lab.toml:2:11").unwrap_err();
        assert_eq!((error.kind.exit(), &*error.what), (2, "lab.toml:2:11"));
        assert!(error.why.contains("CPU 1023"), "{error}");
    }

    #[test]
    fn half_of_the_cpus_and_not_too_many() {
        assert_eq!([1, 2, 3, 4, 6, 8, 64].map(chosen), [1, 1, 1, 2, 3, 4, 4]);
    }
}
