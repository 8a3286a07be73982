//! `netloom up`.

use io_backends::host::daemonize::{Background, Side, split};
use serde::{Deserialize, Serialize};

use crate::args::{Global, Up};
use crate::commands::interrupt::Interrupt;
use crate::config::{self, Described, LaneMode, SwitchConfig};
use crate::control::api::{Changed, Request};
use crate::control::client::Client;
use crate::control::rundir::RunDir;
use crate::daemon::{Daemon, check_cpus, told_to_stop};
use crate::error::Error;
use crate::output;

/// What the background process reports when all is ready, or why it is not.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    Ready(Changed),
    Failed(Error),
}

/// Starts a switch and serves until it is told to stop, or leaves it in the background.
///
/// # Errors
/// Exit 2 when file or SPECs are wrong; what [`Daemon::start`] reports.
pub(super) fn run(global: &Global, up: &Up) -> Result<(), Error> {
    let (name, config) = described(global, up)?;
    // Asked once, before the process leaves the directory it may be relative to.
    crate::control::rundir::parent();
    output::note(
        global,
        &format!("switch {name} keeps its files in {}", RunDir::of(&name).path().display()),
    );
    if up.detach {
        return detach(global, &name, &config);
    }
    let daemon = Daemon::start(&name, &config, || true)?;
    if let Err(error) = output::changed(global, &daemon.report()) {
        daemon.stop();
        return Err(stopped_again(error, &name));
    }
    output::hint(global, "Ctrl-C stops it and removes what it made");
    let stopped = daemon.serve();
    // With --json the one document has been printed; and a reader that hung up keeps nothing here.
    if !global.json && !global.quiet {
        let line = stopped.changed.first().map(ToString::to_string);
        let _ = output::show(global, &stopped, |_| line.unwrap_or_default());
        stopped.hints.iter().for_each(|text| output::hint(global, text));
    }
    Ok(())
}

/// The switch's name, and what file and SPECs together describe.
fn described(global: &Global, up: &Up) -> Result<(String, SwitchConfig), Error> {
    let file = up.file.as_deref();
    let base = match file.map(config::load).transpose()? {
        Some(Described { config, workers_at }) => {
            check_cpus(&config.workers, workers_at.as_deref().unwrap_or("workers"))?;
            config
        }
        None => SwitchConfig::default(),
    };
    let ports = up.ports.iter().map(|spec| config::parse_spec(spec)).collect::<Result<_, _>>()?;
    let mut config = config::merge(base, ports)?;
    match up.lane.as_deref() {
        Some("off") => config.lane = LaneMode::Off,
        Some(_) => config.lane = LaneMode::Auto,
        None => {}
    }
    let wanted = up.name.as_deref().or(global.switch.as_deref());
    let name = config::switch_name(wanted, config.name.as_deref(), file)?;
    Ok((name, config))
}

fn detach(global: &Global, name: &str, config: &SwitchConfig) -> Result<(), Error> {
    let what = format!("switch {name}");
    match split()? {
        Side::Background(background) => {
            serve(background, name, config);
            // The caller has its answer; what it would do next is not this process's business.
            std::process::exit(0)
        }
        Side::Foreground(mut foreground) => {
            let interrupt = Interrupt::catch().map_err(|error| Error::io("signals", &error))?;
            let (word, was_stopped) = foreground.wait(interrupt);
            let failure = match (serde_json::from_slice(&word), was_stopped) {
                (Ok(Word::Ready(changed)), false) => return tell(global, name, &changed),
                (Ok(Word::Failed(failure)), _) => failure,
                (_, true) => told_to_stop(name),
                (Err(_), false) => Error::failed(what, "it died while it started").hint(format!(
                    "{} may say more; `netloom down {name}` removes what is left",
                    RunDir::of(name).log().display()
                )),
            };
            // Nothing of it is left when its user hears of the failure.
            foreground.end();
            Err(failure)
        }
    }
}

/// Tells the user that the switch runs in the background; it does not when that can't be told.
fn tell(global: &Global, name: &str, changed: &Changed) -> Result<(), Error> {
    output::changed(global, changed).map_err(|error| match take_down(name) {
        Ok(()) => stopped_again(error, name),
        Err(_) => error.hint(format!("switch {name} runs: `netloom down {name}` stops it")),
    })
}

/// A command that fails leaves nothing it made.
fn take_down(name: &str) -> Result<(), Error> {
    let mut client = Client::connect(&RunDir::of(name))?;
    client.ask::<Changed>(&Request::Stop {}).map(drop)
}

fn stopped_again(error: Error, name: &str) -> Error {
    error.hint(format!("switch {name} is stopped again"))
}

fn serve(background: Background, name: &str, config: &SwitchConfig) {
    let left =
        background.leave_caller().map_err(|error| Error::io("the background process", &error));
    let is_wanted = || background.is_awaited();
    let started = left.and_then(|()| Daemon::start(name, config, is_wanted));
    let say = |word: &Word| background.say(&serde_json::to_vec(word).unwrap_or_default());
    match started {
        Ok(daemon) => match say(&Word::Ready(daemon.report())) {
            Ok(()) => drop(daemon.serve()),
            // Nobody knows that it runs.
            Err(_) => drop(daemon.stop()),
        },
        // With nobody left to tell, nothing is left to do.
        Err(error) => drop(say(&Word::Failed(error))),
    }
}
