//! The lists: switches, ports, FDB entries and VLANs as tables.

use crate::control::api::{FdbRow, PortRow, SwitchRow, VlanRow};
use text::Paint;
use text::duration;
use text::{Align, Table};

use Align::{Left, Right};

/// What stands in a cell that does not apply.
pub(super) const NONE: &str = "-";

/// `ls`.
pub fn switches(rows: &[SwitchRow], paint: Paint) -> String {
    if rows.is_empty() {
        return "no switches".into();
    }
    let mut table = Table::new(&[
        ("SWITCH", Left),
        ("PID", Right),
        ("UPTIME", Right),
        ("PORTS", Right),
        ("STATE", Left),
    ]);
    for row in rows {
        table.row(vec![
            row.name.clone(),
            or_none(row.pid),
            or_none(row.uptime.map(duration)),
            or_none(row.ports),
            row.state.clone(),
        ]);
    }
    table.render(paint, |state| colour_state(state, paint))
}

/// `port ls`.
pub fn ports(rows: &[PortRow], paint: Paint) -> String {
    if rows.is_empty() {
        return "no ports".into();
    }
    let mut table = Table::new(&[
        ("PORT", Left),
        ("KIND", Left),
        ("NETNS", Left),
        ("NETDEV", Left),
        ("MAC", Left),
        ("MTU", Right),
        ("QUEUES", Right),
        ("VLAN", Left),
        ("FLAGS", Left),
        ("STATE", Left),
    ]);
    for row in rows {
        table.row(vec![
            row.name.clone(),
            kind(row),
            or_none(row.netns.as_ref()),
            or_none(row.ifname.as_ref()),
            or_none(row.mac.as_ref()),
            or_none(row.mtu),
            or_none(row.queues),
            row.vlan.to_string(),
            or_none(Some(row.flags.unusual().join(",")).filter(|flags| !flags.is_empty())),
            state(row),
        ]);
    }
    // What is configured as usual on every port is not worth a column. What a fault can
    // change keeps its column, so that the table is the same before and after.
    table.drop_if_all("NETNS", NONE);
    table.drop_if_all("VLAN", "transparent");
    table.drop_if_all("FLAGS", NONE);
    table.render(paint, |state| colour_state(state, paint))
}

/// `fdb ls`.
pub fn fdb(rows: &[FdbRow], paint: Paint) -> String {
    if rows.is_empty() {
        return "no entries".into();
    }
    let mut table = Table::new(&[
        ("MAC", Left),
        ("VLAN", Right),
        ("PORT", Left),
        ("KIND", Left),
        ("AGE", Right),
    ]);
    for row in rows {
        table.row(vec![
            row.mac.clone(),
            row.vid.to_string(),
            row.port.clone(),
            row.kind.clone(),
            or_none(row.age.map(|age| duration(age.into()))),
        ]);
    }
    table.render(paint, str::to_owned)
}

/// `vlan ls`.
pub fn vlans(rows: &[VlanRow], paint: Paint) -> String {
    if rows.is_empty() {
        return "no VLANs".into();
    }
    let mut table = Table::new(&[("VLAN", Right), ("MEMBERS", Left), ("UNTAGGED", Left)]);
    let names = |names: &[String]| or_none((!names.is_empty()).then(|| names.join(" ")));
    for row in rows {
        table.row(vec![row.vid.to_string(), names(&row.members), names(&row.untagged)]);
    }
    table.render(paint, str::to_owned)
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or_else(|| NONE.into(), |value| value.to_string())
}

/// `macvtap:eth1`; the target is left out where it is the port's own name.
fn kind(row: &PortRow) -> String {
    match row.target == row.name {
        true => row.kind.clone(),
        false => format!("{}:{}", row.kind, row.target),
    }
}

fn state(row: &PortRow) -> String {
    match &row.fault {
        Some(fault) => format!("{}: {fault}", row.state),
        None => row.state.clone(),
    }
}

fn colour_state(state: &str, paint: Paint) -> String {
    match state.split(':').next() {
        Some("up" | "running") => paint.green(state),
        Some("down") => paint.yellow(state),
        _ => paint.red(state),
    }
}

#[cfg(test)]
mod tests;
