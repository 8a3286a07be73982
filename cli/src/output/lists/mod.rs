//! The lists: switches, ports, FDB entries and VLANs as tables.

use crate::control::api::{AllowedDoc, FdbRow, FlagsDoc, PortRow, SwitchRow, VlanDoc, VlanRow};
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
            vlan(&row.vlan),
            flags(&row.flags),
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

/// The mode as a SPEC says it: `trunk=10+20-29,native=1`.
fn vlan(vlan: &VlanDoc) -> String {
    let pvid = vlan.pvid.map(|pvid| pvid.to_string()).unwrap_or_default();
    match vlan.mode.as_str() {
        "trunk" => {
            let mut text = match &vlan.allowed {
                AllowedDoc::All(_) => "trunk".to_owned(),
                AllowedDoc::Only(vids) => format!("trunk={}", ranges(vids)),
            };
            if !pvid.is_empty() {
                text += &format!(",native={pvid}");
            }
            if vlan.tpid != "0x8100" {
                text += &format!(",tpid={}", vlan.tpid);
            }
            text
        }
        "access" | "tunnel" => format!("{}={pvid}", vlan.mode),
        mode => mode.to_owned(),
    }
}

/// `10+20-29`.
fn ranges(vids: &[u16]) -> String {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for &vid in vids {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(vid) => *last = vid,
            _ => runs.push((vid, vid)),
        }
    }
    let run = |&(first, last): &(u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    runs.iter().map(run).collect::<Vec<_>>().join("+")
}

/// What differs from the default, as a SPEC says it.
fn flags(flags: &FlagsDoc) -> String {
    let on = [
        ("learning", flags.learning),
        ("flood", flags.flood),
        ("mcast-flood", flags.mcast_flood),
        ("bcast-flood", flags.bcast_flood),
    ];
    let mut words: Vec<String> =
        on.iter().filter(|(_, on)| !on).map(|(name, _)| format!("{name}=off")).collect();
    if flags.isolated {
        words.push("isolated".into());
    }
    if flags.mac_limit > 0 {
        words.push(format!("mac-limit={}", flags.mac_limit));
    }
    or_none((!words.is_empty()).then(|| words.join(",")))
}

#[cfg(test)]
mod tests;
