//! The keys that say how a port behaves, a row each. They can change while it is attached.

use std::ops::RangeInclusive;

use io_backends::ports::KIND_NAMES;
use switch_core::Tpid;
use switch_core::vlan::{Allowed, VidSet};

use super::Key;
use super::link::store;
use crate::config::draft::Draft;
use crate::config::value::{Expected, Given, ON_OFF, Value, Wrong};

const VID: Expected = Expected::Text("a VID from 1 to 4094");
const MAC_LIMIT: RangeInclusive<u32> = 0..=u32::MAX;

/// The keys of VLAN mode and flags, in the order in which help lists them.
pub(crate) static KEYS: [Key<Draft>; 12] = [
    Key {
        name: "access",
        kinds: KIND_NAMES,
        form: "=VID",
        expected: VID,
        default: "transparent",
        help: "an untagged member of one VLAN",
        set: &|port, given| store(&mut port.vlan.access, Some(given.vid()?)),
    },
    Key {
        name: "trunk",
        kinds: KIND_NAMES,
        form: "[=VIDS]",
        expected: Expected::Text("VIDs from 1 to 4094 like 10+20-29"),
        default: "transparent; without VIDS: every VLAN",
        help: "a tagged member of these VLANs",
        set: &|port, given| store(&mut port.vlan.trunk, Some(trunk(given)?)),
    },
    Key {
        name: "native",
        kinds: KIND_NAMES,
        form: "=VID",
        expected: VID,
        default: "none: untagged frames are dropped",
        help: "with trunk: the VLAN of untagged frames, which leaves untagged",
        set: &|port, given| store(&mut port.vlan.native, Some(given.vid()?)),
    },
    Key {
        name: "tpid",
        kinds: KIND_NAMES,
        form: "=TPID",
        expected: Expected::Text("0x8100 or 0x88a8"),
        default: "0x8100",
        help: "with trunk: the tag the port writes and recognises",
        set: &|port, given| {
            let number = match &given.value {
                Value::Integer(number) => number.and_then(|n| u16::try_from(n).ok()),
                _ => given
                    .text()?
                    .strip_prefix("0x")
                    .and_then(|hex| u16::from_str_radix(hex, 16).ok()),
            };
            let tpid = number.and_then(Tpid::new).ok_or_else(|| given.unfit())?;
            store(&mut port.vlan.tpid, Some(tpid))
        },
    },
    Key {
        name: "tunnel",
        kinds: KIND_NAMES,
        form: "=SVID",
        expected: VID,
        default: "transparent",
        help: "a QinQ customer port: whatever comes in belongs to this VLAN, tags and all",
        set: &|port, given| store(&mut port.vlan.tunnel, Some(given.vid()?)),
    },
    Key {
        name: "transparent",
        kinds: KIND_NAMES,
        form: "",
        expected: Expected::Text("on or true; another VLAN key turns it off"),
        default: "on, unless there is another VLAN key",
        help: "a member of every VLAN; tags pass unchanged",
        set: &|_, given| if given.flag()? { Ok(()) } else { Err(given.unfit()) },
    },
    Key {
        name: "learning",
        kinds: KIND_NAMES,
        form: "=on/off",
        expected: ON_OFF,
        default: "on",
        help: "learn source addresses on the port",
        set: &|port, given| store(&mut port.rules.learning, given.on_off()?),
    },
    Key {
        name: "flood",
        kinds: KIND_NAMES,
        form: "=on/off",
        expected: ON_OFF,
        default: "on",
        help: "send it frames to unknown unicast addresses",
        set: &|port, given| store(&mut port.rules.flood, given.on_off()?),
    },
    Key {
        name: "mcast-flood",
        kinds: KIND_NAMES,
        form: "=on/off",
        expected: ON_OFF,
        default: "on",
        help: "send it multicast frames",
        set: &|port, given| store(&mut port.rules.mcast_flood, given.on_off()?),
    },
    Key {
        name: "bcast-flood",
        kinds: KIND_NAMES,
        form: "=on/off",
        expected: ON_OFF,
        default: "on",
        help: "send it broadcast frames",
        set: &|port, given| store(&mut port.rules.bcast_flood, given.on_off()?),
    },
    Key {
        name: "isolated",
        kinds: KIND_NAMES,
        form: "[=on/off]",
        expected: ON_OFF,
        default: "off",
        help: "isolated ports exchange nothing with each other",
        set: &|port, given| store(&mut port.rules.isolated, given.flag()?),
    },
    Key {
        name: "mac-limit",
        kinds: KIND_NAMES,
        form: "=N",
        expected: Expected::Range(MAC_LIMIT),
        default: "0: no limit",
        help: "the most addresses learned on the port",
        set: &|port, given| store(&mut port.rules.mac_limit, given.number(&MAC_LIMIT)?),
    },
];

fn trunk(given: &Given<'_>) -> Result<Allowed, Wrong> {
    if matches!(given.value, Value::Bare | Value::Boolean(true)) {
        return Ok(Allowed::All);
    }
    let mut vids = VidSet::new();
    for item in given.items()? {
        match item.value {
            Value::Integer(_) => vids.insert(item.vid()?),
            _ => {
                let set: VidSet = item.text()?.parse().map_err(|_| item.unfit())?;
                set.iter().for_each(|vid| vids.insert(vid));
            }
        }
    }
    Ok(Allowed::Only(vids))
}
