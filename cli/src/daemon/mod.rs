//! A running switch: its control thread.
//!
//! [`start`](Daemon::start) makes everything and returns when every port
//! forwards; [`serve`](Daemon::serve) then answers the control socket, follows
//! the netdevs and heals ports, until it is told to stop;
//! [`stop`](Daemon::stop) takes everything away. Frames are the business of
//! the worker threads alone. All events come in by one poll.

mod apply;
mod lane;
mod log;
mod ports;
mod requests;
mod signals;
mod socket;
mod workers;

use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, unbounded};
use io_backends::ErrorKind;
use io_backends::host::descriptors;
use io_backends::lab::{Journal, LinkWatch, Report};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use switch_core::{PortId, Switch};

use crate::config::{SwitchConfig, changes};
use crate::control::api::{Changed, Reply};
use crate::control::change::{Action, Change, Thing};
use crate::control::client::dies;
use crate::control::rundir::{self, RunDir};
use crate::error::Error;

pub use requests::leftovers;

pub use lane::lacks;

use lane::Road;
use log::Log;
use ports::Lives;
use requests::{Answer, hints};
use signals::Signals;
use socket::{Asked, Patience, Server};
use workers::Workers;

pub use workers::check_cpus;

const SIGNALS: Token = Token(0);
const WATCH: Token = Token(1);
const GONE: Token = Token(2);
const LISTENER: Token = Token(3);

/// Events taken from the poll at once.
const EVENTS: usize = 1024;

/// Looks at the workers without pause before waiting between looks.
const EAGER_LOOKS: u32 = 1000;
/// The wait between looks.
const LOOK: Duration = Duration::from_micros(50);

/// A running switch.
pub struct Daemon {
    dir: RunDir,
    journal: Journal,
    log: Log,
    clock: Instant,
    switch: Switch,
    road: Road,
    workers: Workers,
    /// What is configured; what became of each port of it is in `lives`.
    config: SwitchConfig,
    lives: Lives,
    /// When queues that others can change were last looked at.
    looked: Instant,
    poll: Poll,
    watch: LinkWatch,
    server: Server,
    /// Readable once a signal came; kept open, never read.
    _signals: Rc<Signals>,
    gone: Receiver<PortId>,
    stopping: bool,
}

impl Daemon {
    /// Makes a switch and its ports; returns when every port forwards. Between ports
    /// it asks whether it `is_wanted` still, and whether a signal came.
    ///
    /// # Errors
    /// When anything fails, or it is told to stop; everything made on the way is undone.
    pub fn start(
        name: &str,
        config: &SwitchConfig,
        is_wanted: impl Fn() -> bool,
    ) -> Result<Daemon, Error> {
        let dir = RunDir::of(name);
        dir.check_socket()?;
        let signals = Signals::catch().map_err(|error| Error::io("signals", &error))?;
        let signals = Rc::new(signals);
        descriptors::raise_limit();
        let mut journal = open_journal(&dir)?;
        let undone = journal.undo();
        let go_on = || match signals.came() || !is_wanted() {
            true => Err(told_to_stop(name)),
            false => Ok(()),
        };
        match Daemon::begin(&dir, journal, config, &signals) {
            Ok(mut daemon) => {
                daemon.log_report("cleaned up after a killed switch", &undone);
                let before = daemon.config.clone();
                let wanted = SwitchConfig { name: before.name.clone(), ..config.clone() };
                if let Err(error) = daemon.apply(wanted, None, &go_on) {
                    daemon.log.line(&format!("not started: {error}"));
                    let left = daemon.stop().kept.into_iter().next();
                    return Err(match left {
                        Some(left) => error.hint(format!("left behind: {left}")),
                        None => error,
                    });
                }
                daemon.log_changes(&changes(&before, &daemon.config));
                daemon.log_changes(&[daemon.started()]);
                Ok(daemon)
            }
            Err(error) => {
                // Nothing was made yet; what is left of a killed switch stays recorded.
                if undone.kept.is_empty() {
                    let _ = dir.remove();
                }
                Err(error)
            }
        }
    }

    fn begin(
        dir: &RunDir,
        journal: Journal,
        config: &SwitchConfig,
        signals: &Rc<Signals>,
    ) -> Result<Daemon, Error> {
        let failed = |what: &'static str| move |error: std::io::Error| Error::io(what, &error);
        dir.write_pid()?;
        let log = Log::open(&dir.log())?;
        let poll = Poll::new().map_err(failed("the control loop"))?;
        let registry = poll.registry();
        let watch = LinkWatch::open()?;
        for (fd, token) in [(signals.as_raw_fd(), SIGNALS), (watch.as_raw_fd(), WATCH)] {
            let source = &mut SourceFd(&fd);
            registry.register(source, token, Interest::READABLE).map_err(failed("poll"))?;
        }
        let server = Server::listen(&dir.socket(), registry, LISTENER)?;
        let waker = Waker::new(registry, GONE).map_err(failed("poll"))?;
        let cpus = workers::cpus(&config.workers);
        let clock = Instant::now();
        let (road, switch, workers) = lane::make(config, cpus.len(), clock);
        let (tell, gone) = unbounded();
        let workers = Workers::start(workers, cpus, config.engine, clock, &tell, &Arc::new(waker))?;
        Ok(Daemon {
            dir: dir.clone(),
            journal,
            log,
            clock,
            switch,
            road,
            workers,
            config: SwitchConfig {
                name: Some(dir.name().into()),
                ports: Vec::new(),
                ..config.clone()
            },
            lives: Lives::new(),
            looked: clock,
            poll,
            watch,
            server,
            _signals: Rc::clone(signals),
            gone,
            stopping: false,
        })
    }

