//! Ports added, removed and changed: each a change of the configuration.

use std::os::fd::OwnedFd;

use super::{Answer, Answered, hints, leftovers};
use crate::config::{SwitchConfig, changes, parse_settings, parse_spec, with_port};
use crate::control::api::Changed;
use crate::daemon::Daemon;
use crate::error::Error;

impl Daemon {
    pub(super) fn port_add(&mut self, spec: &str, sent: Option<OwnedFd>) -> Answered {
        let port = parse_spec(spec)?;
        let is_given = port.attachment.kind.given().is_some();
        let what = format!("port {}", port.name);
        let wanted = with_port(&self.config, port)?;
        if is_given && sent.is_none() {
            return Err(Error::failed(what, "no descriptor came with the request").hint(
                "`netloom port add` sends the one it inherited; other programs use SCM_RIGHTS",
            ));
        }
        self.change_to(wanted, sent)
    }

    pub(super) fn port_del(&mut self, name: &str) -> Answered {
        self.port(name)?;
        let mut wanted = self.config.clone();
        wanted.ports.retain(|port| port.name != name);
        self.change_to(wanted, None)
    }

    pub(super) fn port_set(&mut self, name: &str, settings: &[String]) -> Answered {
        self.port(name)?;
        let mut wanted = self.config.clone();
        for port in wanted.ports.iter_mut().filter(|port| port.name == name) {
            port.rules = parse_settings(settings, &port.rules)?;
        }
        if wanted == self.config {
            let hints = vec![format!("port {name} was set so already")];
            return Ok(Answer::Changed(Changed { changed: Vec::new(), hints }));
        }
        self.change_to(wanted, None)
    }

    /// Makes the configuration `wanted`: what that changed, and what its user should know of it.
    fn change_to(&mut self, wanted: SwitchConfig, sent: Option<OwnedFd>) -> Answered {
        let changed = changes(&self.config, &wanted);
        let known = hints::of(&self.config.ports);
        let report = self.apply(wanted, sent, || Ok(()))?;
        let new = hints::of(&self.config.ports).into_iter().filter(|hint| !known.contains(hint));
        let hints = new.chain(leftovers(&report)).collect();
        Ok(Answer::Changed(Changed { changed, hints }))
    }
}
