//! How a failure is told: an exit status, one line, at most one hint.

use std::io::{self, Write};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};

pub use io_backends::{Error, ErrorKind};
use serde::Serialize;
use text::Paint;

/// Every exit status of the program's own, and what it means.
pub const STATUSES: [(u8, &str); 5] = [
    (0, "done"),
    (ErrorKind::Failed.exit(), "the operation failed and is undone"),
    (ErrorKind::Usage.exit(), "the command line or the configuration is wrong"),
    (ErrorKind::Unknown.exit(), "an unknown name"),
    (ErrorKind::Privilege.exit(), "a privilege is missing"),
];

/// `netloom: WHAT: WHY` and, where there is one, a `hint:` line, each
/// ended; a control character in them stands escaped.
pub fn as_text(error: &Error, color: bool) -> String {
    let paint = Paint::on(color);
    let (what, why) = (one_line(&error.what), one_line(&error.why));
    let mut text = format!("{} {what}: {why}\n", paint.bold_red("netloom:"));
    if let Some(hint) = &error.hint {
        text += &format!("{} {}\n", paint.cyan("hint:"), one_line(hint));
    }
    text
}

/// `{"error":{"what","why","hint"}}`, the hint `null` where there is none.
pub fn as_json(error: &Error) -> String {
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
    let error = Fields { what: &error.what, why: &error.why, hint: error.hint.as_deref() };
    // Plain texts always serialise.
    serde_json::to_string(&Document { error }).unwrap_or_default()
}

/// Tells the user on standard error. A closed standard error changes nothing.
pub fn print(error: &Error, json: bool, color: Color) {
    let text = match json {
        true => as_json(error) + "\n",
        false => as_text(error, color.on(&io::stderr())),
    };
    // There is nowhere left to report a failure of this write.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// When output is coloured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set or the terminal knows no colours; elsewhere if
    /// CLICOLOR_FORCE is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether to colour what goes to `stream`.
    pub fn on(self, stream: &impl RawStream) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => AutoStream::choice(stream) != ColorChoice::Never,
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
        let error = Error::usage("lab.toml:1:2", "unknown key \"a\nb\u{1b}[2J\"").hint("x\ty");
        assert_eq!(
            as_text(&error, false),
            "netloom: lab.toml:1:2: unknown key \"a\\nb\\u{1b}[2J\"\nhint: x\\ty\n"
        );
        assert_eq!(as_text(&Error::failed("port a", "gone"), false), "netloom: port a: gone\n");
    }

    #[test]
    fn colour_only_wraps_the_labels() {
        let text = as_text(&Error::failed("a", "b").hint("c"), true);
        assert_eq!(text, "\u{1b}[1m\u{1b}[31mnetloom:\u{1b}[0m a: b\n\u{1b}[36mhint:\u{1b}[0m c\n");
    }

    #[test]
    fn json_has_the_three_fields() {
        assert_eq!(
            as_json(&Error::unknown("switch \"x\"", "not running")),
            r#"{"error":{"what":"switch \"x\"","why":"not running","hint":null}}"#
        );
    }
}
