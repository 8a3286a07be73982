//! `netloom completions SHELL`.

use clap_complete::{Shell, generate};

use crate::args::{Global, command};
use crate::error::CliError;
use crate::output;

/// Prints the shell's completions.
///
/// # Errors
/// When standard output can't be written.
pub(super) fn run(global: &Global, shell: Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    generate(shell, &mut command(), "netloom", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    output::show(global, &script, |_| script.clone())
}
