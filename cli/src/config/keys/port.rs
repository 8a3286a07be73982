//! The keys of a port: of its attachment, then of its rules.

use super::{Key, unknown};
use super::{link, rule};
use crate::config::draft::Draft;
use crate::config::value::{Mistake, listed};

/// Every key but name, kind and target.
pub(crate) fn keys() -> impl Iterator<Item = &'static Key<Draft>> {
    link::KEYS.iter().chain(&rule::KEYS)
}

/// The keys that may be given more than once in a SPEC.
pub(crate) const REPEATING: [&str; 2] = ["addr", "gateway"];

/// The key that `word`, which stands at `at`, names for a port of this kind;
/// of any kind while that is not known. `head` are further words that could have been meant.
pub(crate) fn find(
    kind: Option<&str>,
    at: usize,
    word: &str,
    head: &[&'static str],
) -> Result<&'static Key<Draft>, Mistake> {
    let key = keys().find(|key| key.name == word);
    let takes = |key: &Key<Draft>| kind.is_none_or(|kind| key.kinds.contains(&kind));
    if let Some(key) = key.filter(|key| takes(key)) {
        return Ok(key);
    }
    let owner = kind.map_or("a port".to_owned(), |kind| format!("kind {kind}"));
    let mut known: Vec<_> = keys().filter(|key| takes(key)).map(|key| key.name).collect();
    known.extend(head);
    known.sort_unstable();
    let Some(key) = key else { return Err(unknown(at, word, &known, &owner)) };
    let why = format!("key {word:?} does not belong to {owner}");
    let (owners, known) = (listed(key.kinds, "and"), listed(&known, "and"));
    Err(Mistake::new(at, why).hint(format!("{word} is for {owners}; {owner} takes {known}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_there_once() {
        let mut names: Vec<_> = link::HEAD.iter().chain(keys()).map(|key| key.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
