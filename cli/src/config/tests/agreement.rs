//! Both notations mean the same, and no text makes the readers panic.

use std::path::Path;

use io_backends::ports::KINDS;
use proptest::prelude::*;

use super::*;
use crate::config::keys::link::HEAD;
use crate::config::keys::port::keys;

/// Every key with a value, as a SPEC and as a file write it.
const VALUES: [(&str, &[(&str, &str)]); 21] = [
    ("existing", &[("existing", "true"), ("existing=off", "\"off\"")]),
    ("mode", &[("mode=bridge", "\"bridge\""), ("mode=vepa", "\"vepa\"")]),
    ("takeover", &[("takeover", "true"), ("takeover=off", "false")]),
    ("netns", &[("netns=blue", "\"blue\""), ("netns=/proc/self/ns/net", "'/proc/self/ns/net'")]),
    (
        "addr",
        &[
            ("addr=10.0.0.1/24", "\"10.0.0.1/24\""),
            ("addr=10.0.0.1/24,addr=fd00::1/64", "[\"10.0.0.1/24\", \"fd00::1/64\"]"),
        ],
    ),
    ("gateway", &[("gateway=10.0.0.2", "[\"10.0.0.2\"]"), ("gateway=fd00::2", "\"fd00::2\"")]),
    ("mac", &[("mac=02:00:00:00:00:0a", "\"02-00-00-00-00-0A\"")]),
    ("mtu", &[("mtu=9000", "9000"), ("mtu=1400", "\"1400\"")]),
    ("queues", &[("queues=2", "2")]),
    ("access", &[("access=10", "10"), ("access=4094", "\"4094\"")]),
    ("trunk", &[("trunk", "true"), ("trunk=10+20-29", "[10, \"20-29\"]")]),
    ("native", &[("native=1", "1")]),
    ("tpid", &[("tpid=0x88a8", "0x88a8"), ("tpid=0x8100", "\"0x8100\"")]),
    ("tunnel", &[("tunnel=7", "7")]),
    ("transparent", &[("transparent", "true")]),
    ("learning", &[("learning=on", "true"), ("learning=off", "\"off\"")]),
    ("flood", &[("flood=off", "false")]),
    ("mcast-flood", &[("mcast-flood=off", "false")]),
    ("bcast-flood", &[("bcast-flood=on", "\"on\"")]),
    ("isolated", &[("isolated", "true"), ("isolated=off", "false")]),
    ("mac-limit", &[("mac-limit=100", "100")]),
];

fn spec_of(kind: &str, target: &str, keys: &[(&str, (&str, &str))]) -> String {
    let mut spec = format!("p={kind}{}{target}", if target.is_empty() { "" } else { ":" });
    keys.iter().for_each(|(_, (piece, _))| spec += &format!(",{piece}"));
    spec
}

fn file_of(kind: &str, target: &str, keys: &[(&str, (&str, &str))]) -> String {
    let mut text = format!("[[port]]\nname = \"p\"\nkind = \"{kind}\"\n");
    if !target.is_empty() {
        text += &format!("target = \"{target}\"\n");
    }
    keys.iter().for_each(|(key, (_, value))| text += &format!("{key} = {value}\n"));
    text
}

#[test]
fn every_key_has_values_here() {
    let mut missing: Vec<_> = keys().map(|key| key.name).collect();
    missing.retain(|name| VALUES.iter().all(|(key, _)| key != name));
    // It needs netns, and has cases of its own.
    assert_eq!(missing, ["ifname"]);
}

fn any_keys() -> impl Strategy<Value = Vec<(&'static str, (&'static str, &'static str))>> {
    let one = (0..VALUES.len(), any::<prop::sample::Index>()).prop_map(|(key, pick)| {
        let (key, values) = VALUES[key];
        (key, *pick.get(values))
    });
    prop::collection::vec(one, 0..6).prop_map(|mut keys| {
        keys.sort_by_key(|(key, _)| *key);
        keys.dedup_by_key(|(key, _)| *key);
        keys
    })
}

/// Text that gets past the first look of the readers more often than chance would.
fn near_config() -> impl Strategy<Value = String> {
    let words = keys().chain(HEAD.iter()).map(|key| key.name.to_owned());
    let kinds = KINDS.iter().map(|kind| kind.name.to_owned());
    let marks = ["=", ",", ":", "\"", "[", "]", "{", "}", "\n", "+", "-", ".", "0", "4095", "é"];
    let known: Vec<String> = words.chain(kinds).chain(marks.map(str::to_owned)).collect();
    let piece = prop_oneof![4 => prop::sample::select(known), 1 => ".{0,6}".prop_map(String::from)];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn spec_and_file_agree(kind in 0..KINDS.len(), keys in any_keys()) {
        // It can name a netdev, and be a descriptor's number; a kind that takes no such target
        // is refused in both notations.
        let (kind, target) = (KINDS[kind].name, "7");
        let from_spec = parse_spec(&spec_of(kind, target, &keys));
        let from_file = parse_file(Path::new("f"), &file_of(kind, target, &keys));
        match (from_spec, from_file) {
            (Ok(port), Ok(switch)) => prop_assert_eq!(&switch.ports, &[port]),
            (Err(spec), Err(file)) => prop_assert_eq!(spec.why, file.why),
            (spec, file) => prop_assert!(false, "{:?}\n{:?}", spec, file),
        }
    }

    #[test]
    fn no_text_is_a_panic(text in prop_oneof![".*".prop_map(String::from), near_config()]) {
        let whole = format!("[[port]]\nname = \"a\"\nkind = \"tap\"\n{text}");
        for result in [
            parse_spec(&text).map(drop),
            parse_spec(&format!("a=tap,{text}")).map(drop),
            parse_settings(std::slice::from_ref(&text), &PortRules::default()).map(drop),
            parse_frame(&text).map(drop),
            parse_file(Path::new("f"), &text).map(drop),
            parse_file(Path::new("f"), &whole).map(drop),
        ] {
            if let Err(error) = result {
                prop_assert_eq!(error.kind, ErrorKind::Usage);
                let lines = crate::error::as_text(&error, false).lines().count();
                prop_assert_eq!(lines, 1 + usize::from(error.hint.is_some()), "{:?}", error);
            }
        }
    }
}
