//! Colours, where they are wanted.

use std::fmt;

/// Colours text, or leaves it as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Paint(bool);

impl Paint {
    /// Whether to colour.
    pub fn on(on: bool) -> Paint {
        Paint(on)
    }

    /// All is well.
    pub fn green(self, text: impl fmt::Display) -> String {
        self.sgr("32", text)
    }

    /// Worth a look.
    pub fn yellow(self, text: impl fmt::Display) -> String {
        self.sgr("33", text)
    }

    /// Something is wrong.
    pub fn red(self, text: impl fmt::Display) -> String {
        self.sgr("31", text)
    }

    /// A remark.
    pub fn cyan(self, text: impl fmt::Display) -> String {
        self.sgr("36", text)
    }

    /// A heading.
    pub fn bold(self, text: impl fmt::Display) -> String {
        self.sgr("1", text)
    }

    fn sgr(self, code: &str, text: impl fmt::Display) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }
}
