//! Open vSwitch with its user-space datapath and a TAP for each host; database,
//! daemons and directories of the bench's own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use io_backends::lab::{Links, Netns, Place};

use super::super::lab::Lab;
use super::super::process::{self, Process};
use super::rig::{Rig, Wiring};
use io_backends::Error;

const DATABASE: &str = "ovsdb-server";
const DAEMON: &str = "ovs-vswitchd";
const PROGRAMS: [&str; 4] = ["ovsdb-tool", DATABASE, DAEMON, "ovs-vsctl"];
/// Where distributions and a build of one's own put it.
const SCHEMAS: [&str; 2] =
    ["/usr/share/openvswitch/vswitch.ovsschema", "/usr/local/share/openvswitch/vswitch.ovsschema"];
/// How long a daemon may take to come up.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(10);

/// What to install, when it is missing here.
pub(super) fn missing() -> Option<String> {
    let missing = PROGRAMS.into_iter().find(|program| process::find(program).is_none());
    let missing = missing.or_else(|| schema().is_none().then_some("vswitch.ovsschema"))?;
    Some(format!("no {missing} (Debian: package openvswitch-switch)"))
}

pub(super) fn start<'l>(
    rig: &mut Rig<'l>,
    lab: &'l Lab,
    name: &str,
    wiring: &Wiring,
) -> Result<(), Error> {
    let middle = rig.middle(lab, name)?;
    let dir = Directory::make(lab.dir().join(name))?;
    let there = dir.0.clone();
    rig.keep(dir);
    let database = there.join("conf.db");
    let schema = schema().ok_or_else(|| Error::failed(DAEMON, "its schema is not installed"))?;
    let mut create = command("ovsdb-tool", &there)?;
    create.arg("create").arg(&database).arg(schema);
    process::run(&middle, create)?;

    let socket = there.join("db.sock");
    let mut server = command(DATABASE, &there)?;
    server.arg(&database).arg(format!("--remote=punix:{}", socket.display()));
    server.arg(control(&there, "db")).args(["-vconsole:off", "-vsyslog:off"]);
    let mut server = Process::start(&middle, server)?;
    let deadline = Instant::now() + PATIENCE;
    while !socket.exists() {
        server.check(DATABASE)?;
        pause(lab, deadline, DATABASE)?;
    }
    rig.keep(server);
    let remote = format!("unix:{}", socket.display());
    process::run(&middle, vsctl(&there, &remote, &["--no-wait", "init"])?)?;

    let mut daemon = command(DAEMON, &there)?;
    daemon.arg(&remote).arg(control(&there, "vswitchd"));
    daemon.args(["-vconsole:off", "-vsyslog:off"]);
    let mut daemon = Process::start(&middle, daemon)?;
    let words = configuration(wiring);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    process::run(&middle, vsctl(&there, &remote, &words)?)?;
    await_netdevs(lab, &middle, &mut daemon, DAEMON, wiring, tap)?;
    rig.keep(daemon);
    rig.hand_out(&middle, wiring, tap)?;
    rig.configuration = "ovs-vswitchd, one bridge with datapath_type=netdev, a port with type=tap \
                         for each host, action NORMAL; all else by default"
        .into();
    Ok(())
}

fn tap(number: usize) -> String {
    format!("tap{number}")
}

/// What `ovs-vsctl` is told: a bridge and its ports.
fn configuration(wiring: &Wiring) -> Vec<String> {
    let mut words: Vec<String> =
        ["add-br", "bridge", "--", "set", "bridge", "bridge", "datapath_type=netdev"]
            .map(Into::into)
            .to_vec();
    for number in 0..wiring.hosts {
        let tap = tap(number);
        let mtu = format!("mtu_request={}", wiring.mtu);
        for word in
            ["--", "add-port", "bridge", &tap, "--", "set", "interface", &tap, "type=tap", &mtu]
        {
            words.push(word.into());
        }
    }
    words
}

/// Waits until a switch has made its TAPs.
pub(super) fn await_netdevs(
    lab: &Lab,
    netns: &Netns,
    process: &mut Process,
    what: &str,
    wiring: &Wiring,
    name: impl Fn(usize) -> String,
) -> Result<(), Error> {
    let place = Place::In(netns.clone());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let links = place.links(Links::list)?;
        let there = |number| links.iter().any(|link| link.name == name(number));
        if (0..wiring.hosts).all(there) {
            return Ok(());
        }
        process.check(what)?;
        pause(lab, deadline, what)?;
    }
}

fn pause(lab: &Lab, deadline: Instant, what: &str) -> Result<(), Error> {
    if Instant::now() > deadline {
        return Err(Error::failed(what, "takes too long to start"));
    }
    lab.wait(LOOK)
}

fn schema() -> Option<&'static Path> {
    SCHEMAS.into_iter().map(Path::new).find(|path| path.is_file())
}

fn control(there: &Path, name: &str) -> String {
    format!("--unixctl={}", there.join(name).with_extension("ctl").display())
}

fn vsctl(there: &Path, remote: &str, words: &[&str]) -> Result<Command, Error> {
    let mut command = command("ovs-vsctl", there)?;
    command.arg(format!("--db={remote}")).args(["--timeout=10"]).args(words);
    Ok(command)
}

/// A program of Open vSwitch with directories of the bench's own.
fn command(program: &str, there: &Path) -> Result<Command, Error> {
    let mut command = process::command(program)?;
    for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"] {
        command.env(variable, there);
    }
    Ok(command)
}

/// A directory that goes with the value.
struct Directory(PathBuf);

impl Directory {
    fn make(path: PathBuf) -> Result<Directory, Error> {
        std::fs::create_dir(&path).map_err(|error| {
            Error::failed(path.display().to_string(), io_backends::error::describe(&error))
        })?;
        Ok(Directory(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What stays goes with the lab's own directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
