//! Moves bytes: every file descriptor, netlink message and `unsafe` block of Netloom.
//!
//! This crate knows no FDB and no VLAN. [`ports::attach`] turns what a user wrote into
//! an open port; the ports' data plane implements [`switch_core::Port`].

mod bpf;
pub mod engine;
pub mod error;
pub mod host;
pub mod lab;
#[cfg(any(test, feature = "bench", feature = "testing"))]
pub mod measure;
pub mod ports;
pub mod queue;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use error::{Error, ErrorKind};
pub use ports::Attachment;
