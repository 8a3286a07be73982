//! The program: reads the command line, does it, tells what went wrong.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;

use io_backends::{Error, ErrorKind};
use netloom::args::completion;
use netloom::args::{self, Stop};
use netloom::commands;
use netloom::error::{self, Color};

fn main() -> ExitCode {
    panic::set_hook(Box::new(own_up));
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or(ExitCode::from(ErrorKind::Failed.exit()))
}

/// Tells of a panic in the form of every other error.
fn own_up(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let why = panic.payload_as_str().unwrap_or("no reason given");
    let error = Error::failed("a mistake in Netloom", format!("{why} ({place})"))
        .hint("please report it, with what you did");
    error::print(&error, false, Color::Never);
}

fn run() -> ExitCode {
    completion::answer(args::command);
    let words: Vec<_> = std::env::args_os().collect();
    let (error, json, color) = match args::parse(&words) {
        Ok(cli) => match commands::run(&cli) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (error, cli.global.json, cli.global.color),
        },
        Err(Stop::Shown(text)) => {
            // Nobody is left to tell that help could not be printed.
            let _ = text.print();
            return ExitCode::SUCCESS;
        }
        Err(Stop::Mistake { error, json, color }) => (error, json, color),
    };
    error::print(&error, json, color);
    ExitCode::from(error.kind.exit())
}
