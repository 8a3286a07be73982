//! `netloom man [DIR]`.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use io_backends::error::describe;

use crate::args::Global;
use crate::args::manual;
use crate::control::api::Changed;
use crate::control::change::{Action, Change, Thing};
use crate::error::Error;
use crate::output;

/// Shows the man page on a terminal, prints it elsewhere, or writes every page into `dir`.
///
/// # Errors
/// Exit 1 or 4 when a page can't be written.
pub(super) fn run(global: &Global, dir: Option<&Path>) -> Result<(), Error> {
    match dir {
        Some(dir) => write(global, dir),
        None => print(global),
    }
}

fn write(global: &Global, dir: &Path) -> Result<(), Error> {
    let what = dir.display().to_string();
    manual::write_pages(dir).map_err(|error| Error::system(&what, &error, "write access to it"))?;
    output::changed(
        global,
        &Changed {
            changed: vec![Change::new(Action::Written, Thing::Manual, what)],
            hints: vec![],
        },
    )
}

fn print(global: &Global) -> Result<(), Error> {
    let page = manual::page().map_err(|error| Error::failed("man page", describe(&error)))?;
    if io::stdout().is_terminal() && !global.json && shown_by_man(&page).unwrap_or(false) {
        return Ok(());
    }
    let page = String::from_utf8_lossy(&page).into_owned();
    output::show(global, &page, |_| page.clone())
}

/// Has `man` show the page; `false` or an error where it can't.
fn shown_by_man(page: &[u8]) -> io::Result<bool> {
    let mut man = Command::new("man").args(["-l", "-"]).stdin(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = man.stdin.take() {
        stdin.write_all(page)?;
    }
    Ok(man.wait()?.success())
}
