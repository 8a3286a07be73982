//! The keys that say what a port is attached to, a row each. They hold for as long as it is.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use io_backends::ports::MacvtapMode;
use ipnet::IpNet;
use switch_core::Mac;

use super::Key;
use crate::config::draft::{Draft, KINDS};
use crate::config::names::{NAME_FORM, NETDEV_FORM, NETNS_FORM, is_name, is_netdev, netns};
use crate::config::value::{Expected, Given, Mistake, ON_OFF, Wrong, quoted};

/// 68 is IPv4's least (RFC 791); 65,521 the most that fits a TAP's 16-bit frame length.
const MTU: RangeInclusive<u32> = 68..=65_521;
/// MAX_TAP_QUEUES of linux/if_tap.h.
const QUEUES: RangeInclusive<u32> = 1..=256;
/// Keeps the search for doubles short; no limit of the kernel's.
const MAX_ADDRESSES: usize = 1024;

const MODES: &[&str] = &{
    let [passthru, bridge, private, vepa] = MacvtapMode::ALL;
    [passthru.name(), bridge.name(), private.name(), vepa.name()]
};

/// The names of the kinds, in the order of [`KINDS`].
pub(crate) const ALL: &[&str] = &["tap", "veth", "netdev", "macvtap", "fd"];
const TAP: &[&str] = &["tap"];
const MACVTAP: &[&str] = &["macvtap"];
/// Kinds whose port has a netdev of its own, for a host.
const HOST: &[&str] = &["tap", "veth"];
/// Kinds that take in a netdev of somebody else's.
const LOWER: &[&str] = &["netdev", "macvtap"];
const MADE: &[&str] = &["tap", "veth", "macvtap"];
const QUEUED: &[&str] = &["tap", "macvtap"];
const PLACED: &[&str] = &["tap", "veth", "netdev", "macvtap"];

/// What a SPEC says before its keys: `NAME=KIND:TARGET`.
pub(crate) static HEAD: [Key<Draft>; 3] = [
    Key {
        name: "name",
        kinds: ALL,
        form: "=NAME",
        expected: Expected::Text(NAME_FORM),
        default: "none: needed",
        help: "the port's name, unique in the switch",
        set: |port, given| {
            let name =
                given.text().ok().filter(|name| is_name(name)).ok_or_else(|| given.unfit())?;
            port.name = name.to_owned();
            Ok(())
        },
    },
    Key {
        name: "kind",
        kinds: ALL,
        form: "=KIND",
        expected: Expected::Choice(ALL),
        default: "none: needed",
        help: "what the port is attached to",
        set: |port, given| {
            port.kind = Some(&KINDS[given.choice(ALL)?]);
            Ok(())
        },
    },
    Key {
        name: "target",
        kinds: ALL,
        form: "=TARGET",
        expected: Expected::Text("a netdev's name or a descriptor's number"),
        default: "tap, veth: the port's name; others: needed",
        help: "tap: the netdev's name; veth: the near end's; netdev: the netdev; macvtap: the lower \
               netdev; fd: the descriptor's number",
        set: |port, given| {
            port.target = Some(given.word()?.into_owned());
            Ok(())
        },
    },
];

