//! The control socket: its listener, its conversations, and keeping clients patient.

pub(super) mod patience;
pub(super) mod server;
