//! What switches are measured with: frames that circle, a sender of frames,
//! and the simplest forwarder.
//!
//! A package of its own, so that the program that forwards is never built with
//! it by a feature that another package turns on: `netloom bench` and tests use it.

pub mod cable;
pub mod packet_socket;
pub mod xdp_loop;
