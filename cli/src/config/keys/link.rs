//! The keys that say what a port is attached to, a row each. They hold for as long as it is.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use io_backends::lab::{NAME_FORM as NETDEV_FORM, valid_name as is_netdev};
use io_backends::ports::{KIND_NAMES, KINDS, KindRow, OwnKey, OwnValue};
use ipnet::IpNet;
use switch_core::Mac;

use super::{Key, Setter};
use crate::config::draft::Draft;
use crate::config::names::{NAME_FORM, NETNS_FORM, is_name, netns};
use crate::config::value::{Expected, Given, Mistake, ON_OFF, Wrong, listed, quoted};

/// 68 is IPv4's least (RFC 791); 65,521 the most that fits a TAP's 16-bit frame length.
const MTU: RangeInclusive<u32> = 68..=65_521;
/// MAX_TAP_QUEUES of linux/if_tap.h.
const QUEUES: RangeInclusive<u32> = 1..=256;
/// Keeps the search for doubles short; no limit of the kernel's.
const MAX_ADDRESSES: usize = 1024;

/// What a SPEC says before its keys: `NAME=KIND:TARGET`.
pub(crate) static HEAD: LazyLock<[Key<Draft>; 3]> = LazyLock::new(|| {
    [
        Key {
            name: "name",
            kinds: KIND_NAMES,
            form: "=NAME",
            expected: Expected::Text(NAME_FORM),
            default: "none: needed",
            help: "the port's name, unique in the switch",
            set: &|port, given| {
                let name =
                    given.text().ok().filter(|name| is_name(name)).ok_or_else(|| given.unfit())?;
                port.name = name.to_owned();
                Ok(())
            },
        },
        Key {
            name: "kind",
            kinds: KIND_NAMES,
            form: "=KIND",
            expected: Expected::Choice(KIND_NAMES),
            default: "none: needed",
            help: "what the port is attached to",
            set: &|port, given| {
                port.kind = Some(KINDS[given.choice(KIND_NAMES)?]);
                Ok(())
            },
        },
        Key {
            name: "target",
            kinds: KIND_NAMES,
            form: "=TARGET",
            expected: Expected::Text(target_forms()),
            default: each(|kind| match kind.target.default {
                "" => "needed",
                default => default,
            }),
            help: each(|kind| kind.target.what),
            set: &|port, given| {
                port.target = Some(given.word()?.into_owned());
                Ok(())
            },
        },
    ]
});

/// `tap, veth: this; fd: that`: what each kind has to say, without those that say nothing; kept
/// for good.
fn each(piece: impl Fn(&KindRow) -> &'static str) -> &'static str {
    let mut pieces: Vec<(String, &str)> = Vec::new();
    for kind in KINDS.iter().filter(|kind| !piece(kind).is_empty()) {
        match pieces.iter_mut().find(|(_, text)| *text == piece(kind)) {
            Some((names, _)) => *names += &format!(", {}", kind.name),
            None => pieces.push((kind.name.to_owned(), piece(kind))),
        }
    }
    let pieces: Vec<_> = pieces.iter().map(|(names, text)| format!("{names}: {text}")).collect();
    pieces.join("; ").leak()
}

/// What targets are, each form once; kept for good.
fn target_forms() -> &'static str {
    let mut forms: Vec<_> =
        KINDS.iter().map(|kind| kind.target.form.split(':').next().unwrap_or_default()).collect();
    forms.dedup();
    listed(&forms, "or").leak()
}

/// The kinds that take this key of any netdev.
fn takers(key: &str) -> &'static [&'static str] {
    let takers = KINDS.iter().filter(|kind| kind.keys.contains(&key)).map(|kind| kind.name);
    takers.collect::<Vec<_>>().leak()
}

/// A key that one kind has.
fn own(kind: &KindRow, key: &'static OwnKey) -> Key<Draft> {
    let name = key.name;
    let set: Setter<Draft> = match key.value {
        OwnValue::Flag => Box::leak(Box::new(move |port: &mut Draft, given: &Given<'_>| {
            let value = given.flag()?;
            store_own(port, name, value.into())
        })),
        OwnValue::Choice(words) => {
            Box::leak(Box::new(move |port: &mut Draft, given: &Given<'_>| {
                let value = given.choice(words)?;
                store_own(port, name, value)
            }))
        }
    };
    Key {
        name,
        kinds: vec![kind.name].leak(),
        form: key.form,
        expected: match key.value {
            OwnValue::Flag => ON_OFF,
            OwnValue::Choice(words) => Expected::Choice(words),
        },
        default: key.default,
        help: key.help,
        set,
    }
}

