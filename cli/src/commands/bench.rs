//! `netloom bench`.

use rustix::thread::CapabilitySet;

use crate::args::{Bench, Global};
use crate::bench::{self, PageFile, Peer, Plan};
use crate::error::CliError;
use crate::{output, own};

/// Measures, and shows what came out.
///
/// # Errors
/// Exit 2 when peers are named where there are none, 4 without the privileges, 1 when Netloom does not start or the user interrupts.
pub(super) fn run(global: &Global, arguments: &Bench) -> Result<(), CliError> {
    refuse_peers(arguments)?;
    own::needs(
        "bench",
        "to make namespaces and TAPs, to send frames and to have the kernel send them back",
        &[
            ("CAP_NET_ADMIN", CapabilitySet::NET_ADMIN),
            ("CAP_SYS_ADMIN", CapabilitySet::SYS_ADMIN),
            ("CAP_NET_RAW", CapabilitySet::NET_RAW),
            ("CAP_BPF", CapabilitySet::BPF),
        ],
    )?;
    let page = arguments.report.as_deref().map(PageFile::open).transpose()?;
    let document = bench::run(global, &plan(arguments))?;
    if let Some(page) = page {
        page.write(&bench::as_page(&document))?;
    }
    output::show(global, &document, |paint| bench::as_text(&document, paint))
}

/// Nobody is told of peers that would not be measured.
fn refuse_peers(arguments: &Bench) -> Result<(), CliError> {
    let named = arguments.against.iter().flatten().any(|peer| *peer != Peer::None);
    match arguments.what.is_netloom_alone() && named {
        true => {
            Err(CliError::usage("--against", "what is measured here compares Netloom with itself")
                .hint("leave --against out"))
        }
        false => Ok(()),
    }
}

fn plan(arguments: &Bench) -> Plan {
    let everybody = || vec![Peer::KernelBridge, Peer::Ovs, Peer::Vde, Peer::Plain];
    Plan {
        what: arguments.what,
        peers: arguments.against.clone().unwrap_or_else(everybody),
        engines: arguments.engines.clone(),
        workers: arguments.workers.clone(),
        duration: arguments.duration,
        rounds: arguments.rounds.into(),
        sizes: arguments.sizes.clone(),
        queues: arguments.queues.clone(),
        flows: arguments.flows.clone(),
        addresses: arguments.addresses,
        idle_ports: arguments.idle_ports,
        awake: arguments.awake,
    }
}
