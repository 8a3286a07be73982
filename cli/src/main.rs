//! The program: reads the command line, runs the command, tells of a failure.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use io_backends::error::describe;
use netloom::args::{self, Cli, Command, Stop};
use netloom::error::CliError;
use netloom::manual;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let (error, json, color) = match args::parse(&words) {
        Ok(cli) => match run(&cli) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (error, cli.global.json, cli.global.color),
        },
        Err(Stop::Shown(help)) => {
            // Whoever closed standard output has read enough.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
        Err(Stop::Mistake { error, json, color }) => (error, json, color),
    };
    error.print(json, color);
    ExitCode::from(error.exit)
}

fn run(cli: &Cli) -> Result<(), CliError> {
    match &cli.command {
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut args::command(), "netloom", &mut text);
            print(&text)
        }
        Command::Man { dir: None } => match manual::page() {
            Ok(page) => print(&page),
            Err(error) => Err(CliError::failed("man page", describe(&error))),
        },
        Command::Man { dir: Some(dir) } => manual::write_pages(dir)
            .map_err(|error| CliError::failed(dir.display().to_string(), describe(&error))),
        _ => Err(CliError::failed("netloom", "this command is not there yet")),
    }
}

/// Writes to standard output; whoever closed it has read enough.
fn print(text: &[u8]) -> Result<(), CliError> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::failed("standard output", describe(&error)))
        }
        _ => Ok(()),
    }
}
