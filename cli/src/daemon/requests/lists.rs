//! The answers that may be long: ports, FDB and VLANs, row by row.
//!
//! Each keeps what it needs of the moment when it was asked for, so that it can be written while
//! the switch goes on. Only a large FDB is read part by part: an entry that moves within the
//! table meanwhile, to make room for another, may be missing or twice.

use std::sync::Arc;

use switch_core::fdb::Entry;
use switch_core::tables::{Tables, named_vids};
use switch_core::vlan::{Vid, VlanMode};

use super::documents;
use crate::config::PortConfig;
use crate::control::api::{FdbRow, VlanRow};
use crate::daemon::Daemon;
use crate::daemon::socket::Rows;

/// FDB rows made at once.
const ROWS: usize = 256;

/// About as many FDB entries are read at once, and kept until they are written.
const MOST_READ: u32 = 1 << 17;

/// About what a port's row is made of, in bytes.
const PORT: usize = 1024;

impl Daemon {
    /// `port ls`.
    pub(super) fn port_rows(&self) -> Rows {
        let now = |port: &PortConfig| {
            let life = self.lives.get(&port.name)?;
            Some((port.clone(), life.now(), self.lane_doc(life)))
        };
        let ports: Vec<_> = self.config.ports.iter().filter_map(now).collect();
        let held = ports.len() * PORT;
        Rows::new(
            held,
            ports
                .into_iter()
                .map(|(port, device, lane)| [documents::port_row(&port, device, lane)]),
        )
    }

    /// `fdb ls`.
    pub(super) fn fdb_rows(&self) -> Rows {
        let tables = self.switch.tables();
        let parts = self.switch.fdb_parts(self.now());
        let held = self.switch.fdb().stats().entries.min(MOST_READ) as usize * size_of::<Entry>();
        let chunks = parts.flat_map(|entries| {
            let count = entries.len().div_ceil(ROWS).max(1);
            (0..count).map(move |n| {
                let end = entries.len().min((n + 1) * ROWS);
                entries[n * ROWS..end].to_vec()
            })
        });
        Rows::new(held, chunks.map(move |entries| fdb_rows(&tables, &entries)))
    }
}

fn fdb_rows(tables: &Tables, entries: &[Entry]) -> Vec<FdbRow> {
    let row = |entry: &Entry| {
        Some(FdbRow {
            mac: entry.mac.to_string(),
            vid: entry.vid.get(),
            port: tables.port(entry.port)?.name.clone(),
            kind: if entry.is_static { "static" } else { "dynamic" }.into(),
            age: (!entry.is_static).then_some(entry.age),
        })
    };
    entries.iter().filter_map(row).collect()
}

/// `vlan ls`.
pub(super) fn vlan_rows(tables: Arc<Tables>) -> Rows {
    let mut named = vec![false; Vid::COUNT];
    for port in tables.ports() {
        let vids = named_vids(&port.rules.vlan);
        vids.into_iter().for_each(|vid| named[usize::from(vid.get())] = true);
        if port.rules.vlan == VlanMode::Transparent {
            named[usize::from(Vid::UNTAGGED.get())] = true;
        }
    }
    let vids = (0..).zip(named).filter(|(_, is_named)| *is_named);
    let vids = vids.filter_map(|(vid, _)| Vid::new(vid));
    Rows::new(0, vids.map(move |vid| [vlan_row(&tables, vid)]))
}

fn vlan_row(tables: &Tables, vid: Vid) -> VlanRow {
    let members = || {
        tables.ports().filter(move |port| match vid {
            Vid::UNTAGGED => port.rules.vlan == VlanMode::Transparent,
            _ => port.rules.vlan.is_member(vid),
        })
    };
    let untagged = members().filter(|port| port.is_untagged(vid));
    VlanRow {
        vid: vid.get(),
        members: members().map(|port| port.name.clone()).collect(),
        untagged: untagged.map(|port| port.name.clone()).collect(),
    }
}
