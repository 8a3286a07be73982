//! `netloom exec NETNS -- CMD...`.

use io_backends::lab;

use crate::args::Exec;
use crate::config::netns;
use crate::error::Error;

/// Becomes the command. Returns only when that is impossible.
///
/// # Errors
/// Exit 3 when there is no such namespace, 4 when a privilege is missing, 127
/// when there is no such command and 126 when it can't be run.
pub(super) fn run(exec: &Exec) -> Result<(), Error> {
    let namespace = netns(&exec.netns).ok_or_else(|| {
        Error::usage(
            format!("namespace {:?}", exec.netns),
            "not a namespace's name or an absolute path",
        )
    })?;
    let Some((command, arguments)) = exec.command.split_first() else {
        return Err(Error::usage("CMD", "is missing"));
    };
    match lab::exec(&namespace, command, arguments)? {}
}
