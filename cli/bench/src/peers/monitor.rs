//! The place of a virtual machine's monitor: a process that holds a TAP's descriptor.
//!
//! A TAP's frames for a namespace are the kernel's as soon as they are written,
//! so no process there can keep a switch waiting. A monitor can: the switch
//! reaches its TAP through a macvtap port, and what it does not read piles up
//! in the TAP's ring. The monitor here is a Netloom with two ports, that TAP
//! and the host's own.

use std::fmt::Write;

use io_backends::lab::Netns;

use super::super::lab::Lab;
use super::file::host_port;
use super::guest::Guest;
use super::rig::{Host, Rig, Wiring};
use super::switch::Switch;
use io_backends::Error;

/// The TAP's netdev.
pub(super) const TAP: &str = "vm";

/// Starts the monitor of the last host; the namespace where its TAP's netdev is.
pub(super) fn start<'l>(
    rig: &mut Rig<'l>,
    lab: &'l Lab,
    name: &str,
    wiring: &Wiring,
) -> Result<Netns, Error> {
    let netns = rig.middle(lab, name)?;
    let host = rig.hosts.last().ok_or_else(|| Error::failed(name, "needs a host"))?;
    let switch = Switch::up(lab, &file(&netns, host, wiring))?;
    rig.guest = Some(Guest::of(switch.process()?));
    rig.keep(switch);
    Ok(netns)
}

/// What the monitor reads. One worker is all that one TAP with one queue needs.
fn file(netns: &Netns, host: &Host, wiring: &Wiring) -> String {
    let mut text = "[switch]\nworkers = 1\n".to_owned();
    let _ = write!(
        text,
        "\n[[port]]\nname = \"{TAP}\"\nkind = \"tap\"\nnetns = \"{netns}\"\nifname = \"{TAP}\"\n\
         mtu = {}\n",
        wiring.mtu
    );
    text + &host_port("host", host, wiring)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use switch_core::Mac;

    use super::*;
    use netloom::config::parse_file;

    #[test]
    fn the_monitors_file_is_one_that_netloom_reads() {
        let named = |name: &str| Netns::Name(name.into());
        let host = Host {
            netns: named("host"),
            address: Ipv4Addr::new(10, 9, 0, 4),
            mac: Mac::new([2, 0, 0, 0, 9, 4]),
        };
        let wiring = Wiring { hosts: 4, queues: None, mtu: 1500, idle_ports: 0, guest: true };
        let text = file(&named("middle"), &host, &wiring);
        let read = parse_file("bench".as_ref(), &text).unwrap();
        assert_eq!(read.ports.len(), 2);
        assert_eq!(read.ports[0].attachment.netns, Some(named("middle")));
    }
}
