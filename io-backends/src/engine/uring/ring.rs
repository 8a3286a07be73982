//! An io_uring that moves frames in order: every read and write handed over is
//! carried out at once, one after the other, and waited for.
//!
//! The ring belongs to the thread that made it. Reads and writes are told never
//! to wait (RWF_NOWAIT), so that one `io_uring_enter` carries out all of them,
//! in order, before it returns; what cannot be done now comes back as EAGAIN.
//! Only watches, which own no memory, stay in the kernel.

use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use io_uring::squeue::Entry;
use io_uring::types::{Fd, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};
use rustix::io::{Errno, Result};
use rustix::process::{Resource, getrlimit};

/// Operations handed over at once; more are handed over in several goes. Small
/// enough for the queues to stay in the fastest cache.
const ENTRIES: u32 = 128;

/// Descriptors registered at once, at most: 8 bytes each.
const FILES: u32 = 16_384;

/// What an operation is for: the top byte of what the kernel keeps with it.
const MOVE: u64 = 1 << 56;
const WATCH: u64 = 2 << 56;
const UNWATCH: u64 = 3 << 56;
const PURPOSE: u64 = 0xff << 56;

/// How the kernel is to take part: one thread only, which does the kernel's
/// work too when it asks for results, and is told when there is some; a failed
/// operation does not hold up those behind it.
pub(super) fn build() -> std::io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .build(ENTRIES)
}

/// What the kernel is done with.
pub(super) enum Event {
    /// A read or write: the tag it was given, and how many bytes.
    Moved(usize, Result<usize>),
    /// A watch: the tag it was given, and whether there is an error to be read.
    /// It watches no more.
    Ready(u64, bool),
}

/// The ring, and the descriptors registered with it.
pub(super) struct Ring {
    ring: IoUring,
    /// Reads and writes whose end was not seen yet. Not 0 only inside a [`Batch`].
    moving: usize,
    free_files: Vec<u32>,
    /// The kernel lets no other thread use it.
    _stays: PhantomData<*const ()>,
}

impl Ring {
    pub(super) fn new() -> std::io::Result<Ring> {
        let ring = build()?;
        // A process can't hold more descriptors than this anyway.
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::from(FILES));
        let files = FILES.min(u32::try_from(limit).unwrap_or(FILES));
        ring.submitter().register_files_sparse(files)?;
        let free_files = (0..files).rev().collect();
        Ok(Ring { ring, moving: 0, free_files, _stays: PhantomData })
    }

    /// Makes a descriptor known under a short number. The kernel holds the file
    /// open until [`Ring::unregister`].
    pub(super) fn register(&mut self, fd: impl AsFd) -> Result<u32> {
        let file = self.free_files.pop().ok_or(Errno::MFILE)?;
        match self.update(file, fd.as_fd().as_raw_fd()) {
            Ok(()) => Ok(file),
            Err(errno) => {
                self.free_files.push(file);
                Err(errno)
            }
        }
    }

    /// Has the kernel let go of a file. No watch on it may be left.
    pub(super) fn unregister(&mut self, file: u32) {
        // The number is in range, and taking out allocates nothing.
        if self.update(file, -1).is_ok() {
            self.free_files.push(file);
        }
    }

    fn update(&mut self, file: u32, number: i32) -> Result<()> {
        let result = self.ring.submitter().register_files_update(file, &[number]);
        result.map(drop).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }

    /// Begins to collect reads and writes.
    pub(super) fn batch(&mut self) -> Batch<'_> {
        Batch(self)
    }

    /// Tells once, with the next results, when there is something to read.
    /// `tag` has at most 48 bits and is on one watch at a time.
    pub(super) fn watch(&mut self, file: u32, tag: u64) {
        let entry = opcode::PollAdd::new(Fixed(file), libc::POLLIN as u32).build();
        self.push_plain(&entry.user_data(WATCH | tag));
    }

    /// The same for a descriptor that is not registered. It must stay open.
    pub(super) fn watch_descriptor(&mut self, fd: BorrowedFd<'_>, tag: u64) {
        let entry = opcode::PollAdd::new(Fd(fd.as_raw_fd()), libc::POLLIN as u32).build();
        self.push_plain(&entry.user_data(WATCH | tag));
    }

    /// Ends a watch: it tells at once, if it has not told yet.
    pub(super) fn unwatch(&mut self, tag: u64) {
        self.push_plain(&opcode::PollRemove::new(WATCH | tag).build().user_data(UNWATCH));
    }

    /// Whether [`Ring::look`] may find something, or watches are not handed over yet.
    #[inline]
    pub(super) fn has_news(&mut self) -> bool {
        let submission = self.ring.submission();
        submission.taskrun() || submission.cq_overflow() || !submission.is_empty()
    }

    /// Hands over what was begun, and takes what is there.
    pub(super) fn look(&mut self, each: impl FnMut(Event)) {
        self.enter(0, None);
        self.collect(each);
    }

    /// Hands over what was begun, and sleeps until there is something to take,
    /// a signal comes, or `timeout` is over.
    pub(super) fn sleep(&mut self, timeout: Option<Duration>, each: impl FnMut(Event)) {
        self.enter(1, timeout);
        self.collect(each);
    }

    fn enter(&mut self, want: usize, timeout: Option<Duration>) {
        let submitter = self.ring.submitter();
        let entered = match timeout {
            None => submitter.submit_and_wait(want),
            Some(timeout) => {
                let timeout = Timespec::from(timeout);
                submitter.submit_with_args(want, &SubmitArgs::new().timespec(&timeout))
            }
        };
        if let Err(error) = entered {
            match Errno::from_io_error(&error) {
                // A signal, the end of the time, or memory short for a moment:
                // what is still needed is asked for by the next call.
                Some(Errno::INTR | Errno::TIME | Errno::AGAIN | Errno::BUSY) => {}
                _ => unreachable!("io_uring_enter on a ring of this thread: {error}"),
            }
        }
    }

    #[inline]
    fn collect(&mut self, mut each: impl FnMut(Event)) {
        for completion in self.ring.completion() {
            let data = completion.user_data();
            let result = result(&completion);
            match data & PURPOSE {
                MOVE => {
                    self.moving -= 1;
                    each(Event::Moved((data & !PURPOSE) as usize, result));
                }
                WATCH => {
                    let errors = (libc::POLLERR | libc::POLLHUP) as usize;
                    let broken = result.is_ok_and(|events| events & errors != 0);
                    each(Event::Ready(data & !PURPOSE, broken));
                }
                _ => {}
            }
        }
    }

    /// For an operation that uses no memory of this process.
    fn push_plain(&mut self, entry: &Entry) {
        if self.ring.submission().is_full() {
            self.enter(0, None);
        }
        // SAFETY: the entry points to nothing.
        unsafe { self.push(entry) };
    }

    /// # Safety
    /// The memory the entry points to is good until its completion was seen.
    unsafe fn push(&mut self, entry: &Entry) {
        // SAFETY: as the caller promises.
        let pushed = unsafe { self.ring.submission().push(entry) };
        assert!(pushed.is_ok(), "entering a ring makes room in it");
    }
}

