//! Completion in a shell: its script asks this program at each TAB, which knows
//! the switches that run, their ports and the namespaces.
//!
//! Nothing here fails: where names can't be had, there are none to offer.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::time::Duration;

use clap::Command;
use clap_complete::env::{CompleteEnv, Shells};
use clap_complete::{ArgValueCandidates, CompletionCandidate, Shell};

use crate::config::rule_reference;
use crate::control::api::{PortRow, Request};
use crate::control::client::Client;
use crate::control::rundir;

/// Set by the shell's script; its value is the shell.
const VARIABLE: &str = "NETLOOM_COMPLETE";
/// How long a switch may take for an answer: a person waits for the cursor.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the shell asks for words of `command`, prints them and ends the program; else does nothing.
pub fn answer(command: impl Fn() -> Command) {
    CompleteEnv::with_factory(command).var(VARIABLE).bin("netloom").complete();
}

/// The script for a shell.
///
/// # Errors
/// None in practice: it is written to memory.
pub fn script(shell: Shell) -> io::Result<Vec<u8>> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    if let Some(completer) = shells.completer(&shell.to_string()) {
        completer.write_registration(VARIABLE, "netloom", "netloom", "netloom", &mut script)?;
    }
    Ok(script)
}

/// The switches there are.
pub(crate) fn switches() -> ArgValueCandidates {
    let names = || rundir::switches().into_iter().map(|(dir, _)| dir.name().to_owned());
    ArgValueCandidates::new(move || candidates(names()))
}

/// The ports of the switch that the command line means.
pub(crate) fn ports() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let words: Vec<_> = std::env::args_os().collect();
        candidates(port_names(switch_named(&words).as_deref()).unwrap_or_default())
    })
}

/// The named namespaces.
pub(crate) fn namespaces() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
        candidates(entries.map(|entry| entry.file_name()))
    })
}

/// The keys that `port set` takes.
pub(crate) fn settings() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let key = |form: &str, name: &str| match form[name.len()..].starts_with('=') {
            true => format!("{name}="),
            false => name.to_owned(),
        };
        let rows = rule_reference();
        let keys = rows.iter().map(|row| {
            CompletionCandidate::new(key(&row.form, row.name)).help(Some(row.help.into()))
        });
        keys.collect()
    })
}

fn candidates(names: impl IntoIterator<Item = impl Into<OsString>>) -> Vec<CompletionCandidate> {
    let mut names: Vec<OsString> = names.into_iter().map(Into::into).collect();
    names.sort();
    names.into_iter().map(CompletionCandidate::new).collect()
}

fn port_names(switch: Option<&str>) -> Option<Vec<String>> {
    let dir = rundir::chosen(switch).ok()?;
    let mut client = Client::connect_within(&dir, PATIENCE).ok()?;
    let rows: Vec<PortRow> = client.ask(&Request::Ports {}).ok()?;
    Some(rows.into_iter().map(|row| row.name).collect())
}

/// What `--switch` says in a command line that need not be complete.
fn switch_named(words: &[OsString]) -> Option<String> {
    let mut words = words.iter().filter_map(|word| OsStr::to_str(word));
    while let Some(word) = words.next() {
        match word.strip_prefix("--switch") {
            Some("") => return words.next().map(str::to_owned),
            Some(rest) if rest.starts_with('=') => return Some(rest[1..].to_owned()),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_is_found_in_half_a_line() {
        let named =
            |line: &str| switch_named(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(named("netloom -- netloom --switch lab port del "), Some("lab".into()));
        assert_eq!(named("netloom -- netloom port del --switch=lab "), Some("lab".into()));
        assert_eq!(named("netloom -- netloom port del a"), None);
        assert_eq!(named("netloom -- netloom port del --switch"), None);
    }

    #[test]
    fn every_shell_has_a_script_that_asks() {
        for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
            let script = String::from_utf8(script(shell).unwrap()).unwrap();
            assert!(script.contains(VARIABLE), "{shell}: {script}");
        }
    }
}
