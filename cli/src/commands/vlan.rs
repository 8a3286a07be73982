//! `netloom vlan ls`.

use crate::args::{Global, VlanCommand};
use crate::control::api::{Request, VlanRow};
use crate::error::Error;
use crate::output;

/// Lists VLANs.
///
/// # Errors
/// What the switch says.
pub(super) fn run(global: &Global, command: VlanCommand) -> Result<(), Error> {
    match command {
        VlanCommand::Ls => {
            let rows: Vec<VlanRow> = super::reach(global)?.ask(&Request::Vlans {})?;
            output::show(global, &rows, |paint| output::vlans(&rows, paint))
        }
    }
}
