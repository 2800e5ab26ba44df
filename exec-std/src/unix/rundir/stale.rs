//! The run directory of a dead tree: what is left of it, and clearing it away.
//!
//! The rule: it is opened only if nobody of the tree holds its lock, and while it is open nobody else clears
//! it. What is left is asked of the system each time. It signals only through a descriptor that was opened
//! before the process was proved to be the one meant, so that no later one of the same pid is hit.
//!
//! It knows no ladder: who is asked, stopped or killed, and after which grace, its user decides.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, flock, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::leavings::Leavings;
use super::place::{Fault, PlaceError, own, walk};
use super::record::SUFFIX;
use super::{is_fresh, names};
use crate::unix::procfs::Stamp;

/// Something that is left of a dead process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Left {
    /// What it is.
    pub what: What,
    /// Whether it is proved to be of this tree; what is not is never touched.
    pub ours: bool,
    /// Whether somebody who lives is or has it.
    pub used: bool,
}

/// What can be left.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A process of this pid; if it is not ours, the pid means somebody else by now, or did always.
    Process {
        /// Its pid.
        pid: i32,
        /// When ours started, in clock ticks since boot.
        start: u64,
        /// The child's name, empty for the process that wrote the record.
        name: String,
    },
    /// A child that was about to be started when its parent was killed: nobody knows of a pid.
    Unstarted {
        /// Its name.
        name: String,
    },
    /// A socket in the run directory.
    Socket {
        /// Its name there.
        name: String,
    },
    /// A segment in `/dev/shm`.
    Segment {
        /// Its name there.
        name: String,
    },
    /// Something in the run directory of which no record tells.
    Unknown {
        /// Its name.
        name: String,
    },
}

/// The run directory of a dead tree.
#[derive(Debug)]
pub struct Stale {
    base: OwnedFd,
    path: PathBuf,
    name: String,
    dir: OwnedFd,
    records: Vec<Leavings>,
}

impl Stale {
    pub(super) fn open(path: &Path) -> Result<Self, PlaceError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            return Err(PlaceError::new(path, Fault::NotPlain));
        };
        let at = PlaceError::at(path);
        let base = walk(parent)?;
        let dir = own(&base, name, path)?;
        flock(&dir, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
            Errno::WOULDBLOCK => PlaceError::new(path, Fault::Living),
            errno => at(errno),
        })?;
        let records = names(&dir).map_err(&at)?.into_iter().filter(|name| name.ends_with(SUFFIX));
        let records =
            records.filter_map(|name| Leavings::open(&dir, &name).transpose()).collect::<io::Result<_>>();
        let records = records.map_err(|error| at(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        Ok(Self { base, path: path.to_owned(), name: name.to_owned(), dir, records })
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how many bytes of the records were dropped, because their writer was killed while it wrote.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.records.iter().map(Leavings::lost).sum()
    }

    /// Lists what is left now.
    ///
    /// # Errors
    ///
    /// Fails if `/proc`, `/dev/shm` or the directory cannot be read.
    pub fn left(&self) -> io::Result<Vec<Left>> {
        let mut left = self.unknown()?;
        for record in &self.records {
            left.extend(record.left(&self.dir)?);
        }
        Ok(left)
    }

    /// Opens the processes that are left and proved ours, so that they can be signalled and awaited.
    ///
    /// # Errors
    ///
    /// The same as [`Stale::left`], and without descriptors.
    pub fn survivors(&self) -> io::Result<Vec<Survivor>> {
        let mut survivors = Vec::new();
        for left in self.left()? {
            if let What::Process { pid, start, name } = left.what
                && left.ours
            {
                survivors.extend(Survivor::open(Stamp { pid, start }, name)?);
            }
        }
        Ok(survivors)
    }

    /// Removes the files that are proved ours and used by nobody, the records of processes of which nothing is
    /// left, and the directory if it is empty then; returns what stays. It signals nobody.
    ///
    /// # Errors
    ///
    /// The same as [`Stale::left`], and if something cannot be removed; what was not removed is still on
    /// record.
    pub fn sweep(&self) -> io::Result<Vec<Left>> {
        let mut left = Vec::new();
        for record in &self.records {
            left.extend(record.clear(&self.dir)?);
        }
        left.extend(self.unknown()?);
        // Without a record only the name tells that it is ours: one that nobody else would give.
        if names(&self.dir)?.is_empty() && (!self.records.is_empty() || is_fresh(&self.name)) {
            match unlinkat(&self.base, &self.name, AtFlags::REMOVEDIR) {
                Err(Errno::NOENT) => {}
                removed => removed?,
            }
        }
        Ok(left)
    }

    fn unknown(&self) -> io::Result<Vec<Left>> {
        let is_unknown = |name: &String| !self.records.iter().any(|record| record.knows(name));
        let unknown = names(&self.dir)?.into_iter().filter(is_unknown);
        Ok(unknown.map(|name| Left { what: What::Unknown { name }, ours: false, used: false }).collect())
    }
}

/// A process that outlived its tree, held so that its pid cannot mean another.
#[derive(Debug)]
pub struct Survivor {
    stamp: Stamp,
    name: String,
    pidfd: OwnedFd,
}

impl Survivor {
    fn open(stamp: Stamp, name: String) -> io::Result<Option<Self>> {
        let Some(pid) = Pid::from_raw(stamp.pid) else { return Ok(None) };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::SRCH) => return Ok(None),
            opened => opened?,
        };
        // After the descriptor: it may have been made for a later process of the same pid.
        Ok(stamp.is_alive()?.then_some(Self { stamp, name, pidfd }))
    }

    /// Returns which process it is.
    #[must_use]
    pub const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Returns the name it was given, empty for one that wrote a record itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// `ESRCH` once it has been collected; `EINVAL` for no signal.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        let signal = Signal::from_named_raw(signal).ok_or(Errno::INVAL)?;
        Ok(pidfd_send_signal(&self.pidfd, signal)?)
    }
}

impl AsFd for Survivor {
    /// Its pidfd, readable once it has exited.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}
