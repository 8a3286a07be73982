//! Ports that lose their device, and get it again.

use std::time::{Duration, Instant};

use io_backends::ports::{Return, place_exists};

use super::{Device, Lost, PortLife};
use crate::config::PortConfig;
use crate::daemon::Daemon;
use crate::error::Error;

/// The first wait before a lost port is made again.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl Lost {
    /// The device of a port that is about to get another, or to go.
    pub(super) fn on_purpose() -> Lost {
        Lost { why: "it is taken away".into(), mac: None, next: None, wait: FIRST_WAIT }
    }
}

/// Whether a lost port is made again; a descriptor only its giver could give again.
fn returns(port: &PortConfig) -> bool {
    port.attachment.kind.returns() != Return::Never
}

impl Daemon {
    /// Takes a port out of service until its device can be made again.
    pub(super) fn lose(&mut self, name: &str, why: &str) {
        let Some(life) = self.lives.get_mut(name) else { return };
        if life.is_lost() {
            return;
        }
        let returns = self.config.port(name).is_some_and(returns);
        let lost = Lost {
            why: why.into(),
            mac: life.netdev().and_then(|netdev| netdev.link.mac),
            next: returns.then(|| Instant::now() + FIRST_WAIT),
            wait: FIRST_WAIT,
        };
        let device = std::mem::replace(&mut life.device, Device::Lost(lost));
        self.log.line(&format!("port {name}: fault: {why}"));
        drop(self.take_from_workers(name, device));
        let report = self.journal.undo_netdevs(name);
        for kept in &report.kept {
            self.log.line(&format!("port {name}: {kept}"));
        }
    }

    /// Notes that a port's device could not be brought back.
    pub(super) fn give_up_for_now(&mut self, port: &PortConfig, error: &Error) {
        let Some(life) = self.lives.get_mut(&port.name) else { return };
        self.log.line(&format!("port {}: fault: {}", port.name, error.why));
        life.device = Device::Lost(Lost {
            why: error.why.clone(),
            mac: port.attachment.mac,
            next: returns(port).then(|| Instant::now() + FIRST_WAIT),
            wait: FIRST_WAIT,
        });
    }

    /// When a lost port is to be tried, or the open ones are to be looked at.
    pub(in crate::daemon) fn next_attempt(&self) -> Option<Instant> {
        self.lives.values().filter_map(PortLife::next).chain(self.next_look()).min()
    }

    /// Tries the lost ports whose time has come.
    pub(in crate::daemon) fn heal(&mut self) {
        let now = Instant::now();
        let is_due = |life: &PortLife| life.next().is_some_and(|next| next <= now);
        let due = self.lives.iter().filter(|(_, life)| is_due(life));
        let due: Vec<String> = due.map(|(name, _)| name.clone()).collect();
        for name in due {
            match self.heal_one(&name) {
                Ok(()) => self.log.line(&format!("port {name}: forwards again")),
                Err(error) => self.postpone(&name, &error),
            }
        }
    }

    fn heal_one(&mut self, name: &str) -> Result<(), Error> {
        let gone = || Error::unknown(format!("port {name}"), "there is none");
        let mut port = self.config.port(name).cloned().ok_or_else(gone)?;
        if let (Return::WithItsAddress, Some(Device::Lost(lost))) =
            (port.attachment.kind.returns(), self.lives.get(name).map(|life| &life.device))
        {
            port.attachment.mac = lost.mac.or(port.attachment.mac);
        }
        if !place_exists(&port.attachment) {
            return Err(Error::failed(name, "its namespace is gone"));
        }
        self.attach(&port, None)
    }

    fn postpone(&mut self, name: &str, error: &Error) {
        let Some(life) = self.lives.get_mut(name) else { return };
        if let Device::Lost(lost) = &mut life.device {
            lost.why.clone_from(&error.why);
            lost.wait = (lost.wait * 2).min(LONGEST_WAIT);
            lost.next = Some(Instant::now() + lost.wait);
        }
    }
}

impl PortLife {
    /// When it is tried again, if it is lost.
    fn next(&self) -> Option<Instant> {
        match &self.device {
            Device::Lost(lost) => lost.next,
            Device::Open(_) => None,
        }
    }
}
