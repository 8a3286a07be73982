//! What program and running switch say to each other over the control socket.
//!
//! Each message is one line of JSON; blanks before an answer say that the switch
//! is still at work on it. The first from either side is a
//! [`Hello`]; after it the client sends a [`Request`] and gets a [`Reply`], as
//! often as it likes. The documents in replies are those that `--json` prints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::rules::{FlagsDoc, VlanDoc};
use crate::error::CliError;

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
    PortAdd {
        /// As the user wrote it.
        spec: String,
    },
    /// `port del NAME`.
    PortDel {
        /// The port.
        name: String,
    },
    /// `port set NAME KEY=VALUE...`.
    PortSet {
        /// The port.
        name: String,
        /// As the user wrote them.
        settings: Vec<String>,
    },
    /// `fdb ls`.
    Fdb {},
    /// `fdb add`.
    FdbAdd {
        /// The address.
        mac: String,
        /// Where it is to stay.
        port: String,
        /// Its VLAN, if the user names one.
        vid: Option<u16>,
    },
    /// `fdb del`.
    FdbDel {
        /// The address.
        mac: String,
        /// Only in this VLAN.
        vid: Option<u16>,
    },
    /// `fdb flush`.
    FdbFlush {
        /// Only behind this port.
        port: Option<String>,
        /// Only in this VLAN.
        vid: Option<u16>,
        /// Static entries too.
        include_static: bool,
    },
    /// `vlan ls`.
    Vlans {},
    /// `stats`.
    Stats {
        /// Only this port's row.
        port: Option<String>,
    },
    /// `explain`.
    Explain {
        /// The ingress port.
        port: String,
        /// The frame's bytes in hexadecimal.
        frame: String,
    },
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
    Failed(Failure),
}

impl Reply {
    /// The answer to a command that changes something.
    pub fn done(changed: &Changed) -> Reply {
        // These documents hold nothing that JSON cannot say.
        Reply::Done(serde_json::to_value(changed).unwrap_or_default())
    }
}

/// A failure on its way to the user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The exit status it becomes.
    pub exit: u8,
    /// The thing.
    pub what: String,
    /// The reason.
    pub why: String,
    /// The remedy.
    pub hint: Option<String>,
}

impl From<CliError> for Failure {
    fn from(CliError { exit, what, why, hint }: CliError) -> Failure {
        Failure { exit, what, why, hint }
    }
}

impl From<Failure> for CliError {
    fn from(Failure { exit, what, why, hint }: Failure) -> CliError {
        CliError { exit, what, why, hint }
    }
}

/// What a command changed: `{"changed":[...]}`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Changed {
    /// What changed, in order.
    pub changed: Vec<Change>,
    /// What the user should know about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// A row of `ls`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SwitchRow {
    /// The switch.
    pub name: String,
    /// Its process.
    pub pid: Option<u32>,
    /// Seconds.
    pub uptime: Option<f64>,
    /// How many.
    pub ports: Option<usize>,
    /// `running` or `dead`.
    pub state: String,
}

/// A row of `port ls`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PortRow {
    /// The port.
    pub name: String,
    /// `tap`, `macvtap` or `fd`.
    pub kind: String,
    /// As configured.
    pub target: String,
    /// `up`, `down` or `fault`.
    pub state: String,
    /// Why it is in `fault`.
    pub fault: Option<String>,
    /// The netdev's namespace; `null` where Netloom runs.
    pub netns: Option<String>,
    /// The netdev's name there.
    pub ifname: Option<String>,
    /// The netdev's address.
    pub mac: Option<String>,
    /// The netdev's MTU in bytes.
    pub mtu: Option<u32>,
    /// How many queues.
    pub queues: Option<u16>,
    /// How it treats tags.
    pub vlan: VlanDoc,
    /// What is on and off.
    pub flags: FlagsDoc,
}

/// A row of `fdb ls`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FdbRow {
    /// The address.
    pub mac: String,
    /// Its VLAN.
    pub vid: u16,
    /// The port it is behind.
    pub port: String,
    /// `dynamic` or `static`.
    pub kind: String,
    /// Seconds since it was last seen; `null` for static entries.
    pub age: Option<u32>,
}

/// A row of `vlan ls`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VlanRow {
    /// The VLAN.
    pub vid: u16,
    /// The ports in it.
    pub members: Vec<String>,
    /// Those of them that send it untagged.
    pub untagged: Vec<String>,
}

/// `stats`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StatsDoc {
    /// Seconds.
    pub uptime: f64,
    /// The I/O engine at work.
    pub engine: String,
    /// Each port.
    pub ports: Vec<PortStats>,
    /// All ports that are no more, together.
    pub removed: RemovedStats,
    /// Copies beyond the first of frames sent to several ports.
    pub flood_copies: u64,
    /// Frames made beyond those received and their copies.
    pub made_frames: u64,
    /// The FDB.
    pub fdb: FdbStatsDoc,
    /// Each worker.
    pub workers: Vec<WorkerDoc>,
}

/// One port's counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PortStats {
    /// The port.
    pub name: String,
    /// Frames the switch received.
    pub rx_frames: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Frames the switch sent.
    pub tx_frames: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Drops by reason; a reason not listed is 0.
    pub drops: BTreeMap<String, u64>,
    /// What the kernel counted beside.
    pub kernel: KernelStats,
}

/// What the kernel dropped where the switch could not see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KernelStats {
    /// Frames for the switch that found its device's ring full.
    pub rx_missed: Option<u64>,
}

/// Removed ports' counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RemovedStats {
    /// Frames the switch received.
    pub rx_frames: u64,
    /// Frames the switch sent.
    pub tx_frames: u64,
    /// Drops by reason.
    pub drops: BTreeMap<String, u64>,
}

/// The FDB's counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FdbStatsDoc {
    /// Entries now.
    pub entries: u32,
    /// The most there can be.
    pub capacity: u32,
    /// New dynamic entries.
    pub learned: u64,
    /// Addresses that changed their port.
    pub moved: u64,
    /// Entries that expired.
    pub aged: u64,
    /// Entries that gave way in a full table.
    pub evicted: u64,
    /// Sightings not learned, for a `mac-limit` or a full table.
    pub refused: u64,
}

/// One worker's counts.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WorkerDoc {
    /// The CPU it is pinned to.
    pub cpu: Option<usize>,
    /// Frames received.
    pub frames: u64,
    /// Turns that received any.
    pub bursts: u64,
    /// The share of its time at work since start, 0 to 1.
    pub busy: f64,
}

/// `explain`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExplainDoc {
    /// `forward` or `drop`.
    pub verdict: String,
    /// Why it is dropped.
    pub reason: Option<String>,
    /// The VLAN it belongs to.
    pub vid: Option<u16>,
    /// Where it goes.
    pub egress: Vec<EgressDoc>,
    /// What was decided and why, in order.
    pub steps: Vec<String>,
}

/// One way out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EgressDoc {
    /// The port.
    pub port: String,
    /// What becomes of the frame's tag.
    pub tag: String,
}
