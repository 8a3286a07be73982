//! Open vSwitch as an oracle: its user-space datapath on TAPs, private to the lab.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::{Deserializer, Value, json};
use tests::lab::{Lab, Running, eventually, has};

use crate::compare::Rig;
use crate::layout::{Layout, Mode, quiet};

const DIRECTORY: &str = "/run/oracle";
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// A running Open vSwitch, which ends with the value.
pub struct Ovs<'l> {
    lab: &'l Lab,
    ports: usize,
    control: PathBuf,
    _processes: [Running<'l>; 2],
}

impl<'l> Ovs<'l> {
    /// Starts one with a bridge of this layout; `relays_reserved` as for `forward-bpdu`.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub fn start(lab: &'l Lab, layout: Layout, relays_reserved: bool) -> Ovs<'l> {
        assert!(has("ovs-vswitchd") && has("ovsdb-server"));
        quiet(lab);
        lab.run(&["mkdir", DIRECTORY]).ok();
        let file = |name: &str| format!("{DIRECTORY}/{name}");
        lab.run(&["ovsdb-tool", "create", &file("db"), SCHEMA]).ok();
        let socket = file("db.sock");
        let run = format!("OVS_RUNDIR={DIRECTORY}");
        let database = lab.spawn(&[
            "env",
            &run,
            "ovsdb-server",
            &file("db"),
            &format!("--remote=punix:{socket}"),
            &format!("--unixctl={}", file("db.ctl")),
        ]);
        eventually("the database's socket is there", || lab.path(&socket).exists(), |it| *it);
        let server = format!("unix:{socket}");
        let vsctl = |words: &[&str]| {
            let client = ["ovs-vsctl", "--timeout=20", &format!("--db={server}")];
            lab.run(&[&client, words].concat()).ok();
        };
        // One tag is looked at, the default; but a tunnel puts one around another.
        let tunnels = layout.iter().any(|mode| matches!(mode, Mode::Tunnel(_)));
        let limit = format!("other_config:vlan-limit={}", if tunnels { 2 } else { 1 });
        vsctl(&["--no-wait", "set", "Open_vSwitch", ".", &limit]);
        let control = file("ovs.ctl");
        let daemon = lab.spawn(&[
            "env",
            &run,
            "ovs-vswitchd",
            &server,
            "--disable-system",
            &format!("--unixctl={control}"),
        ]);
        let relays = format!("other_config:forward-bpdu={relays_reserved}");
        let bridge = ["add-br", "oracle", "--", "set", "Bridge", "oracle"];
        vsctl(&[&bridge[..], &["datapath_type=netdev", "fail_mode=standalone", &relays]].concat());
        for (number, mode) in layout.iter().enumerate() {
            let name = format!("ov{number}");
            let columns = mode.columns();
            let columns: Vec<_> = columns.iter().map(String::as_str).collect();
            let interface = ["--", "set", "Interface", &name, "type=tap"];
            vsctl(&[&["add-port", "oracle", &name], &columns[..], &interface].concat());
            lab.run(&["ip", "link", "set", &name, "up"]).ok();
        }
        let control = lab.path(control);
        Ovs { lab, ports: layout.len(), control, _processes: [database, daemon] }
    }

    /// Its ports. After each frame the flows it cached are forgotten: it takes
    /// them out only some time after it learned.
    pub fn rig(&self) -> Rig<'_> {
        let forget = || {
            self.ask("revalidator/purge");
        };
        Rig::open(self.lab, "Open vSwitch", "ov", self.ports, forget)
    }

    /// Asks the daemon (JSON-RPC on its control socket, as `ovs-appctl` does).
    fn ask(&self, method: &str) -> Value {
        let mut stream = UnixStream::connect(&self.control).expect("the daemon's socket");
        let request = json!({"id": 0, "method": method, "params": []});
        stream.write_all(request.to_string().as_bytes()).expect("the daemon listens");
        let reader = Read::by_ref(&mut stream);
        let answer = Deserializer::from_reader(reader).into_iter::<Value>().next();
        let answer = answer.expect("an answer").expect("JSON");
        assert!(answer["error"].is_null(), "{answer}");
        answer["result"].clone()
    }
}
