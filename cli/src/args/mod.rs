//! What can be typed: every command and option, once. Help, completions and
//! the man pages are made from it.

#![expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which brackets are brackets")]

#[cfg(feature = "bench")]
mod bench;
pub mod completion;
mod help;
pub mod manual;
mod mistakes;
mod other_words;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;
use switch_core::{Mac, Vid};

use crate::args::completion::{namespaces, ports, settings, switches};
use crate::config::{mac_arg, name_arg, vid_arg};
use crate::error::Color;

#[cfg(feature = "bench")]
pub use bench::Bench;
pub use help::command;
pub use mistakes::{Stop, parse};

/// A user-space Ethernet switch for Linux: namespaces, TAPs and netdevs on one wire.
#[derive(Parser, Clone, PartialEq, Eq, Debug)]
#[command(name = "netloom", version, arg_required_else_help = false)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes, before or after its name.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Which running switch; not needed while exactly one runs
    #[arg(long, global = true, value_name = "NAME", value_parser = name_arg, add = switches())]
    pub switch: Option<String>,
    /// Print JSON, and errors as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Say what is done on the way
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Say nothing but errors and what was asked for
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Colour the output: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", value_enum)]
    #[arg(default_value_t, hide_possible_values = true)]
    pub color: Color,
}

/// The commands.
#[derive(Subcommand, Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// See a switch at work in five seconds
    ///
    /// Makes two namespaces, two TAP ports and a switch; sends pings and a TCP transfer
    /// between them; shows the FDB and the counters; takes all of it away again.
    Demo,
    /// Say what this host offers, what is missing and what that costs
    ///
    /// Its exit status is 1 when something that `up` needs is missing, 4 when only a privilege is.
    Doctor,
    /// Measure this host: forwarding, TCP, round trips and more, beside other switches
    ///
    /// Makes namespaces of its own, has Netloom and the others forward between them in turn,
    /// round by round, and takes all of it away again.
    ///
    /// Example: netloom bench loop --sizes 64,1518 --report bench.html
    #[cfg(feature = "bench")]
    Bench(Bench),
    /// Start a switch
    ///
    /// Makes what FILE and the SPECs describe and forwards until interrupted; then removes
    /// what it made, and exits with 0, or with 1 where it was interrupted before every port
    /// forwarded. A SPEC is NAME=KIND[:TARGET][,KEY[=VALUE]]...
    ///
    /// Example: netloom up -d --port a=tap,netns=a,addr=10.9.0.1/24
    /// --port b=tap,netns=b,addr=10.9.0.2/24
    #[command(after_long_help = help::spec_help())]
    Up(Up),
    /// Stop a switch and remove what it made
    ///
    /// Cleans up after a switch that was killed, too.
    Down(Down),
    /// List the switches
    Ls,
    /// List, add, remove and change ports
    #[command(subcommand, arg_required_else_help = false)]
    Port(PortCommand),
    /// List and change the forwarding database
    #[command(subcommand, arg_required_else_help = false)]
    Fdb(FdbCommand),
    /// List VLANs and their ports
    #[command(subcommand, arg_required_else_help = false)]
    Vlan(VlanCommand),
    /// Show counters and drops by reason
    Stats(Stats),
    /// Say what would happen to a frame, step by step, and why
    ///
    /// Changes nothing. FRAME is hex bytes, or dst=MAC src=MAC [vlan=VID[.PCP]] [type=0xNNNN].
    ///
    /// Example: netloom explain --in a dst=ff:ff:ff:ff:ff:ff src=02:00:00:00:00:0a vlan=10
    Explain(Explain),
    /// Run a command in a namespace
    ///
    /// Its exit status is the command's; 127 if there is no such command.
    ///
    /// Example: netloom exec alice -- ping -c 3 10.9.0.2
    Exec(Exec),
    /// Print a shell's completions: of commands, options, switches, ports and namespaces
    ///
    /// Example: netloom completions bash > /etc/bash_completion.d/netloom
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the man page, or write every man page into DIR
    ///
    /// Example: netloom man /usr/local/share/man/man1
    Man {
        /// The directory for netloom.1 and a page for each command; made if missing
        dir: Option<PathBuf>,
    },
}

