//! The keys of `[switch]`, a row each.

use std::ops::RangeInclusive;

use switch_core::config::L2cp;

use super::Key;
use crate::config::names::{NAME_FORM, is_name};
use crate::config::value::{Expected, Given, Value, Wrong, digits};
use crate::config::{Engine, LaneMode, SwitchConfig, Workers};

/// Seconds (802.1Q table 8-6).
const AGEING: RangeInclusive<u32> = 10..=1_000_000;
const CAPACITY: RangeInclusive<u32> = 64..=4_194_304;
const WORKERS: RangeInclusive<u32> = 1..=256;
/// The CPUs that the kernel's fixed-size affinity mask can name (CPU_SETSIZE of sched.h).
const CPUS: u32 = 1024;

const ENGINES: &[&str] = &["auto", "epoll", "io_uring"];
const LANES: &[&str] = &["auto", "off"];
const L2CPS: &[&str] = &["transparent", "standard"];

/// Every key of `[switch]`, in the order in which help lists them.
pub(crate) static KEYS: [Key<SwitchConfig>; 7] = [
    Key {
        name: "name",
        kinds: &[],
        form: "=NAME",
        expected: Expected::Text(NAME_FORM),
        default: "the file's stem",
        help: "the switch's name, unique on the host",
        set: &|switch, given| {
            let name =
                given.text().ok().filter(|name| is_name(name)).ok_or_else(|| given.unfit())?;
            switch.name = Some(name.to_owned());
            Ok(())
        },
    },
    Key {
        name: "ageing",
        kinds: &[],
        form: "=SECONDS",
        expected: Expected::Text("seconds from 10 to 1000000 like 300 or \"300s\", or 0 for never"),
        default: "300",
        help: "how long an address that is not seen stays in the FDB; 0 is for ever",
        set: &|switch, given| {
            switch.bridge.ageing = ageing(given)?;
            Ok(())
        },
    },
    Key {
        name: "fdb-capacity",
        kinds: &[],
        form: "=ENTRIES",
        expected: Expected::Range(CAPACITY),
        default: "65536",
        help: "how many addresses the FDB holds",
        set: &|switch, given| {
            switch.fdb_capacity = given.number(&CAPACITY)?;
            Ok(())
        },
    },
    Key {
        name: "workers",
        kinds: &[],
        form: "=WORKERS",
        expected: Expected::Text(
            "a number from 1 to 256, a list of CPUs like \"0-1,3\", or \"auto\"",
        ),
        default: "\"auto\"",
        help: "how many threads forward; a list of CPUs pins a thread on each, \"auto\" lets the \
               program choose",
        set: &|switch, given| {
            switch.workers = workers(given)?;
            Ok(())
        },
    },
    Key {
        name: "engine",
        kinds: &[],
        form: "=ENGINE",
        expected: Expected::Choice(ENGINES),
        default: "\"auto\"",
        help: "how frames are read and written; \"auto\" lets the program choose",
        set: &|switch, given| {
            switch.engine = match ENGINES[given.choice(ENGINES)?] {
                "epoll" => Engine::Epoll,
                "io_uring" => Engine::IoUring,
                _ => Engine::Auto,
            };
            Ok(())
        },
    },
    Key {
        name: "lane",
        kinds: &[],
        form: "=MODE",
        expected: Expected::Choice(LANES),
        default: "\"auto\"",
        help: "\"auto\": known unicast between netdev and veth ports goes by the kernel where the \
               host can do it; \"off\": every frame goes by the workers",
        set: &|switch, given| {
            switch.lane = match LANES[given.choice(LANES)?] {
                "off" => LaneMode::Off,
                _ => LaneMode::Auto,
            };
            Ok(())
        },
    },
    Key {
        name: "l2cp",
        kinds: &[],
        form: "=RULE",
        expected: Expected::Choice(L2CPS),
        default: "\"transparent\"",
        help: "frames to 01-80-C2-00-00-00 to -0F: \"transparent\" relays all but MAC pause, \
               \"standard\" none",
        set: &|switch, given| {
            switch.bridge.l2cp = match L2CPS[given.choice(L2CPS)?] {
                "standard" => L2cp::Standard,
                _ => L2cp::Transparent,
            };
            Ok(())
        },
    },
];

fn ageing(given: &Given<'_>) -> Result<u32, Wrong> {
    let seconds = match &given.value {
        Value::Text(text) => digits(text.strip_suffix('s').unwrap_or(text)),
        Value::Integer(number) => number.and_then(|n| u32::try_from(n).ok()),
        _ => None,
    };
    seconds.filter(|s| *s == 0 || AGEING.contains(s)).ok_or_else(|| given.unfit())
}

fn workers(given: &Given<'_>) -> Result<Workers, Wrong> {
    let Value::Text(text) = &given.value else {
        return Ok(Workers::Count(given.number(&WORKERS)? as usize));
    };
    match &**text {
        "auto" => Ok(Workers::Auto),
        list => cpus(list).map(Workers::Cpus).ok_or_else(|| given.unfit()),
    }
}

/// CPUs and rising ranges parted by `,`, each CPU once, in the user's order.
fn cpus(list: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in list.split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let (low, high) = (digits(low)?, digits(high)?);
        if low > high || high >= CPUS {
            return None;
        }
        for cpu in low as usize..=high as usize {
            if cpus.contains(&cpu) {
                return None;
            }
            cpus.push(cpu);
        }
    }
    (cpus.len() <= *WORKERS.end() as usize).then_some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(cpus("0-1,3"), Some(vec![0, 1, 3]));
        assert_eq!(cpus("3,0"), Some(vec![3, 0]));
        for bad in ["", ",", "1,", "1-0", "0,0-1", "0-1024", "a", "-1", "0-1023"] {
            assert_eq!(cpus(bad), None, "{bad}");
        }
    }
}
