//! Moves bytes: every file descriptor, netlink message and `unsafe` block of Netloom.
//!
//! This crate knows no FDB and no VLAN. [`attach`] turns what a user wrote into
//! an open port; the ports' data plane implements [`switch_core::Port`].

#[cfg(feature = "testing")]
pub mod allocations;
pub mod attach;
pub mod attachment;
mod bpf;
#[cfg(any(test, feature = "bench"))]
pub mod cable;
pub mod daemonize;
pub mod epoll;
pub mod error;
pub mod fd_engine;
pub mod fd_port;
pub mod inherited;
pub mod lab;
pub mod macvtap;
#[cfg(any(test, feature = "bench"))]
pub mod packet_socket;
mod patience;
#[cfg(feature = "plain")]
pub mod plain;
pub mod probe;
mod queues;
pub mod runner;
mod settle;
pub mod share;
mod steer;
pub mod tap;
mod tap_info;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tun;
pub mod uring;
pub mod vnet;
pub mod waker;
#[cfg(any(test, feature = "bench", feature = "testing"))]
pub mod xdp_loop;

pub use attachment::Attachment;
pub use error::{Error, ErrorKind};
