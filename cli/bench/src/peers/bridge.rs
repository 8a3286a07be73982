//! The kernel's bridge, a veth pair to each host.

use io_backends::lab::{Place, Wanted};

use super::super::lab::Lab;
use super::rig::{Rig, Wiring};
use io_backends::Error;

const BRIDGE: &str = "bridge";

pub(super) fn start<'l>(
    rig: &mut Rig<'l>,
    lab: &'l Lab,
    name: &str,
    wiring: &Wiring,
) -> Result<(), Error> {
    let middle = rig.middle(lab, name)?;
    let port = |number: usize| format!("port{number}");
    let far = |number: usize| format!("far{number}");
    Place::In(middle.clone()).links(|links| {
        let up = Wanted { up: Some(true), mtu: Some(wiring.mtu), ..Wanted::default() };
        let bridge = links.make_bridge(BRIDGE)?;
        for number in 0..wiring.hosts {
            let link = links.make_veth(&port(number), &far(number))?;
            links.join_bridge(&link, &bridge)?;
            links.set(&link, &up)?;
        }
        links.set(&bridge, &up)
    })?;
    rig.hand_out(&middle, wiring, far)?;
    rig.configuration =
        "Linux bridge in a namespace of its own, a veth pair to each host, no STP, \
                         offloads as veth has them. For the loop the bridge's ends of the pairs \
                         have an XDP program that lets all pass, else veth loses what comes back"
            .into();
    rig.veth_ends = (0..wiring.hosts).map(|number| (middle.clone(), port(number))).collect();
    Ok(())
}
