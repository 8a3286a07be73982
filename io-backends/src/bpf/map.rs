//! Memory that programs and this process share: an array map of one element, mapped;
//! and programs that others go on as.
#![expect(unsafe_code, reason = "bpf(2) and mmap have no safe wrapper")]

use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64};

use rustix::io::{Errno, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use switch_core::fdb::Bucket;

use super::{call, command};

/// What may lie in shared memory: any bits are valid, and all access is atomic,
/// since a program may read and write at any time.
///
/// # Safety
/// The type consists of atomics of 32 and 64 bits alone, and is aligned to at most a page.
pub(crate) unsafe trait Shareable {}

// SAFETY: an atomic takes any bits.
unsafe impl Shareable for AtomicU32 {}
// SAFETY: an atomic takes any bits.
unsafe impl Shareable for AtomicU64 {}
// SAFETY: it consists of atomics of 64 bits, as it promises.
unsafe impl Shareable for Bucket {}
// SAFETY: as its parts.
unsafe impl<T: Shareable, const N: usize> Shareable for [T; N] {}

/// So many `T`s of zeros, shared with programs that hold the map's address.
/// Programs keep the map for as long as they are loaded.
pub(crate) struct Shared<T> {
    map: OwnedFd,
    memory: NonNull<T>,
    count: usize,
    parts: PhantomData<T>,
}

// SAFETY: it is memory that any thread may use, and owned by this value alone
// in this process; all access is atomic (see `Shareable`).
unsafe impl<T: Shareable> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Shareable> Sync for Shared<T> {}

impl<T: Shareable> Shared<T> {
    /// Memory for `count` of them, zeroed.
    ///
    /// # Errors
    /// EPERM without CAP_BPF; ENOMEM; E2BIG or EINVAL where the kernel takes no map that large.
    pub(crate) fn new(name: &str, count: usize) -> Result<Shared<T>> {
        const ARRAY: u32 = 2;
        const MMAPABLE: u32 = 1 << 10;
        // One element, so that programs have its address as a number.
        let map = create(name, ARRAY, size_of::<T>() * count, 1, MMAPABLE)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses a free place for the new mapping.
        let memory = unsafe {
            mmap(ptr::null_mut(), size_of::<T>() * count, protection, MapFlags::SHARED, &map, 0)?
        };
        let memory = NonNull::new(memory.cast()).expect("a mapping is nowhere at 0");
        Ok(Shared { map, memory, count, parts: PhantomData })
    }
}

/// The same, for the rest of the process's life.
///
/// # Errors
/// As [`Shared::new`].
pub(crate) fn forever<T: Shareable>(name: &str, count: usize) -> Result<(OwnedFd, &'static [T])> {
    let shared = Box::leak(Box::new(Shared::new(name, count)?));
    let map = shared.map.try_clone().map_err(|_| Errno::MFILE)?;
    Ok((map, shared))
}

impl<T> AsFd for Shared<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}

impl<T: Shareable> Deref for Shared<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the mapping holds `count` of them, page-aligned, and lives as
        // long as `self`; `T` takes any bits and is changed by atomic access alone.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), self.count) }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `new`; nobody borrows from it any more.
        let result = unsafe { munmap(self.memory.as_ptr().cast(), size_of::<T>() * self.count) };
        debug_assert_eq!(result, Ok(()), "a mapping made here is unmapped once");
    }
}

/// Programs that others go on as. The kernel empties it as soon as no process holds it
/// any more, however that process ended; a program that would go on finds nothing.
#[derive(Debug)]
pub(crate) struct Programs(OwnedFd);

impl Programs {
    /// Room for `count` programs.
    ///
    /// # Errors
    /// EPERM without CAP_BPF; ENOMEM.
    pub(crate) fn new(name: &str, count: u32) -> Result<Programs> {
        const PROG_ARRAY: u32 = 3;
        create(name, PROG_ARRAY, 4, count, 0).map(Programs)
    }

    /// Puts a program in, in place of the one that is there. Frames under way are let
    /// finish with the old one.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn set(&self, number: u32, program: impl AsFd) -> Result<()> {
        const MAP_UPDATE: u32 = 2;
        let value = program.as_fd().as_raw_fd().cast_unsigned();
        let mut arguments = UpdateArguments {
            map: self.0.as_fd().as_raw_fd().cast_unsigned(),
            padding: 0,
            key: &raw const number as u64,
            value: &raw const value as u64,
            flags: 0,
        };
        // SAFETY: the kernel reads a key and a value of four bytes each, which live until it returns.
        unsafe { command(MAP_UPDATE, &mut arguments) }.map(drop)
    }
}

impl AsFd for Programs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// `BPF_MAP_UPDATE_ELEM` and its arguments.
#[repr(C)]
struct UpdateArguments {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// `BPF_MAP_CREATE` and its arguments, as far as they are used.
#[derive(Clone)]
#[repr(C)]
struct CreateArguments {
    kind: u32,
    key_size: u32,
    value_size: u32,
    entries: u32,
    flags: u32,
    inner: u32,
    node: u32,
    name: [u8; 16],
}

/// A map of so many values of so many bytes, numbered from 0.
fn create(name: &str, kind: u32, size: usize, entries: u32, flags: u32) -> Result<OwnedFd> {
    const MAP_CREATE: u32 = 0;
    let mut arguments = CreateArguments {
        kind,
        key_size: 4,
        value_size: u32::try_from(size).unwrap_or(u32::MAX),
        entries,
        flags,
        inner: 0,
        node: 0,
        name: [0; 16],
    };
    let len = name.len().min(arguments.name.len() - 1);
    arguments.name[..len].copy_from_slice(&name.as_bytes()[..len]);
    // SAFETY: the arguments are those of this command, and hold no pointer.
    unsafe { call(MAP_CREATE, &arguments) }
}
