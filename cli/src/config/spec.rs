//! `NAME=KIND[:TARGET][,KEY[=VALUE]]...`, and the `KEY[=VALUE]`s of `port set`.

use std::borrow::Cow;

use switch_core::config::PortRules;

use super::PortConfig;
use super::draft::Draft;
use super::keys::link::{self, HEAD};
use super::keys::port::{REPEATING, find};
use super::keys::rule;
use super::keys::{Key, unknown};
use super::value::{Given, Mistake, Value, quoted};
use crate::error::Error;

const FORM: &str = "a port is NAME=KIND[:TARGET][,KEY[=VALUE]]...";

/// The port that a SPEC describes.
///
/// ```
/// let port = netloom::config::parse_spec("alice=tap,netns=alice,access=10").unwrap();
/// assert_eq!(port.name, "alice");
/// assert_eq!(netloom::config::parse_spec("alice=tap,acess=10").unwrap_err().kind.exit(), 2);
/// ```
///
/// # Errors
/// Exit 2, naming the SPEC and the word that is wrong.
pub fn parse_spec(spec: &str) -> Result<PortConfig, Error> {
    read_spec(spec).map_err(|mistake| Error {
        hint: mistake.hint,
        ..Error::usage(format!("port spec {}", quoted(spec)), mistake.why)
    })
}

fn read_spec(spec: &str) -> Result<PortConfig, Mistake> {
    let mut draft = Draft::default();
    let (head, keys) = spec.split_once(',').map_or((spec, None), |(h, k)| (h, Some(k)));
    let kind = read_head(&mut draft, head)?;

    let mut at = head.len() + 1;
    for piece in keys.into_iter().flat_map(|keys| keys.split(',')) {
        let (word, given) = read_piece(at, piece)?;
        if HEAD.iter().any(|key| key.name == word) {
            return Err(Mistake::new(at, format!("{word} is not a key here")).hint(FORM));
        }
        let key = find(kind, at, word, &[])?;
        apply(&mut draft, key, at, &given)?;
        at += piece.len() + 1;
    }
    draft.finish(0)
}

/// Reads `NAME=KIND[:TARGET]`; the kind's name.
fn read_head(draft: &mut Draft, head: &str) -> Result<Option<&'static str>, Mistake> {
    let Some((name, rest)) = head.split_once('=') else {
        return Err(Mistake::new(0, format!("{} has no kind", quoted(head))).hint(FORM));
    };
    let (kind, target) = rest.split_once(':').map_or((rest, None), |(k, t)| (k, Some(t)));
    let kind_at = name.len() + 1;
    let words = [(0, Some(name)), (kind_at, Some(kind)), (kind_at + kind.len() + 1, target)];
    for (key, (at, text)) in HEAD.iter().zip(words) {
        if let Some(text) = text {
            apply(draft, key, at, &text_at(at, text))?;
        }
    }
    Ok(draft.kind.map(|kind| kind.name))
}

fn text_at(at: usize, text: &str) -> Given<'_> {
    Given { at, raw: text, value: Value::Text(Cow::Borrowed(text)) }
}

/// `KEY[=VALUE]` at byte `at`.
fn read_piece(at: usize, piece: &str) -> Result<(&str, Given<'_>), Mistake> {
    match piece.split_once('=') {
        Some(("", _)) | None if piece.is_empty() || piece.starts_with('=') => {
            Err(Mistake::new(at, format!("{} has no key", quoted(piece))).hint(FORM))
        }
        Some((word, value)) => Ok((word, text_at(at + word.len() + 1, value))),
        None => Ok((piece, Given { at, raw: piece, value: Value::Bare })),
    }
}

fn apply(draft: &mut Draft, key: &Key<Draft>, at: usize, given: &Given<'_>) -> Result<(), Mistake> {
    if draft.place(key.name).is_some() && !REPEATING.contains(&key.name) {
        return Err(Mistake::new(at, format!("{} is given twice", key.name)));
    }
    key.apply(draft, at, given)?;
    draft.given.push((key.name, at));
    Ok(())
}

/// A port's `rules` with the changes that the words of `port set` describe. VLAN keys together
/// make one VLAN mode, which replaces the port's.
///
/// # Errors
/// Exit 2, naming the word that is wrong.
pub fn parse_settings(words: &[String], rules: &PortRules) -> Result<PortRules, Error> {
    read_settings(words, rules).map_err(|mistake| {
        let word = words.get(mistake.at).map_or("", |word| word);
        Error {
            hint: mistake.hint,
            ..Error::usage(format!("setting {}", quoted(word)), mistake.why)
        }
    })
}

/// A place here is the index of a word.
fn read_settings(words: &[String], rules: &PortRules) -> Result<PortRules, Mistake> {
    let mut draft = Draft { rules: rules.clone(), ..Draft::default() };
    for (at, text) in words.iter().enumerate() {
        let (word, given) = read_piece(at, text).map_err(|m| m.hint("a setting is KEY[=VALUE]"))?;
        let key = find_live(at, word)?;
        apply(&mut draft, key, at, &Given { at, ..given })?;
    }
    draft.rules_and_vlan(rules.vlan.clone())
}

fn find_live(at: usize, word: &str) -> Result<&'static Key<Draft>, Mistake> {
    if let Some(key) = rule::KEYS.iter().find(|key| key.name == word) {
        return Ok(key);
    }
    if HEAD.iter().chain(link::KEYS.iter()).any(|key| key.name == word) {
        return Err(Mistake::new(at, format!("{word} can't be set on an attached port"))
            .hint("remove the port and add it again"));
    }
    let known = rule::KEYS.each_ref().map(|key| key.name);
    Err(unknown(at, word, &known, "port set"))
}
