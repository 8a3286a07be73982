//! Moves bytes: every file descriptor, netlink message and `unsafe` block of Netloom, but for
//! the sockets that `measure`, the package beside it, measures with.
//!
//! This crate knows no FDB and no VLAN, but for [`bpf::lane`], which decides by both in the
//! kernel. [`ports::attach`] turns what a user wrote into
//! an open port; the ports' data plane implements [`switch_core::Port`].

pub mod bpf;
pub mod engine;
pub mod error;
pub mod host;
pub mod lab;
pub mod ports;
pub mod queue;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use error::{Error, ErrorKind};
pub use ports::Attachment;
