//! Memory that several processes have mapped at once.
//!
//! The rule: whatever another process does to it, that is neither a signal nor a race. It can't be cut short, and nobody has
//! anything of it but atomics.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU8, AtomicU64};

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, munmap};
use rustix::fs::{SealFlags, fcntl_get_seals, fstat};

/// The least that is made at once. Where pages are larger, a whole one is.
const PAGE: usize = 4096;

/// A file in memory, as words that are followed by bytes. A forked child has it where its parent has it.
#[derive(Debug)]
pub(crate) struct Map {
    base: NonNull<AtomicU64>,
    words: usize,
    bytes: usize,
}

// SAFETY: it is memory that stays where it is until the value goes, and all that is given of it are atomics.
unsafe impl Send for Map {}
// SAFETY: the same.
unsafe impl Sync for Map {}

impl Map {
    /// Gives how long the file must be.
    pub(crate) const fn length(words: usize, bytes: usize) -> usize {
        words * size_of::<AtomicU64>() + bytes
    }

    /// Maps the beginning of a file.
    ///
    /// # Errors
    /// `InvalidInput` for one that is too short, or may be cut short; without room for it, what the system says.
    pub(crate) fn shared(file: BorrowedFd<'_>, words: usize, bytes: usize) -> io::Result<Self> {
        let length = NonZeroUsize::new(Self::length(words, bytes)).ok_or(io::ErrorKind::InvalidInput)?;
        let is_long = usize::try_from(fstat(file)?.st_size).is_ok_and(|size| size >= length.get());
        if !is_long || !fcntl_get_seals(file)?.contains(SealFlags::SHRINK) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel looks for a place where nothing is.
        let base = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, file, 0) }?;
        // SAFETY: of this mapping a dump of the process has nothing, which changes no memory.
        let _ = unsafe { madvise(base, length.get(), MmapAdvise::MADV_DONTDUMP) };
        Ok(Self { base: base.cast(), words, bytes })
    }

    /// Has the memory of so many bytes there before they are written: where there is none, that is an error now, and would be a
    /// signal then. Gives up to where it is there.
    ///
    /// # Errors
    /// There is no memory.
    pub(crate) fn fill(&self, from: usize, to: usize) -> io::Result<usize> {
        let first = self.words * size_of::<AtomicU64>();
        let end =
            (first + to.min(self.bytes)).next_multiple_of(PAGE).min(Self::length(self.words, self.bytes));
        let begin = (first + from.min(to)) / PAGE * PAGE;
        self.populate(begin, end - begin)?;
        Ok(end - first)
    }

    /// Has the memory of all its words there.
    ///
    /// # Errors
    /// There is no memory.
    pub(crate) fn fill_words(&self) -> io::Result<()> {
        self.populate(0, self.words * size_of::<AtomicU64>())
    }

    fn populate(&self, begin: usize, length: usize) -> io::Result<()> {
        // SAFETY: it is within the mapping, of which nothing changes but that its pages are there.
        match unsafe { madvise(self.base.byte_add(begin).cast(), length, MmapAdvise::MADV_POPULATE_WRITE) } {
            // A kernel before 5.14 makes each page as it is written to.
            Ok(()) | Err(Errno::EINVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives its words.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: they are within the mapping, which begins with a page and is there as long as this, and all-zero bytes are
        // as good a word as any; the file keeps its length.
        unsafe { slice::from_raw_parts(self.base.as_ptr(), self.words) }
    }

    /// Gives its bytes.
    pub(crate) fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: as above; no word is among them.
        unsafe { slice::from_raw_parts(self.base.add(self.words).as_ptr().cast(), self.bytes) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: it is ours, and whoever has something of it has borrowed this.
        let _ = unsafe { munmap(self.base.cast(), Self::length(self.words, self.bytes)) };
    }
}
