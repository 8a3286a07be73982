//! A running Netloom of the bench's own.

use std::fs;
use std::path::PathBuf;

use io_backends::error::describe;
use rustix::process::Pid;

use super::super::lab::Lab;
use super::super::{BENCH, PATIENCE};
use crate::commands::subprocess;
use crate::control::client::Client;
use crate::control::rundir::{RunDir, State};
use crate::error::CliError;

/// A switch in the background; it goes with the value.
pub(super) struct Switch {
    run_dir: PathBuf,
    name: String,
}

impl Switch {
    /// Starts one from a file of these words: `netloom up -d FILE`.
    pub(super) fn up(lab: &Lab, words: &str) -> Result<Switch, CliError> {
        let name = lab.switch_name();
        let path = lab.dir().join(format!("{name}.toml"));
        fs::write(&path, words)
            .map_err(|error| CliError::failed(path.display().to_string(), describe(&error)))?;
        let run_dir = lab.switches();
        let mut command = subprocess::netloom(["up", "--detach", "--name", &name]);
        command.arg(&path).env("NETLOOM_RUN_DIR", &run_dir);
        let switch = Switch { run_dir, name };
        subprocess::finish(BENCH, command, PATIENCE)?;
        Ok(switch)
    }

    /// Someone to ask it.
    pub(super) fn client(&self) -> Result<Client, CliError> {
        Client::connect(&self.dir())
    }

    /// Its process.
    pub(super) fn process(&self) -> Result<Pid, CliError> {
        let number = match self.dir().state() {
            Some(State::Running(number)) => i32::try_from(number).ok(),
            _ => None,
        };
        number
            .and_then(Pid::from_raw)
            .ok_or_else(|| CliError::failed(&self.name, "it ended by itself"))
    }

    fn dir(&self) -> RunDir {
        RunDir::under(&self.run_dir, &self.name)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        if self.dir().state().is_some() {
            // What can't be stopped now, the next bench finds.
            let _ = subprocess::take_down(BENCH, &self.run_dir, &self.name, PATIENCE);
        }
    }
}
