//! Help that groups the commands, and lists keys where SPECs are typed.

use std::fmt::Write;

use clap::{Command, CommandFactory};

use super::Cli;
use crate::config::{Row, kind_reference, rule_reference, spec_reference};
use crate::error::STATUSES;

/// The commands by what they are for. Every command is in one group.
pub(super) const GROUPS: [(&str, &[&str]); 4] = [
    ("First steps", &["demo", "doctor", "bench"]),
    ("Switches", &["up", "down", "ls"]),
    ("Inside a switch", &["port", "fdb", "vlan", "stats", "explain"]),
    ("Around it", &["exec", "completions", "man", "help"]),
];

/// The width of what is laid out here; clap fits the rest to the terminal.
const COLUMNS: usize = 80;

/// The whole command line's definition.
pub fn command() -> Command {
    let command = Cli::command();
    let template = template(command.clone());
    command.help_template(template).after_help(exit_status())
}

fn exit_status() -> String {
    let statuses = STATUSES.map(|(number, meaning)| format!("{number} {meaning}"));
    format!("Exit status: {}.", statuses.join("; "))
}

fn template(mut command: Command) -> String {
    command.build();
    let header = *command.get_styles().get_header();
    let literal = *command.get_styles().get_literal();
    let width = command.get_subcommands().map(|c| c.get_name().len()).max().unwrap_or(0);
    let mut text = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (title, names) in GROUPS {
        let _ = write!(text, "\n{header}{title}:{header:#}\n");
        for command in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let name = command.get_name();
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {literal}{name:width$}{literal:#}  {about}");
        }
    }
    let _ = write!(text, "\n{header}Options:{header:#}\n{{options}}{{after-help}}\n");
    text
}

/// Kinds and keys of a SPEC.
pub(super) fn spec_help() -> String {
    format!("Kinds:\n{}\nKeys:\n{}", rows(&kind_reference()), rows(&spec_reference()))
}

/// The keys that `port set` takes.
pub(super) fn set_help() -> String {
    format!("Keys:\n{}", rows(&rule_reference()))
}

/// A paragraph a row: what is typed on the left, what it does on the right.
fn rows(rows: &[Row]) -> String {
    let left = rows.iter().map(|row| row.form.len()).max().unwrap_or(0) + 4;
    let mut text = String::new();
    for row in rows {
        let mut line = format!("  {:1$}", row.form, left - 2);
        for word in sentence(row).split(' ') {
            if line.len() + word.len() >= COLUMNS {
                let _ = writeln!(text, "{}", line.trim_end());
                line = " ".repeat(left);
            }
            line += word;
            line.push(' ');
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn sentence(row: &Row) -> String {
    let kinds = if row.kinds.is_empty() { "" } else { &format!(" ({})", row.kinds) };
    let default = if row.default.is_empty() { "" } else { &format!(" [default: {}]", row.default) };
    format!("{}{kinds}{default}", row.help)
}
