//! Reading the command line, and clap's refusals in the form of every other error.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ColorChoice, FromArgMatches, ValueEnum};

use super::other_words::{before, meant};
use super::{Cli, command};
use crate::error::{Color, Error};

/// Why there is no command to run.
#[derive(Debug)]
pub enum Stop {
    /// Help or the version was asked for. Printing it is all there is to do; exit 0.
    Shown(Box<clap::Error>),
    /// A mistake, and how the user wants errors told.
    Mistake {
        /// The mistake; exit 2.
        error: Error,
        /// Whether `--json` was given.
        json: bool,
        /// What `--color` said.
        color: Color,
    },
}

/// Reads the command line, the program's name first.
///
/// # Errors
/// [`Stop`], which says what to do instead.
pub fn parse(words: &[OsString]) -> Result<Cli, Stop> {
    let color = color(words);
    let choice = match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    let parsed = command()
        .color(choice)
        .try_get_matches_from(words)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Shown(Box::new(error)),
        _ => Stop::Mistake { error: told(&error, words), json: json(words), color },
    })
}

/// The words that can be options of ours.
fn options(words: &[OsString]) -> impl Iterator<Item = &OsStr> {
    words.iter().map(OsString::as_os_str).take_while(|word| *word != "--")
}

/// Whether `--json` is there; asked when the whole could not be read.
fn json(words: &[OsString]) -> bool {
    options(words).any(|word| word == "--json" || word.as_encoded_bytes().starts_with(b"--json="))
}

/// What the last `--color` says, likewise.
fn color(words: &[OsString]) -> Color {
    let mut color = Color::default();
    let mut words = options(words).filter_map(OsStr::to_str);
    while let Some(word) = words.next() {
        let when = match word {
            "--color" => words.next(),
            word => word.strip_prefix("--color="),
        };
        color = when.and_then(|when| Color::from_str(when, false).ok()).unwrap_or(color);
    }
    color
}

fn told(error: &clap::Error, line: &[OsString]) -> Error {
    let (what, why) = reason(error);
    let hint = told_apart(error, line).or_else(|| hint(error));
    Error { hint, ..Error::usage(what, why) }
}

/// The remedy where more is known than clap does: what other tools call a
/// command, and the two dashes before the command to run.
fn told_apart(error: &clap::Error, line: &[OsString]) -> Option<String> {
    let whole = command();
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = words(error, ContextKind::InvalidSubcommand).join(" ");
            let meant = meant(before(&whole, line, &word), &word)?;
            Some(format!("did you mean {meant:?}?"))
        }
        ErrorKind::UnknownArgument => {
            let word = words(error, ContextKind::InvalidArg).join(" ");
            let dashes = line.iter().any(|word| word == "--");
            let exec = before(&whole, line, &word).get_name() == "exec" && !dashes;
            exec.then(|| "the command comes after two dashes: netloom exec NETNS -- CMD...".into())
        }
        _ => None,
    }
}

/// What is wrong and why.
fn reason(error: &clap::Error) -> (String, String) {
    let named = |kind| words(error, kind).join(" ");
    let args: Vec<_> = words(error, ContextKind::InvalidArg).iter().map(|arg| plain(arg)).collect();
    let arg = args.join(", ");
    let option = first_word(&arg).to_owned();
    let value = named(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            (named(ContextKind::InvalidSubcommand), "no such command".to_owned())
        }
        ErrorKind::MissingSubcommand => {
            let words = named(ContextKind::InvalidSubcommand);
            let inner = words.strip_prefix("netloom ").unwrap_or("command line");
            (inner.to_owned(), "needs a command".to_owned())
        }
        ErrorKind::UnknownArgument if arg.starts_with('-') => (arg, "no such option".to_owned()),
        ErrorKind::UnknownArgument => (arg, "one word too many".to_owned()),
        ErrorKind::MissingRequiredArgument => (arg, "missing".to_owned()),
        ErrorKind::ArgumentConflict => {
            let prior = plain(&named(ContextKind::PriorArg));
            let prior = first_word(&prior);
            match prior == option || prior.is_empty() {
                true => (option, "given more than once".to_owned()),
                false => (option, format!("can't go with {prior}")),
            }
        }
        ErrorKind::TooManyValues => (option, format!("takes no value like {value:?}")),
        ErrorKind::InvalidValue if value.is_empty() => (option, "needs a value".to_owned()),
        ErrorKind::InvalidValue => {
            let valid = words(error, ContextKind::ValidValue);
            (format!("{option} {value:?}"), format!("not one of {}", valid.join(", ")))
        }
        ErrorKind::ValueValidation => {
            let source = std::error::Error::source(error);
            let why = source.map_or("not valid".to_owned(), ToString::to_string);
            (format!("{option} {value:?}"), why)
        }
        ErrorKind::InvalidUtf8 => ("command line".to_owned(), "not UTF-8 text".to_owned()),
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            ("command line".to_owned(), first.trim_start_matches("error: ").to_owned())
        }
    }
}

/// An argument without the brackets and dots that clap shows it with.
fn plain(arg: &str) -> String {
    arg.replace(['<', '>', '[', ']'], "").replace("...", "")
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// The remedy: the word that was meant, else how the command is written.
fn hint(error: &clap::Error) -> Option<String> {
    for kind in
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue]
    {
        if let [word, ..] = &words(error, kind)[..] {
            return Some(format!("did you mean {word:?}?"));
        }
    }
    match error.kind() {
        ErrorKind::MissingSubcommand => {
            let mut commands = words(error, ContextKind::ValidSubcommand);
            commands.retain(|command| command != "help");
            Some(format!("the commands are {}", commands.join(", ")))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => None,
        _ => {
            let usage = match error.get(ContextKind::Usage)? {
                ContextValue::StyledStr(text) => text.to_string(),
                _ => return None,
            };
            let usage = usage.lines().next().unwrap_or_default().trim();
            Some(usage.replace("Usage:", "usage:"))
        }
    }
}

/// The texts that clap keeps under `kind`.
fn words(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(word)) => vec![word.clone()],
        Some(ContextValue::Strings(words)) => words.clone(),
        _ => Vec::new(),
    }
}
