//! What the control side and the workers share, and how a worker reports that
//! it works by new tables.

use std::sync::Arc;

use arc_swap::ArcSwap;
use crossbeam::utils::CachePadded;

use crate::fdb::Fdb;
use crate::sync::{AtomicU64, Ordering};
use crate::tables::Tables;

/// What all workers and the control side share.
pub(crate) struct Shared {
    pub(crate) tables: Arc<ArcSwap<Tables>>,
    pub(crate) fdb: Fdb,
}

/// The newest version of the tables that one worker has begun a turn with.
///
/// The worker stores it after the last use of older tables; who reads it sees
/// all that the worker did by those.
pub(crate) struct Crossing(CachePadded<AtomicU64>);

impl Crossing {
    /// Of a worker that has the first tables.
    pub(crate) fn new() -> Crossing {
        Crossing(CachePadded::new(AtomicU64::new(0)))
    }

    /// The worker reports that it has begun a turn with this version.
    #[inline]
    pub(crate) fn report(&self, version: u64) {
        if self.0.load(Ordering::Relaxed) != version {
            self.0.store(version, Ordering::Release);
        }
    }

    /// Whether the worker works by this version.
    pub(crate) fn has_reached(&self, version: u64) -> bool {
        self.0.load(Ordering::Acquire) == version
    }
}