/// `up`.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct Up {
    /// A TOML file with [switch] and [[port]] tables
    pub file: Option<PathBuf>,
    /// A port more; repeats
    #[arg(long = "port", value_name = "SPEC")]
    pub ports: Vec<String>,
    /// The switch's name [default: the file's, its stem, or netloom0]
    #[arg(long, value_parser = name_arg)]
    pub name: Option<String>,
    /// Whether known unicast between netdevs goes by the kernel [default: the file's, or auto]
    #[arg(long, value_name = "MODE", value_parser = ["auto", "off"])]
    pub lane: Option<String>,
    /// Go on in the background; returns when every port forwards
    #[arg(short, long)]
    pub detach: bool,
}

/// `down`.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct Down {
    /// Which switch; not needed while exactly one runs
    #[arg(value_parser = name_arg, conflicts_with = "all", add = switches())]
    pub name: Option<String>,
    /// Every switch
    #[arg(long)]
    pub all: bool,
}

/// `port ...`.
#[derive(Subcommand, Clone, PartialEq, Eq, Debug)]
pub enum PortCommand {
    /// List the ports
    Ls,
    /// Add a port to a running switch
    ///
    /// A SPEC is NAME=KIND[:TARGET][,KEY[=VALUE]]...
    ///
    /// Example: netloom port add uplink=macvtap:eth1,trunk=10+20-29
    #[command(after_long_help = help::spec_help())]
    Add {
        /// The port
        spec: String,
    },
    /// Remove a port and what was made for it
    Del {
        /// The port
        #[arg(value_parser = name_arg, add = ports())]
        name: String,
    },
    /// Change a port's VLAN mode and flags
    ///
    /// VLAN keys together replace the whole VLAN mode; transparent is one.
    ///
    /// Example: netloom port set alice access=20 isolated
    #[command(after_long_help = help::set_help())]
    Set {
        /// The port
        #[arg(value_parser = name_arg, add = ports())]
        name: String,
        /// A key of the port and its new value; repeats
        #[arg(required = true, value_name = "KEY=VALUE", add = settings())]
        settings: Vec<String>,
    },
}

/// `fdb ...`.
#[derive(Subcommand, Clone, PartialEq, Eq, Debug)]
pub enum FdbCommand {
    /// List the addresses and their ports
    Ls,
    /// Add a static entry
    ///
    /// Example: netloom fdb add 02:00:00:00:00:0a alice --vlan 10
    Add {
        /// The address
        #[arg(value_parser = mac_arg)]
        mac: Mac,
        /// Its port
        #[arg(value_parser = name_arg, add = ports())]
        port: String,
        /// Its VLAN [default: the port's own]
        #[arg(long, value_name = "VID", value_parser = vid_arg)]
        vlan: Option<Vid>,
    },
    /// Remove an address
    Del {
        /// The address
        #[arg(value_parser = mac_arg)]
        mac: Mac,
        /// In this VLAN only, 0 being untagged traffic [default: every VLAN]
        #[arg(long, value_name = "VID", value_parser = vid_arg)]
        vlan: Option<Vid>,
    },
    /// Forget learned addresses
    Flush(Flush),
}

/// `fdb flush`.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct Flush {
    /// Those of this port only
    #[arg(long, value_name = "PORT", value_parser = name_arg, add = ports())]
    pub port: Option<String>,
    /// Those in this VLAN only, 0 being untagged traffic
    #[arg(long, value_name = "VID", value_parser = vid_arg)]
    pub vlan: Option<Vid>,
    /// Static entries too
    #[arg(long = "static")]
    pub statics: bool,
}

/// `vlan ...`.
#[derive(Subcommand, Clone, Copy, PartialEq, Eq, Debug)]
pub enum VlanCommand {
    /// List VLANs with their members and untagged ports
    Ls,
}

/// `stats`.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct Stats {
    /// This port only
    #[arg(value_parser = name_arg, add = ports())]
    pub port: Option<String>,
    /// Again every second until interrupted
    #[arg(long)]
    pub watch: bool,
}

/// `explain`.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct Explain {
    /// The port the frame comes in by
    #[arg(long = "in", value_name = "PORT", value_parser = name_arg, add = ports())]
    pub ingress: String,
    /// The frame, in one word or several
    #[arg(required = true)]
    pub frame: Vec<String>,
}

/// `exec`.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct Exec {
    /// The namespace: a name or an absolute path
    #[arg(add = namespaces())]
    pub netns: String,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

#[cfg(test)]
mod tests;
