//! A person's way in: commands, configuration and what comes back.
//!
//! [`args`] says what can be typed, [`config`] turns port SPECs and files into
//! values, [`error`] is how every failure is told, [`manual`] writes the man pages,
//! [`completion`] tells shells the names there are.

pub mod api;
pub mod args;
pub mod bench;
pub mod client;
pub mod commands;
pub mod completion;
pub mod config;
pub mod daemon;
mod echo;
pub mod error;
mod interrupt;
pub mod manual;
pub mod output;
mod own;
pub mod rundir;
