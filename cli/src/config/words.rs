//! A port as the words of a SPEC: what it is, and what differs between two.

use io_backends::ports::{KINDS, OwnKey};

use super::PortConfig;
use crate::control::rules::{FlagsDoc, VlanDoc};

/// What a SPEC says of the port behind `NAME=`; what is as by default is left out.
pub fn spec_words(port: &PortConfig) -> String {
    let mut words: Vec<String> =
        attachment(port).into_iter().filter_map(|(_, word)| word).collect();
    words
        .extend(Some(VlanDoc::from(&port.rules.vlan).to_string()).filter(|it| it != "transparent"));
    words.extend(FlagsDoc::from(&port.rules).unusual());
    words.join(",")
}

/// What `old` says and `new` does not, and the other way round; `None` where they agree.
pub fn difference(old: &PortConfig, new: &PortConfig) -> Option<(String, String)> {
    let differ = all(old).into_iter().zip(all(new)).filter(|(old, new)| old != new);
    let (was, now): (Vec<_>, Vec<_>) = differ.unzip();
    (!was.is_empty()).then(|| (was.join(","), now.join(",")))
}

/// A word for each thing that can be said of a port, in the same order for every port.
fn all(port: &PortConfig) -> Vec<String> {
    let link = attachment(port);
    let said = link.into_iter().map(|(key, word)| word.unwrap_or_else(|| format!("no {key}")));
    let flags = FlagsDoc::from(&port.rules).words();
    let flags = flags.into_iter().map(|(key, value)| format!("{key}={value}"));
    said.chain([VlanDoc::from(&port.rules.vlan).to_string()]).chain(flags).collect()
}

/// What a port is attached to: each key, and the word for it where it is not as by default.
fn attachment(port: &PortConfig) -> Vec<(&'static str, Option<String>)> {
    let link = &port.attachment;
    let (name, target) = (link.kind.row().name, link.kind.target());
    let kind = if target == port.name { name.to_owned() } else { format!("{name}:{target}") };
    let own = link.kind.own();
    let said = |key: &OwnKey| {
        let word = own.iter().find(|(name, _)| *name == key.name).map(|(_, word)| word.clone());
        (key.name, word)
    };
    let own = KINDS.iter().flat_map(|kind| kind.own).map(said);
    let netdev = [
        ("takeover", link.takeover.then(|| "takeover".to_owned())),
        ("netns", word("netns", link.netns.as_ref())),
        ("ifname", word("ifname", link.ifname.as_ref())),
        ("addr", words("addr", &link.addr)),
        ("gateway", words("gateway", &link.gateway)),
        ("mac", word("mac", link.mac)),
        ("mtu", word("mtu", link.mtu)),
        ("queues", word("queues", link.queues)),
    ];
    [("kind", Some(kind))].into_iter().chain(own).chain(netdev).collect()
}

fn word(key: &str, value: Option<impl ToString>) -> Option<String> {
    value.map(|value| format!("{key}={}", value.to_string()))
}

fn words(key: &str, values: &[impl ToString]) -> Option<String> {
    let words: Vec<_> = values.iter().map(|value| format!("{key}={}", value.to_string())).collect();
    (!words.is_empty()).then(|| words.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_spec;

    #[test]
    fn a_port_is_said_as_it_was_written() {
        for spec in [
            "a=tap",
            "a=tap:t0,existing",
            "a=tap,netns=n,ifname=eth7,addr=10.0.0.1/24,addr=fd00::1/64,gateway=10.0.0.9,\
             mac=02:00:00:00:00:0a,mtu=9000,queues=4,access=10,learning=off,isolated,mac-limit=5",
            "u=macvtap:eth1,mode=bridge,trunk=1+10+20-29,native=1,tpid=0x88a8,bcast-flood=off",
            "u=macvtap:eth1,netns=/proc/1/ns/net,trunk",
            "v=veth,netns=n,ifname=eth7,addr=10.0.0.1/24,mac=02:00:00:00:00:0a,mtu=9000",
            "n=netdev:eth1,takeover,netns=n,trunk",
            "f=fd:7,tunnel=9,flood=off,mcast-flood=off",
        ] {
            let port = parse_spec(spec).unwrap();
            assert_eq!(format!("{}={}", port.name, spec_words(&port)), spec);
        }
    }

    #[test]
    fn a_difference_is_said_from_both_sides() {
        let said = |old: &str, new: &str| {
            let (old, new) = (parse_spec(old).unwrap(), parse_spec(new).unwrap());
            difference(&old, &new)
        };
        let both = |old: &str, new: &str| Some((old.to_owned(), new.to_owned()));
        assert_eq!(said("a=tap,access=10", "a=tap,access=10"), None);
        assert_eq!(said("a=tap,access=10", "a=tap,access=20"), both("access=10", "access=20"));
        assert_eq!(
            said("a=tap,isolated,trunk=1", "a=tap,mac-limit=5"),
            both("trunk=1,isolated=on,mac-limit=0", "transparent,isolated=off,mac-limit=5")
        );
        assert_eq!(said("a=tap", "a=tap,netns=n"), both("no netns", "netns=n"));
        assert_eq!(said("a=tap", "a=fd:3"), both("tap", "fd:3"));
    }
}
