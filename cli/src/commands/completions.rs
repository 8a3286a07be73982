//! `netloom completions SHELL`.

use clap_complete::Shell;
use io_backends::error::describe;

use crate::args::Global;
use crate::args::completion;
use crate::error::Error;
use crate::output;

/// Prints the shell's completions.
///
/// # Errors
/// When standard output can't be written.
pub(super) fn run(global: &Global, shell: Shell) -> Result<(), Error> {
    let script = completion::script(shell)
        .map_err(|error| Error::failed("completions", describe(&error)))?;
    let script = String::from_utf8_lossy(&script).into_owned();
    output::show(global, &script, |_| script.clone())
}
