//! Parts of the files that `netloom up` reads.

use std::fmt::Write;

use super::rig::{Host, NETDEV, Wiring};

/// A setting as a file has it: a number, or a string.
pub fn setting_text(text: &str) -> String {
    match text.parse::<u32>() {
        Ok(number) => number.to_string(),
        Err(_) => format!("{text:?}"),
    }
}

/// A host's TAP port in a file.
pub(super) fn host_port(name: &str, host: &Host, wiring: &Wiring) -> String {
    let mut text = format!(
        "\n[[port]]\nname = \"{name}\"\nkind = \"tap\"\nnetns = \"{}\"\nifname = \"{NETDEV}\"\n\
         addr = \"{}/24\"\nmac = \"{}\"\nmtu = {}\n",
        host.netns, host.address, host.mac, wiring.mtu
    );
    if let Some(queues) = wiring.queues.filter(|queues| *queues > 1) {
        let _ = writeln!(text, "queues = {queues}");
    }
    text
}
