//! Commands as people know them from other tools, and what they are called here.

use std::ffi::OsString;

use clap::Command;

/// What is typed, and the commands that can be meant, of which the first that is there counts.
const OTHER_WORDS: [(&[&str], &[&str]); 14] = [
    (&["start", "run", "launch"], &["up"]),
    (&["create", "new", "make"], &["add", "up"]),
    (&["add", "attach"], &["port add"]),
    (&["stop", "shutdown", "kill", "quit"], &["down"]),
    (&["destroy", "remove", "delete", "rm"], &["del", "down"]),
    (&["del", "detach"], &["port del"]),
    (&["list", "show", "status", "ps", "info", "get"], &["ls"]),
    (&["change", "modify", "edit", "config", "configure"], &["set", "port set"]),
    (&["set"], &["port set"]),
    (&["clear", "clean"], &["flush"]),
    (&["mac", "macs", "neigh", "addresses"], &["fdb"]),
    (&["interfaces", "links", "link", "dev"], &["port"]),
    (&["counters", "statistics", "top", "watch"], &["stats"]),
    (&["enter", "shell", "netns"], &["exec"]),
];

/// The command in `inside` that `word` is another word for.
pub(super) fn meant(inside: &Command, word: &str) -> Option<&'static str> {
    let known = |path: &&&str| {
        let mut words = path.split(' ');
        words.try_fold(inside, |inside, word| inside.find_subcommand(word)).is_some()
    };
    OTHER_WORDS
        .iter()
        .filter(|(others, _)| others.contains(&word))
        .find_map(|(_, here)| here.iter().find(known).copied())
}

/// The command of `whole` that a command line had got to when `stranger` came.
pub(super) fn before<'c>(whole: &'c Command, line: &[OsString], stranger: &str) -> &'c Command {
    let words = line.iter().skip(1).filter_map(|word| word.to_str());
    words
        .take_while(|word| *word != stranger)
        .fold(whole, |inside, word| inside.find_subcommand(word).unwrap_or(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_they_are_called_here_is_there() {
        let whole = crate::args::command();
        let places: Vec<_> = std::iter::once(&whole).chain(whole.get_subcommands()).collect();
        for (others, here) in OTHER_WORDS {
            for other in others {
                let meant = places.iter().filter_map(|inside| meant(inside, other));
                let meant: Vec<_> = meant.collect();
                assert!(here.iter().all(|here| meant.contains(here)), "{other}: {meant:?}");
            }
        }
    }
}
