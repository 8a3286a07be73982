//! Netloom as its users run it: `netloom up FILE -d`.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use io_backends::error::describe;

use super::super::BENCH;
use super::super::lab::Lab;
use super::super::plan::setting_text;
use super::{NETDEV, Rig, Wiring};
use crate::api::StatsDoc;
use crate::error::CliError;
use crate::own;

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

/// A switch in the background; it goes with the value.
struct Switch {
    run_dir: PathBuf,
    name: String,
}

impl Drop for Switch {
    fn drop(&mut self) {
        // What can't be stopped now, the next bench finds.
        let _ = own::take_down(BENCH, &self.run_dir, &self.name);
    }
}

/// Starts a switch with a TAP for each host.
pub(super) fn start<'l>(
    rig: &mut Rig<'l>,
    lab: &'l Lab,
    variant: &Variant,
    wiring: &Wiring,
) -> Result<(), CliError> {
    let name = lab.switch_name();
    let path = lab.dir().join(format!("{name}.toml"));
    fs::write(&path, file(rig, variant, wiring))
        .map_err(|error| CliError::failed(path.display().to_string(), describe(&error)))?;
    let run_dir = lab.switches();
    let mut command = own::netloom(["up", "--detach", "--name", &name]);
    command.arg(&path).env("NETLOOM_RUN_DIR", &run_dir);
    rig.keep(Switch { run_dir, name: name.clone() });
    own::finish(BENCH, command)?;
    let stats = stats(lab, &name)?;
    let workers = match stats.workers.len() {
        1 => "1 worker".to_owned(),
        many => format!("{many} workers"),
    };
    let chosen = |given: &Option<String>| if given.is_some() { "" } else { " (its own choice)" };
    let queues = wiring.queues.filter(|queues| *queues > 1);
    let own_workers = if queues.is_some() && variant.workers.is_none() {
        " (one a queue)"
    } else {
        chosen(&variant.workers)
    };
    rig.configuration = format!(
        "netloom up -d; TAP ports with {}; engine {}{}, {workers}{own_workers}; all else by default",
        queues.map_or("one queue or as many as it chooses".into(), |n| format!("{n} queues")),
        stats.engine,
        chosen(&variant.engine),
    );
    Ok(())
}

/// The counters of a bench's own switch.
pub(in super::super) fn stats(lab: &Lab, switch: &str) -> Result<StatsDoc, CliError> {
    let failed = |why: String| CliError::failed(BENCH, why);
    let mut command = own::netloom(["stats", "--switch", switch]);
    command.env("NETLOOM_RUN_DIR", lab.switches()).stdout(Stdio::piped());
    let output = command.output().map_err(|error| failed(describe(&error)))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|_| failed("the switch does not say how it is".into()))
}

/// What `netloom up` reads.
fn file(rig: &Rig<'_>, variant: &Variant, wiring: &Wiring) -> String {
    let queues = wiring.queues.filter(|queues| *queues > 1);
    let mut text = "[switch]\n".to_owned();
    // More queues than threads to read them would show nothing.
    let workers = variant.workers.clone().or_else(|| queues.map(|queues| queues.to_string()));
    for (key, value) in [("engine", &variant.engine), ("workers", &workers)] {
        if let Some(value) = value {
            let _ = writeln!(text, "{key} = {}", setting_text(value));
        }
    }
    for (number, host) in rig.hosts.iter().enumerate() {
        let _ = write!(
            text,
            "\n[[port]]\nname = \"p{number}\"\nkind = \"tap\"\nnetns = \"{}\"\nifname = \"{NETDEV}\"\n\
             addr = \"{}/24\"\nmac = \"{}\"\nmtu = {}\n",
            host.netns, host.address, host.mac, wiring.mtu
        );
        if let Some(queues) = queues {
            let _ = writeln!(text, "queues = {queues}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use io_backends::attachment::Netns;
    use switch_core::Mac;

    use super::super::Host;
    use super::*;
    use crate::config::{Workers, parse_file};

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
            let text = file(&rig, &variant, &Wiring { hosts: 2, queues, mtu: 1500 });
            parse_file("bench".as_ref(), &text).unwrap()
        };
        let plain = read(None, None, None);
        assert_eq!((plain.workers, plain.config.ports.len()), (Workers::Auto, 2));
        assert_eq!(plain.config.ports[1].link.queues, None);
        let wide = read(Some("epoll"), None, Some(2));
        assert_eq!(wide.workers, Workers::Count(2));
        assert_eq!(wide.config.ports[0].link.queues, Some(2));
        assert_eq!(read(None, Some("auto"), None).workers, Workers::Auto);
        assert_eq!(read(None, Some("1"), Some(2)).workers, Workers::Count(1));
        assert_eq!(read(None, Some("0-1"), None).workers, Workers::Cpus(vec![0, 1]));
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
