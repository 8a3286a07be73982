//! What a command changed, as values: `--json` prints them, the log and people read their text.

use std::fmt;

use io_backends::lab::{NetdevEnd, Place, Undone};
use serde::{Deserialize, Serialize};

/// One thing that changed. Its text is [`fmt::Display`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "Document")]
pub struct Change {
    /// What happened to it.
    pub action: Action,
    /// What kind of thing it is.
    pub thing: Thing,
    /// Its name; an FDB entry's is its address. `None` is all of them.
    pub name: Option<String>,
    /// What it was, as far as that is gone.
    pub from: Option<String>,
    /// What it is now.
    pub to: Option<String>,
    /// The VLAN of an FDB entry.
    pub vid: Option<u16>,
    /// How many, where several are one change.
    pub count: Option<usize>,
}

/// What happened to a thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is new.
    Added,
    /// It is no more.
    Removed,
    /// It was there and is different now.
    Set,
    /// FDB entries were forgotten.
    Flushed,
    /// A switch forwards.
    Started,
    /// A switch forwards no more.
    Stopped,
    /// A borrowed netdev is where and as it was.
    GivenBack,
    /// A borrowed netdev was removed by somebody else.
    Gone,
    /// Files were written.
    Written,
}

/// What kind of thing changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Thing {
    /// A switch.
    Switch,
    /// A port.
    Port,
    /// An entry of the FDB.
    Fdb,
    /// A netdev; `from` and `to` are namespaces.
    Netdev,
    /// A namespace.
    Namespace,
    /// The manual, in a directory.
    Manual,
}

/// A change with its text.
#[derive(Serialize)]
struct Document {
    action: Action,
    thing: Thing,
    name: Option<String>,
    from: Option<String>,
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vid: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    text: String,
}

impl From<Change> for Document {
    fn from(change: Change) -> Document {
        let text = change.to_string();
        let Change { action, thing, name, from, to, vid, count } = change;
        Document { action, thing, name, from, to, vid, count, text }
    }
}

impl Change {
    /// A change of the thing of that name.
    pub fn new(action: Action, thing: Thing, name: impl Into<String>) -> Change {
        let name = Some(name.into());
        Change { action, thing, name, from: None, to: None, vid: None, count: None }
    }

    /// The same, with what it was.
    #[must_use]
    pub fn was(mut self, from: Option<String>) -> Change {
        self.from = from;
        self
    }

    /// The same, with what it is now.
    #[must_use]
    pub fn now(mut self, to: impl Into<String>) -> Change {
        self.to = Some(to.into());
        self
    }

    /// The same, in this VLAN.
    #[must_use]
    pub fn vid(mut self, vid: Option<u16>) -> Change {
        self.vid = vid;
        self
    }

    /// The same, for so many.
    #[must_use]
    pub fn count(mut self, count: usize) -> Change {
        self.count = Some(count);
        self
    }
}

