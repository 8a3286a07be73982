//! The host: what it offers, and going to the background on it.

pub mod daemonize;
pub mod descriptors;
pub mod probe;
