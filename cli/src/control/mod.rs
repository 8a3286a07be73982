//! What the program and a running switch share: the messages, the program's end of
//! the conversation, and the directory in which they find each other.

pub mod api;
pub mod change;
pub mod client;
pub mod incoming;
pub mod rules;
pub mod rundir;
