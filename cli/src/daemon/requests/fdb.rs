//! Entries of the FDB, put and taken out.

use std::cell::RefCell;
use std::collections::BTreeMap;

use switch_core::fdb::Key;
use switch_core::tables::PortTable;
use switch_core::{Mac, PortId, Vid};

use super::{Answer, Answered};
use crate::control::api::Changed;
use crate::control::change::{Action, Change, Thing};
use crate::daemon::Daemon;
use crate::error::Error;

impl Daemon {
    pub(super) fn fdb_add(&mut self, mac: &str, port: &str, vid: Option<u16>) -> Answered {
        let mac = unicast(mac)?;
        let table = self.port(port)?;
        let vid = entry_vid(table, vid)?;
        let id = table.id;
        let before = self.switch.fdb().entry(Key::new(mac, vid), self.now());
        if before.is_some_and(|entry| entry.is_static && entry.port == id) {
            let hints = vec![format!("{mac} in VLAN {vid} was put on port {port} already")];
            return Ok(Answer::Changed(Changed { changed: Vec::new(), hints }));
        }
        self.switch.add_static(mac, vid, id).map_err(|_| {
            Error::failed(format!("FDB entry {mac}"), "the table is full of static entries")
                .hint("a larger fdb-capacity in [switch] makes room")
        })?;
        let was_put = before.is_some_and(|entry| entry.is_static);
        let was = before
            .filter(|entry| entry.port != id)
            .and_then(|entry| self.switch.port(entry.port).map(|other| other.name.clone()));
        let action = if was_put { Action::Set } else { Action::Added };
        let entry = Change::new(action, Thing::Fdb, mac.to_string()).vid(Some(vid.get()));
        Ok(changed(vec![entry.was(was).now(port)]))
    }

    pub(super) fn fdb_del(&mut self, mac: &str, vid: Option<u16>) -> Answered {
        let mac = unicast(mac)?;
        let vid = vid.map(any_vid).transpose()?;
        let wanted = |entry_vid: Vid| vid.is_none_or(|vid| vid == entry_vid);
        let gone = RefCell::new(BTreeMap::new());
        self.switch.fdb().flush(self.now(), |entry| {
            let matches = entry.mac == mac && wanted(entry.vid);
            if matches {
                gone.borrow_mut().insert(entry.vid, entry.port);
            }
            matches
        });
        let gone = gone.into_inner();
        if gone.is_empty() {
            let place = vid.map_or(String::new(), |vid| format!(" in VLAN {vid}"));
            return Err(Error::unknown(format!("FDB entry {mac}{place}"), "there is none")
                .hint("`netloom fdb ls` lists the entries"));
        }
        let removed = |(vid, port): (Vid, PortId)| {
            let port = self.switch.port(port).map(|port| port.name.clone());
            Change::new(Action::Removed, Thing::Fdb, mac.to_string()).vid(Some(vid.get())).was(port)
        };
        Ok(changed(gone.into_iter().map(removed).collect()))
    }

    pub(super) fn fdb_flush(
        &mut self,
        port: Option<&str>,
        vid: Option<u16>,
        include_static: bool,
    ) -> Answered {
        let id = port.map(|name| self.port(name).map(|port| port.id)).transpose()?;
        let vid = vid.map(any_vid).transpose()?;
        let gone = self.switch.fdb().flush(self.now(), |entry| {
            id.is_none_or(|id| id == entry.port)
                && vid.is_none_or(|vid| vid == entry.vid)
                && (include_static || !entry.is_static)
        });
        if gone == 0 {
            let hints = vec!["there was nothing to flush".to_owned()];
            return Ok(Answer::Changed(Changed { changed: Vec::new(), hints }));
        }
        let flushed = Change::new(Action::Flushed, Thing::Fdb, port.unwrap_or_default());
        let flushed = Change { name: port.map(str::to_owned), ..flushed };
        Ok(changed(vec![flushed.vid(vid.map(Vid::get)).count(gone)]))
    }
}

fn changed(changed: Vec<Change>) -> Answer {
    Answer::Changed(Changed { changed, hints: Vec::new() })
}

fn unicast(mac: &str) -> Result<Mac, Error> {
    let parsed: Mac = mac.parse().map_err(|error| Error::usage(mac, format!("{error}")))?;
    if parsed.is_group() || parsed.is_zero() {
        return Err(Error::usage(mac, "an FDB entry has a unicast address, not all zero"));
    }
    Ok(parsed)
}

fn any_vid(vid: u16) -> Result<Vid, Error> {
    Vid::new(vid).ok_or_else(|| Error::usage(format!("VID {vid}"), "a VID is 0 to 4094"))
}

/// The VLAN of a static entry: the one named, else the port's own.
fn entry_vid(port: &PortTable, vid: Option<u16>) -> Result<Vid, Error> {
    let what = || format!("port {}", port.name);
    match vid.map(any_vid).transpose()? {
        None => port.rules.vlan.pvid().ok_or_else(|| {
            Error::usage(what(), "a trunk without native VLAN has no VLAN of its own")
                .hint("say which with --vlan VID")
        }),
        Some(vid) if port.rules.vlan.is_member(vid) => Ok(vid),
        Some(vid) => Err(Error::usage(what(), format!("is not a member of VLAN {vid}"))),
    }
}
