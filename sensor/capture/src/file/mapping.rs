//! A file's bytes where the kernel keeps them, a stretch at a time: nothing is copied, and of a frame that is only counted
//! most is never touched.
//!
//! Whoever maps a file dies of a signal when somebody cuts it shorter. So a file is mapped only under a read lease
//! (fcntl(2), F_SETLEASE): the kernel gives one only while nobody has the file open for writing, and makes whoever then
//! wants to write to it or cut it wait until the lease is given back, which happens when the next stretch is asked
//! for, milliseconds later. (A process that is stopped for longer than /proc/sys/fs/lease-break-time, 45 s, loses that
//! protection.) Where there is no lease to be had, files are read: another owner's, a network's file system, a file
//! that is still being written.
//!
//! `unsafe`, because neither the standard library nor nix maps files safely or knows leases: mmap(2), munmap(2), fcntl(2)
//! requests that take and give integers, and a hint to the processor.
#![allow(unsafe_code)]

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::slice;

use nix::libc;
use nix::sys::mman::{mmap, munmap, MapFlags, ProtFlags};

/// Bytes mapped at once: enough that mapping costs nothing beside what is done with them, and little in the resident set.
const STRETCH: u64 = 4 << 20;
/// Where a stretch may begin: a multiple of the pages of any machine this runs on.
const ALIGN: u64 = 64 << 10;
/// Shorter files are read: preparing this costs more than their copy.
const WORTH_IT: u64 = 1 << 20;
/// fcntl(2)'s request for the signal that says somebody waits; the libc crate has it for other C libraries only.
const F_SETSIG: libc::c_int = 10;
/// Places in a later record that are asked for early: its header, those of the network, and, wherever a cache line ends, the
/// last byte that the search for second copies looks at.
const AHEAD: [usize; 3] = [0, 64, 16 + 14 + 64 - 1];

/// A file under a lease, and the stretch of it that is mapped now.
#[derive(Debug)]
pub struct Mapping {
    // before the file, whose lease must outlive it
    stretch: Stretch,
    file: File,
    size: u64,
}

impl Mapping {
    /// The beginning of a regular file of this size; gives the file back where it is better read.
    pub fn of(file: File, size: u64) -> Result<Self, File> {
        if size < WORTH_IT || !take_lease(&file) {
            return Err(file);
        }
        match Stretch::of(&file, size, 0, 0) {
            Some(stretch) => Ok(Self { stretch, file, size }),
            None => {
                give_lease_back(&file);
                Err(file)
            }
        }
    }

    /// The bytes that are mapped.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.stretch.bytes()
    }

    /// Offset in the file of the first of them.
    pub fn first(&self) -> u64 {
        self.stretch.first
    }

    /// Offset in the file after the last of them.
    pub fn end(&self) -> u64 {
        self.stretch.first + self.stretch.length as u64
    }

    /// Whether they reach to the end of the file.
    pub fn is_last(&self) -> bool {
        self.end() >= self.size
    }

    /// Maps another stretch, in which the `wanted` bytes from `offset` on are, as far as the file has them. False when
    /// somebody waits to write to the file, or it cannot be mapped: then it must be read from there on.
    pub fn advance(&mut self, offset: u64, wanted: usize) -> bool {
        if !has_lease(&self.file) {
            return false;
        }
        match Stretch::of(&self.file, self.size, offset, wanted as u64) {
            Some(stretch) => {
                self.stretch = stretch;
                true
            }
            None => false,
        }
    }

    /// Asks for the beginning of what lies at this index of [`bytes`](Self::bytes), which will be looked at soon.
    #[inline]
    pub fn prefetch(&self, index: usize) {
        #[cfg(target_arch = "x86_64")]
        for ahead in AHEAD {
            use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
            let address = self.stretch.address.as_ptr().wrapping_add(index + ahead);
            // SAFETY: a hint; an address where nothing is mapped does no harm
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast_const().cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (index, AHEAD);
    }

    /// The file, without lease and mapping.
    pub fn into_file(self) -> File {
        let Self { stretch, file, .. } = self;
        drop(stretch);
        give_lease_back(&file);
        file
    }
}

/// Mapped memory.
#[derive(Debug)]
struct Stretch {
    first: u64,
    address: NonNull<u8>,
    length: usize,
}

// SAFETY: the memory belongs to this value alone, whichever thread has it.
unsafe impl Send for Stretch {}

impl Stretch {
    /// `None` when the kernel says no, or nothing is left of the file.
    fn of(file: &File, size: u64, offset: u64, wanted: u64) -> Option<Self> {
        let first = offset / ALIGN * ALIGN;
        let end = offset.checked_add(wanted)?.max(first + STRETCH).min(size);
        let length = NonZeroUsize::new(usize::try_from(end.checked_sub(first)?).ok()?)?;
        // what is shared and only read needs no memory of its own; read ahead at once, rather than page by page when touched
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
        // SAFETY: the kernel chooses the address; the file is under a lease, see above.
        let address = unsafe {
            mmap(None, length, ProtFlags::PROT_READ, flags, file, libc::off_t::try_from(first).ok()?)
        }
        .ok()?;
        Some(Self { first, address: address.cast(), length: length.get() })
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        // SAFETY: so many bytes are mapped there until `self` is dropped, and the lease keeps others from changing them.
        unsafe { slice::from_raw_parts(self.address.as_ptr(), self.length) }
    }
}

impl Drop for Stretch {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this address and length, and nothing borrowed from it outlives it. It can only fail
        // for arguments that are wrong.
        let _ = unsafe { munmap(self.address.cast(), self.length) };
    }
}

fn take_lease(file: &File) -> bool {
    // SIGIO, the default, would end the process; SIGURG is ignored unless somebody asks for it, and `has_lease` tells
    fcntl(file, F_SETSIG, libc::SIGURG) == 0 && fcntl(file, libc::F_SETLEASE, libc::F_RDLCK) == 0
}

/// Whether nobody waits for it to be given back.
fn has_lease(file: &File) -> bool {
    fcntl(file, libc::F_GETLEASE, 0) == libc::F_RDLCK
}

fn give_lease_back(file: &File) {
    // closing the file does it too
    fcntl(file, libc::F_SETLEASE, libc::F_UNLCK);
}

fn fcntl(file: &File, request: libc::c_int, argument: libc::c_int) -> libc::c_int {
    // SAFETY: each of the requests above takes an integer or nothing.
    unsafe { libc::fcntl(file.as_raw_fd(), request, argument) }
}
