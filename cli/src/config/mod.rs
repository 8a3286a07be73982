//! What a user writes, as values: port SPECs, settings and TOML files.
//!
//! A SPEC is `NAME=KIND[:TARGET][,KEY[=VALUE]]...`; a file has the same words
//! as keys. Each key is a row of one table (`keys`), read by one reader in
//! both notations; a port is collected in a draft, whose last step checks what
//! needs more than one key; [`merge`] checks what needs more than one port.
//! Nothing here looks at the host.

mod claims;
mod draft;
mod file;
mod frame_spec;
mod keys;
mod names;
mod nearest;
mod plan;
mod reference;
mod spec;
mod value;
mod words;

use io_backends::{Attachment, ErrorKind};
use switch_core::config::{BridgeRules, DEFAULT_FDB_CAPACITY, PortRules};

pub use file::{Described, load, parse_file};
pub use frame_spec::parse_frame;
pub use names::{DEFAULT_SWITCH, NAME_MAX, is_name, netns, switch_name};
pub(crate) use names::{mac_arg, name_arg, vid_arg};
pub use plan::{Fixed, Step, changes, plan};
pub use reference::{
    Row, file_reference, head_reference, kind_reference, rule_reference, spec_reference,
};
pub use spec::{parse_settings, parse_spec};

use claims::{Claims, Clash};

use crate::error::Error;

/// How many threads forward, and where.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Workers {
    /// The program chooses.
    #[default]
    Auto,
    /// This many, 1–256, wherever the kernel runs them.
    Count(usize),
    /// One pinned on each of these CPUs.
    Cpus(Vec<usize>),
}

/// How frames are read and written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Engine {
    /// The program chooses.
    #[default]
    Auto,
    /// `epoll`, and a system call a frame.
    Epoll,
    /// `io_uring`, many frames a system call.
    IoUring,
}

/// One port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortConfig {
    /// Unique in the switch.
    pub name: String,
    /// What holds for it.
    pub rules: PortRules,
    /// What it is attached to.
    pub attachment: Attachment,
}

/// Whether known unicast between netdevs may go by the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LaneMode {
    /// Where the host can do it.
    #[default]
    Auto,
    /// Every frame goes by the workers.
    Off,
}

/// All that describes one switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwitchConfig {
    /// Its name, if it is said.
    pub name: Option<String>,
    /// How many addresses the FDB holds, 64–4194304.
    pub fdb_capacity: u32,
    /// Its forwarding threads.
    pub workers: Workers,
    /// Its I/O engine.
    pub engine: Engine,
    /// Its kernel lane.
    pub lane: LaneMode,
    /// What holds for the whole switch.
    pub bridge: BridgeRules,
    /// Its ports, in the user's order.
    pub ports: Vec<PortConfig>,
}

impl Default for SwitchConfig {
    fn default() -> Self {
        SwitchConfig {
            name: None,
            fdb_capacity: DEFAULT_FDB_CAPACITY,
            workers: Workers::default(),
            engine: Engine::default(),
            lane: LaneMode::default(),
            bridge: BridgeRules::default(),
            ports: Vec::new(),
        }
    }
}

impl SwitchConfig {
    /// The port of this name.
    pub fn port(&self, name: &str) -> Option<&PortConfig> {
        self.ports.iter().find(|port| port.name == name)
    }
}

/// `base` with more ports behind its own.
///
/// # Errors
/// Exit 2 if a port has the name or the far end of another, or there are more than 4096.
pub fn merge(mut base: SwitchConfig, ports: Vec<PortConfig>) -> Result<SwitchConfig, Error> {
    let mut claims = Claims::default();
    for port in base.ports.iter().chain(&ports) {
        claims.add(port).map_err(|clash| refused(port, clash, ErrorKind::Usage))?;
    }
    base.ports.extend(ports);
    Ok(base)
}

fn refused(port: &PortConfig, clash: Clash, kind: ErrorKind) -> Error {
    let why = if clash.first.is_some() { "the name is used twice" } else { &clash.why };
    Error { hint: clash.hint, ..Error::new(kind, format!("port {:?}", port.name), why) }
}

/// `running` with one port more.
///
/// # Errors
/// Exit 1 if a port of it has that name or the same far end, or there are 4096.
pub fn with_port(running: &SwitchConfig, port: PortConfig) -> Result<SwitchConfig, Error> {
    if running.port(&port.name).is_some() {
        let what = format!("port {}", port.name);
        let why = "the switch has a port of this name already";
        return Err(Error::new(ErrorKind::Taken, what, why));
    }
    let mut claims = Claims::default();
    for port in running.ports.iter().chain([&port]) {
        claims.add(port).map_err(|clash| refused(port, clash, ErrorKind::Taken))?;
    }
    let mut wanted = running.clone();
    wanted.ports.push(port);
    Ok(wanted)
}

#[cfg(test)]
mod tests;
