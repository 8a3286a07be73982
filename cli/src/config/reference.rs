//! The tables of keys as plain rows, for help, the man page and the documentation's test.

use io_backends::ports::{KINDS, KindRow};

use super::keys::Key;
use super::keys::{link, port, rule, switch};
use super::value::listed;

/// One kind or key, as a user reads about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What is typed: the name with placeholders, like `access=VID`.
    pub form: String,
    /// What its value is, like `a VID from 1 to 4094`; empty for kinds.
    pub expected: String,
    /// The kinds it belongs to, like `tap and macvtap`; empty where that says nothing.
    pub kinds: String,
    /// What holds without it; empty for kinds.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// The kinds of port.
pub fn kind_reference() -> Vec<Row> {
    let row = |kind: &&KindRow| Row {
        name: kind.name,
        form: format!("{}{}", kind.name, kind.form),
        expected: String::new(),
        kinds: String::new(),
        default: "",
        help: kind.help,
    };
    KINDS.iter().map(row).collect()
}

/// The keys of a `[[port]]` that say what a SPEC's beginning does.
pub fn head_reference() -> Vec<Row> {
    link::HEAD.iter().map(row).collect()
}

/// The keys of a SPEC, which are those of a `[[port]]` but for name, kind and target.
pub fn spec_reference() -> Vec<Row> {
    port::keys().map(row).collect()
}

/// The keys that `port set` takes.
pub fn rule_reference() -> Vec<Row> {
    rule::KEYS.iter().map(row).collect()
}

/// The keys of a file's `[switch]`.
pub fn file_reference() -> Vec<Row> {
    switch::KEYS.iter().map(row).collect()
}

fn row<T>(key: &Key<T>) -> Row {
    let kinds =
        if key.kinds.len() == KINDS.len() { String::new() } else { listed(key.kinds, "and") };
    Row {
        name: key.name,
        form: format!("{}{}", key.name, key.form),
        expected: key.expected.to_string(),
        kinds,
        default: key.default,
        help: key.help,
    }
}