fn result(completion: &cqueue::Entry) -> Result<usize> {
    let result = completion.result();
    usize::try_from(result).map_err(|_| Errno::from_raw_os_error(-result))
}

/// Reads and writes on their way. When it ends, however it ends, all are done.
pub(super) struct Batch<'r>(&'r mut Ring);

impl Batch<'_> {
    /// Whether the batch must be [finished](Batch::finish) before it takes more.
    #[inline]
    pub(super) fn is_full(&mut self) -> bool {
        self.0.ring.submission().is_full()
    }

    /// Reads one frame.
    ///
    /// # Safety
    /// Until the batch is finished or dropped, `buffer` is neither moved nor freed nor used.
    #[inline]
    pub(super) unsafe fn read(&mut self, file: u32, buffer: &mut [u8], tag: usize) {
        let (start, len) = (buffer.as_mut_ptr(), buffer.len() as u32);
        let entry = opcode::Read::new(Fixed(file), start, len).rw_flags(libc::RWF_NOWAIT).build();
        // SAFETY: as the caller promises; a batch ends when all of it is done.
        unsafe { self.0.push(&entry.user_data(MOVE | tag as u64)) };
        self.0.moving += 1;
    }

    /// Writes one frame.
    ///
    /// # Safety
    /// Until the batch is finished or dropped, `bytes` are neither moved nor
    /// freed, nor changed to other values.
    #[inline]
    pub(super) unsafe fn write(&mut self, file: u32, bytes: &[u8], tag: usize) {
        let (start, len) = (bytes.as_ptr(), bytes.len() as u32);
        let entry = opcode::Write::new(Fixed(file), start, len).rw_flags(libc::RWF_NOWAIT).build();
        // SAFETY: as the caller promises; a batch ends when all of it is done.
        unsafe { self.0.push(&entry.user_data(MOVE | tag as u64)) };
        self.0.moving += 1;
    }

    /// Carries all of it out, in order; nothing is left on its way.
    #[inline]
    pub(super) fn finish(&mut self, mut each: impl FnMut(Event)) {
        while self.0.moving > 0 {
            self.0.enter(self.0.moving, None);
            self.0.collect(&mut each);
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.finish(|_| {});
    }
}
