//! The kernel bridge as an oracle, over veths.

use tests::lab::{Lab, eventually};

use crate::compare::Rig;
use crate::layout::quiet;

/// Reserved addresses the bridge can be told to relay: -03 … -0F (`group_fwd_mask`).
const ALL_IT_CAN: &str = "65528";

/// A bridge port's state in which it forwards (`BR_STATE_FORWARDING`).
const FORWARDING: &str = "3";

/// Starts a bridge of this many ports.
pub fn bridge(lab: &Lab, ports: usize) -> Rig<'static> {
    quiet(lab);
    let ip = |words: &str| {
        lab.run(&["ip"].into_iter().chain(words.split(' ')).collect::<Vec<_>>()).ok();
    };
    ip("link add oracle type bridge mcast_snooping 0");
    ip("link set oracle up");
    for port in 0..ports {
        ip(&format!("link add kb{port} type veth peer name in{port}"));
        ip(&format!("link set in{port} master oracle up"));
        ip(&format!("link set kb{port} up"));
    }
    // A port forwards when the kernel has seen its carrier, which it looks for when it has time.
    for port in 0..ports {
        let file = format!("/sys/class/net/in{port}/brport/state");
        let state = || lab.run(&["cat", &file]).out;
        eventually(&format!("in{port} forwards"), state, |state| state.trim() == FORWARDING);
    }
    mask(lab, ALL_IT_CAN);
    Rig::open(lab, "kernel bridge", "kb", ports, || ())
}

/// Makes the bridge keep the reserved addresses to itself, its default.
pub fn relay_no_reserved_address(lab: &Lab) {
    mask(lab, "0");
}

fn mask(lab: &Lab, mask: &str) {
    lab.run(&["ip", "link", "set", "oracle", "type", "bridge", "group_fwd_mask", mask]).ok();
}
