//! `netloom bench`: the package `netloom-bench` measures, this program is what it measures.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use io_backends::Error;
use netloom_bench::{Chosen, PageFile, Peer, Plan, Program, What};
use rustix::process::Pid;
use rustix::thread::CapabilitySet;

use super::subprocess;
use crate::args::{Bench, Global};
use crate::control::api::{Changed, Request, StatsDoc};
use crate::control::client::Client;
use crate::control::rundir::{RunDir, State};
use crate::output;

/// What failures are about.
const BENCH: &str = "bench";
/// How long a switch may take to start or to end, however many ports it has.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures, and shows what came out.
///
/// # Errors
/// Exit 2 when peers are named where there are none, 4 without the privileges, 1 when Netloom does not start or the user interrupts.
pub(super) fn run(global: &Global, arguments: &Bench) -> Result<(), Error> {
    refuse_peers(arguments)?;
    refuse_idle_options(arguments)?;
    subprocess::needs(
        BENCH,
        "to make namespaces and TAPs, to send frames and to have the kernel send them back",
        &[
            ("CAP_NET_ADMIN", CapabilitySet::NET_ADMIN),
            ("CAP_SYS_ADMIN", CapabilitySet::SYS_ADMIN),
            ("CAP_NET_RAW", CapabilitySet::NET_RAW),
            ("CAP_BPF", CapabilitySet::BPF),
        ],
    )?;
    let page = arguments.report.as_deref().map(PageFile::open).transpose()?;
    let stop = subprocess::on_interrupt(BENCH)?;
    let program: Arc<dyn Program> = Arc::new(ThisProgram);
    let document = netloom_bench::run(&plan(arguments), &program, &stop, global.quiet)?;
    if let Some(page) = page {
        page.write(&netloom_bench::page(&document))?;
    }
    output::show(global, &document, |paint| netloom_bench::text(&document, paint))
}

/// This program, run by itself as a person runs it.
struct ThisProgram;

impl Program for ThisProgram {
    fn up(&self, switches: &Path, name: &str, file: &Path) -> Result<(), Error> {
        let mut command = subprocess::netloom(["up", "--detach", "--name", name]);
        command.arg(file).env("NETLOOM_RUN_DIR", switches);
        subprocess::finish(BENCH, command, PATIENCE)
    }

    fn add_port(&self, switches: &Path, name: &str, spec: &str) -> Result<(), Error> {
        let request = Request::PortAdd { spec: spec.to_owned() };
        let _: Changed = Client::connect(&RunDir::under(switches, name))?.ask(&request)?;
        Ok(())
    }

    fn chosen(&self, switches: &Path, name: &str) -> Result<Chosen, Error> {
        let mut client = Client::connect(&RunDir::under(switches, name))?;
        let stats: StatsDoc = client.ask(&Request::Stats { port: None })?;
        Ok(Chosen { engine: stats.engine, workers: stats.workers.len() })
    }

    fn process(&self, switches: &Path, name: &str) -> Option<Pid> {
        match RunDir::under(switches, name).state()? {
            State::Running(process) => i32::try_from(process).ok().and_then(Pid::from_raw),
            State::Dead => None,
        }
    }

    fn down(&self, switches: &Path, name: &str) -> Result<(), Error> {
        match RunDir::under(switches, name).state() {
            Some(_) => Ok(subprocess::take_down(BENCH, switches, name, PATIENCE)?),
            None => Ok(()),
        }
    }
}

/// Refuses peers that would not be measured.
fn refuse_peers(arguments: &Bench) -> Result<(), Error> {
    let peers = arguments.against.as_deref().unwrap_or_default();
    let named = peers.iter().any(|peer| *peer != Peer::None);
    if named && peers.contains(&Peer::None) {
        return Err(Error::usage("--against", "none and peers exclude each other"));
    }
    match arguments.what.is_netloom_alone() && named {
        true => {
            Err(Error::usage("--against", "what is measured here compares Netloom with itself")
                .hint("leave --against out"))
        }
        false => Ok(()),
    }
}

/// Refuses options that have no effect on what is measured.
fn refuse_idle_options(arguments: &Bench) -> Result<(), Error> {
    use What::{Fdb, IdlePorts, Loop, Matrix, Rtt, StoppedReceiver, Tcp, Throughput, Udp};
    let what = arguments.what;
    let given = [
        (
            "--sizes",
            !arguments.sizes.is_empty(),
            &[Loop, Udp, Throughput, IdlePorts, StoppedReceiver][..],
        ),
        ("--queues", !arguments.queues.is_empty(), &[Loop]),
        ("--flows", !arguments.flows.is_empty(), &[Tcp, Udp, Rtt]),
        ("--addresses", arguments.addresses.is_some(), &[Fdb]),
        ("--ports", arguments.idle_ports.is_some(), &[IdlePorts]),
    ];
    for (option, is_given, used_by) in given {
        if is_given && what != Matrix && !used_by.contains(&what) {
            let hint = format!("leave {option} out; `netloom bench --help` says what it is for");
            return Err(Error::usage(option, "is not for what is measured here").hint(hint));
        }
    }
    Ok(())
}

/// Each item once, in order.
fn once<T: PartialEq + Clone>(list: &[T]) -> Vec<T> {
    let mut all = Vec::new();
    for item in list {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
    all
}

fn plan(arguments: &Bench) -> Plan {
    let all = || vec![Peer::KernelBridge, Peer::Ovs, Peer::Vde, Peer::Plain];
    Plan {
        what: arguments.what,
        peers: arguments.against.as_deref().map_or_else(all, once),
        engines: once(&arguments.engines),
        workers: once(&arguments.workers),
        duration: arguments.duration,
        rounds: arguments.rounds.into(),
        sizes: once(&arguments.sizes),
        queues: once(&arguments.queues),
        flows: once(&arguments.flows),
        addresses: arguments.addresses.unwrap_or(131_072),
        idle_ports: arguments.idle_ports.unwrap_or(1000),
        awake: arguments.awake,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn bench(words: &str) -> Bench {
        let line = ["netloom", "bench"].into_iter().chain(words.split(' '));
        match Cli::try_parse_from(line).expect("a command line").command {
            Command::Bench(bench) => bench,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_that_would_do_nothing_are_refused() {
        for words in [
            "tcp --sizes 64",
            "rtt --queues 2",
            "loop --flows 2",
            "loop --addresses 64",
            "fdb --ports 3",
        ] {
            let error = refuse_idle_options(&bench(words)).unwrap_err();
            assert_eq!(error.what, words.split(' ').nth(1).unwrap());
        }
        for words in
            ["matrix --sizes 64 --queues 2 --flows 1 --ports 3", "loop --sizes 64 --queues 1"]
        {
            assert!(refuse_idle_options(&bench(words)).is_ok(), "{words}");
        }
        assert!(refuse_peers(&bench("loop --against none,vde")).is_err());
    }

    #[test]
    fn what_is_said_twice_is_measured_once() {
        let plan = plan(&bench("loop --against vde,vde --engine epoll,epoll --sizes 64,128,64"));
        assert_eq!((plan.peers, plan.engines), (vec![Peer::Vde], vec!["epoll".to_owned()]));
        assert_eq!(plan.sizes, [64, 128]);
    }
}
