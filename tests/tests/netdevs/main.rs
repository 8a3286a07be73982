//! Ports whose netdev stays where it is: `netdev` and `veth`, end to end.

mod attached;
mod lane;
mod pairs;
mod refused;

use tests::lab::Lab;

/// A namespace that the switch does not know, `far`, at the other end of a veth
/// whose near end, `near`, is on the lab's host. It has the address 10.9.0.9.
fn cable(lab: &Lab) {
    let ip = |words: &str| {
        lab.run(&[&["ip"], &words.split(' ').collect::<Vec<_>>()[..]].concat()).ok();
    };
    ip("netns add far");
    ip("link add near type veth peer name far0 netns far");
    ip("link set near up");
    ip("-n far link set far0 up");
    ip("-n far addr add 10.9.0.9/24 dev far0 nodad");
    ip("-n far addr add fd00::9/64 dev far0 nodad");
}

/// What `ip -d link show` says of a netdev of the lab's host.
fn details(lab: &Lab, netdev: &str) -> String {
    lab.run(&["ip", "-d", "link", "show", "dev", netdev]).ok()
}

/// Whether the user's flag for every address is set on a netdev of the lab's host.
fn is_promiscuous(lab: &Lab, netdev: &str) -> bool {
    details(lab, netdev).lines().next().is_some_and(|line| line.contains("PROMISC"))
}
