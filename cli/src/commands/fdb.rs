//! `netloom fdb ls|add|del|flush`.

use switch_core::Vid;

use crate::args::{FdbCommand, Global};
use crate::control::api::Request;
use crate::error::Error;
use crate::output;

/// Lists or changes the FDB.
///
/// # Errors
/// What the switch says.
pub(super) fn run(global: &Global, command: &FdbCommand) -> Result<(), Error> {
    let vid = |vlan: &Option<Vid>| vlan.map(Vid::get);
    let request = match command {
        FdbCommand::Ls => return list(global),
        FdbCommand::Add { mac, port, vlan } => {
            Request::FdbAdd { mac: mac.to_string(), port: port.clone(), vid: vid(vlan) }
        }
        FdbCommand::Del { mac, vlan } => Request::FdbDel { mac: mac.to_string(), vid: vid(vlan) },
        FdbCommand::Flush(flush) => Request::FdbFlush {
            port: flush.port.clone(),
            vid: vid(&flush.vlan),
            include_static: flush.statics,
        },
    };
    super::change(global, &request)
}

fn list(global: &Global) -> Result<(), Error> {
    let rows = super::reach(global)?.fdb()?;
    output::show(global, &rows, |paint| output::fdb(&rows, paint))
}
