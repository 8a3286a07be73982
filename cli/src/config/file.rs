//! TOML files: `[switch]` and `[[port]]` tables, every mistake with its line and column.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use io_backends::ErrorKind;
use io_backends::error::describe;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::claims::Claims;
use super::draft::Draft;
use super::keys::link::HEAD;
use super::keys::port::find;
use super::keys::switch;
use super::keys::unknown;
use super::nearest::likely;
use super::value::{Given, Mistake, Value, quoted};
use super::{PortConfig, SwitchConfig};
use crate::error::Error;

/// Far more than the largest configuration; a file beyond it is something else.
const LARGEST: u64 = 16 << 20;

type Node<'a> = Spanned<DeValue<'a>>;

/// A switch as a file describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// The switch.
    pub config: SwitchConfig,
    /// Where `workers` has its value, like `lab.toml:3:11`: whether the host has those CPUs
    /// is judged when the switch starts.
    pub workers_at: Option<String>,
}

/// The switch that the file at `path` describes.
///
/// # Errors
/// Exit 4 if the file may not be read; 2 if it can't be or is wrong.
pub fn load(path: &Path) -> Result<Described, Error> {
    let what = path.display().to_string();
    let bytes = read(path).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::Privilege, &what, "needs permission to read the file")
                .hint("run it as the file's owner or as root")
        }
        _ => Error::usage(&what, describe(&error)),
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => describe_file(path, &text),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
            Err(told(path, &text, Mistake::new(valid, "the file is not UTF-8 text")))
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if length as u64 > LARGEST {
        return Err(io::Error::other("the file is too large"));
    }
    Ok(bytes)
}

/// The switch that `text` describes; `path` only names it in messages.
///
/// ```
/// use netloom::config::parse_file;
/// let error = parse_file("lab.toml".as_ref(), "[switch]\nagein = 10\n").unwrap_err();
/// assert_eq!(error.what, "lab.toml:2:1");
/// assert_eq!(error.hint.unwrap(), "did you mean \"ageing\"?");
/// ```
///
/// # Errors
/// Exit 2, naming line and column and the text that is wrong there.
pub fn parse_file(path: &Path, text: &str) -> Result<SwitchConfig, Error> {
    describe_file(path, text).map(|described| described.config)
}

fn describe_file(path: &Path, text: &str) -> Result<Described, Error> {
    let mut workers_at = None;
    match (Reader { text }).switch(&mut workers_at) {
        Ok(config) => {
            Ok(Described { config, workers_at: workers_at.map(|at| place(path, text, at)) })
        }
        Err(mistake) => Err(told(path, text, mistake)),
    }
}

fn told(path: &Path, text: &str, mistake: Mistake) -> Error {
    let what = place(path, text, mistake.at);
    Error { hint: mistake.hint, ..Error::usage(what, mistake.why) }
}

/// File, line and column of byte `at`.
fn place(path: &Path, text: &str, at: usize) -> String {
    let (line, column) = line_column(text, at);
    format!("{}:{line}:{column}", path.display())
}