fn store_own(port: &mut Draft, name: &'static str, value: usize) -> Result<(), Wrong> {
    port.own.push((name, value));
    Ok(())
}

/// The other keys of the attachment, in the order in which help lists them.
pub(crate) static KEYS: LazyLock<Vec<Key<Draft>>> = LazyLock::new(|| {
    let own = KINDS.iter().flat_map(|kind| kind.own.iter().map(|key| own(kind, key)));
    own.chain(netdev_keys()).collect()
});

/// The keys that a netdev of any kind can take.
fn netdev_keys() -> [Key<Draft>; 8] {
    [
        Key {
            name: "takeover",
            kinds: takers("takeover"),
            form: "[=on/off]",
            expected: ON_OFF,
            default: "off: refused",
            help: "take the netdev although it carries addresses or the default route of its host, \
                   which is then no longer reached by it",
            set: &|port, given| store(&mut port.takeover, given.flag()?),
        },
        Key {
            name: "netns",
            kinds: takers("netns"),
            form: "=NETNS",
            expected: Expected::Text(NETNS_FORM),
            default: "where Netloom runs",
            help: each(|kind| kind.netns),
            set: &|port, given| {
                let parsed = given.text().ok().and_then(netns).ok_or_else(|| given.unfit())?;
                store(&mut port.netns, Some(parsed))
            },
        },
        Key {
            name: "ifname",
            kinds: takers("ifname"),
            form: "=NETDEV",
            expected: Expected::Text(NETDEV_FORM),
            default: "the lowest free ethN",
            help: "the netdev's name inside netns",
            set: &|port, given| {
                let name = given.text().ok().filter(|name| is_netdev(name));
                store(&mut port.ifname, Some(name.ok_or_else(|| given.unfit())?.to_owned()))
            },
        },
        Key {
            name: "addr",
            kinds: takers("addr"),
            form: "=CIDR",
            expected: Expected::Text("an address with its prefix length, like 10.0.0.1/24"),
            default: "none",
            help: "an IPv4 or IPv6 address of the netdev; repeats, or an array in a file",
            set: &addr,
        },
        Key {
            name: "gateway",
            kinds: takers("gateway"),
            form: "=IP",
            expected: Expected::Text("an IPv4 or IPv6 address"),
            default: "none",
            help: "the default route by way of the netdev, at most one an address family",
            set: &gateway,
        },
        Key {
            name: "mac",
            kinds: takers("mac"),
            form: "=MAC",
            expected: Expected::Text("the MAC address of one station, like 02:00:00:00:00:0a"),
            default: "the kernel's choice",
            help: "the netdev's MAC address",
            set: &|port, given| {
                let mac: Option<Mac> = given.text()?.parse().ok();
                let one = mac.filter(|mac| !mac.is_group() && !mac.is_zero());
                store(&mut port.mac, Some(one.ok_or_else(|| given.unfit())?))
            },
        },
        Key {
            name: "mtu",
            kinds: takers("mtu"),
            form: "=BYTES",
            expected: Expected::Range(MTU),
            default: "the kernel's choice",
            help: "the netdev's MTU",
            set: &|port, given| store(&mut port.mtu, Some(given.number(&MTU)?)),
        },
        Key {
            name: "queues",
            kinds: takers("queues"),
            form: "=N",
            expected: Expected::Range(QUEUES),
            default: "chosen by the program",
            help: "how many queues the port has",
            set: &|port, given| {
                let queues = u16::try_from(given.number(&QUEUES)?).map_err(|_| given.unfit())?;
                store(&mut port.queues, Some(queues))
            },
        },
    ]
}

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
    fn every_kind_names_keys_that_there_are() {
        let keys = netdev_keys().map(|key| key.name);
        for kind in KINDS {
            assert!(kind.keys.iter().all(|key| keys.contains(key)), "{}", kind.name);
            assert_eq!(kind.keys.contains(&"netns"), !kind.netns.is_empty(), "{}", kind.name);
        }
    }
}
