//! What a user should know about a set of ports.

use switch_core::vlan::VlanMode;

use crate::config::PortConfig;

/// Hints for these ports, most important first.
pub(in crate::daemon) fn of(ports: &[PortConfig]) -> Vec<String> {
    let mixed = mixed_modes(ports).into_iter().chain(access_in_tunnel(ports));
    mixed.chain(ports.iter().filter_map(own)).collect()
}

/// Rule 14: a tunnel port looks at no tag of its hosts, an access port drops tagged frames.
fn access_in_tunnel(ports: &[PortConfig]) -> Option<String> {
    let first = |mode: VlanMode| ports.iter().find(|port| port.rules.vlan == mode);
    ports.iter().find_map(|tunnel| {
        let VlanMode::Tunnel(vid) = tunnel.rules.vlan else { return None };
        let access = first(VlanMode::Access(vid))?;
        Some(format!(
            "access port {} and tunnel port {} share VLAN {vid}: hosts behind the access port get \
             the tunnel's frames with the customers' tags, and their own tagged frames are dropped",
            access.name, tunnel.name
        ))
    })
}

/// Untagged traffic never crosses between transparent ports and others (rule 11).
fn mixed_modes(ports: &[PortConfig]) -> Option<String> {
    let first = |wanted: fn(&VlanMode) -> bool| {
        ports.iter().find(|port| wanted(&port.rules.vlan)).map(|port| &port.name)
    };
    let transparent = first(|mode| *mode == VlanMode::Transparent)?;
    let other = first(|mode| *mode != VlanMode::Transparent)?;
    Some(format!(
        "untagged traffic does not cross between transparent ports (like {transparent}) \
         and access, trunk or tunnel ports (like {other})"
    ))
}

/// What a port's kind has to say.
fn own(port: &PortConfig) -> Option<String> {
    port.attachment.kind.hint().map(|hint| format!("port {}: {hint}", port.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_spec;

    fn hints(specs: &[&str]) -> Vec<String> {
        let ports: Vec<_> = specs.iter().map(|spec| parse_spec(spec).unwrap()).collect();
        of(&ports)
    }

    #[test]
    fn said_only_where_they_apply() {
        assert!(hints(&["a=tap", "b=tap", "c=macvtap:eth1"]).is_empty());
        assert!(hints(&["a=tap,access=1", "b=tap,trunk"]).is_empty());
        assert!(hints(&["a=tap", "b=tap,access=5"])[0].contains("(like b)"));
        assert!(hints(&["a=tap,tunnel=5", "b=tap,access=6", "c=tap,tunnel=5"]).is_empty());
        let shared = hints(&["a=tap,access=5", "b=tap,access=6", "c=tap,tunnel=6"]);
        assert!(shared[0].starts_with("access port b and tunnel port c share VLAN 6:"));
        assert!(hints(&["u=macvtap:eth1,mode=vepa"])[0].contains("vepa mode"));
    }
}
