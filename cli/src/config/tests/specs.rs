//! SPECs and settings.

use io_backends::lab::Netns;
use io_backends::ports::MacvtapMode;
use io_backends::ports::fd::Fd;
use io_backends::ports::macvtap::Macvtap;
use io_backends::ports::tap::Tap;
use switch_core::config::PortRules;
use switch_core::vlan::Allowed;
use switch_core::{Tpid, Vid, VlanMode};

use super::*;

const LONG: &str = "a-name-of-more-than-15-bytes";

#[test]
fn a_tap_with_everything() {
    let port = parse_spec(
        "a=tap:t0,existing,netns=blue,ifname=eth7,addr=10.0.0.1/24,addr=fd00::1/64,\
         gateway=10.0.0.254,gateway=fd00::ff,mac=02:00:00:00:00:0a,mtu=9000,queues=4,\
         trunk=10+20-29,native=7,tpid=0x88a8,learning=off,flood=off,mcast-flood=off,\
         bcast-flood=off,isolated,mac-limit=5",
    )
    .unwrap();
    assert_eq!(port.name, "a");
    let attachment = &port.attachment;
    assert_eq!(attachment.kind, Tap { name: "t0".into(), existing: true }.into());
    assert_eq!(attachment.netns, Some(Netns::Name("blue".into())));
    assert_eq!(attachment.ifname.as_deref(), Some("eth7"));
    assert_eq!(attachment.addr, ["10.0.0.1/24".parse().unwrap(), "fd00::1/64".parse().unwrap()]);
    let gateways: [std::net::IpAddr; 2] =
        ["10.0.0.254".parse().unwrap(), "fd00::ff".parse().unwrap()];
    assert_eq!(attachment.gateway, gateways);
    assert_eq!(attachment.mac, Some("02:00:00:00:00:0a".parse().unwrap()));
    assert_eq!((attachment.mtu, attachment.queues), (Some(9000), Some(4)));
    assert_eq!(
        port.rules,
        PortRules {
            vlan: VlanMode::Trunk {
                allowed: Allowed::Only("10+20-29".parse().unwrap()),
                native: Vid::new(7),
                tpid: Tpid::Service,
            },
            learning: false,
            flood: false,
            mcast_flood: false,
            bcast_flood: false,
            isolated: true,
            mac_limit: 5,
        }
    );
}

#[test]
fn what_is_not_said_has_its_default() {
    let port = parse_spec("a=tap").unwrap();
    assert_eq!(port.rules, PortRules::default());
    assert_eq!(port.attachment, Attachment::new(Tap { name: "a".into(), existing: false }));
    let port = parse_spec("b=macvtap:eth0,netns=/run/netns/x").unwrap();
    assert_eq!(
        port.attachment.kind,
        Macvtap { lower: "eth0".into(), mode: MacvtapMode::Passthru }.into()
    );
    assert_eq!(port.attachment.netns, Some(Netns::Path("/run/netns/x".into())));
    assert_eq!(parse_spec("c=fd:7").unwrap().attachment.kind, Fd(7).into());
}

#[test]
fn every_vlan_mode() {
    let mode = |keys: &str| parse_spec(&format!("a=tap{keys}")).unwrap().rules.vlan;
    let vid = |vid| Vid::configured(vid).unwrap();
    let trunk = |native| VlanMode::Trunk { allowed: Allowed::All, native, tpid: Tpid::Customer };
    assert_eq!(mode(""), VlanMode::Transparent);
    assert_eq!(mode(",transparent"), VlanMode::Transparent);
    assert_eq!(mode(",access=4094"), VlanMode::Access(vid(4094)));
    assert_eq!(mode(",tunnel=1"), VlanMode::Tunnel(vid(1)));
    assert_eq!(mode(",trunk"), trunk(None));
    assert_eq!(mode(",native=9,trunk,tpid=0x8100"), trunk(Some(vid(9))));
}

#[test]
fn macvtap_modes() {
    for (word, mode) in [
        ("passthru", MacvtapMode::Passthru),
        ("bridge", MacvtapMode::Bridge),
        ("private", MacvtapMode::Private),
        ("vepa", MacvtapMode::Vepa),
    ] {
        let port = parse_spec(&format!("a=macvtap:eth0,mode={word}")).unwrap();
        assert_eq!(port.attachment.kind, Macvtap { lower: "eth0".into(), mode }.into());
    }
}

