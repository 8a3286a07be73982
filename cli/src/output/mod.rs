//! What commands print: JSON documents, or text that a person wants to read.

mod explain;
mod frame;
mod lists;
mod stats;
mod watch;

use std::io::{self, Write};

use io_backends::error::describe;
use serde::Serialize;
use text::Paint;

use crate::args::Global;
use crate::control::api::Changed;
use crate::error::Error;

pub use explain::explanation;
pub use frame::frame_line;
pub use lists::{fdb, ports, switches, vlans};
pub use stats::stats;
pub use watch::rates;

/// Prints a document: as one line of JSON, or as the text that `text` makes of it.
///
/// # Errors
/// When standard output can't be written. A reader that hung up is no error.
pub fn show<T: Serialize>(
    global: &Global,
    document: &T,
    text: impl FnOnce(Paint) -> String,
) -> Result<(), Error> {
    match put(global, document, text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(refused(&error)),
        _ => Ok(()),
    }
}

/// The same for streams, which end when the reader hangs up.
///
/// # Errors
/// What writing to standard output reports.
pub fn put<T: Serialize>(
    global: &Global,
    document: &T,
    text: impl FnOnce(Paint) -> String,
) -> io::Result<()> {
    let stdout = io::stdout();
    let mut text = match global.json {
        true => serde_json::to_string(document)? + "\n",
        false => text(Paint::on(global.color.on(&stdout))),
    };
    if !text.ends_with('\n') && !text.is_empty() {
        text.push('\n');
    }
    let mut stdout = stdout.lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Prints what a command changed, a line each, and its hints on standard error.
///
/// # Errors
/// When standard output can't be written; what it reports is done all the same.
pub fn changed(global: &Global, changed: &Changed) -> Result<(), Error> {
    if global.quiet && !global.json {
        return Ok(());
    }
    show(global, changed, |_| changed.changed.iter().map(|line| format!("{line}\n")).collect())
        .map_err(|error| error.hint("only the report is lost: the change itself is made"))?;
    if !global.json {
        changed.hints.iter().for_each(|text| hint(global, text));
    }
    Ok(())
}

/// Prints a hint on standard error, unless the user wants none.
pub fn hint(global: &Global, text: &str) {
    if global.quiet || global.json {
        return;
    }
    let mut stderr = io::stderr();
    let paint = Paint::on(global.color.on(&stderr));
    // A closed standard error is no reason to fail.
    let _ = writeln!(stderr, "{} {text}", paint.cyan("hint:"));
}

/// Tells on standard error what the program is about to do, if the user wants to know (`-v`).
pub fn note(global: &Global, text: &str) {
    if global.verbose > 0 && !global.json {
        // A closed standard error is no reason to fail.
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// Standard output can't be written.
pub fn refused(error: &io::Error) -> Error {
    Error::failed("standard output", describe(error))
}
