//! Who is measured: Netloom and other ways to join two hosts, each set up alike.
//!
//! Every contestant gets hosts of its own: a namespace each, with a netdev
//! [`NETDEV`] that has the same MTU, MAC and IPv4 address everywhere. What
//! stands between them is the contestant's, in its best ordinary
//! configuration, which [`Rig::configuration`] says. Rigs of all contestants
//! stand side by side, idle, while one is measured.

mod bridge;
mod file;
mod guest;
mod monitor;
mod netloom;
mod ovs;
mod plain;
mod rig;
mod switch;
mod vde;

use io_backends::Error;

use super::lab::Lab;
use super::plan::{Peer, Plan};

pub use file::setting_text;
pub(super) use netloom::Variant;
pub(super) use rig::{Host, NETDEV, Rig, Wiring};

/// A switch that is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Contestant {
    /// Netloom, set up this way.
    Netloom(Variant),
    /// The kernel's bridge over veth pairs.
    KernelBridge,
    /// Open vSwitch with its user-space datapath.
    Ovs,
    /// vde_switch.
    Vde,
    /// The cable: one thread that reads and writes.
    Plain {
        /// With virtio-net header and offloads.
        header: bool,
    },
}

impl Contestant {
    /// All of a plan, Netloom first: the others are compared with the first.
    pub(super) fn all(plan: &Plan) -> Vec<Contestant> {
        let one = |list: &[String]| -> Vec<Option<String>> {
            if list.is_empty() { vec![None] } else { list.iter().cloned().map(Some).collect() }
        };
        let mut all = Vec::new();
        for engine in one(&plan.engines) {
            for workers in one(&plan.workers) {
                all.push(Contestant::Netloom(Variant { engine: engine.clone(), workers }));
            }
        }
        if !plan.what.is_netloom_alone() {
            all.extend(plan.peers.iter().copied().flat_map(Contestant::of));
        }
        all
    }

    /// Those of a peer; the plain loop comes in two forms.
    fn of(peer: Peer) -> Vec<Contestant> {
        match peer {
            Peer::KernelBridge => vec![Contestant::KernelBridge],
            Peer::Ovs => vec![Contestant::Ovs],
            Peer::Vde => vec![Contestant::Vde],
            Peer::None => Vec::new(),
            Peer::Plain => [false, true].map(|header| Contestant::Plain { header }).to_vec(),
        }
    }

    /// Its name in tables; of letters, digits and dashes.
    pub(super) fn name(&self) -> String {
        match self {
            Contestant::Netloom(variant) => variant.name(),
            Contestant::KernelBridge => "kernel-bridge".into(),
            Contestant::Ovs => "ovs".into(),
            Contestant::Vde => "vde".into(),
            Contestant::Plain { header: false } => "plain".into(),
            Contestant::Plain { header: true } => "plain-header".into(),
        }
    }

    /// What to install, when it is missing here.
    pub(super) fn missing(&self) -> Option<String> {
        match self {
            Contestant::Ovs => ovs::missing(),
            Contestant::Vde => vde::missing(),
            _ => None,
        }
    }

    /// Which version of it is here.
    pub(super) fn version(&self) -> Option<String> {
        match self {
            Contestant::Netloom(_) | Contestant::Plain { .. } => {
                Some(concat!("netloom ", env!("CARGO_PKG_VERSION")).into())
            }
            Contestant::KernelBridge => super::machine::kernel().map(|it| format!("Linux {it}")),
            Contestant::Ovs => super::process::version("ovs-vswitchd"),
            Contestant::Vde => vde::version(),
        }
    }

    /// Why it can't be wired so, whatever the host.
    pub(super) fn cannot(&self, wiring: &Wiring) -> Option<&'static str> {
        let many = wiring.queues.is_some_and(|queues| queues > 1);
        match self {
            Contestant::Netloom(_) => None,
            Contestant::Plain { .. } if wiring.hosts != 2 => Some("a cable has two ends"),
            _ if many => Some("its ports have one queue"),
            _ => None,
        }
    }

    /// Sets it up; it forwards when this returns.
    pub(super) fn start<'l>(&self, lab: &'l Lab, wiring: &Wiring) -> Result<Rig<'l>, Error> {
        let mut name = self.name();
        if wiring.idle_ports > 0 {
            // The rig without them stands beside it.
            name += "-idle";
        }
        let mut rig = Rig::begin(lab, &name, wiring)?;
        match self {
            Contestant::Netloom(variant) => netloom::start(&mut rig, lab, &name, variant, wiring)?,
            Contestant::KernelBridge => bridge::start(&mut rig, lab, &name, wiring)?,
            Contestant::Ovs => ovs::start(&mut rig, lab, &name, wiring)?,
            Contestant::Vde => vde::start(&mut rig, lab, &name, wiring)?,
            Contestant::Plain { header } => plain::start(&mut rig, *header, wiring)?,
        }
        Ok(rig)
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::What;
    use super::super::plan::tests::plan;
    use super::*;

    #[test]
    fn netloom_comes_first_and_in_every_form_asked_for() {
        let names =
            |plan: &Plan| Contestant::all(plan).iter().map(Contestant::name).collect::<Vec<_>>();
        assert_eq!(names(&plan()), ["netloom", "kernel-bridge", "plain", "plain-header"]);
        let two = ["epoll", "io_uring"].map(Into::into).to_vec();
        let plan = Plan { engines: two, workers: vec!["1".into()], peers: Vec::new(), ..plan() };
        assert_eq!(names(&plan), ["netloom-epoll-w1", "netloom-io-uring-w1"]);
    }

    #[test]
    fn who_is_compared_with_itself_has_no_peers() {
        let alone = Plan { what: What::StoppedReceiver, ..plan() };
        assert_eq!(Contestant::all(&alone).len(), 1);
    }
}
