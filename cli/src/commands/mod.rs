//! The commands, a file each: check what was typed, ask the switch, print the answer.

#[cfg(feature = "bench")]
mod bench;
mod completions;
mod demo;
mod doctor;
mod down;
mod exec;
mod explain;
mod fdb;
mod interrupt;
mod ls;
mod man;
mod port;
mod stats;
mod subprocess;
mod up;
mod vlan;

use crate::args::{Cli, Command, Global};
use crate::control::api::{Changed, Request};
use crate::control::client::Client;
use crate::control::rundir::{self, RunDir};
use crate::error::Error;
use crate::output;

/// Does what was typed.
///
/// # Errors
/// Why not, with the program's exit status.
pub fn run(cli: &Cli) -> Result<(), Error> {
    let global = &cli.global;
    match &cli.command {
        #[cfg(feature = "bench")]
        Command::Bench(bench) => bench::run(global, bench),
        Command::Demo => demo::run(global),
        Command::Doctor => doctor::run(global),
        Command::Up(up) => up::run(global, up),
        Command::Down(down) => down::run(global, down),
        Command::Ls => ls::run(global),
        Command::Port(command) => port::run(global, command),
        Command::Fdb(command) => fdb::run(global, command),
        Command::Vlan(command) => vlan::run(global, *command),
        Command::Stats(stats) => stats::run(global, stats),
        Command::Explain(explain) => explain::run(global, explain),
        Command::Exec(exec) => exec::run(exec),
        Command::Completions { shell } => completions::run(global, *shell),
        Command::Man { dir } => man::run(global, dir.as_deref()),
    }
}

/// The switch that the command means.
fn reach(global: &Global) -> Result<Client, Error> {
    find(global).map(|(_, client)| client)
}

/// The same with its directory.
fn find(global: &Global) -> Result<(RunDir, Client), Error> {
    let dir = rundir::chosen(global.switch.as_deref())?;
    output::note(global, &format!("asking switch {} at {}", dir.name(), dir.socket().display()));
    let client = Client::connect(&dir)?;
    Ok((dir, client))
}

/// Has the switch change something, and says what.
fn change(global: &Global, request: &Request) -> Result<(), Error> {
    let changed: Changed = reach(global)?.ask(request)?;
    output::changed(global, &changed)
}
