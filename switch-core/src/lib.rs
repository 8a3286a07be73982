//! What happens to a frame: tables, rules and the per-core pipeline.
//!
//! This crate opens no file descriptor, reads no clock and holds no `unsafe`.
//! [`forward`] holds a frame's whole journey; [`fdb`] what the switch learned;
//! [`tables`] what the configuration says, worked out for the hot path;
//! [`switch`] the control side that changes both.
#![forbid(unsafe_code)]

pub mod account;
pub mod config;
pub mod counters;
mod crossing;
mod delivery;
pub mod drops;
mod expiry;
pub mod explain;
pub mod fdb;
pub mod forward;
pub mod frame;
pub mod mac;
mod pass;
pub mod port;
pub mod ports;
pub mod switch;
mod sync;
pub mod tables;
pub mod vlan;
pub mod worker;

pub use drops::Drop;
pub use frame::Frame;
pub use mac::Mac;
pub use port::{Burst, Engine, Port, PortId, Tx};
pub use switch::Switch;
pub use vlan::{Tpid, Vid, VlanMode};
pub use worker::Worker;
