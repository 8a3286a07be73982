//! vde_switch with a TAP for each host.

use std::process::Stdio;

use super::super::lab::Lab;
use super::super::process::{self, Process};
use super::ovs::await_netdevs;
use super::rig::{Rig, Wiring};
use io_backends::Error;

const PROGRAM: &str = "vde_switch";

/// What to install, when it is missing here.
pub(super) fn missing() -> Option<String> {
    process::find(PROGRAM).is_none().then(|| "not installed (Debian: package vde2)".into())
}

/// Its version line goes to standard error or output, behind a blank one.
pub(super) fn version() -> Option<String> {
    let output =
        process::command(PROGRAM).ok()?.arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(Into::into)
}

pub(super) fn start<'l>(
    rig: &mut Rig<'l>,
    lab: &'l Lab,
    name: &str,
    wiring: &Wiring,
) -> Result<(), Error> {
    let middle = rig.middle(lab, name)?;
    let tap = |number: usize| format!("tap{number}");
    let mut command = process::command(PROGRAM)?;
    // Without a file of settings but this empty one. It ends with its standard input.
    command.args(["--rcfile", "/dev/null", "--sock"]).arg(lab.dir().join(name));
    for number in 0..wiring.hosts {
        command.args(["--tap", &tap(number)]);
    }
    let mut process = Process::start(&middle, command)?;
    await_netdevs(lab, &middle, &mut process, PROGRAM, wiring, tap)?;
    rig.keep(process);
    rig.hand_out(&middle, wiring, tap)?;
    rig.configuration = "vde_switch --tap for each host; all else by default".into();
    Ok(())
}
