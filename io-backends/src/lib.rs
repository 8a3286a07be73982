//! Moves bytes: every file descriptor, netlink message and `unsafe` block of Netloom.
//!
//! This crate knows no FDB and no VLAN. [`attach`] turns what a user wrote into
//! an open port; the ports' data plane implements [`switch_core::Port`].

pub mod attachment;
pub mod error;
pub mod lab;

pub use attachment::Attachment;
pub use error::{Error, ErrorKind};
