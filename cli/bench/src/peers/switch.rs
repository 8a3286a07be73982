//! A running Netloom of the bench's own.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use io_backends::Error;
use io_backends::error::describe;
use rustix::process::Pid;

use super::super::lab::Lab;
use super::super::program::{Chosen, Program};

/// A switch in the background; it goes with the value.
pub(super) struct Switch {
    program: Arc<dyn Program>,
    switches: PathBuf,
    name: String,
}

impl Switch {
    /// Starts one from a file of these words: `netloom up -d FILE`.
    pub(super) fn up(lab: &Lab, words: &str) -> Result<Switch, Error> {
        let name = lab.switch_name();
        let path = lab.dir().join(format!("{name}.toml"));
        fs::write(&path, words)
            .map_err(|error| Error::failed(path.display().to_string(), describe(&error)))?;
        let switch = Switch { program: lab.program(), switches: lab.switches(), name };
        switch.program.up(&switch.switches, &switch.name, &path)?;
        Ok(switch)
    }

    /// Adds a port.
    pub(super) fn add_port(&self, spec: &str) -> Result<(), Error> {
        self.program.add_port(&self.switches, &self.name, spec)
    }

    /// What it has chosen for itself.
    pub(super) fn chosen(&self) -> Result<Chosen, Error> {
        self.program.chosen(&self.switches, &self.name)
    }

    /// Its process.
    pub(super) fn process(&self) -> Result<Pid, Error> {
        let process = self.program.process(&self.switches, &self.name);
        process.ok_or_else(|| Error::failed(&self.name, "it ended by itself"))
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        // What can't be stopped now, the next bench finds.
        let _ = self.program.down(&self.switches, &self.name);
    }
}