/// The other keys of the attachment, in the order in which help lists them.
pub(crate) static KEYS: [Key<Draft>; 10] = [
    Key {
        name: "existing",
        kinds: TAP,
        form: "[=on/off]",
        expected: ON_OFF,
        default: "off: the TAP is made",
        help: "attach to the persistent TAP of that name, and never remove it",
        set: |port, given| store(&mut port.existing, given.flag()?),
    },
    Key {
        name: "mode",
        kinds: MACVTAP,
        form: "=MODE",
        expected: Expected::Choice(MODES),
        default: "passthru",
        help: "how macvtaps share the lower netdev; only passthru carries addresses other than \
               the macvtap's own",
        set: |port, given| {
            port.mode = MacvtapMode::ALL[given.choice(MODES)?];
            Ok(())
        },
    },
    Key {
        name: "takeover",
        kinds: LOWER,
        form: "[=on/off]",
        expected: ON_OFF,
        default: "off: refused",
        help: "take the netdev although it carries addresses or the default route of its host, \
               which is then no longer reached by it",
        set: |port, given| store(&mut port.takeover, given.flag()?),
    },
    Key {
        name: "netns",
        kinds: PLACED,
        form: "=NETNS",
        expected: Expected::Text(NETNS_FORM),
        default: "where Netloom runs",
        help: "tap, veth: the namespace the netdev goes to, made if it is named and missing; \
               netdev, macvtap: the namespace where that netdev is",
        set: |port, given| {
            let parsed = given.text().ok().and_then(netns).ok_or_else(|| given.unfit())?;
            store(&mut port.netns, Some(parsed))
        },
    },
    Key {
        name: "ifname",
        kinds: HOST,
        form: "=NETDEV",
        expected: Expected::Text(NETDEV_FORM),
        default: "the lowest free ethN",
        help: "the netdev's name inside netns",
        set: |port, given| {
            let name = given.text().ok().filter(|name| is_netdev(name));
            store(&mut port.ifname, Some(name.ok_or_else(|| given.unfit())?.to_owned()))
        },
    },
    Key {
        name: "addr",
        kinds: HOST,
        form: "=CIDR",
        expected: Expected::Text("an address with its prefix length, like 10.0.0.1/24"),
        default: "none",
        help: "an IPv4 or IPv6 address of the netdev; repeats, or an array in a file",
        set: addr,
    },
    Key {
        name: "gateway",
        kinds: HOST,
        form: "=IP",
        expected: Expected::Text("an IPv4 or IPv6 address"),
        default: "none",
        help: "the default route by way of the netdev, at most one an address family",
        set: gateway,
    },
    Key {
        name: "mac",
        kinds: MADE,
        form: "=MAC",
        expected: Expected::Text("the MAC address of one station, like 02:00:00:00:00:0a"),
        default: "the kernel's choice",
        help: "the netdev's MAC address",
        set: |port, given| {
            let mac: Option<Mac> = given.text()?.parse().ok();
            let one = mac.filter(|mac| !mac.is_group() && !mac.is_zero());
            store(&mut port.mac, Some(one.ok_or_else(|| given.unfit())?))
        },
    },
    Key {
        name: "mtu",
        kinds: MADE,
        form: "=BYTES",
        expected: Expected::Range(MTU),
        default: "the kernel's choice",
        help: "the netdev's MTU",
        set: |port, given| store(&mut port.mtu, Some(given.number(&MTU)?)),
    },
    Key {
        name: "queues",
        kinds: QUEUED,
        form: "=N",
        expected: Expected::Range(QUEUES),
        default: "chosen by the program",
        help: "how many queues the port has",
        set: |port, given| {
            let queues = u16::try_from(given.number(&QUEUES)?).map_err(|_| given.unfit())?;
            store(&mut port.queues, Some(queues))
        },
    },
];

/// Lets the reader of a row be one expression.
pub(crate) fn store<T>(to: &mut T, value: T) -> Result<(), Wrong> {
    *to = value;
    Ok(())
}

fn addr(port: &mut Draft, given: &Given<'_>) -> Result<(), Wrong> {
    for item in given.items()? {
        let text = item.text()?;
        if port.addr.len() == MAX_ADDRESSES {
            let why = format!("more than {MAX_ADDRESSES} addresses");
            return Err(Wrong::Because(Mistake::new(item.at, why)));
        }
        let addr: IpNet = text.parse().map_err(|_| with_prefix(item, text))?;
        if addr.addr().is_unspecified() || addr.addr().is_multicast() {
            return Err(item.unfit());
        }
        if port.addr.contains(&addr) {
            let why = format!("addr {} is given twice", quoted(text));
            return Err(Wrong::Because(Mistake::new(item.at, why)));
        }
        port.addr.push(addr);
    }
    Ok(())
}

/// The common slip: an address whose prefix length is missing.
fn with_prefix(item: &Given<'_>, text: &str) -> Wrong {
    let hint = text.parse().ok().map(|ip| match ip {
        IpAddr::V4(ip) => format!("did you mean {ip}/24?"),
        IpAddr::V6(ip) => format!("did you mean {ip}/64?"),
    });
    Wrong::Unfit { at: item.at, shown: quoted(text), hint }
}

fn gateway(port: &mut Draft, given: &Given<'_>) -> Result<(), Wrong> {
    for item in given.items()? {
        let ip: IpAddr = item.text()?.parse().map_err(|_| item.unfit())?;
        if ip.is_unspecified() || ip.is_multicast() {
            return Err(item.unfit());
        }
        if port.gateway.iter().any(|other| other.is_ipv4() == ip.is_ipv4()) {
            let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
            let why = format!("{} is a second {family} gateway", quoted(item.text()?));
            return Err(Wrong::Because(Mistake::new(item.at, why)));
        }
        port.gateway.push(ip);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_stand_in_one_order() {
        assert_eq!(KINDS.each_ref().map(|kind| kind.name), ALL);
    }
}
