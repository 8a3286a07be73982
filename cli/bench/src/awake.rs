//! CPUs kept from sleeping, so that what it takes to wake them stays out of the figures.
//!
//! An idle CPU halts. A virtual machine's is given back to the host then, and
//! waking it can take longer than all a switch does with a frame. The kernel
//! halts none while a program asks for a latency of 0 (`PM_QOS`).

use std::fs::File;
use std::io::Write;

use io_backends::error::describe;

use io_backends::Error;

const FILE: &str = "/dev/cpu_dma_latency";

/// Until this is dropped, idle CPUs wait in a loop instead of halting.
pub(super) struct Awake(#[expect(dead_code, reason = "open is what it is for")] File);

/// Keeps all CPUs of this machine awake.
///
/// # Errors
/// When the kernel has no such file, or it can't be opened.
pub(super) fn keep_awake() -> Result<Awake, Error> {
    let hold = || {
        let mut file = File::options().write(true).open(FILE)?;
        file.write_all(&0_i32.to_ne_bytes())?;
        Ok(Awake(file))
    };
    hold().map_err(|error: std::io::Error| {
        Error::failed(FILE, describe(&error)).hint("leave --awake out to measure without")
    })
}
