//! How a failure is told: an exit status, one line, at most one hint.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use io_backends::ErrorKind;
use serde::Serialize;

/// The operation failed; whatever it made is undone.
pub const FAILED: u8 = 1;
/// The command line or the configuration is wrong; nothing was touched.
pub const USAGE: u8 = 2;
/// A name that Netloom does not know.
pub const UNKNOWN: u8 = 3;
/// A privilege is missing.
pub const PRIVILEGE: u8 = 4;

/// Every exit status of the program's own, and what it means.
pub const STATUSES: [(u8, &str); 5] = [
    (0, "done"),
    (FAILED, "the operation failed and is undone"),
    (USAGE, "the command line or the configuration is wrong"),
    (UNKNOWN, "an unknown name"),
    (PRIVILEGE, "a privilege is missing"),
];

/// Bold red, cyan and plain, for a terminal.
const RED: &str = "\u{1b}[1;31m";
const CYAN: &str = "\u{1b}[36m";
const PLAIN: &str = "\u{1b}[0m";

/// A failure as the user meets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CliError {
    /// The program's exit status: [`FAILED`], [`USAGE`], [`UNKNOWN`] or [`PRIVILEGE`].
    pub exit: u8,
    /// The thing: a port, an option, a place in a file.
    pub what: String,
    /// The reason, in words.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl CliError {
    /// An error with this exit status and no hint.
    pub fn new(exit: u8, what: impl Into<String>, why: impl Into<String>) -> CliError {
        CliError { exit, what: what.into(), why: why.into(), hint: None }
    }

    /// The operation on `what` failed.
    pub fn failed(what: impl Into<String>, why: impl Into<String>) -> CliError {
        CliError::new(FAILED, what, why)
    }

    /// A system call on `what` failed.
    pub fn io(what: impl Into<String>, error: &io::Error) -> CliError {
        CliError::from(io_backends::Error::io(what, error))
    }

    /// The command line or the configuration is wrong.
    pub fn usage(what: impl Into<String>, why: impl Into<String>) -> CliError {
        CliError::new(USAGE, what, why)
    }

    /// `what` is a name that Netloom does not know.
    pub fn unknown(what: impl Into<String>, why: impl Into<String>) -> CliError {
        CliError::new(UNKNOWN, what, why)
    }

    /// The same error with a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> CliError {
        self.hint = Some(hint.into());
        self
    }

    /// `netloom: WHAT: WHY` and, where there is one, a `hint:` line, each
    /// ended; a control character in them stands escaped.
    pub fn to_text(&self, color: bool) -> String {
        let (red, cyan, plain) = if color { (RED, CYAN, PLAIN) } else { ("", "", "") };
        let (what, why) = (one_line(&self.what), one_line(&self.why));
        let mut text = format!("{red}netloom:{plain} {what}: {why}\n");
        if let Some(hint) = &self.hint {
            text += &format!("{cyan}hint:{plain} {}\n", one_line(hint));
        }
        text
    }

    /// `{"error":{"what","why","hint"}}`, the hint `null` where there is none.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Document<'a> {
            error: Fields<'a>,
        }
        #[derive(Serialize)]
        struct Fields<'a> {
            what: &'a str,
            why: &'a str,
            hint: Option<&'a str>,
        }
        let error = Fields { what: &self.what, why: &self.why, hint: self.hint.as_deref() };
        // Plain texts always serialise.
        serde_json::to_string(&Document { error }).unwrap_or_default()
    }

    /// Tells the user on standard error. A closed standard error changes nothing.
    pub fn print(&self, json: bool, color: Color) {
        let text = match json {
            true => self.to_json() + "\n",
            false => self.to_text(color.on(&io::stderr())),
        };
        // There is nowhere left to report a failure of this write.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for CliError {}

impl From<io_backends::Error> for CliError {
    fn from(error: io_backends::Error) -> CliError {
        let exit = match error.kind {
            ErrorKind::Failed => FAILED,
            ErrorKind::Privilege => PRIVILEGE,
            ErrorKind::Unknown => UNKNOWN,
        };
        CliError { exit, what: error.what, why: error.why, hint: error.hint }
    }
}

impl From<CliError> for io_backends::Error {
    fn from(error: CliError) -> io_backends::Error {
        let kind = match error.exit {
            PRIVILEGE => ErrorKind::Privilege,
            UNKNOWN => ErrorKind::Unknown,
            _ => ErrorKind::Failed,
        };
        io_backends::Error { kind, what: error.what, why: error.why, hint: error.hint }
    }
}

/// When output is coloured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether to colour what goes to `stream`.
    pub fn on(self, stream: &impl IsTerminal) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
            }
        }
    }
}

/// `text` without a character that would end the line or move the cursor.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                line.extend(c.escape_default());
            }
            c => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_one_line_and_one_hint() {
        let error = CliError::usage("lab.toml:1:2", "unknown key \"a\nb\u{1b}[2J\"").hint("x\ty");
        assert_eq!(
            error.to_text(false),
            "netloom: lab.toml:1:2: unknown key \"a\\nb\\u{1b}[2J\"\nhint: x\\ty\n"
        );
        assert_eq!(CliError::failed("port a", "gone").to_text(false), "netloom: port a: gone\n");
    }

    #[test]
    fn colour_only_wraps_the_labels() {
        let text = CliError::failed("a", "b").hint("c").to_text(true);
        assert_eq!(text, "\u{1b}[1;31mnetloom:\u{1b}[0m a: b\n\u{1b}[36mhint:\u{1b}[0m c\n");
    }

    #[test]
    fn json_has_the_three_fields() {
        assert_eq!(
            CliError::unknown("switch \"x\"", "not running").to_json(),
            r#"{"error":{"what":"switch \"x\"","why":"not running","hint":null}}"#
        );
    }

    #[test]
    fn kinds_become_exit_statuses() {
        for (kind, exit) in
            [(ErrorKind::Failed, 1), (ErrorKind::Privilege, 4), (ErrorKind::Unknown, 3)]
        {
            let error = io_backends::Error { kind, ..io_backends::Error::failed("a", "b") };
            assert_eq!(CliError::from(error).exit, exit);
        }
    }
}
