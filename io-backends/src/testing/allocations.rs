//! An allocator that counts, for tests of threads that are to ask it for nothing.
//!
//! A test binary makes [`Counting`] its `#[global_allocator]`. A thread that
//! takes a [`Count`] is counted from then on; any thread may read the count.
#![expect(unsafe_code, reason = "an allocator is unsafe by its trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The most threads that are counted in one process.
const THREADS: usize = 64;

/// Calls of each counted thread. The first is of all the others together.
static CALLS: [AtomicU64; THREADS] = [const { AtomicU64::new(0) }; THREADS];
static NEXT: AtomicUsize = AtomicUsize::new(1);

thread_local! {
    /// Whose count this thread's calls go to. Needs no allocation and no destructor itself.
    static OWN: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting.
pub struct Counting;

/// How often one thread called the allocator, be it for memory or to give some back.
#[derive(Clone, Copy, Debug)]
pub struct Count(usize);

impl Count {
    /// Counts the calling thread's calls from now on, at 0.
    ///
    /// # Panics
    /// When too many threads are counted.
    pub fn of_this_thread() -> Count {
        let own = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(own < THREADS, "room for {THREADS} counted threads");
        OWN.set(own);
        Count(own)
    }

    /// The calls so far.
    pub fn calls(self) -> u64 {
        CALLS[self.0].load(Ordering::Relaxed)
    }
}

fn count() {
    CALLS[OWN.get()].fetch_add(1, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}
