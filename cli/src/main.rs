//! The program: reads the command line, does it, tells what went wrong.

use std::process::ExitCode;

use netloom::args::{self, Stop};
use netloom::commands;

fn main() -> ExitCode {
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
    error.print(json, color);
    ExitCode::from(error.exit)
}
