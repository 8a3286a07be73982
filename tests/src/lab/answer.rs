//! What a command said and how it ended.

use std::process::Output;

use serde_json::Value;

/// A command's exit status and output.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The command, for messages.
    pub command: String,
    /// Its exit status; `None` after a signal.
    pub exit: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Checks that a text has a part.
///
/// # Panics
/// When it has not; the message has the text.
#[track_caller]
pub fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in {text:?}");
}

/// Checks that a text has not that part.
///
/// # Panics
/// When it has; the message has the text.
#[track_caller]
pub fn lacks(text: &str, part: &str) {
    assert!(!text.contains(part), "{part:?} is in {text:?}");
}

impl Answer {
    pub(super) fn from(command: String, output: &Output) -> Answer {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Answer {
            command,
            exit: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Its output, given that it succeeded.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn ok(&self) -> String {
        assert_eq!(self.exit, Some(0), "{self:#?}");
        self.out.clone()
    }

    /// The one JSON document it printed, given that it succeeded.
    ///
    /// # Panics
    /// When it failed or printed anything else.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.ok();
        assert_eq!(self.err, "", "{self:#?}");
        assert_eq!(text.lines().count(), 1, "not one line: {self:#?}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The message of a failure with that exit status: `WHAT: WHY`.
    ///
    /// # Panics
    /// When it ended otherwise, or said it in another form than one line
    /// `netloom: WHAT: WHY` and at most one `hint:` line.
    #[track_caller]
    pub fn refused(&self, exit: i32) -> String {
        assert_eq!(self.exit, Some(exit), "{self:#?}");
        assert_eq!(self.out, "", "{self:#?}");
        let lines: Vec<_> = self.err.lines().collect();
        assert!((1..=2).contains(&lines.len()), "not a line and a hint: {self:#?}");
        let message = lines[0].strip_prefix("netloom: ").unwrap_or_else(|| panic!("{self:#?}"));
        assert!(message.contains(": "), "not WHAT: WHY: {self:#?}");
        if let Some(hint) = lines.get(1) {
            assert!(hint.strip_prefix("hint: ").is_some_and(|hint| !hint.is_empty()), "{self:#?}");
        }
        for raw in ["os error", "panicked", "RUST_BACKTRACE"] {
            assert!(!self.err.contains(raw), "{self:#?}");
        }
        message.to_owned()
    }

    /// The hint of a failure; empty where there is none.
    #[must_use]
    pub fn hint(&self) -> &str {
        self.err.lines().nth(1).and_then(|line| line.strip_prefix("hint: ")).unwrap_or_default()
    }
}
