//! Whole labs: the built program on a host of its own, for tests end to end.
//!
//! How it works. Each [`Lab`] is a process with its own network, mount and
//! process namespaces: the netdevs, the names of `ip netns`, `/run` and the
//! processes in it are the lab's alone, so that tests run side by side, "nothing
//! is left behind" can be read off exactly, and all of it ends with that
//! process, a switch in the background included, however the test ends.
//!
//! Commands run inside through `nsenter`. What a test does itself, such as
//! sending frames, it does from outside, by the paths [`Lab::path`] makes.

mod answer;
mod capture;
mod datagrams;
mod frame;
mod handing;
mod nic;
mod pings;
mod program;
mod running;
mod stats;
mod stream;
mod tools;
mod traffic;
mod wait;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use io_backends::testing::points::{Points, Stop};
use serde_json::Value;

use running::Process;

pub use answer::{Answer, contains, lacks};
pub use capture::{Capture, Frames};
pub use frame::{BROADCAST, EXPERIMENTAL, Frame, mac};
pub use handing::duplicate;
pub use nic::Nic;
pub use pings::{Pinging, Pings, none_lost};
pub use program::path as program;
pub use running::Running;
pub use stats::{Stats, at_rest};
pub use stream::Streaming;
pub use tools::has;
pub use traffic::counter;
pub use wait::{SOON, eventually, eventually_in, within};

/// Where the program is inside every lab.
pub const PROGRAM: &str = "/run/bin/netloom";

/// Files of a test, inside the lab.
pub const FILES: &str = "/run/files";

/// How long a command may take, in seconds.
const PATIENCE: u64 = 60;

/// Makes the lab's host out of the new namespaces; the first process in them.
/// It says its number outside, and ends when its standard input does.
const FIRST_PROCESS: &str = "
set -e
read -r pid rest < /proc/self/stat
mount -t proc proc /proc
umount -l /sys
mount -t sysfs sysfs /sys
mkdir -p /run
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/files /run/bin
touch /run/bin/netloom
mount --bind \"$1\" /run/bin/netloom
ip link set lo up
echo \"$pid\"
cat
";

/// A host of a test's own.
pub struct Lab {
    holder: Child,
    /// The lab's first process, by its number outside.
    first: u32,
}

impl Lab {
    /// Makes an empty host.
    ///
    /// # Panics
    /// When the test does not run as root, or a tool is missing.
    #[must_use]
    pub fn new() -> Lab {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests make namespaces and TAPs: run them as root"
        );
        for tool in ["unshare", "nsenter", "ip", "ping"] {
            assert!(has(tool), "the tests end to end can't do without {tool}");
        }
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c"])
            .args([FIRST_PROCESS, "lab"])
            .arg(program::path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut line = String::new();
        let output = holder.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("the first process's number");
        let first = line.trim().parse().expect("namespaces for a host of the test's own");
        Lab { holder, first }
    }

