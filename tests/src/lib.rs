//! What tests over several crates share.

pub mod conformance;
pub mod control;
pub mod frames;
pub mod lab;
