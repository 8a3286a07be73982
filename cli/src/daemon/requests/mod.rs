//! What clients ask for, done.

pub(super) mod documents;
mod fdb;
pub(super) mod hints;
mod lists;
mod ports;

use std::os::fd::OwnedFd;

use io_backends::bpf::lane::{LaneCounts, LaneDoor};
use io_backends::lab::{LinkInfo, Report};
use serde::Serialize;
use serde_json::Value;
use switch_core::Frame;
use switch_core::explain::explain;
use switch_core::frame::MAX_FRAME;
use switch_core::tables::PortTable;

use self::documents::Beside;
use super::Daemon;
use super::socket::Rows;
use crate::control::api::{Changed, Request, SwitchRow};
use crate::control::change::{Action, Change, Thing};
use crate::error::Error;

/// What a request leads to.
pub(super) enum Answer {
    /// Something was asked: the document.
    Document(Value),
    /// A list was asked for.
    List(Rows),
    /// Something was changed.
    Changed(Changed),
    /// The switch is to stop.
    Stop,
}

type Answered = Result<Answer, Error>;

impl Daemon {
    /// Does what a request asks for. Where it fails, nothing has changed.
    pub(super) fn obey(&mut self, request: Request, descriptor: Option<OwnedFd>) -> Answered {
        match request {
            Request::Info {} => document(&self.info()),
            Request::Ports {} => Ok(Answer::List(self.port_rows())),
            Request::PortAdd { spec } => self.port_add(&spec, descriptor),
            Request::PortDel { name } => self.port_del(&name),
            Request::PortSet { name, settings } => self.port_set(&name, &settings),
            Request::Fdb {} => Ok(Answer::List(self.fdb_rows())),
            Request::FdbAdd { mac, port, vid } => self.fdb_add(&mac, &port, vid),
            Request::FdbDel { mac, vid } => self.fdb_del(&mac, vid),
            Request::FdbFlush { port, vid, include_static } => {
                self.fdb_flush(port.as_deref(), vid, include_static)
            }
            Request::Vlans {} => Ok(Answer::List(lists::vlan_rows(self.switch.tables()))),
            Request::Stats { port } => self.stats(port.as_deref()),
            Request::Explain { port, frame } => self.explain(&port, &frame),
            Request::Stop {} => Ok(Answer::Stop),
        }
    }

    fn info(&self) -> SwitchRow {
        SwitchRow {
            name: self.name().into(),
            pid: Some(std::process::id()),
            uptime: Some(self.clock.elapsed().as_secs_f64()),
            ports: Some(self.config.ports.len()),
            state: "running".into(),
        }
    }

    fn port(&self, name: &str) -> Result<&PortTable, Error> {
        self.switch.port_named(name).ok_or_else(|| {
            Error::unknown(format!("port {name}"), format!("switch {} has none", self.name()))
                .hint("`netloom port ls` lists the ports")
        })
    }

    fn stats(&mut self, port: Option<&str>) -> Answered {
        if let Some(name) = port {
            self.port(name)?;
        }
        let names: Vec<_> = self.lives.keys().cloned().collect();
        let beside = names.into_iter().filter_map(|name| {
            let beside = self.beside(&name, port.is_none_or(|port| *port == name))?;
            Some((name, beside))
        });
        let beside = beside.collect();
        let (uptime, gone) = (self.clock.elapsed().as_secs_f64(), self.removed_lane_counts());
        document(&documents::stats(&self.switch, uptime, port, &self.workers, &beside, gone))
    }

    /// What of a port's frames the workers did not see; `asks` the kernel for its part too.
    fn beside(&mut self, name: &str, asks: bool) -> Option<Beside> {
        let life = self.lives.get(name)?;
        // What was counted before a port was lost still counts.
        let counts = self.lane_counts(life);
        let has_door = life.tie().is_some_and(|tie| tie.door.is_some());
        let lane = (has_door || counts != LaneCounts::default()).then_some(counts);
        let missed = |link: Option<LinkInfo>| link.map(|link| link.tx_dropped);
        let Some(tie) = life.tie() else {
            let link = life.watched().filter(|_| asks).map(|watched| self.watch.state_of(watched));
            let missed = link.and_then(Result::ok).and_then(missed);
            return Some(Beside { missed, lane, failed: 0 });
        };
        let drops = tie.door.as_ref().map(LaneDoor::drops).unwrap_or_default();
        let handle = asks.then(|| tie.tied.handle_now()).and_then(Result::ok).and_then(missed);
        let missed = handle.map(|missed| missed + drops.crowded_out + drops.held_back);
        Some(Beside { missed, lane, failed: drops.failed })
    }

    fn explain(&self, port: &str, frame: &str) -> Answered {
        let ingress = self.port(port)?.id;
        let bytes = bytes_of(frame)?;
        let tables = self.switch.tables();
        let fdb = self.switch.fdb();
        let answer = explain(&tables, fdb, self.now(), ingress, &Frame::from_bytes(&bytes));
        let mut answer =
            answer.ok_or_else(|| Error::unknown(format!("port {port}"), "it is gone"))?;
        let by_lane = self.explain_lane(ingress, &Frame::from_bytes(&bytes), &mut answer);
        document(&documents::explain(answer, by_lane))
    }
}

/// What `down` reports.
pub(super) fn stopped(name: &str, report: Report) -> Changed {
    let hints = leftovers(&report);
    let stopped = Change::new(Action::Stopped, Thing::Switch, name);
    let undone = report.undone.into_iter().map(Change::from);
    Changed { changed: [stopped].into_iter().chain(undone).collect(), hints }
}

/// What was left, and by whom it is used.
pub fn leftovers(report: &Report) -> Vec<String> {
    let processes = |count| match count {
        1 => "1 process lives".to_owned(),
        count => format!("{count} processes live"),
    };
    let left = report.left.iter().map(|left| {
        format!("{} on in what was namespace {}", processes(left.processes), left.namespace)
    });
    left.chain(report.kept.iter().map(|error| format!("not removed: {error}"))).collect()
}

fn document(document: &impl Serialize) -> Answered {
    serde_json::to_value(document)
        .map(Answer::Document)
        .map_err(|error| Error::failed("the answer", error.to_string()))
}

fn bytes_of(hex: &str) -> Result<Vec<u8>, Error> {
    let bad = || Error::usage("FRAME", "is not a string of hexadecimal bytes");
    if !hex.len().is_multiple_of(2) || !hex.is_ascii() || hex.len() / 2 > MAX_FRAME {
        return Err(bad());
    }
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).map_err(|_| bad());
    (0..hex.len()).step_by(2).map(byte).collect()
}
