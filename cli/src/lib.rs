//! A person's way in: commands, configuration and what comes back.
//!
//! [`args`] says what can be typed, [`config`] turns port SPECs and files into
//! values, [`error`] is how every failure is told, [`manual`] writes the man pages.

pub mod args;
pub mod config;
pub mod error;
pub mod manual;