#[test]
fn mistakes_in_the_head() {
    let form = "\nhint: a port is NAME=KIND[:TARGET][,KEY[=VALUE]]...";
    let name = "a name: a letter or digit, then up to 31 letters, digits, \"_\", \".\" or \"-\"";
    check(
        &[
            ("", &format!("netloom: port spec \"\": \"\" has no kind{form}")),
            ("a", &format!("netloom: port spec \"a\": \"a\" has no kind{form}")),
            ("=tap", &format!("netloom: port spec \"=tap\": name is \"\", not {name}")),
            ("-a=tap", &format!("netloom: port spec \"-a=tap\": name is \"-a\", not {name}")),
            ("a=", "netloom: port spec \"a=\": kind is \"\", not tap, veth, netdev, macvtap or fd"),
            (
                "a=tpa",
                "netloom: port spec \"a=tpa\": kind is \"tpa\", not tap, veth, netdev, macvtap or fd\n\
                 hint: did you mean \"tap\"?",
            ),
            (
                "a=bond",
                "netloom: port spec \"a=bond\": kind is \"bond\", not tap, veth, netdev, macvtap or fd",
            ),
            (
                "a=tap:",
                "netloom: port spec \"a=tap:\": target is \"\", not a netdev's name: \
                 1 to 15 bytes without \"/\", \":\", \"%\" or white space",
            ),
            (
                "a=macvtap:eth0:1",
                "netloom: port spec \"a=macvtap:eth0:1\": target is \"eth0:1\", not a netdev's name: \
                 1 to 15 bytes without \"/\", \":\", \"%\" or white space",
            ),
            (
                "a=macvtap",
                "netloom: port spec \"a=macvtap\": kind macvtap needs a target\n\
                 hint: the lower netdev, as NAME=macvtap:TARGET or target = \"...\"",
            ),
            (
                "a=fd",
                "netloom: port spec \"a=fd\": kind fd needs a target\n\
                 hint: the descriptor's number, as NAME=fd:TARGET or target = \"...\"",
            ),
            (
                "a=fd:-1",
                "netloom: port spec \"a=fd:-1\": target is \"-1\", not a descriptor's number",
            ),
            (
                "a=fd:2147483648",
                "netloom: port spec \"a=fd:2147483648\": \
                 target is \"2147483648\", not a descriptor's number",
            ),
            (
                &format!("{LONG}=tap"),
                &format!(
                    "netloom: port spec \"{LONG}=tap\": \"{LONG}\" is too long for a netdev's name\n\
                     hint: give a target of at most 15 bytes, as NAME=tap:TARGET or target = \"...\""
                ),
            ),
        ],
        parse_spec,
    );
    assert!(parse_spec(&format!("{LONG}=tap:t0")).is_ok());
}

