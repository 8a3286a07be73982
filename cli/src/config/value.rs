//! A value as the user gave it, in a SPEC or in a file, and the readers of its types.
//!
//! Both notations come down to [`Given`], so a key is read by the same code in
//! both. A reader says what does not fit; the key's own row says what would.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use switch_core::Vid;

use super::nearest::likely;

/// What is wrong in a SPEC or a file, and at which byte of it.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub at: usize,
    pub why: String,
    pub hint: Option<String>,
}

impl Mistake {
    pub fn new(at: usize, why: impl Into<String>) -> Mistake {
        Mistake { at, why: why.into(), hint: None }
    }

    pub fn hint(self, hint: impl Into<String>) -> Mistake {
        Mistake { hint: Some(hint.into()), ..self }
    }
}

/// Why a reader refuses a value.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// The key stands alone but needs a value.
    Missing,
    /// The value is not of the key's form.
    Unfit { at: usize, shown: String, hint: Option<String> },
    /// Something else, in full.
    Because(Mistake),
}

/// What a key takes, for people.
pub(crate) enum Expected {
    Text(&'static str),
    Range(RangeInclusive<u32>),
    Choice(&'static [&'static str]),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Text(text) => f.write_str(text),
            Expected::Range(range) => {
                write!(f, "a number from {} to {}", range.start(), range.end())
            }
            Expected::Choice(words) => f.write_str(&listed(words, "or")),
        }
    }
}

pub(crate) const ON_OFF: Expected = Expected::Text("on or off");

/// `a, b or c`.
pub(crate) fn listed(words: &[&str], last: &str) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., end] => format!("{} {last} {end}", most.join(", ")),
    }
}

/// A text from the user, quoted and not too long for a line.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A value with its place.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    /// The byte where it begins.
    pub at: usize,
    /// As it is written there.
    pub raw: &'a str,
    pub value: Value<'a>,
}

#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// A key that stands alone.
    Bare,
    Text(Cow<'a, str>),
    /// `None` is out of an `i64`'s range.
    Integer(Option<i64>),
    Boolean(bool),
    List(Vec<Given<'a>>),
    /// What no key takes, by its TOML name: a table, a date, a float.
    Other(&'static str),
}

impl Given<'_> {
    /// This value does not fit.
    pub fn unfit(&self) -> Wrong {
        let shown = match &self.value {
            Value::Bare => return Wrong::Missing,
            Value::Text(text) => quoted(text),
            Value::Integer(_) | Value::Boolean(_) => quoted(self.raw),
            Value::List(items) if items.is_empty() => "an empty array".to_owned(),
            Value::List(_) => "an array".to_owned(),
            Value::Other(kind) => format!("a TOML {kind}"),
        };
        Wrong::Unfit { at: self.at, shown, hint: None }
    }

    /// A string.
    pub fn text(&self) -> Result<&str, Wrong> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.unfit()),
        }
    }

    /// A string, or an integer as its decimal text.
    pub fn word(&self) -> Result<Cow<'_, str>, Wrong> {
        match &self.value {
            Value::Text(text) => Ok(Cow::Borrowed(text)),
            Value::Integer(Some(number)) => Ok(Cow::Owned(number.to_string())),
            _ => Err(self.unfit()),
        }
    }

    /// A decimal number in `range`, or an integer of any radix.
    pub fn number(&self, range: &RangeInclusive<u32>) -> Result<u32, Wrong> {
        let number = match &self.value {
            Value::Integer(number) => number.and_then(|n| u32::try_from(n).ok()),
            Value::Text(text) => digits(text),
            _ => None,
        };
        number.filter(|n| range.contains(n)).ok_or_else(|| self.unfit())
    }

    /// `on`, `off` or a boolean.
    pub fn on_off(&self) -> Result<bool, Wrong> {
        match &self.value {
            Value::Boolean(on) => Ok(*on),
            Value::Text(text) if text == "on" => Ok(true),
            Value::Text(text) if text == "off" => Ok(false),
            _ => Err(self.unfit()),
        }
    }

    /// [`Given::on_off`]; a key that stands alone is on.
    pub fn flag(&self) -> Result<bool, Wrong> {
        if matches!(self.value, Value::Bare) { Ok(true) } else { self.on_off() }
    }

    /// The index of one of `words`.
    pub fn choice(&self, words: &[&str]) -> Result<usize, Wrong> {
        let text = self.text()?;
        words.iter().position(|word| *word == text).ok_or_else(|| {
            let hint = likely(text, words.iter().copied()).map(did_you_mean);
            Wrong::Unfit { at: self.at, shown: quoted(text), hint }
        })
    }

    /// A VID a user may name.
    pub fn vid(&self) -> Result<Vid, Wrong> {
        let vid = u16::try_from(self.number(&(1..=4094))?).ok().and_then(Vid::configured);
        vid.ok_or_else(|| self.unfit())
    }

    /// The items of an array, or this value alone.
    pub fn items(&self) -> Result<&[Self], Wrong> {
        match &self.value {
            Value::Bare => Err(self.unfit()),
            Value::List(items) if items.is_empty() => Err(self.unfit()),
            Value::List(items) => Ok(items),
            _ => Ok(std::slice::from_ref(self)),
        }
    }
}

/// The hint for a slip of the hand.
pub(crate) fn did_you_mean(word: &str) -> String {
    format!("did you mean {word:?}?")
}

/// A decimal number without a sign.
pub(crate) fn digits(text: &str) -> Option<u32> {
    let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_short_and_whole_characters() {
        assert_eq!(quoted("a\"b"), "\"a\\\"b\"");
        assert_eq!(quoted(&"é".repeat(61)), format!("\"{}\"…", "é".repeat(60)));
        assert_eq!(quoted(&"é".repeat(60)), format!("\"{}\"", "é".repeat(60)));
    }

    #[test]
    fn lists_of_words() {
        assert_eq!(listed(&[], "or"), "");
        assert_eq!(listed(&["a"], "or"), "a");
        assert_eq!(listed(&["a", "b", "c"], "or"), "a, b or c");
    }

    #[test]
    fn numbers_are_digits_only() {
        for (text, number) in [("0", Some(0)), ("007", Some(7)), ("4294967295", Some(u32::MAX))] {
            assert_eq!(digits(text), number);
        }
        for text in ["", "+1", "-1", "1 ", "0x1", "4294967296", "١"] {
            assert_eq!(digits(text), None, "{text}");
        }
    }
}
