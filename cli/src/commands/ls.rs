//! `netloom ls`.

use std::time::Duration;

use crate::args::Global;
use crate::control::api::{Request, SwitchRow};
use crate::control::client::Client;
use crate::control::rundir::{self, RunDir, State};
use crate::error::Error;
use crate::output;

/// How long a switch may take; the row of one that hangs says less.
const PATIENCE: Duration = Duration::from_secs(1);

/// Lists every switch, or the one that `--switch` names.
///
/// # Errors
/// Exit 3 when `--switch` names none.
pub(super) fn run(global: &Global) -> Result<(), Error> {
    let mut switches = rundir::switches();
    if let Some(name) = &global.switch {
        switches.retain(|(dir, _)| dir.name() == name);
        if switches.is_empty() {
            return Err(Error::unknown(format!("switch {name}"), "there is no such switch"));
        }
    }
    let rows: Vec<_> = switches.iter().map(|(dir, state)| row(dir, *state)).collect();
    output::show(global, &rows, |paint| output::switches(&rows, paint))?;
    for (dir, state) in &switches {
        if *state == State::Dead {
            let name = dir.name();
            output::hint(global, &format!("`netloom down {name}` removes what {name} left"));
        }
    }
    Ok(())
}

fn row(dir: &RunDir, state: State) -> SwitchRow {
    let own = |pid, state: &str| SwitchRow {
        name: dir.name().into(),
        pid,
        uptime: None,
        ports: None,
        state: state.into(),
    };
    match state {
        State::Dead => own(None, "dead"),
        State::Running(pid) => Client::connect_within(dir, PATIENCE)
            .and_then(|mut client| client.ask(&Request::Info {}))
            .unwrap_or_else(|_| own((pid != 0).then_some(pid), "running")),
    }
}
