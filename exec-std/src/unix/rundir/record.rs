//! What one process has made, written down before it is there and after it is gone.
//!
//! The rule: each process writes a record of its own, and holds a lock on it that ends with the process; so
//! there is one writer, and whoever gets the lock knows that the writer is dead. A line is a length, a
//! checksum and a body, and is written with one `write(2)`: what was written is in the kernel's hands and
//! survives the death of the process. It does not survive the death of the machine, nor has it to, since
//! nothing that it tells of does. A line that is not whole can only be the last one; it is dropped and
//! counted.
//!
//! It judges nothing: whether what it tells of is there, and ours, is the business of `leavings`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, StatxFlags};
use rustix::fs::{flock, fstat, ftruncate, openat, renameat, stat, statx, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::getpid;
use serde::{Deserialize, Serialize};

use super::told::Told;
use crate::unix::procfs::Stamp;

/// How the name of every record ends.
pub(super) const SUFFIX: &str = ".record";
/// How the name of a socket ends that is being made, and that of a record: each begins as its maker's record does. A process
/// makes one of a kind at a time, so that whoever clears away after it knows the names without a look for them.
pub(super) const DRAFTS: [&str; 2] = [".socket.draft", ".record.draft"];

/// Length and checksum.
const HEAD: usize = 6;
/// The size from which on a record is made shorter by what is over.
const COMPACT: u64 = 64 << 10;

/// One line of a record. Append-only: the place in this list is what is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Line {
    /// Where and by whom the record was written; the first line.
    Origin(Origin),
    /// A child is about to be started.
    Starting { id: u64, name: String },
    /// It was.
    Started { id: u64, pid: i32, start: u64 },
    /// It was collected, or never came to be.
    Ended { id: u64 },
    /// A name is about to appear in the file system.
    Making { file: File, inode: Inode },
    /// It has disappeared.
    Removed { file: File },
}

/// A name in the file system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum File {
    /// A socket in the run directory.
    Socket(String),
    /// A segment in `/dev/shm`, by its whole name there.
    Segment(String),
}

/// A file, told apart from a later one of the same name: numbers are used again, so kind and birth belong to
/// it, where the file system tells a birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inode {
    device: (u32, u32),
    number: u64,
    kind: u32,
    birth: Option<(i64, u32)>,
}

impl Inode {
    /// Tells what is open.
    pub(crate) fn of(file: impl AsFd) -> io::Result<Self> {
        Ok(Self::look(file, c"", AtFlags::EMPTY_PATH)?)
    }

    /// Tells what has a name in a directory, be it a link.
    pub(crate) fn at(dir: impl AsFd, name: &str) -> Result<Self, Errno> {
        Self::look(dir, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    fn look(at: impl AsFd, name: impl Arg, flags: AtFlags) -> Result<Self, Errno> {
        let found = statx(at, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?;
        let told = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
        Ok(Self {
            device: (found.stx_dev_major, found.stx_dev_minor),
            number: found.stx_ino,
            kind: FileType::from_raw_mode(found.stx_mode.into()).as_raw_mode(),
            birth: told.then_some((found.stx_btime.tv_sec, found.stx_btime.tv_nsec)),
        })
    }
}

/// What makes the pids and names of a record mean what they meant: the same boot, the same pids, the same
/// directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct World {
    boot: String,
    pids: u64,
    directory: Inode,
}

impl World {
    pub(super) fn current(dir: &OwnedFd) -> io::Result<Self> {
        Ok(Self {
            boot: std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim_end().to_owned(),
            pids: pids()?,
            directory: Inode::of(dir)?,
        })
    }
}

/// Tells the numbering of pids, by the kernel's own number for it.
fn pids() -> io::Result<u64> {
    Ok(stat("/proc/self/ns/pid")?.st_ino)
}

/// Where and by whom a record was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    pub(super) world: World,
    pub(super) pid: i32,
    pub(super) start: u64,
}

/// This process's own record.
#[derive(Debug)]
pub(super) struct Record {
    name: String,
    open: Mutex<Open>,
    /// Whoever makes a socket has it.
    drafting: Mutex<()>,
}

#[derive(Debug)]
struct Open {
    file: OwnedFd,
    compact_at: u64,
}

impl Record {
    /// Makes the record of this process in the directory, and locks it.
    pub(super) fn create(dir: &OwnedFd) -> io::Result<Self> {
        let own = getpid().as_raw_pid();
        let Some(Stamp { pid, start }) = Stamp::of(own)? else { return Err(io::ErrorKind::NotFound.into()) };
        let name = name_of(Stamp { pid, start });
        let origin = Line::Origin(Origin { world: World::current(dir)?, pid, start });
        let file = write_new(dir, &name, &[origin])?;
        let open = Mutex::new(Open { file, compact_at: COMPACT });
        Ok(Self { name, open, drafting: Mutex::default() })
    }

