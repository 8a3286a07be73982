//! A person's way in: commands, configuration and what comes back.
//!
//! [`args`] says what can be typed, with completions and man pages; [`config`] turns
//! port SPECs and files into values; [`control`] is what the program and a running
//! switch share; [`daemon`] is the running switch; [`error`] is how every failure is told.

pub mod args;
pub mod commands;
pub mod config;
pub mod control;
pub mod daemon;
pub mod error;
pub mod output;
