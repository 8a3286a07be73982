//! What `netloom bench` and tests measure with: senders of frames, frames that
//! circle, and the simplest forwarder.

#[cfg(any(test, feature = "bench"))]
pub mod cable;
#[cfg(any(test, feature = "bench"))]
pub mod packet_socket;
pub mod xdp_loop;