    /// A path inside the lab, as it is reached from outside.
    #[must_use]
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        let inside = inside.as_ref();
        let relative = inside.strip_prefix("/").unwrap_or(inside);
        PathBuf::from(format!("/proc/{}/root", self.first)).join(relative)
    }

    /// Writes a file of the test and returns its path inside the lab.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let inside = format!("{FILES}/{name}");
        fs::write(self.path(&inside), content).expect("a file in the lab");
        inside
    }

    /// A command that will run inside.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first.to_string(), "--net", "--mount", "--pid", "--"]);
        command.args(words).stdin(Stdio::null());
        for variable in ["NETLOOM_RUN_DIR", "XDG_RUNTIME_DIR", "NO_COLOR"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs a command inside and waits for its end.
    pub fn run(&self, words: &[&str]) -> Answer {
        Process::start(words, self.command(words)).finish(PATIENCE)
    }

    /// Starts a command inside that goes on beside the test.
    pub fn spawn(&self, words: &[&str]) -> Running<'_> {
        Running::start(self, words)
    }

    /// Starts the program, its points counted, stopped where `stop` says: `netloom WORDS`.
    pub fn spawn_watched(&self, words: &[&str], stop: Option<Stop>) -> (Running<'_>, Points) {
        Running::start_watched(self, &[&[PROGRAM], words].concat(), stop)
    }

    /// Runs the program: `netloom WORDS`.
    pub fn netloom(&self, words: &[&str]) -> Answer {
        self.run(&[&[PROGRAM], words].concat())
    }

    /// What `netloom WORDS --json` prints.
    pub fn json(&self, words: &[&str]) -> Value {
        self.netloom(&[words, &["--json"]].concat()).json()
    }

    /// Starts a switch in the background and waits until it forwards: `netloom up -d`.
    pub fn up(&self, name: &str, ports: &[&str]) -> Answer {
        let answer = self.try_up(name, ports);
        answer.ok();
        answer
    }

    /// The same where it may fail.
    pub fn try_up(&self, name: &str, ports: &[&str]) -> Answer {
        let mut words = vec!["up", "-d", "--name", name];
        words.extend(ports.iter().flat_map(|port| ["--port", port]));
        self.netloom(&words)
    }

    /// Starts a switch from the text of a configuration.
    pub fn up_file(&self, name: &str, config: &str) -> Answer {
        let file = self.file(&format!("{name}.toml"), config);
        let answer = self.netloom(&["up", "-d", "--name", name, &file]);
        answer.ok();
        answer
    }

    /// Runs a command in one of the lab's named namespaces.
    pub fn run_in(&self, netns: &str, words: &[&str]) -> Answer {
        self.run(&[&["ip", "netns", "exec", netns], words].concat())
    }

    /// Starts a command in one of the lab's named namespaces.
    pub fn spawn_in(&self, netns: &str, words: &[&str]) -> Running<'_> {
        self.spawn(&[&["ip", "netns", "exec", netns], words].concat())
    }

    /// The process of a running switch, by its number inside.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self, switch: &str) -> u32 {
        let row = &self.json(&["ls", "--switch", switch])[0];
        row["pid"].as_u64().unwrap_or_else(|| panic!("{switch} has no process: {row}")) as u32
    }

    /// Sends a signal, such as "KILL", to a process by its number inside.
    pub fn signal(&self, pid: u32, signal: &str) {
        self.run(&["kill", "-s", signal, &pid.to_string()]).ok();
    }

    /// The row of a port in `port ls`.
    ///
    /// # Panics
    /// When there is none.
    pub fn port(&self, switch: &str, port: &str) -> Value {
        let rows = self.json(&["port", "ls", "--switch", switch]);
        let row = rows.as_array().expect("rows").iter().find(|row| row["name"] == port);
        row.unwrap_or_else(|| panic!("no port {port} in {rows}")).clone()
    }

    /// Waits until that field of a port in `port ls` has this value, and returns the row.
    ///
    /// # Panics
    /// When it does not come to it; the message has the row as it was last.
    #[track_caller]
    pub fn port_becomes(&self, port: (&str, &str), field: &str, value: impl Into<Value>) -> Value {
        let (value, (switch, port)) = (value.into(), port);
        let what = format!("{field} of port {port} is {value}");
        eventually(&what, || self.port(switch, port), |row| row[field] == value)
    }

    /// Waits until a port is `up`, `down` or in `fault`, and returns its row.
    ///
    /// # Panics
    /// When it never is.
    #[track_caller]
    pub fn port_is(&self, switch: &str, port: &str, state: &str) -> Value {
        self.port_becomes((switch, port), "state", state)
    }

    /// Waits until the only switch in `ls` is `running` or `dead`, and returns its row.
    ///
    /// # Panics
    /// When it never is.
    #[track_caller]
    pub fn switch_is(&self, state: &str) -> Value {
        let rows = || self.json(&["ls"]);
        eventually(&format!("the switch is {state}"), rows, |rows| rows[0]["state"] == state)[0]
            .take()
    }

    /// Waits until there is no netdev of that name on the lab's host.
    ///
    /// # Panics
    /// When it stays.
    #[track_caller]
    pub fn netdev_goes(&self, name: &str) {
        let look = || self.run(&["ip", "link", "show", name]);
        eventually(&format!("the netdev {name} goes"), look, |answer| answer.exit != Some(0));
    }

    /// Which port each address is behind: (address, VID) to port.
    pub fn fdb(&self, switch: &str) -> BTreeMap<(String, u64), String> {
        let rows = self.json(&["fdb", "ls", "--switch", switch]);
        let text = |row: &Value, key: &str| row[key].as_str().expect("a text").to_owned();
        let row = |row: &Value| {
            ((text(row, "mac"), row["vid"].as_u64().expect("a VID")), text(row, "port"))
        };
        rows.as_array().expect("rows").iter().map(row).collect()
    }

    /// Everything on the lab's host that a switch could leave behind: netdevs,
    /// namespaces, run-time files, processes.
    #[must_use]
    pub fn inventory(&self) -> Vec<String> {
        let netdevs = self.run(&["ip", "-br", "link"]).ok();
        let netdevs = netdevs.lines().filter_map(|line| line.split_whitespace().next());
        let mut all: Vec<_> = netdevs.map(|name| format!("netdev {name}")).collect();
        for directory in ["/run/netns", "/run/netloom"] {
            list(&self.path(directory), directory, &mut all);
        }
        all.extend(self.processes().iter().map(|name| format!("process {name}")));
        all.sort();
        all
    }

    /// The names of the processes inside, but the two that hold the lab.
    #[must_use]
    pub fn processes(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("/proc")).expect("the lab's /proc").flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let name = |number| {
            let stat = fs::read_to_string(self.path(format!("/proc/{number}/stat"))).ok()?;
            let (_, rest) = stat.split_once('(')?;
            let (name, rest) = rest.rsplit_once(')')?;
            // A zombie is gone; its parent may just not have looked.
            let gone = rest.trim_start().starts_with('Z');
            (!gone).then(|| name.to_owned())
        };
        let holders = ["sh", "cat"];
        let mut names: Vec<_> = numbers.filter_map(name).collect();
        for holder in holders {
            let at = names.iter().position(|name| name == holder).expect("the lab's holder");
            names.remove(at);
        }
        names.sort();
        names
    }

    /// Stops every switch and checks that nothing at all is left.
    ///
    /// # Panics
    /// When something is.
    pub fn end(self) {
        self.netloom(&["down", "--all"]).ok();
        self.is_empty();
    }

    /// Checks that the host is as it was made.
    ///
    /// # Panics
    /// When it is not.
    pub fn is_empty(&self) {
        // A process that was told to end may take a moment, and so may the netdevs
        // of a namespace that has just lost its name.
        let left = within(SOON, || {
            let left = self.inventory();
            if left == ["netdev lo"] { Ok(()) } else { Err(left) }
        });
        if let Err(left) = left {
            panic!("left behind: {left:?}");
        }
    }
}

impl Default for Lab {
    fn default() -> Lab {
        Lab::new()
    }
}

impl Drop for Lab {
    /// Ends the first process; the kernel ends all others with it.
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// Every file below a directory, by its path inside the lab.
fn list(outside: &Path, inside: &str, all: &mut Vec<String>) {
    for entry in fs::read_dir(outside).into_iter().flatten().flatten() {
        let inside = format!("{inside}/{}", entry.file_name().display());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&entry.path(), &inside, all);
        }
        all.push(inside);
    }
}