    /// The switch's name.
    pub fn name(&self) -> &str {
        self.dir.name()
    }

    /// What `up` reports, with what its user should know.
    pub fn report(&self) -> Changed {
        Changed { changed: vec![self.started()], hints: hints::of(&self.config.ports) }
    }

    fn started(&self) -> Change {
        Change::new(Action::Started, Thing::Switch, self.name()).count(self.config.ports.len())
    }

    /// Serves until a signal or a client says stop; then takes everything away
    /// and tells that client.
    pub fn serve(mut self) -> Changed {
        let mut events = Events::with_capacity(EVENTS);
        while !self.stopping {
            self.open_lane();
            if self.poll.poll(&mut events, self.may_wait()).is_err() {
                // Interrupted by a signal, which waits in its pipe.
                continue;
            }
            for event in &events {
                self.note_event(event.token());
            }
            if !self.stopping {
                self.serve_clients();
                self.look();
                self.heal();
                self.log.tell_repeats();
            }
        }
        self.log.line("told to stop");
        let name = self.name().to_owned();
        requests::stopped(&name, self.stop())
    }

    /// How long the poll may wait; `None` is for ever.
    fn may_wait(&self) -> Option<Duration> {
        let next = [self.next_attempt(), self.log.next_repeats()].into_iter().flatten().min();
        let next = next.map(|at| at.saturating_duration_since(Instant::now()));
        [next, self.server.may_wait()].into_iter().flatten().min()
    }

    fn note_event(&mut self, token: Token) {
        match token {
            SIGNALS => self.stopping = true,
            WATCH => self.follow_links(),
            GONE => self.note_gone(),
            LISTENER => self.server.note_arrivals(),
            client => self.server.note_ready(client),
        }
    }

    /// Gives clients their turns, for a while.
    fn serve_clients(&mut self) {
        self.server.accept(self.poll.registry());
        let until = Server::turn();
        while let Some(asked) = self.server.next_request(until) {
            self.answer(asked);
            if self.stopping || Instant::now() >= until {
                return;
            }
        }
    }

    fn answer(&mut self, asked: Asked) {
        let Asked { client, request, descriptor } = asked;
        let reply = match self.obey(request, descriptor) {
            Ok(Answer::List(rows)) => return self.server.list(client, rows),
            Ok(Answer::Stop) => {
                self.stopping = true;
                let report = self.take_away(self.server.patience(client));
                Reply::done(&requests::stopped(self.name(), report))
            }
            Ok(Answer::Changed(changed)) => {
                self.log_changes(&changed.changed);
                Reply::done(&changed)
            }
            Ok(Answer::Document(document)) => Reply::Done(document),
            Err(error) => {
                self.log.line(&format!("refused: {error}"));
                Reply::Failed(error)
            }
        };
        self.server.reply(client, &reply);
        if self.stopping {
            self.server.finish(client);
        }
    }

    /// Takes away everything the switch made.
    pub fn stop(mut self) -> Report {
        self.take_away(Patience::of_nobody())
    }

    /// A TAP goes with its last descriptor, and the kernel takes its time for each.
    fn take_away(&mut self, mut patience: Patience) -> Report {
        for life in std::mem::take(&mut self.lives).into_values() {
            drop(self.workers.remove(life.id));
            patience.step();
        }
        self.workers.stop();
        let report = self.journal.undo_step_by_step(|| patience.step());
        if report.kept.is_empty() {
            let _ = self.dir.remove();
        } else {
            self.log_report("could not all be taken away", &report);
        }
        report
    }

    /// Who looks into the log later wants to know what was changed, and when.
    fn log_changes(&mut self, changes: &[Change]) {
        changes.iter().for_each(|change| self.log.line(&change.to_string()));
    }

    fn log_report(&mut self, title: &str, report: &Report) {
        for undone in &report.undone {
            self.log.line(&format!("{title}: {}", Change::from(undone.clone())));
        }
        for kept in &report.kept {
            self.log.line(&format!("{title}: {kept}"));
        }
    }

    /// Waits until every worker works by the newest tables.
    fn await_crossing(&mut self) {
        let mut looks = 0;
        self.workers.wake();
        while !self.switch.crossed() {
            looks += 1;
            match looks {
                0..EAGER_LOOKS => std::thread::yield_now(),
                // A worker is a long burst away, or waits for a CPU.
                _ => std::thread::sleep(LOOK),
            }
        }
    }

    /// Seconds on the clock that entries are stamped with.
    fn now(&self) -> u32 {
        self.clock.elapsed().as_secs() as u32
    }
}

fn open_journal(dir: &RunDir) -> Result<Journal, Error> {
    let open = || Journal::open(&rundir::parent(), dir.name());
    // One of this name that was just killed may still be on its way out.
    let opened = open().or_else(|error| if dies(dir) { open() } else { Err(error) });
    opened.map_err(|error| {
        match dir.state() {
            // The remedy is known, and it is not another directory.
            _ if error.kind != ErrorKind::Privilege && error.hint.is_some() => error,
            Some(rundir::State::Running(_)) => {
                let name = dir.name();
                error.hint(format!("`netloom down {name}` stops it; --name takes another name"))
            }
            _ => error.hint("run it as root, or set NETLOOM_RUN_DIR to a directory of yours"),
        }
    })
}

/// The error of a start that was ended from outside.
pub fn told_to_stop(name: &str) -> Error {
    Error::failed(format!("switch {name}"), "it was told to stop before every port forwarded")
        .hint("what it had made is removed again")
}
