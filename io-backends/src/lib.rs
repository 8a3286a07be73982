//! Moves bytes: every file descriptor, netlink message and `unsafe` block of Netloom.
//!
//! This crate knows no FDB and no VLAN. [`attach`] turns what a user wrote into
//! an open port; the ports' data plane implements [`switch_core::Port`].

pub mod attach;
pub mod attachment;
#[cfg(any(test, feature = "bench", feature = "testing"))]
mod bpf;
pub mod daemonize;
pub mod epoll;
pub mod error;
pub mod fd_port;
pub mod inherited;
pub mod lab;
pub mod macvtap;
#[cfg(feature = "plain")]
pub mod plain;
pub mod probe;
pub mod runner;
mod settle;
pub mod tap;
mod tap_info;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tun;
pub mod vnet;
#[cfg(any(test, feature = "bench", feature = "testing"))]
pub mod xdp_loop;

pub use attachment::Attachment;
pub use error::{Error, ErrorKind};
