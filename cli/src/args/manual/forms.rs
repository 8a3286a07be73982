//! How a command is typed, with its values: `netloom up [--port SPEC]... [FILE]`.

use clap::{Arg, ArgAction, Command};
use clap_mangen::roff::{Inline, bold, italic, roman};

/// Every command that does something, with the commands before it: `port add`.
pub(super) fn commands(whole: &Command) -> Vec<(String, &Command)> {
    let mut found = Vec::new();
    for command in whole.get_subcommands() {
        let name = command.get_name();
        match command.has_subcommands() {
            true => found.extend(
                commands(command)
                    .into_iter()
                    .map(|(inner, command)| (format!("{name} {inner}"), command)),
            ),
            false => found.push((name.to_owned(), command)),
        }
    }
    found
}

/// The form of the command that is typed as `path`, without what every command takes.
pub(super) fn form(path: &str, command: &Command) -> Vec<Inline> {
    let mut form = vec![bold(path)];
    let (words, options): (Vec<_>, Vec<_>) =
        own_arguments(command).partition(|argument| argument.is_positional());
    for argument in options.into_iter().chain(words) {
        form.push(roman(" "));
        form.extend(bracketed(argument));
    }
    if command.has_subcommands() {
        form.extend([roman(" "), italic("COMMAND")]);
    }
    form
}

/// What only this command takes.
pub(super) fn own_arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    let everywhere = |argument: &&Arg| {
        argument.is_global_set()
            || matches!(
                argument.get_action(),
                ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
            )
    };
    command.get_arguments().filter(move |argument| !argument.is_hide_set() && !everywhere(argument))
}

/// `-d, --detach`, `--port SPEC`, `FILE`.
pub(super) fn head(argument: &Arg) -> Vec<Inline> {
    let mut head = Vec::new();
    if let Some(short) = argument.get_short() {
        head.push(bold(format!("-{short}")));
    }
    if let Some(long) = argument.get_long() {
        if !head.is_empty() {
            head.push(roman(", "));
        }
        head.push(bold(format!("--{long}")));
    }
    if takes_value(argument) {
        if !head.is_empty() {
            head.push(roman(" "));
        }
        head.push(italic(value(argument)));
    }
    head
}

fn bracketed(argument: &Arg) -> Vec<Inline> {
    let mut form = Vec::new();
    match (argument.get_short(), argument.get_long()) {
        (Some(short), _) if !takes_value(argument) => form.push(bold(format!("-{short}"))),
        (_, Some(long)) => form.push(bold(format!("--{long}"))),
        _ => {}
    }
    if argument.is_last_set() {
        form.push(bold("--"));
    }
    if takes_value(argument) {
        if !form.is_empty() {
            form.push(roman(" "));
        }
        form.push(italic(value(argument)));
    }
    if !argument.is_required_set() {
        form.insert(0, roman("["));
        form.push(roman("]"));
    }
    if repeats(argument) {
        form.push(roman("..."));
    }
    form
}

fn takes_value(argument: &Arg) -> bool {
    argument.get_action().takes_values()
}

/// Several at once, by commas, are one value.
fn repeats(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Append) && argument.get_value_delimiter().is_none()
}

fn value(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    match names {
        [] => argument.get_id().as_str().to_uppercase(),
        names => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    }
}
