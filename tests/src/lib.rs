//! What tests over several crates share.

pub mod conformance;
pub mod frames;
pub mod lab;
