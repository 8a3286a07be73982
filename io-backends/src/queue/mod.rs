//! Queues: what an open port reads frames from and writes them to.

pub(crate) mod header;
pub(crate) mod ioctl;
pub mod tap;
pub mod vnet;