/// Line and column of byte `at`, counted from 1 in lines and characters.
fn line_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    /// All of it. `workers_at` is set to where `workers` has its value, if it is there.
    fn switch(&self, workers_at: &mut Option<usize>) -> Result<SwitchConfig, Mistake> {
        let document = DeTable::parse(self.text).map_err(|error| self.syntax(&error))?;
        let mut config = SwitchConfig::default();
        for (word, at, node) in in_order(document.get_ref()) {
            match (word, node.get_ref()) {
                ("switch", DeValue::Table(table)) => {
                    self.rules(&mut config, table)?;
                    *workers_at = table.get("workers").map(|node| node.span().start);
                }
                ("port", DeValue::Array(ports)) => config.ports = self.ports(ports)?,
                ("switch", _) => {
                    return Err(Mistake::new(at, "switch is not a table").hint("write [switch]"));
                }
                ("port", _) => {
                    let why = "port is not an array of tables";
                    return Err(Mistake::new(at, why).hint("write [[port]]"));
                }
                _ => return Err(unknown_table(at, word)),
            }
        }
        Ok(config)
    }

    /// `[switch]`.
    fn rules(&self, config: &mut SwitchConfig, table: &DeTable<'_>) -> Result<(), Mistake> {
        for (word, at, node) in in_order(table) {
            let Some(key) = switch::KEYS.iter().find(|key| key.name == word) else {
                let known = switch::KEYS.each_ref().map(|key| key.name);
                return Err(unknown(at, word, &known, "[switch]"));
            };
            key.apply(config, at, &given(self.text, node))?;
        }
        Ok(())
    }

    /// Every `[[port]]`.
    fn ports(&self, nodes: &[Node<'_>]) -> Result<Vec<PortConfig>, Mistake> {
        let mut claims = Claims::default();
        let (mut ports, mut names) = (Vec::new(), Vec::new());
        for node in nodes {
            let at = node.span().start;
            let DeValue::Table(table) = node.get_ref() else {
                return Err(Mistake::new(at, "a port that is not a table").hint("write [[port]]"));
            };
            let draft = self.port(table)?;
            let port = draft.finish(at)?;
            let name_at = draft.place("name").unwrap_or(at);
            claims.add(&port).map_err(|clash| {
                let first = clash.first.and_then(|first| names.get(first));
                let line = |&at| format!("the first is on line {}", line_column(self.text, at).0);
                let at = draft.place(clash.key).unwrap_or(name_at);
                Mistake { at, why: clash.why, hint: first.map(line).or(clash.hint) }
            })?;
            names.push(name_at);
            ports.push(port);
        }
        Ok(ports)
    }

    /// What the keys of one `[[port]]` say. Of `name`, `kind` and `target` the
    /// place is the value's, of the others the key's.
    fn port(&self, table: &DeTable<'_>) -> Result<Draft, Mistake> {
        let mut draft = Draft::default();
        let (head, rest): (Vec<_>, Vec<_>) = in_order(table)
            .into_iter()
            .partition(|(word, ..)| HEAD.iter().any(|key| key.name == *word));
        for (word, at, node) in head {
            for key in HEAD.iter().filter(|key| key.name == word) {
                key.apply(&mut draft, at, &given(self.text, node))?;
                draft.given.push((key.name, node.span().start));
            }
        }
        let kind = draft.kind.map(|kind| kind.name);
        for (word, at, node) in rest {
            // Without a kind a slip in `kind` itself is told first.
            let key = find(kind, at, word, &HEAD.each_ref().map(|key| key.name))?;
            key.apply(&mut draft, at, &given(self.text, node))?;
            draft.given.push((key.name, at));
        }
        Ok(draft)
    }

    fn syntax(&self, error: &toml::de::Error) -> Mistake {
        let at = error.span().map_or(0, |span| span.start);
        let before = self.text.get(..at).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[start..].lines().next().unwrap_or_default().trim();
        Mistake::new(at, format!("{} in {}", error.message(), quoted(line)))
    }
}

fn unknown_table(at: usize, word: &str) -> Mistake {
    let hint = match likely(word, ["switch", "port"]) {
        Some("port") => "did you mean [[port]]?",
        Some(_) => "did you mean [switch]?",
        None => "a file has [switch] and [[port]] tables",
    };
    Mistake::new(at, format!("unknown key {}", quoted(word))).hint(hint)
}

/// A table's keys with their places, as they stand in the file.
fn in_order<'t>(table: &'t DeTable<'_>) -> Vec<(&'t str, usize, &'t Node<'t>)> {
    let mut entries: Vec<_> =
        table.iter().map(|(key, node)| (&**key.get_ref(), key.span().start, node)).collect();
    entries.sort_by_key(|&(_, at, _)| at);
    entries
}

fn given<'t>(text: &'t str, node: &'t Node<'_>) -> Given<'t> {
    let value = match node.get_ref() {
        DeValue::String(string) => Value::Text(Cow::Borrowed(string)),
        DeValue::Integer(number) => {
            Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
        }
        DeValue::Boolean(on) => Value::Boolean(*on),
        DeValue::Array(items) => Value::List(items.iter().map(|item| given(text, item)).collect()),
        other => Value::Other(other.type_str()),
    };
    let span = node.span();
    Given { at: span.start, raw: text.get(span).unwrap_or_default(), value }
}
