//! What program and running switch say to each other over the control socket.
//!
//! Each message is one line of JSON; blanks before an answer say that the switch
//! is still at work on it. The first from either side is a
//! [`Hello`]; after it the client sends a [`Request`] and gets a [`Reply`], as
//! often as it likes. The documents in replies are those that `--json` prints.
#![expect(missing_docs, reason = "docs/control.md says what fields mean, and a test that it is so")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::rules::{FlagsDoc, VlanDoc};
use crate::error::Error;

/// The protocol's version; another one is refused.
pub const VERSION: u32 = 1;

/// The longest line either side sends, in bytes; a 4,194,304-entry FDB fits.
pub const LONGEST_LINE: usize = 1 << 30;

/// The longest request a switch reads, in bytes.
pub const LONGEST_REQUEST: usize = 256 << 10;

/// The first message of each side.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub netloom: u32,
}

/// What a client wants.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// A row of `ls`.
    Info {},
    /// `port ls`.
    Ports {},
    /// `port add SPEC`; with kind `fd`, the descriptor comes along.
    PortAdd { spec: String },
    /// `port del NAME`.
    PortDel { name: String },
    /// `port set NAME KEY=VALUE...`.
    PortSet { name: String, settings: Vec<String> },
    /// `fdb ls`.
    Fdb {},
    /// `fdb add`.
    FdbAdd { mac: String, port: String, vid: Option<u16> },
    /// `fdb del`.
    FdbDel { mac: String, vid: Option<u16> },
    /// `fdb flush`.
    FdbFlush {
        port: Option<String>,
        vid: Option<u16>,
        #[serde(default)]
        include_static: bool,
    },
    /// `vlan ls`.
    Vlans {},
    /// `stats`.
    Stats { port: Option<String> },
    /// `explain`.
    Explain { port: String, frame: String },
    /// `down`: take everything away and end.
    Stop {},
}

/// What the switch answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The document asked for.
    Done(serde_json::Value),
    /// Why not; nothing has changed.
    Failed(Error),
}

impl Reply {
    /// The answer to a command that changes something.
    pub fn done(changed: &Changed) -> Reply {
        // These documents hold nothing that JSON cannot say.
        Reply::Done(serde_json::to_value(changed).unwrap_or_default())
    }
}

/// What a command changed: `{"changed":[...]}`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Changed {
    pub changed: Vec<Change>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// A row of `ls`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SwitchRow {
    pub name: String,
    pub pid: Option<u32>,
    pub uptime: Option<f64>,
    pub ports: Option<usize>,
    pub state: String,
}

/// A row of `port ls`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PortRow {
    pub name: String,
    pub kind: String,
    pub target: String,
    pub state: String,
    pub fault: Option<String>,
    pub netns: Option<String>,
    pub ifname: Option<String>,
    pub mac: Option<String>,
    pub mtu: Option<u32>,
    pub queues: Option<u16>,
    pub vlan: VlanDoc,
    pub lane: LaneDoc,
    pub flags: FlagsDoc,
}

/// Whether a port's frames may go by the kernel, and if not, why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LaneDoc {
    pub open: bool,
    pub why: Option<String>,
}

/// A row of `fdb ls`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FdbRow {
    pub mac: String,
    pub vid: u16,
    pub port: String,
    pub kind: String,
    pub age: Option<u32>,
}

/// A row of `vlan ls`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VlanRow {
    pub vid: u16,
    pub members: Vec<String>,
    pub untagged: Vec<String>,
}

/// `stats`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StatsDoc {
    pub uptime: f64,
    pub engine: String,
    pub ports: Vec<PortStats>,
    pub removed: RemovedStats,
    pub flood_copies: u64,
    pub made_frames: u64,
    pub fdb: FdbStatsDoc,
    pub workers: Vec<WorkerDoc>,
    pub lane: LaneTotals,
}

/// What went by the kernel in all, each frame once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LaneTotals {
    pub frames: u64,
    pub bytes: u64,
}

/// What of a port's counts went by the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LaneStats {
    pub rx_frames: u64,
    pub rx_bytes: u64,
    pub tx_frames: u64,
    pub tx_bytes: u64,
}

/// One port's counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PortStats {
    pub name: String,
    pub rx_frames: u64,
    pub rx_bytes: u64,
    pub tx_frames: u64,
    pub tx_bytes: u64,
    pub drops: BTreeMap<String, u64>,
    pub kernel: KernelStats,
    pub lane: Option<LaneStats>,
}

/// What the kernel dropped where the switch could not see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KernelStats {
    pub rx_missed: Option<u64>,
}

/// Removed ports' counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RemovedStats {
    pub rx_frames: u64,
    pub tx_frames: u64,
    pub drops: BTreeMap<String, u64>,
}

/// The FDB's counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FdbStatsDoc {
    pub entries: u32,
    pub capacity: u32,
    pub learned: u64,
    pub moved: u64,
    pub aged: u64,
    pub evicted: u64,
    pub refused: u64,
}

/// One worker's counts.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WorkerDoc {
    pub cpu: Option<usize>,
    pub frames: u64,
    pub bursts: u64,
    pub busy: f64,
}

/// `explain`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExplainDoc {
    pub verdict: String,
    pub reason: Option<String>,
    pub vid: Option<u16>,
    pub egress: Vec<EgressDoc>,
    pub steps: Vec<String>,
    pub lane: bool,
}

/// One way out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EgressDoc {
    pub port: String,
    pub tag: String,
}
