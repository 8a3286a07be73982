//! The demo's switch and namespaces: made, and in any case removed.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use io_backends::lab::Netns;

use crate::commands::subprocess;
use crate::control::rundir::{self, RunDir};
use crate::error::Error;

/// What failures are about.
const DEMO: &str = "demo";
/// How long the switch may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// One of the two hosts.
pub(super) struct Host {
    /// Its port on the switch, and its name in the story.
    pub(super) port: String,
    /// Its namespace.
    pub(super) netns: Netns,
    pub(super) address: Ipv4Addr,
}

/// What the demo has made. It goes with the value.
pub(super) struct Lab {
    pub(super) switch: String,
    pub(super) hosts: [Host; 2],
    stop: Arc<AtomicBool>,
    removed: bool,
}

impl Lab {
    /// Starts the switch with its two hosts, under names that no other demo has.
    pub(super) fn build(stop: &Arc<AtomicBool>) -> Result<Lab, Error> {
        let process = std::process::id();
        let switch = format!("netloom-demo-{process}");
        let host = |port: &str, last| Host {
            port: port.into(),
            netns: Netns::Name(format!("{switch}-{port}")),
            address: Ipv4Addr::new(10, 9, 0, last),
        };
        let hosts = [host("alice", 1), host("bob", 2)];
        let mut command = subprocess::netloom(["up", "--detach", "--name", &switch]);
        for Host { port, netns, address } in &hosts {
            // The netdev's name here, before it moves: 15 bytes at most.
            let target = format!("nl{process}{}", &port[..1]);
            command.arg("--port");
            command.arg(format!("{port}=tap:{target},netns={netns},addr={address}/24"));
        }
        // From here on there may be something to remove.
        let lab = Lab { switch, hosts, stop: Arc::clone(stop), removed: false };
        lab.check()?;
        subprocess::finish(DEMO, command, PATIENCE)?;
        lab.check()?;
        Ok(lab)
    }

    pub(super) fn run_dir(&self) -> RunDir {
        RunDir::of(&self.switch)
    }

    /// Fails when the user has interrupted.
    pub(super) fn check(&self) -> Result<(), Error> {
        subprocess::interrupted(DEMO, &self.stop)
    }

    /// Takes everything away.
    pub(super) fn remove(mut self) -> Result<(), Error> {
        self.removed = true;
        subprocess::take_down(DEMO, &rundir::parent(), &self.switch, PATIENCE)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.removed && self.run_dir().state().is_some() {
            // The failure that led here is the one that is told.
            let _ = subprocess::take_down(DEMO, &rundir::parent(), &self.switch, PATIENCE);
        }
    }
}
