//! What clients ask for, done.

pub(super) mod documents;
pub(super) mod hints;
mod lists;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use io_backends::Attachment;
use io_backends::lab::Report;
use io_backends::ports::Kind;
use serde::Serialize;
use serde_json::Value;
use switch_core::config::{Action as Step, Config, PortConfig, PortRules, plan};
use switch_core::explain::explain;
use switch_core::fdb::Key;
use switch_core::frame::MAX_FRAME;
use switch_core::tables::PortTable;
use switch_core::{Frame, Mac, PortId, Vid};

use super::Daemon;
use super::socket::Rows;
use crate::config::{SwitchConfig, difference, merge, parse_settings, parse_spec, spec_words};
use crate::control::api::{Changed, Request, SwitchRow};
use crate::control::change::{Action, Change, Thing};
use crate::error::CliError;

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

type Answered = Result<Answer, CliError>;

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
            ports: Some(self.members.len()),
            state: "running".into(),
        }
    }

    fn port(&self, name: &str) -> Result<&PortTable, CliError> {
        self.switch.port_named(name).ok_or_else(|| {
            CliError::unknown(format!("port {name}"), format!("switch {} has none", self.name()))
                .hint("`netloom port ls` lists the ports")
        })
    }

    fn configuration(&self) -> Config<Attachment> {
        Config {
            bridge: self.switch.bridge(),
            ports: self.members.iter().map(|member| member.config.clone()).collect(),
        }
    }

    /// Changes the configuration to what `change` makes of it, by the steps that takes.
    fn apply(
        &mut self,
        change: impl FnOnce(&mut Vec<PortConfig<Attachment>>),
        mut sent: Option<OwnedFd>,
    ) -> Result<Report, CliError> {
        let old = self.configuration();
        let mut new = old.clone();
        change(&mut new.ports);
        let mut report = Report::default();
        for step in plan(&old, &new) {
            match step {
                Step::AddPort(port) => self.add_port(port, sent.take())?,
                Step::RemovePort(name) => {
                    report.join(self.remove_port(&name).unwrap_or_default());
                }
                Step::SetRules(name, rules) => self.set_rules(&name, rules),
                Step::SetBridge(bridge) => {
                    self.switch.set_bridge(bridge);
                    self.await_crossing();
                }
            }
        }
        Ok(report)
    }

    fn set_rules(&mut self, name: &str, rules: PortRules) {
        if let Some(member) = self.members.iter_mut().find(|member| member.config.name == name) {
            member.config.rules = rules.clone();
            self.switch.set_rules(member.id, rules);
            self.await_crossing();
        }
    }

    fn port_add(&mut self, spec: &str, sent: Option<OwnedFd>) -> Answered {
        let port = parse_spec(spec)?;
        let (name, words) = (port.name.clone(), spec_words(&port));
        let what = format!("port {name}");
        if self.switch.port_named(&port.name).is_some() {
            return Err(CliError::failed(what, "the switch has a port of this name already"));
        }
        // What two ports can't share is known before anything is made.
        merge(
            SwitchConfig { config: self.configuration(), ..SwitchConfig::default() },
            vec![port.clone()],
        )?;
        if matches!(port.attachment.kind, Kind::Fd(_)) && sent.is_none() {
            return Err(CliError::failed(what, "no descriptor came with the request").hint(
                "`netloom port add` sends the one it inherited; other programs use SCM_RIGHTS",
            ));
        }
        let known = self.hints();
        self.apply(|ports| ports.push(port), sent)?;
        let hints = self.hints().into_iter().filter(|hint| !known.contains(hint)).collect();
        let added = Change::new(Action::Added, Thing::Port, name).now(words);
        Ok(Answer::Changed(Changed { changed: vec![added], hints }))
    }

    fn hints(&self) -> Vec<String> {
        hints::of(self.members.iter().map(|member| &member.config))
    }

    fn port_del(&mut self, name: &str) -> Answered {
        self.port(name)?;
        let port = self.members.iter().find(|member| member.config.name == name);
        let words = port.map(|port| spec_words(&port.config)).unwrap_or_default();
        let report = self.apply(|ports| ports.retain(|port| port.name != name), None)?;
        let removed = Change::new(Action::Removed, Thing::Port, name).was(Some(words));
        Ok(Answer::Changed(Changed { changed: vec![removed], hints: leftovers(&report) }))
    }

    fn port_set(&mut self, name: &str, settings: &[String]) -> Answered {
        self.port(name)?;
        let settings = parse_settings(settings)?;
        let before = self.configuration();
        let known = self.hints();
        self.apply(
            |ports| {
                let ports = ports.iter_mut().filter(|port| port.name == name);
                ports.for_each(|port| settings.apply(&mut port.rules));
            },
            None,
        )?;
        let hints = self.hints().into_iter().filter(|hint| !known.contains(hint)).collect();
        let pairs = before.ports.iter().zip(&self.members);
        let set = pairs.filter_map(|(old, new)| {
            let (was, now) = difference(old, &new.config)?;
            Some(Change::new(Action::Set, Thing::Port, name).was(Some(was)).now(now))
        });
        let changed: Vec<_> = set.collect();
        let mut hints: Vec<_> = hints;
        if changed.is_empty() {
            hints.insert(0, format!("port {name} was set so already"));
        }
        Ok(Answer::Changed(Changed { changed, hints }))
    }

    fn fdb_add(&mut self, mac: &str, port: &str, vid: Option<u16>) -> Answered {
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
            CliError::failed(format!("FDB entry {mac}"), "the table is full of static entries")
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

    fn fdb_del(&mut self, mac: &str, vid: Option<u16>) -> Answered {
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
            return Err(CliError::unknown(format!("FDB entry {mac}{place}"), "there is none")
                .hint("`netloom fdb ls` lists the entries"));
        }
        let removed = |(vid, port): (Vid, PortId)| {
            let port = self.switch.port(port).map(|port| port.name.clone());
            Change::new(Action::Removed, Thing::Fdb, mac.to_string()).vid(Some(vid.get())).was(port)
        };
        Ok(changed(gone.into_iter().map(removed).collect()))
    }

    fn fdb_flush(
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

    fn stats(&mut self, port: Option<&str>) -> Answered {
        if let Some(name) = port {
            self.port(name)?;
        }
        let watched: Vec<_> = self
            .members
            .iter()
            .filter(|member| port.is_none_or(|port| port == member.config.name))
            .filter_map(|member| Some((member.config.name.clone(), member.watched()?)))
            .collect();
        let mut missed = std::collections::HashMap::new();
        for (name, watched) in watched {
            if let Ok(Some(link)) = self.watch.state_of(watched) {
                missed.insert(name, link.tx_dropped);
            }
        }
        let uptime = self.clock.elapsed().as_secs_f64();
        let rx_missed = |name: &str| missed.get(name).copied();
        document(&documents::stats(&self.switch, uptime, port, &self.workers, rx_missed))
    }

    fn explain(&self, port: &str, frame: &str) -> Answered {
        let ingress = self.port(port)?.id;
        let bytes = bytes_of(frame)?;
        let tables = self.switch.tables();
        let fdb = self.switch.fdb();
        let answer = explain(&tables, fdb, self.now(), ingress, &Frame::from_bytes(&bytes));
        let answer =
            answer.ok_or_else(|| CliError::unknown(format!("port {port}"), "it is gone"))?;
        document(&documents::explain(answer))
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
        .map_err(|error| CliError::failed("the answer", error.to_string()))
}

fn changed(changed: Vec<Change>) -> Answer {
    Answer::Changed(Changed { changed, hints: Vec::new() })
}

fn unicast(mac: &str) -> Result<Mac, CliError> {
    let parsed: Mac = mac.parse().map_err(|error| CliError::usage(mac, format!("{error}")))?;
    if parsed.is_group() || parsed.is_zero() {
        return Err(CliError::usage(mac, "an FDB entry has a unicast address, not all zero"));
    }
    Ok(parsed)
}

fn any_vid(vid: u16) -> Result<Vid, CliError> {
    Vid::new(vid).ok_or_else(|| CliError::usage(format!("VID {vid}"), "a VID is 0 to 4094"))
}

/// The VLAN of a static entry: the one named, else the port's own.
fn entry_vid(port: &PortTable, vid: Option<u16>) -> Result<Vid, CliError> {
    let what = || format!("port {}", port.name);
    match vid.map(any_vid).transpose()? {
        None => port.rules.vlan.pvid().ok_or_else(|| {
            CliError::usage(what(), "a trunk without native VLAN has no VLAN of its own")
                .hint("say which with --vlan VID")
        }),
        Some(vid) if port.rules.vlan.is_member(vid) => Ok(vid),
        Some(vid) => Err(CliError::usage(what(), format!("is not a member of VLAN {vid}"))),
    }
}

fn bytes_of(hex: &str) -> Result<Vec<u8>, CliError> {
    let bad = || CliError::usage("FRAME", "is not a string of hexadecimal bytes");
    if !hex.len().is_multiple_of(2) || !hex.is_ascii() || hex.len() / 2 > MAX_FRAME {
        return Err(bad());
    }
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).map_err(|_| bad());
    (0..hex.len()).step_by(2).map(byte).collect()
}
