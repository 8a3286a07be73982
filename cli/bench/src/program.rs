//! Netloom, as its users run it.

use std::path::Path;

use io_backends::Error;
use rustix::process::Pid;

/// The program that is measured: how it is started, asked and stopped. A switch is named by
/// the run directory `switches` and its name in it.
pub trait Program: Send + Sync {
    /// Starts a switch from a file, as `netloom up -d FILE --name NAME` does.
    ///
    /// # Errors
    /// What the program says.
    fn up(&self, switches: &Path, name: &str, file: &Path) -> Result<(), Error>;

    /// Adds a port to a running switch, as `netloom port add SPEC` does.
    ///
    /// # Errors
    /// What the switch says.
    fn add_port(&self, switches: &Path, name: &str, spec: &str) -> Result<(), Error>;

    /// What a running switch has chosen.
    ///
    /// # Errors
    /// When it does not answer.
    fn chosen(&self, switches: &Path, name: &str) -> Result<Chosen, Error>;

    /// A switch's process; `None` when it has ended.
    fn process(&self, switches: &Path, name: &str) -> Option<Pid>;

    /// Stops a switch, with force if it does not stop when asked, and removes what it
    /// made; also after one that was killed. Nothing happens where there is none.
    ///
    /// # Errors
    /// When something of it can't be removed.
    fn down(&self, switches: &Path, name: &str) -> Result<(), Error>;
}

/// What a switch chose for itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chosen {
    /// The engine at work: `epoll` or `io_uring`.
    pub engine: String,
    /// How many workers it has.
    pub workers: usize,
}