impl From<Undone> for Change {
    fn from(undone: Undone) -> Change {
        match undone {
            Undone::Namespace(name) => Change::new(Action::Removed, Thing::Namespace, name),
            Undone::Netdev(place, name, end) => {
                let place = match place {
                    Place::Here => None,
                    Place::In(netns) => Some(netns.to_string()),
                };
                let change = |action| Change::new(action, Thing::Netdev, name);
                match end {
                    NetdevEnd::Removed => change(Action::Removed).was(place),
                    NetdevEnd::GivenBack => Change { to: place, ..change(Action::GivenBack) },
                    NetdevEnd::Gone => change(Action::Gone).was(place),
                }
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or_default();
        let (from, to) = (self.from.as_deref(), self.to.as_deref().unwrap_or_default());
        let count = self.count.unwrap_or_default();
        match (self.thing, self.action) {
            (Thing::Switch, Action::Started) => {
                write!(f, "switch {name} forwards with {}", counted(count, "port", "ports"))
            }
            (Thing::Switch, Action::Removed) => write!(f, "switch {name} was dead"),
            (Thing::Port, Action::Added) => write!(f, "port {name} added: {to}"),
            (Thing::Switch | Thing::Port, Action::Set) => {
                let thing = if self.thing == Thing::Port { "port" } else { "switch" };
                write!(f, "{thing} {name} set: {to} (was {})", from.unwrap_or_default())
            }
            (Thing::Fdb, Action::Flushed) => self.flushed(f, count),
            (Thing::Fdb, Action::Removed) => {
                write!(f, "{name}{} removed from port {}", self.vlan(), from.unwrap_or_default())
            }
            (Thing::Fdb, action) => {
                write!(f, "{name}{} stays on port {to}", self.vlan())?;
                let how = if action == Action::Set { "was put" } else { "was learned" };
                from.map_or(Ok(()), |from| write!(f, "; before, it {how} on port {from}"))
            }
            (Thing::Netdev, action) => {
                let place = from.or(self.to.as_deref());
                write!(f, "netdev {name}")?;
                place.map_or(Ok(()), |place| write!(f, " in namespace {place}"))?;
                write!(f, " {}", action.done())
            }
            (Thing::Manual, _) => write!(f, "man pages in {name}"),
            (Thing::Switch, action) => write!(f, "switch {name} {}", action.done()),
            (Thing::Port, action) => write!(f, "port {name} {}", action.done()),
            (Thing::Namespace, action) => write!(f, "namespace {name} {}", action.done()),
        }
    }
}

impl Change {
    fn flushed(&self, f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
        f.write_str(&counted(count, "entry", "entries"))?;
        self.name.as_ref().map_or(Ok(()), |port| write!(f, " of port {port}"))?;
        write!(f, "{} flushed", self.vlan())
    }

    fn vlan(&self) -> String {
        self.vid.map_or_else(String::new, |vid| format!(" in VLAN {vid}"))
    }
}

impl Action {
    /// What was done, behind the name of what it was done to.
    fn done(self) -> &'static str {
        match self {
            Action::Added => "added",
            Action::Removed => "removed",
            Action::Set => "set",
            Action::Flushed => "flushed",
            Action::Started => "started",
            Action::Stopped => "stopped",
            Action::GivenBack => "given back",
            Action::Gone => "is gone",
            Action::Written => "written",
        }
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_says_what_from_what_to_what() {
        let place = Place::In(io_backends::lab::Netns::Name("n".into()));
        let undone = |place: &Place, end| Undone::Netdev(place.clone(), "t".into(), end).into();
        let fdb = |action| Change::new(action, Thing::Fdb, "02:00:00:00:00:01").vid(Some(10));
        let changes: [(Change, &str); 14] = [
            (
                Change::new(Action::Started, Thing::Switch, "x").count(1),
                "switch x forwards with 1 port",
            ),
            (Change::new(Action::Stopped, Thing::Switch, "x"), "switch x stopped"),
            (Change::new(Action::Added, Thing::Port, "a").now("tap"), "port a added: tap"),
            (
                Change::new(Action::Removed, Thing::Port, "a").was(Some("tap".into())),
                "port a removed",
            ),
            (
                Change::new(Action::Set, Thing::Port, "a")
                    .was(Some("access=10".into()))
                    .now("access=20"),
                "port a set: access=20 (was access=10)",
            ),
            (fdb(Action::Added).now("a"), "02:00:00:00:00:01 in VLAN 10 stays on port a"),
            (
                fdb(Action::Added).was(Some("b".into())).now("a"),
                "02:00:00:00:00:01 in VLAN 10 stays on port a; before, it was learned on port b",
            ),
            (
                fdb(Action::Set).was(Some("b".into())).now("a"),
                "02:00:00:00:00:01 in VLAN 10 stays on port a; before, it was put on port b",
            ),
            (
                fdb(Action::Removed).was(Some("a".into())),
                "02:00:00:00:00:01 in VLAN 10 removed from port a",
            ),
            (
                Change { name: None, ..Change::new(Action::Flushed, Thing::Fdb, "").count(2) },
                "2 entries flushed",
            ),
            (
                Change::new(Action::Flushed, Thing::Fdb, "a").vid(Some(0)).count(1),
                "1 entry of port a in VLAN 0 flushed",
            ),
            (undone(&place, NetdevEnd::Removed), "netdev t in namespace n removed"),
            (undone(&Place::Here, NetdevEnd::GivenBack), "netdev t given back"),
            (Undone::Namespace("n".into()).into(), "namespace n removed"),
        ];
        for (change, text) in changes {
            assert_eq!(change.to_string(), text);
            let document = serde_json::to_value(&change).unwrap();
            assert_eq!(document["text"], text);
            assert_eq!(serde_json::from_value::<Change>(document).unwrap(), change);
        }
    }

    #[test]
    fn a_document_has_the_same_keys_whatever_changed() {
        let change = Change::new(Action::GivenBack, Thing::Netdev, "t");
        assert_eq!(
            serde_json::to_value(change).unwrap(),
            json!({
                "action": "given-back", "thing": "netdev", "name": "t", "from": null, "to": null,
                "text": "netdev t given back",
            })
        );
    }
}
