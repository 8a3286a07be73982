//! Netloom as its users run it: `netloom up FILE -d`.

use std::fmt::Write;

use io_backends::lab::Netns;

use super::super::lab::Lab;
use super::super::program::Chosen;
use super::file::{host_port, setting_text};
use super::monitor::{self, TAP};
use super::rig::{Rig, Wiring};
use super::switch::Switch;
use io_backends::Error;
use text::count;

/// A way to set Netloom up; `None` is its default.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(in super::super) struct Variant {
    /// `engine` of `[switch]`.
    pub(in super::super) engine: Option<String>,
    /// `workers` of `[switch]`.
    pub(in super::super) workers: Option<String>,
}

impl Variant {
    /// `netloom`, and what differs from its default.
    pub(super) fn name(&self) -> String {
        let mut name = "netloom".to_owned();
        if let Some(engine) = &self.engine {
            name += &format!("-{}", engine.replace('_', "-"));
        }
        if let Some(workers) = &self.workers {
            name += &format!("-w{}", workers.replace(',', "-"));
        }
        name
    }
}

/// Starts a switch with a port for each host.
pub(super) fn start<'l>(
    rig: &mut Rig<'l>,
    lab: &'l Lab,
    name: &str,
    variant: &Variant,
    wiring: &Wiring,
) -> Result<(), Error> {
    let guest = match wiring.guest {
        true => Some(monitor::start(rig, lab, name, wiring)?),
        false => None,
    };
    let idle = match wiring.idle_ports {
        0 => None,
        _ => Some(rig.middle(lab, name)?),
    };
    let switch = Switch::up(lab, &file(rig, variant, wiring, guest.as_ref()))?;
    if let Some(netns) = idle {
        add_idle(lab, &switch, &netns, wiring)?;
    }
    rig.configuration = configuration(&switch.chosen()?, variant, wiring);
    rig.keep(switch);
    Ok(())
}

/// Adds ports without traffic, one by one: a thousand take half a minute, and an
/// interrupt is seen between two.
fn add_idle(lab: &Lab, switch: &Switch, netns: &Netns, wiring: &Wiring) -> Result<(), Error> {
    for number in 0..wiring.idle_ports {
        lab.check()?;
        switch.add_port(&format!("idle{number}=tap,netns={netns},mtu={}", wiring.mtu))?;
    }
    Ok(())
}

/// The set-up in words.
fn configuration(chosen: &Chosen, variant: &Variant, wiring: &Wiring) -> String {
    let workers = match chosen.workers {
        1 => "1 worker".to_owned(),
        many => format!("{many} workers"),
    };
    let whose = |given: &Option<String>| match given.as_deref() {
        None | Some("auto") => " (its own choice)",
        Some(_) => "",
    };
    let queues = wiring.queues.filter(|queues| *queues > 1);
    let own_workers = if queues.is_some() && variant.workers.is_none() {
        " (one a queue)"
    } else {
        whose(&variant.workers)
    };
    let mut more = String::new();
    if wiring.guest {
        more += "a macvtap port on the TAP of another netloom, which is in the place of a virtual \
                 machine's monitor and has the last host behind it; ";
    }
    if wiring.idle_ports > 0 {
        let _ = write!(more, "{} idle TAP ports besides; ", count(wiring.idle_ports.into()));
    }
    format!(
        "netloom up -d; TAP ports with {}; {more}engine {}{}, {workers}{own_workers}; all else by \
         default",
        queues.map_or("one queue or as many as it chooses".into(), |n| format!("{n} queues")),
        chosen.engine,
        whose(&variant.engine),
    )
}

/// What `netloom up` reads; with `guest`, the last host is reached through the TAP in that namespace.
fn file(rig: &Rig<'_>, variant: &Variant, wiring: &Wiring, guest: Option<&Netns>) -> String {
    let queues = wiring.queues.filter(|queues| *queues > 1);
    let mut text = "[switch]\n".to_owned();
    // More queues than threads to read them would show nothing.
    let workers = variant.workers.clone().or_else(|| queues.map(|queues| queues.to_string()));
    for (key, value) in [("engine", &variant.engine), ("workers", &workers)] {
        if let Some(value) = value {
            let _ = writeln!(text, "{key} = {}", setting_text(value));
        }
    }
    let taps = rig.hosts.len() - usize::from(guest.is_some());
    for (number, host) in rig.hosts[..taps].iter().enumerate() {
        text += &host_port(&format!("p{number}"), host, wiring);
    }
    if let Some(netns) = guest {
        let _ = write!(
            text,
            "\n[[port]]\nname = \"guest\"\nkind = \"macvtap\"\ntarget = \"{TAP}\"\n\
             netns = \"{netns}\"\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use switch_core::Mac;

    use super::super::rig::Host;
    use super::*;
    use netloom::config::{Workers, parse_file};

    #[test]
    fn the_file_is_one_that_netloom_reads() {
        let host = |number| Host {
            netns: Netns::Name(format!("n{number}")),
            address: Ipv4Addr::new(10, 9, 0, number),
            mac: Mac::new([2, 0, 0, 0, 9, number]),
        };
        let rig = Rig::new(vec![host(1), host(2)]);
        let read = |engine: Option<&str>, workers: Option<&str>, queues| {
            let variant =
                Variant { engine: engine.map(Into::into), workers: workers.map(Into::into) };
            let wiring = Wiring { hosts: 2, queues, mtu: 1500, idle_ports: 0, guest: false };
            let text = file(&rig, &variant, &wiring, None);
            parse_file("bench".as_ref(), &text).unwrap()
        };
        let plain = read(None, None, None);
        assert_eq!((plain.workers, plain.ports.len()), (Workers::Auto, 2));
        assert_eq!(plain.ports[1].attachment.queues, None);
        let wide = read(Some("epoll"), None, Some(2));
        assert_eq!(wide.workers, Workers::Count(2));
        assert_eq!(wide.ports[0].attachment.queues, Some(2));
        assert_eq!(read(None, Some("auto"), None).workers, Workers::Auto);
        assert_eq!(read(None, Some("1"), Some(2)).workers, Workers::Count(1));
        assert_eq!(read(None, Some("0-1"), None).workers, Workers::Cpus(vec![0, 1]));
    }

    #[test]
    fn the_last_host_can_be_behind_a_tap() {
        let netns = Netns::Name("elsewhere".into());
        let host = Host {
            netns: netns.clone(),
            address: Ipv4Addr::new(10, 9, 0, 1),
            mac: Mac::new([2, 0, 0, 0, 9, 1]),
        };
        let rig = Rig::new(vec![host.clone(), host]);
        let wiring = Wiring { hosts: 2, queues: None, mtu: 1500, idle_ports: 0, guest: true };
        let text = file(&rig, &Variant::default(), &wiring, Some(&netns));
        let ports = parse_file("bench".as_ref(), &text).unwrap().ports;
        assert_eq!(ports.len(), 2);
        assert_eq!(ports[1].name.to_string(), "guest");
    }

    #[test]
    fn names_say_what_differs() {
        let name = |engine: Option<&str>, workers: Option<&str>| {
            Variant { engine: engine.map(Into::into), workers: workers.map(Into::into) }.name()
        };
        assert_eq!(name(None, None), "netloom");
        assert_eq!(name(Some("io_uring"), Some("0-1,3")), "netloom-io-uring-w0-1-3");
    }
}
