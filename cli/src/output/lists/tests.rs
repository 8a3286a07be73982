use super::*;
use crate::control::api::LaneDoc;
use crate::control::rules::{AllowedDoc, FlagsDoc, VlanDoc};

fn port(name: &str, kind: &str, target: &str) -> PortRow {
    PortRow {
        name: name.into(),
        kind: kind.into(),
        target: target.into(),
        state: "up".into(),
        fault: None,
        netns: Some("blue".into()),
        ifname: Some("eth0".into()),
        mac: Some("02:00:00:00:00:0a".into()),
        mtu: Some(1500),
        queues: Some(1),
        vlan: VlanDoc {
            mode: "transparent".into(),
            pvid: Some(0),
            allowed: AllowedDoc::All("all".into()),
            tpid: "0x8100".into(),
        },
        lane: LaneDoc { open: false, why: Some("only netdev and veth ports have one".into()) },
        flags: FlagsDoc {
            learning: true,
            flood: true,
            mcast_flood: true,
            bcast_flood: true,
            isolated: false,
            mac_limit: 0,
        },
    }
}

fn trunk() -> PortRow {
    let mut row = port("uplink", "macvtap", "eth1");
    (row.netns, row.mtu, row.queues) = (None, None, None);
    row.vlan = VlanDoc {
        mode: "trunk".into(),
        pvid: Some(1),
        allowed: AllowedDoc::Only(vec![1, 10, 20, 21, 22]),
        tpid: "0x88a8".into(),
    };
    row.flags.isolated = true;
    row.flags.bcast_flood = false;
    (row.state, row.fault) = ("fault".into(), Some("its netdev is gone".into()));
    row
}

#[test]
fn usual_ports_have_few_columns() {
    assert_eq!(
        ports(&[port("alice", "tap", "alice")], Paint::on(false)),
        "\
PORT   KIND  NETNS  NETDEV  MAC                 MTU  QUEUES  STATE
alice  tap   blue   eth0    02:00:00:00:00:0a  1500       1  up
"
    );
}

#[test]
fn special_ports_show_what_is_special() {
    assert_eq!(
        ports(&[port("alice", "tap", "tap7"), trunk()], Paint::on(false)),
        "\
PORT    KIND          NETNS  NETDEV  MAC                 MTU  QUEUES  VLAN                                   FLAGS                     STATE
alice   tap:tap7      blue   eth0    02:00:00:00:00:0a  1500       1  transparent                            -                         up
uplink  macvtap:eth1  -      eth0    02:00:00:00:00:0a     -       -  trunk=1+10+20-22,native=1,tpid=0x88a8  bcast-flood=off,isolated  fault: its netdev is gone
"
    );
}

#[test]
fn a_fault_brings_and_takes_no_column() {
    let headings = |row: &PortRow| {
        let text = ports(std::slice::from_ref(row), Paint::on(false));
        text.split_whitespace().take_while(|word| *word != "alice").map(str::to_owned).collect()
    };
    for queues in [1, 4] {
        let mut row = port("alice", "tap", "alice");
        row.queues = Some(queues);
        let before: Vec<String> = headings(&row);
        (row.ifname, row.mac, row.mtu, row.queues) = (None, None, None, None);
        (row.state, row.fault) = ("fault".into(), Some("its netdev is gone".into()));
        assert_eq!(headings(&row), before);
    }
}

#[test]
fn states_are_coloured() {
    let paint = Paint::on(true);
    let text = ports(&[port("alice", "tap", "alice"), trunk()], paint);
    assert!(text.lines().nth(1).unwrap().ends_with("\u{1b}[32mup\u{1b}[0m"), "{text}");
    let fault = "\u{1b}[31mfault: its netdev is gone\u{1b}[0m";
    assert!(text.lines().nth(2).unwrap().ends_with(fault), "{text}");
    assert!(text.lines().next().unwrap().starts_with("\u{1b}[1mPORT"), "{text}");
    assert_eq!(colour_state("down", paint), "\u{1b}[33mdown\u{1b}[0m");
}

#[test]
fn switches_dead_and_alive() {
    let row = |name: &str, pid: Option<u32>, state: &str| SwitchRow {
        name: name.into(),
        pid,
        uptime: pid.map(|_| 250.0),
        ports: pid.map(|_| 2),
        state: state.into(),
    };
    assert_eq!(
        switches(&[row("lab", Some(77), "running"), row("old", None, "dead")], Paint::on(false)),
        "\
SWITCH  PID  UPTIME  PORTS  STATE
lab      77   4m10s      2  running
old       -       -      -  dead
"
    );
}

#[test]
fn entries_and_vlans() {
    let entry = |vid: u16, kind: &str, age: Option<u32>| FdbRow {
        mac: "02:00:00:00:00:0a".into(),
        vid,
        port: "alice".into(),
        kind: kind.into(),
        age,
    };
    assert_eq!(
        fdb(&[entry(0, "dynamic", Some(75)), entry(10, "static", None)], Paint::on(false)),
        "\
MAC                VLAN  PORT   KIND       AGE
02:00:00:00:00:0a     0  alice  dynamic  1m15s
02:00:00:00:00:0a    10  alice  static       -
"
    );
    let row = |vid, members: &[&str], untagged: &[&str]| VlanRow {
        vid,
        members: members.iter().map(ToString::to_string).collect(),
        untagged: untagged.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(
        vlans(&[row(0, &["a", "b"], &["a", "b"]), row(10, &["c"], &[])], Paint::on(false)),
        "\
VLAN  MEMBERS  UNTAGGED
   0  a b      a b
  10  c        -
"
    );
}

#[test]
fn nothing_is_a_sentence() {
    let paint = Paint::on(false);
    let texts = [switches(&[], paint), ports(&[], paint), fdb(&[], paint), vlans(&[], paint)];
    assert_eq!(texts, ["no switches", "no ports", "no entries", "no VLANs"]);
}

#[test]
fn a_name_with_control_characters_stays_in_its_cell() {
    let mut row = port("alice", "tap", "alice");
    row.ifname = Some("e\u{1b}[2J\n0".into());
    let text = ports(&[row], Paint::on(false));
    assert!(text.contains("e\u{fffd}[2J\u{fffd}0"), "{text:?}");
    assert_eq!(text.lines().count(), 2);
}