#[test]
fn mistakes_in_the_keys() {
    let form = "hint: a port is NAME=KIND[:TARGET][,KEY[=VALUE]]...";
    let cases = [
        ("a=tap,acess=10", "unknown key \"acess\"\nhint: did you mean \"access\"?".to_owned()),
        ("a=tap,mac_limit=1", "unknown key \"mac_limit\"\nhint: did you mean \"mac-limit\"?".into()),
        (
            "a=tap,trunk=10,20-29",
            "unknown key \"20-29\"\nhint: several VIDs are joined by +, as in trunk=10+20-29".into(),
        ),
        (
            "a=fd:3,frobnicate",
            "unknown key \"frobnicate\"\nhint: kind fd takes access, bcast-flood, flood, isolated, \
             learning, mac-limit, mcast-flood, native, tpid, transparent, trunk and tunnel"
                .into(),
        ),
        (
            "a=fd:3,addr=10.0.0.1/24",
            "key \"addr\" does not belong to kind fd\n\
             hint: addr is for tap and veth; kind fd takes access, bcast-flood, flood, isolated, \
             learning, mac-limit, mcast-flood, native, tpid, transparent, trunk and tunnel"
                .into(),
        ),
        ("a=tap,kind=fd", format!("kind is not a key here\n{form}")),
        ("a=tap,", format!("\"\" has no key\n{form}")),
        ("a=tap,,mtu=1500", format!("\"\" has no key\n{form}")),
        ("a=tap,=5", format!("\"=5\" has no key\n{form}")),
        ("a=tap,mtu=1500,mtu=1500", "mtu is given twice".into()),
        ("a=tap,access", "access needs a value: a VID from 1 to 4094".into()),
        ("a=tap,access=", "access is \"\", not a VID from 1 to 4094".into()),
        ("a=tap,access=0", "access is \"0\", not a VID from 1 to 4094".into()),
        ("a=tap,access=4095", "access is \"4095\", not a VID from 1 to 4094".into()),
        ("a=tap,tunnel=x", "tunnel is \"x\", not a VID from 1 to 4094".into()),
        ("a=tap,trunk=9-3", "trunk is \"9-3\", not VIDs from 1 to 4094 like 10+20-29".into()),
        ("a=tap,trunk=", "trunk is \"\", not VIDs from 1 to 4094 like 10+20-29".into()),
        ("a=tap,trunk,tpid=0x9100", "tpid is \"0x9100\", not 0x8100 or 0x88a8".into()),
        (
            "a=tap,access=1,trunk",
            "trunk and access exclude each other\n\
             hint: a port has one VLAN mode: access, trunk, tunnel or transparent"
                .into(),
        ),
        ("a=tap,native=5", "native goes with trunk only".into()),
        ("a=tap,access=5,tpid=0x88a8", "tpid goes with trunk only".into()),
        (
            "a=tap,transparent=off",
            "transparent is \"off\", not on or true; another VLAN key turns it off".into(),
        ),
        ("a=tap,learning", "learning needs a value: on or off".into()),
        ("a=tap,isolated=yes", "isolated is \"yes\", not on or off".into()),
        ("a=tap,mac-limit=-1", "mac-limit is \"-1\", not a number from 0 to 4294967295".into()),
        ("a=tap,mtu=67", "mtu is \"67\", not a number from 68 to 65521".into()),
        ("a=tap,mtu=65522", "mtu is \"65522\", not a number from 68 to 65521".into()),
        ("a=tap,queues=0", "queues is \"0\", not a number from 1 to 256".into()),
        ("a=tap,queues=257", "queues is \"257\", not a number from 1 to 256".into()),
        ("a=tap,netns=a/b", "netns is \"a/b\", not a namespace's name or an absolute path".into()),
        ("a=tap,netns=", "netns is \"\", not a namespace's name or an absolute path".into()),
        (
            "a=tap,ifname=eth0",
            "ifname goes with netns only\nhint: without netns the netdev has the target's name".into(),
        ),
        (
            "a=tap,netns=x,ifname=a b",
            "ifname is \"a b\", not a netdev's name: 1 to 15 bytes without \"/\", \":\", \"%\" or white space".into(),
        ),
        (
            "a=tap,mac=01:00:00:00:00:00",
            "mac is \"01:00:00:00:00:00\", not the MAC address of one station, like 02:00:00:00:00:0a".into(),
        ),
        (
            "a=tap,mac=00:00:00:00:00:00",
            "mac is \"00:00:00:00:00:00\", not the MAC address of one station, like 02:00:00:00:00:0a".into(),
        ),
        (
            "a=tap,addr=10.0.0.1",
            "addr is \"10.0.0.1\", not an address with its prefix length, like 10.0.0.1/24\n\
             hint: did you mean 10.0.0.1/24?"
                .into(),
        ),
        (
            "a=tap,addr=10.0.0.300/24",
            "addr is \"10.0.0.300/24\", not an address with its prefix length, like 10.0.0.1/24".into(),
        ),
        (
            "a=tap,addr=224.0.0.1/4",
            "addr is \"224.0.0.1/4\", not an address with its prefix length, like 10.0.0.1/24".into(),
        ),
        ("a=tap,addr=10.0.0.1/24,addr=10.0.0.1/24", "addr \"10.0.0.1/24\" is given twice".into()),
        (
            "a=tap,addr=fd00::1/64,mtu=1279",
            "an mtu of 1279 is too small for the port's IPv6 address\nhint: IPv6 needs 1280".into(),
        ),
        ("a=tap,gateway=x", "gateway is \"x\", not an IPv4 or IPv6 address".into()),
        (
            "a=tap,gateway=10.0.0.1,gateway=10.0.0.2",
            "\"10.0.0.2\" is a second IPv4 gateway".into(),
        ),
        (
            "a=macvtap:eth0,mode=brdige",
            "mode is \"brdige\", not passthru, bridge, private or vepa\nhint: did you mean \"bridge\"?".into(),
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(told(parse_spec(spec)), format!("netloom: port spec \"{spec}\": {expected}"),);
    }
}

/// What the words make of a port's rules.
fn set(rules: &PortRules, words: &str) -> Result<PortRules, Error> {
    parse_settings(&words.split(' ').map(str::to_owned).collect::<Vec<_>>(), rules)
}

#[test]
fn settings_change_what_they_name() {
    let before = PortRules { isolated: true, mac_limit: 9, ..PortRules::default() };
    let rules = set(&before, "learning=off isolated=off").unwrap();
    assert_eq!(rules, PortRules { learning: false, isolated: false, ..before });
    let words = "isolated flood=off mcast-flood=off bcast-flood=off mac-limit=0 learning=on";
    assert_eq!(
        set(&rules, words).unwrap(),
        PortRules {
            isolated: true,
            flood: false,
            mcast_flood: false,
            bcast_flood: false,
            ..PortRules::default()
        }
    );
}

#[test]
fn vlan_settings_replace_the_whole_mode() {
    let rules = set(&PortRules::default(), "trunk=10 native=7 tpid=0x88a8").unwrap();
    let rules = set(&rules, "trunk=20").unwrap();
    assert_eq!(
        rules.vlan,
        VlanMode::Trunk {
            allowed: Allowed::Only("20".parse().unwrap()),
            native: None,
            tpid: Tpid::Customer
        }
    );
    let rules = set(&rules, "mac-limit=1").unwrap();
    assert!(matches!(rules.vlan, VlanMode::Trunk { .. }));
    assert_eq!(set(&rules, "transparent").unwrap().vlan, VlanMode::Transparent);
}

#[test]
fn mistakes_in_settings() {
    check(
        &[
            (
                "learning=on acess=5",
                "netloom: setting \"acess=5\": unknown key \"acess\"\nhint: did you mean \"access\"?",
            ),
            (
                "netns=blue",
                "netloom: setting \"netns=blue\": netns can't be set on an attached port\n\
                 hint: remove the port and add it again",
            ),
            (
                "kind=fd",
                "netloom: setting \"kind=fd\": kind can't be set on an attached port\n\
                 hint: remove the port and add it again",
            ),
            ("native=5", "netloom: setting \"native=5\": native goes with trunk only"),
            (
                "access=5 flood=off transparent",
                "netloom: setting \"transparent\": transparent and access exclude each other\n\
                 hint: a port has one VLAN mode: access, trunk, tunnel or transparent",
            ),
            ("flood=off flood=on", "netloom: setting \"flood=on\": flood is given twice"),
            (
                "access=4095",
                "netloom: setting \"access=4095\": access is \"4095\", not a VID from 1 to 4094",
            ),
            ("=", "netloom: setting \"=\": \"=\" has no key\nhint: a setting is KEY[=VALUE]"),
        ],
        |words| set(&PortRules::default(), words),
    );
}

#[test]
fn ports_that_quarrel_do_not_merge() {
    let merged = |specs: &str| {
        let ports = specs.split(' ').map(|spec| parse_spec(spec).unwrap()).collect();
        merge(SwitchConfig::default(), ports)
    };
    check(
        &[
            ("a=tap a=fd:3", "netloom: port \"a\": the name is used twice"),
            (
                "a=tap:t0 b=tap:t0",
                "netloom: port \"b\": \"t0\" is already the netdev of port \"a\"",
            ),
            (
                "a=tap b=tap:a,netns=x",
                "netloom: port \"b\": \"a\" is already the netdev of port \"a\"",
            ),
            ("a=fd:3 b=fd:3", "netloom: port \"b\": descriptor 3 is already that of port \"a\""),
            (
                "a=macvtap:eth0 b=macvtap:eth0",
                "netloom: port \"b\": \"eth0\" already carries port \"a\"\n\
                 hint: passthru has a netdev to itself; other modes share it",
            ),
            (
                "a=macvtap:eth0,mode=bridge b=macvtap:eth0",
                "netloom: port \"b\": \"eth0\" already carries port \"a\"\n\
                 hint: passthru has a netdev to itself; other modes share it",
            ),
            (
                "a=tap,netns=x,ifname=eth0 b=tap,netns=x,ifname=eth0",
                "netloom: port \"b\": \"eth0\" in namespace x is already the netdev of port \"a\"",
            ),
        ],
        merged,
    );
    for fine in [
        "a=macvtap:eth0,mode=bridge b=macvtap:eth0,mode=private",
        "a=macvtap:eth0 b=macvtap:eth0,netns=x",
        "a=tap,netns=x,ifname=eth0 b=tap,netns=y,ifname=eth0",
        "a=tap,netns=x b=tap,netns=x",
    ] {
        assert!(merged(fine).is_ok(), "{fine}");
    }
}
