//! `netloom port ls|add|del|set`.

use std::os::fd::{AsFd, OwnedFd};

use io_backends::error::describe;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::args::{Global, PortCommand};
use switch_core::config::PortRules;

use crate::config::{parse_settings, parse_spec};
use crate::control::api::{Changed, PortRow, Request};
use crate::error::Error;
use crate::output;

/// Lists or changes ports.
///
/// # Errors
/// Exit 2 when a SPEC or a setting is wrong, or what the switch says.
pub(super) fn run(global: &Global, command: &PortCommand) -> Result<(), Error> {
    match command {
        PortCommand::Ls => list(global),
        PortCommand::Add { spec } => add(global, spec),
        PortCommand::Del { name } => {
            super::change(global, &Request::PortDel { name: name.clone() })
        }
        PortCommand::Set { name, settings } => {
            // Which rules they change is the switch's business; whether they can be read, is not.
            parse_settings(settings, &PortRules::default())?;
            let request = Request::PortSet { name: name.clone(), settings: settings.clone() };
            super::change(global, &request)
        }
    }
}

fn list(global: &Global) -> Result<(), Error> {
    let rows: Vec<PortRow> = super::reach(global)?.ask(&Request::Ports {})?;
    output::show(global, &rows, |paint| output::ports(&rows, paint))
}

fn add(global: &Global, spec: &str) -> Result<(), Error> {
    let port = parse_spec(spec)?;
    let descriptor = port.attachment.kind.given().map(inherited).transpose()?;
    let request = Request::PortAdd { spec: spec.to_owned() };
    let descriptor = descriptor.as_ref().map(AsFd::as_fd);
    let mut client = super::reach(global)?;
    let changed: Changed = client.ask_with(&request, descriptor)?;
    output::changed(global, &changed).map_err(|error| {
        // A command that fails leaves nothing it made.
        let request = Request::PortDel { name: port.name.clone() };
        match client.ask::<Changed>(&request) {
            Ok(_) => error.hint(format!("port {} is removed again", port.name)),
            Err(_) => error,
        }
    })
}

/// A duplicate of the descriptor that the caller left open under this number.
fn inherited(number: i32) -> Result<OwnedFd, Error> {
    let refused = |why: &str| Error::failed(format!("fd {number}"), why);
    if number < 3 {
        let why = "is a standard stream of this command, not a descriptor left open for it";
        return Err(refused(why).hint(
            "open the TAP or macvtap as 3 or above, like 3<>/dev/tap7 in a shell, and say fd:3",
        ));
    }
    // Looked up before anything is opened here, which would take a free number.
    if std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_err() {
        return Err(refused("is not open")
            .hint("the caller must leave it open: no close-on-exec, and no sudo that closes it"));
    }
    let own = pidfd_open(getpid(), PidfdFlags::empty());
    own.and_then(|own| pidfd_getfd(own, number, PidfdGetfdFlags::empty()))
        .map_err(|errno| refused(&describe(&errno.into())))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_descriptor_is_found_by_its_number() {
        let path = std::env::temp_dir().join(format!("netloom-fd-{}", std::process::id()));
        let mut file = std::fs::File::create_new(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut twin = std::fs::File::from(inherited(file.as_raw_fd()).unwrap());
        twin.write_all(b"abc").unwrap();
        assert_eq!(file.stream_position().unwrap(), 3);
    }

    #[test]
    fn numbers_that_are_no_descriptor_are_refused() {
        for (number, why) in [
            (0, "is a standard stream of this command, not a descriptor left open for it"),
            (1_000_000, "is not open"),
        ] {
            let error = inherited(number).unwrap_err();
            assert_eq!((error.kind.exit(), error.what), (1, format!("fd {number}")));
            assert_eq!(error.why, why);
            assert!(error.hint.is_some(), "{number}");
        }
    }
}
