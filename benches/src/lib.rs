//! What the micro-benchmarks share: traffic, an engine in memory, a whole
//! switch around it, and the bare loop it is compared with.
//!
//! `cargo bench -p benches` runs them all in less than five minutes.
//! `docs/performance.md` tells what they showed and how to read them.
#![forbid(unsafe_code)]

pub mod bare;
pub mod rig;
pub mod rings;
pub mod rounds;
pub mod traffic;
