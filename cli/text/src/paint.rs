//! Colours, where they are wanted.

use std::fmt;

use anstyle::{AnsiColor, Style};

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
        self.style(AnsiColor::Green.on_default(), text)
    }

    /// Worth a look.
    pub fn yellow(self, text: impl fmt::Display) -> String {
        self.style(AnsiColor::Yellow.on_default(), text)
    }

    /// Something is wrong.
    pub fn red(self, text: impl fmt::Display) -> String {
        self.style(AnsiColor::Red.on_default(), text)
    }

    /// The name of the program that failed.
    pub fn bold_red(self, text: impl fmt::Display) -> String {
        self.style(AnsiColor::Red.on_default().bold(), text)
    }

    /// A remark.
    pub fn cyan(self, text: impl fmt::Display) -> String {
        self.style(AnsiColor::Cyan.on_default(), text)
    }

    /// A heading.
    pub fn bold(self, text: impl fmt::Display) -> String {
        self.style(Style::new().bold(), text)
    }

    fn style(self, style: Style, text: impl fmt::Display) -> String {
        if self.0 { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}
