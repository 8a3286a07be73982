//! Ports and an engine without descriptors: the examples to read first.

pub mod memory;
pub mod null;
pub mod round_robin;
