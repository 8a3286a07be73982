//! A change's way: the plan from the configuration there is to the one that is wanted, carried out
//! step by step, or undone.

use std::os::fd::OwnedFd;

use io_backends::lab::Report;
use switch_core::config::PortRules;
use switch_core::fdb::Entry;

use super::Daemon;
use super::ports::Aside;
use crate::config::{Step, SwitchConfig, plan};
use crate::error::Error;

/// A step that is done, with what it takes to undo it.
struct Done {
    step: Step,
    /// The device that a step took away.
    aside: Option<Aside>,
    /// The static entries that a step made go.
    statics: Vec<Entry>,
}

impl Daemon {
    /// Makes the switch what `wanted` says. `sent` is the descriptor for an `fd` port that comes;
    /// `go_on` is asked before each step that can fail, and its error fails the change. What was
    /// undone on the host for what is no more.
    ///
    /// # Errors
    /// When a step fails, or keys differ that can't change live. Then nothing has changed: all
    /// ports are as they were, with their numbers, counters and static entries. What can't be kept
    /// are the learned entries of a port whose device was taken away meanwhile, and what others
    /// gave its netdev; what a port that came meanwhile has carried counts among the removed ones.
    /// Where the host no longer lets a device come back, the hint says so.
    pub(super) fn apply(
        &mut self,
        wanted: SwitchConfig,
        mut sent: Option<OwnedFd>,
        mut go_on: impl FnMut() -> Result<(), Error>,
    ) -> Result<Report, Error> {
        let mut done = Vec::new();
        let mut report = Report::default();
        for step in plan(&self.config, &wanted)? {
            let may = if step.can_fail() { go_on() } else { Ok(()) };
            match may.and_then(|()| self.take(step, &mut sent, &mut report)) {
                Ok(step) => done.push(step),
                Err(error) => return Err(self.undo(done, error)),
            }
        }
        self.config = wanted;
        Ok(report)
    }

    fn take(
        &mut self,
        step: Step,
        sent: &mut Option<OwnedFd>,
        report: &mut Report,
    ) -> Result<Done, Error> {
        let mut done = Done { step, aside: None, statics: Vec::new() };
        match &done.step {
            Step::Attach(port) => {
                let is_given = port.attachment.kind.given().is_some();
                self.attach(port, sent.take_if(|_| is_given))?;
            }
            Step::Detach(name) => {
                let detached = self.config.port(name).cloned().and_then(|port| self.detach(&port));
                if let Some((aside, undone)) = detached {
                    done.aside = Some(aside);
                    report.join(undone);
                }
            }
            Step::SetRules(name, rules) => {
                done.statics = self.strays(name, rules);
                self.set_rules(name, rules.clone());
            }
            Step::SetBridge(bridge) => {
                self.change().set_bridge(*bridge);
                self.await_crossing();
            }
            Step::Release(port) => report.join(self.release(port)),
            Step::Forget(name) => report.join(self.forget(name)),
        }
        Ok(done)
    }

    /// Undoes steps in reverse; the error that made it necessary.
    fn undo(&mut self, done: Vec<Done>, error: Error) -> Error {
        let mut lost = None;
        for Done { step, aside, statics } in done.into_iter().rev() {
            let before = step.port().and_then(|name| self.config.port(&name).cloned());
            match (step, before) {
                (Step::Attach(port), before) => {
                    self.detach(&port);
                    match before {
                        // The namespace it would have been in now is not needed for it.
                        Some(before) => drop(self.release(&before)),
                        None => drop(self.forget(&port.name)),
                    }
                }
                (Step::Detach(_), Some(port)) => {
                    let back = aside.map_or(Ok(()), |aside| self.put_back(&port, aside));
                    lost = lost.or(back.err().map(|error| (port.name, error.why)));
                }
                (Step::SetRules(..), Some(port)) => {
                    self.set_rules(&port.name, port.rules);
                    for entry in statics {
                        // They were there a moment ago, so there is room.
                        let _ = self.switch.add_static(entry.mac, entry.vid, entry.port);
                    }
                }
                // These come after the last step that can fail.
                (Step::SetBridge(_) | Step::Release(_) | Step::Forget(_), _) | (_, None) => {}
            }
        }
        match lost {
            Some((port, why)) => error.hint(format!("port {port} did not come back yet: {why}")),
            None => error,
        }
    }

    fn set_rules(&mut self, name: &str, rules: PortRules) {
        let Some(id) = self.lives.get(name).map(|life| life.id) else { return };
        self.change().set_rules(id, rules);
        self.await_crossing();
    }

    /// The static entries that would go with the VLANs that a port leaves. They are looked for only
    /// while the port has no device: rules of others change after the last step that can fail.
    fn strays(&self, name: &str, rules: &PortRules) -> Vec<Entry> {
        let detached = self.lives.get(name).filter(|life| life.is_lost());
        let Some(id) = detached.map(|life| life.id) else { return Vec::new() };
        let goes =
            |entry: &Entry| entry.is_static && entry.port == id && !rules.vlan.is_member(entry.vid);
        self.switch.fdb().entries(self.now()).into_iter().filter(goes).collect()
    }
}

#[cfg(test)]
mod tests;
