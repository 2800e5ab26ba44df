//! Shared memory between processes of a tree.
//!
//! The rule: a segment has no name unless one is asked for, so that it goes with the last who has it; a name
//! is on record before it is there, and goes with whoever gave it. Its size is fixed. It is read and written
//! by `pread` and `pwrite` and never mapped here: whatever another process does to it, that is an error and
//! no SIGBUS. Who wants to map it has its descriptor.
//!
//! It knows nothing of who uses it in which turn, nor what is in it.

use std::ffi::CStr;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, flock,
    fstat, ftruncate, linkat, memfd_create, openat,
};
use rustix::io::{Errno, pread, pwrite};
use rustix::process::geteuid;

use super::rights;
use super::rundir::{File, Inode, Name, RunDir, segments};

/// What goes with a descriptor, so that it is not taken for something else.
const PASS: &[u8; 8] = b"segment\0";

/// What `/proc` calls memory of ours.
pub(super) const NAME: &CStr = c"windrow";

/// Makes a file in memory, which nobody has sealed yet. The name is for `/proc` only.
pub(super) fn memory(name: &CStr) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        // A kernel before 6.3 does not know that no memory of ours is a program.
        Err(Errno::INVAL) => memfd_create(name, flags)?,
        made => made?,
    })
}

/// A piece of shared memory of a fixed size, zero at first. Clones are the same.
#[derive(Clone, Debug)]
pub struct Segment {
    file: Arc<OwnedFd>,
    length: u64,
}

impl Segment {
    /// Makes one without a name: a child gets it with its order ([`Order::share`](crate::Order::share)), others by
    /// [`Segment::send`] or by inheriting its descriptor.
    ///
    /// # Errors
    ///
    /// Fails without descriptors or memory.
    pub fn anonymous(length: u64) -> io::Result<Self> {
        let file = memory(NAME)?;
        ftruncate(&file, length)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self { file: super::stdio::above_stdio(file)?.into(), length })
    }

    /// Makes one with a name, by which every process that has joined the run directory can
    /// [`Segment::open`] it while the returned value is there.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if there is one of that name, `InvalidInput` for one that cannot be, and what the system
    /// says.
    pub fn named(dir: &RunDir, name: &str, length: u64) -> io::Result<NamedSegment> {
        let (name, place) = (dir.segment_name(name)?, segments()?);
        // Without a name until the record tells of it: killed before that, nothing is left.
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = super::stdio::above_stdio(openat(&place, c".", flags, Mode::RUSR | Mode::WUSR)?)?;
        ftruncate(&file, length)?;
        let segment = Self::locked(file)?;
        let own = format!("/proc/self/fd/{}", segment.file.as_raw_fd());
        let name = dir.make(File::Segment(name.clone()), Inode::of(&segment)?, || {
            Ok(linkat(CWD, own, &place, name, AtFlags::SYMLINK_FOLLOW)?)
        })?;
        Ok(NamedSegment { segment, _name: name })
    }

    /// Attaches one that another process of the tree has named.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none of that name, `PermissionDenied` if it is not ours, `WouldBlock` while it is
    /// being cleared away.
    pub fn open(dir: &RunDir, name: &str) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(segments()?, dir.segment_name(name)?, flags, Mode::empty())?;
        Self::locked(super::stdio::above_stdio(file)?)
    }

    /// Attaches one by a descriptor that was inherited or received.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if it is no file of ours.
    pub fn attach(file: OwnedFd) -> io::Result<Self> {
        let stat = fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_uid != geteuid().as_raw()
        {
            return Err(Errno::ACCESS.into());
        }
        Ok(Self { file: file.into(), length: stat.st_size.cast_unsigned() })
    }

    /// Attaches one that came while the standard descriptors may be closed.
    pub(crate) fn attach_above_stdio(file: OwnedFd) -> io::Result<Self> {
        Self::attach(super::stdio::above_stdio(file)?)
    }

    /// Gives its descriptor, to be passed on.
    pub(crate) fn file(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.file)
    }

    /// Attaches a named one: the lock tells those who clear away that it is in use.
    fn locked(file: OwnedFd) -> io::Result<Self> {
        let segment = Self::attach(file)?;
        flock(&segment, FlockOperation::NonBlockingLockShared)?;
        Ok(segment)
    }

    /// Returns its size in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a size, not a number of things")]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Reads what stands at an offset, all of it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if that is not within the segment; `UnexpectedEof` if somebody has cut it short.
    pub fn read_at(&self, mut offset: u64, mut into: &mut [u8]) -> io::Result<()> {
        self.check(offset, into.len())?;
        while !into.is_empty() {
            let read = rustix::io::retry_on_intr(|| pread(&self.file, &mut *into, offset))?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            into = into.get_mut(read..).unwrap_or_default();
            offset += read as u64;
        }
        Ok(())
    }

    /// Writes at an offset, all of it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if that is not within the segment; `StorageFull` without memory.
    pub fn write_at(&self, mut offset: u64, mut from: &[u8]) -> io::Result<()> {
        self.check(offset, from.len())?;
        while !from.is_empty() {
            let written = rustix::io::retry_on_intr(|| pwrite(&self.file, from, offset))?;
            from = from.get(written..).unwrap_or_default();
            offset += written as u64;
        }
        Ok(())
    }

    fn check(&self, offset: u64, length: usize) -> io::Result<()> {
        let end = offset.checked_add(length as u64);
        if end.is_some_and(|end| end <= self.length) { Ok(()) } else { Err(Errno::INVAL.into()) }
    }

    /// Passes it to whoever reads the socket next: one of its own, or one on which nothing else is under way.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the socket takes no more now, and what the system says.
    pub fn send(&self, socket: impl AsFd) -> io::Result<()> {
        rights::send(socket.as_fd(), PASS, &[self.file.as_fd()])?;
        Ok(())
    }

    /// Takes what the other end has passed; `None` if nothing has come.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` at the end, `InvalidData` if it is something else, and the same as
    /// [`Segment::attach`].
    pub fn receive(socket: impl AsFd) -> io::Result<Option<Self>> {
        let mut bytes = [0; PASS.len()];
        let passed = match rights::receive(socket.as_fd(), &mut bytes) {
            Err(Errno::AGAIN) => return Ok(None),
            received => received?,
        };
        let [first, ..] = passed.fds;
        match first {
            _ if passed.bytes == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(file) if bytes == *PASS => Self::attach_above_stdio(file).map(Some),
            None if !passed.whole => Err(Errno::MFILE.into()),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "that is no segment")),
        }
    }
}

impl AsFd for Segment {
    /// Its memory, for a child to inherit or for who wants to map it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A segment with a name that goes when this goes; those who have attached it keep it.
#[derive(Debug)]
#[must_use = "the name goes once this is dropped"]
pub struct NamedSegment {
    segment: Segment,
    _name: Name,
}

impl Deref for NamedSegment {
    type Target = Segment;

    fn deref(&self) -> &Segment {
        &self.segment
    }
}

#[cfg(test)]
mod tests;