    /// Writes one line: it is there when this returns.
    pub(super) fn append(&self, dir: &OwnedFd, line: &Line) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let size = fstat(&open.file)?.st_size.cast_unsigned();
        let bytes = encode(line)?;
        if let Err(error) = write_once(&open.file, &bytes) {
            // So that the next line does not stand behind half of this one.
            ftruncate(&open.file, size)?;
            return Err(error);
        }
        if size > open.compact_at {
            // A record that can't be made shorter is still a good record.
            let file = self.shorten(dir, &open.file).ok();
            open.compact_at = size.saturating_mul(2);
            if let Some(file) = file {
                open.compact_at = fstat(&file)?.st_size.cast_unsigned().saturating_mul(4).max(COMPACT);
                open.file = file;
            }
        }
        Ok(())
    }

    /// Gives the name for a socket that is being made, to one thread at a time.
    pub(super) fn draft(&self) -> (String, MutexGuard<'_, ()>) {
        let alone = self.drafting.lock().unwrap_or_else(PoisonError::into_inner);
        let [socket, _] = drafts_of(&self.name);
        (socket, alone)
    }

    /// Puts a record without what is over in the place of this one.
    fn shorten(&self, dir: &OwnedFd, file: &OwnedFd) -> io::Result<OwnedFd> {
        let told = Told::read(file)?;
        let lines: Vec<_> =
            told.origin.map(Line::Origin).into_iter().chain(told.living.into_values()).collect();
        let [_, draft] = drafts_of(&self.name);
        let file = write_new(dir, &draft, &lines)?;
        if let Err(error) = renameat(dir, &draft, dir, &self.name) {
            let _ = unlinkat(dir, &draft, AtFlags::empty());
            return Err(error.into());
        }
        Ok(file)
    }

    /// Gives what was begun and is not over.
    pub(super) fn living(&self) -> io::Result<Vec<Line>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Told::read(&open.file)?.living.into_values().collect())
    }

    /// Removes the record, if all is over that it tells of.
    pub(super) fn remove(&self, dir: &OwnedFd) -> io::Result<()> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if Told::read(&open.file)?.living.is_empty() {
            match unlinkat(dir, &self.name, AtFlags::empty()) {
                Err(Errno::NOENT) => {}
                removed => removed?,
            }
        }
        Ok(())
    }
}

/// Gives the name of a process's record.
pub(super) fn name_of(Stamp { pid, start }: Stamp) -> String {
    format!("{pid}-{start}{SUFFIX}")
}

/// Gives the names of what the writer of a record may have been making.
pub(super) fn drafts_of(record: &str) -> [String; 2] {
    let stem = record.strip_suffix(SUFFIX).unwrap_or(record);
    DRAFTS.map(|draft| format!("{stem}{draft}"))
}

/// Makes a locked record with these lines, or nothing.
fn write_new(dir: &OwnedFd, name: &str, lines: &[Line]) -> io::Result<OwnedFd> {
    let flags =
        OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?;
    let written =
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from).and_then(|()| {
            let lines = lines.iter().map(encode).collect::<io::Result<Vec<_>>>()?;
            write_once(&file, &lines.concat())
        });
    if let Err(error) = written {
        let _ = unlinkat(dir, name, AtFlags::empty());
        return Err(error);
    }
    Ok(file)
}

fn write_once(file: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    match rustix::io::retry_on_intr(|| rustix::io::write(file, bytes))? {
        written if written == bytes.len() => Ok(()),
        _ => Err(Errno::NOSPC.into()),
    }
}

fn encode(line: &Line) -> io::Result<Vec<u8>> {
    let body = postcard::to_allocvec(line).map_err(io::Error::other)?;
    let length = u16::try_from(body.len()).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&checksum(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Splits the first line off, if it is whole.
pub(super) fn decode(bytes: &[u8]) -> Option<(Line, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let (body, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    if checksum(body) != u32::from_le_bytes(*sum) {
        return None;
    }
    postcard::from_bytes(body).ok().map(|line| (line, rest))
}

/// CRC-32 as everybody computes it (IEEE 802.3, reflected), a bit at a time: lines are short.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1)))
    })
}

#[cfg(test)]
mod tests;
