//! Ports and an engine without descriptors. `examples/` shows them at work.

pub mod memory;
pub mod null;
pub mod round_robin;
