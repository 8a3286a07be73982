//! How many descriptors this process may open, and those that ports leave.
//!
//! A port keeps its descriptors for as long as it lives. What takes some for a
//! moment only, such as answering a client or undoing what a failed step made,
//! must not fail because ports have them all, nor undoing because of clients:
//! so the process's limit is a little below the one it may have, lower still
//! while a port is made, and reached only while something is undone.
//! To be called by one thread of the process alone.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that only undoing takes; it needs about six at once.
const FOR_UNDOING: u64 = 8;
/// Descriptors that ports leave to clients, to the link watch and to undoing.
const FOR_MOMENTS: u64 = 24;

/// Raises the limit to the most that this process may have, but for those that undoing
/// needs: the usual one of 1024 is too low for a switch of 4096 ports.
pub fn raise_limit() {
    set(getrlimit(Resource::Nofile), u64::MAX, FOR_UNDOING);
}

/// Another limit, for as long as this lives.
#[must_use]
pub struct Limit {
    before: Rlimit,
}

/// Leaves descriptors for what comes later, while a port is made.
pub fn leave_some() -> Limit {
    let before = getrlimit(Resource::Nofile);
    set(before, before.current.unwrap_or(u64::MAX), FOR_MOMENTS);
    Limit { before }
}

/// Takes the last descriptors too, while something is undone.
pub(crate) fn take_all() -> Limit {
    let before = getrlimit(Resource::Nofile);
    set(before, u64::MAX, 0);
    Limit { before }
}

/// Sets the limit to `wanted`, or to `left` below the highest where that is less. Where there is no
/// highest, none is needed.
fn set(now: Rlimit, wanted: u64, left: u64) {
    let current = now.maximum.map(|maximum| maximum.saturating_sub(left).min(wanted));
    // The process may always set it lower than its maximum.
    let _ = setrlimit(Resource::Nofile, Rlimit { current, ..now });
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = setrlimit(Resource::Nofile, self.before);
    }
}
