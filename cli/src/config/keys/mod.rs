//! A key of a configuration: one row says its name, its place, its form, what
//! it means and how it is read.
//!
//! The rows themselves are in `link`, `rule` and `switch`. SPECs, files,
//! `port set`, hints, help and the man page all come from them.

pub(super) mod link;
pub(super) mod port;
pub(super) mod rule;
pub(super) mod switch;

use crate::config::nearest::likely;
use crate::config::value::{Expected, Given, Mistake, Wrong, did_you_mean, listed, quoted};

/// One key of a table that is read into a `T`.
pub(crate) struct Key<T: 'static> {
    /// As it is typed.
    pub name: &'static str,
    /// The kinds of port it belongs to; empty for keys of `[switch]`.
    pub kinds: &'static [&'static str],
    /// A placeholder for the value, like `=VID`; in brackets where it may be left out.
    pub form: &'static str,
    /// What the value is.
    pub expected: Expected,
    /// What holds without the key.
    pub default: &'static str,
    /// What it does, in one sentence without its full stop.
    pub help: &'static str,
    /// Reads a value into the `T`.
    pub set: Setter<T>,
}

/// Reads the value of a key into a `T`.
pub(crate) type Setter<T> =
    &'static (dyn Fn(&mut T, &Given<'_>) -> Result<(), Wrong> + Send + Sync);

impl<T> Key<T> {
    /// Reads `given`; `at` is where the key stands.
    pub fn apply(&self, to: &mut T, at: usize, given: &Given<'_>) -> Result<(), Mistake> {
        let name = self.name;
        (self.set)(to, given).map_err(|wrong| match wrong {
            Wrong::Missing => Mistake::new(at, format!("{name} needs a value: {}", self.expected)),
            Wrong::Unfit { at, shown, hint } => {
                Mistake { at, why: format!("{name} is {shown}, not {}", self.expected), hint }
            }
            Wrong::Because(mistake) => mistake,
        })
    }
}

/// Whether a word is a VID or a range of VIDs.
fn is_vids(word: &str) -> bool {
    word.split('-').all(|vid| vid.parse::<u16>().is_ok())
}

/// The mistake of a word that is none of `known`; `owner` is whose keys they are.
pub(crate) fn unknown(at: usize, word: &str, known: &[&str], owner: &str) -> Mistake {
    let hint = match likely(word, known.iter().copied()) {
        Some(key) => did_you_mean(key),
        None if is_vids(word) && known.contains(&"trunk") => {
            "several VIDs are joined by +, as in trunk=10+20-29".into()
        }
        None => format!("{owner} takes {}", listed(known, "and")),
    };
    Mistake::new(at, format!("unknown key {}", quoted(word))).hint(hint)
}
