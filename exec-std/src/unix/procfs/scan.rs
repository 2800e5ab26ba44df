//! A look at who is below a process: its children, thread by thread, and theirs.
//!
//! The rule: it keeps its buffers, so that one look after another allocates nothing, and knows what the last one has read.

use std::io;

use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};
use rustix::io::Errno;

use super::text::{self, Path, pids, read_whole};
use super::{Stamp, Stat, odd};

/// How often a scan of a process with several threads is repeated until two scans agree.
///
/// When a thread ends, its children move to another thread's list, and may pass from a list not yet read to
/// one already read.
const MAX_PASSES: usize = 4;

/// How a bounded walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[allow(clippy::exhaustive_enums, reason = "a walk has reached its end or its limit")]
pub enum Walk {
    /// Everything was seen.
    Whole,
    /// The limit was reached; there may be more.
    Cut,
}

/// The buffers of scanning, kept so that a scan in steady state allocates nothing.
#[derive(Debug, Default)]
pub struct Scan {
    pub(super) text: Vec<u8>,
    pub(super) found: Vec<i32>,
    pub(super) before: Vec<i32>,
    lists: usize,
}

impl Scan {
    /// The same as [`children`](super::children), into a buffer that is reused.
    ///
    /// # Errors
    ///
    /// The same as [`children`](super::children).
    pub fn children(&mut self) -> io::Result<&[i32]> {
        let mut tasks = self.pass(Of::Myself)?;
        self.lists = tasks;
        for _ in 1..MAX_PASSES {
            if tasks <= 1 {
                break;
            }
            std::mem::swap(&mut self.before, &mut self.found);
            tasks = self.pass(Of::Myself)?;
            self.lists += tasks;
            if self.found == self.before {
                break;
            }
            self.found.append(&mut self.before);
            tidy(&mut self.found);
        }
        Ok(&self.found)
    }

    /// Tells how many lists the last look at the own children has read: one a thread, and again while they change.
    #[must_use]
    pub fn lists(&self) -> usize {
        self.lists
    }

    /// Walks everything below `pid`, parents before their children, and appends at most `limit` to `out`.
    ///
    /// A process that changes its parent during the walk is left out: it is then somebody's own child, and
    /// found there.
    ///
    /// # Errors
    ///
    /// The same as [`children`](super::children).
    pub fn descendants(&mut self, pid: i32, limit: usize, out: &mut Vec<Stamp>) -> io::Result<Walk> {
        let first = out.len();
        let mut seen = vec![pid];
        let (mut parent, mut next) = (pid, first);
        loop {
            self.pass(Of::Pid(parent))?;
            let found = std::mem::take(&mut self.found);
            let whole = self.note(parent, &found, &mut seen, first.saturating_add(limit), out);
            self.found = found;
            if whole? == Walk::Cut {
                return Ok(Walk::Cut);
            }
            let Some(stamp) = out.get(next) else { return Ok(Walk::Whole) };
            (parent, next) = (stamp.pid, next + 1);
        }
    }

    /// Appends the children of all that this process is below of: to one of these an orphan goes for whom nobody below adopts.
    /// Whose children are hidden has none. Gives how many lists it has read.
    ///
    /// # Errors
    ///
    /// The same as [`children`](super::children).
    pub fn children_above(&mut self, out: &mut Vec<i32>) -> io::Result<usize> {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let (mut at, mut lists) = (own, 0);
        while let Some(above) = self.stat(at)?.map(|stat| stat.ppid).filter(|above| *above > 0) {
            match self.pass(Of::Pid(above)) {
                Ok(read) => lists += read,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
                Err(error) => return Err(error),
            }
            out.append(&mut self.found);
            at = above;
        }
        Ok(lists)
    }

    /// The same as the free function [`stat`](super::stat), with a buffer that is reused.
    ///
    /// # Errors
    ///
    /// The same as [`stat`](super::stat).
    pub fn stat(&mut self, pid: i32) -> io::Result<Option<Stat>> {
        match read_whole(Path::of(format_args!("/proc/{pid}/stat")), &mut self.text)? {
            None => Ok(None),
            Some(()) => text::stat(&self.text).map(Some).ok_or_else(|| odd("a stat line makes no sense")),
        }
    }

    /// Appends those of `found` that are still children of `parent` and not yet seen.
    pub(super) fn note(
        &mut self,
        parent: i32,
        found: &[i32],
        seen: &mut Vec<i32>,
        end: usize,
        out: &mut Vec<Stamp>,
    ) -> io::Result<Walk> {
        for &pid in found {
            let Err(place) = seen.binary_search(&pid) else { continue };
            let Some(stat) = self.stat(pid)?.filter(|stat| stat.ppid == parent) else { continue };
            if out.len() >= end {
                return Ok(Walk::Cut);
            }
            seen.insert(place, pid);
            out.push(Stamp { pid, start: stat.start_time });
        }
        Ok(Walk::Whole)
    }

    /// Reads the lists of all threads once, into `found`, and returns how many threads there were.
    fn pass(&mut self, of: Of) -> io::Result<usize> {
        let Self { text, found, .. } = self;
        found.clear();
        let (mut tasks, mut read) = (0_usize, 0_usize);
        each_task(of, |dir, tid| {
            tasks += 1;
            let path = Path::of(format_args!("{tid}/children"));
            if text::read_whole_at(dir, path, text)?.is_some() {
                read += 1;
                pids(text, found).ok_or_else(|| odd("a list of children makes no sense"))?;
            }
            Ok(())
        })?;
        tidy(found);
        if read == 0 && of == Of::Myself {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "this kernel lists no children in /proc"));
        }
        Ok(tasks)
    }
}

/// Whose threads to look at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Myself,
    Pid(i32),
}

/// Calls `each` with the directory of tasks and every thread id in it; a process that is gone has none.
pub(super) fn each_task(
    of: Of,
    mut each: impl FnMut(rustix::fd::BorrowedFd<'_>, i32) -> io::Result<()>,
) -> io::Result<()> {
    use rustix::fd::AsFd;
    let path = match of {
        Of::Myself => Path::of(format_args!("/proc/self/task")),
        Of::Pid(pid) => Path::of(format_args!("/proc/{pid}/task")),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = match openat(CWD, path.as_c_str()?, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::SRCH) if of != Of::Myself => return Ok(()),
        opened => opened?,
    };
    let mut space = [std::mem::MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(dir.as_fd(), &mut space);
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Err(Errno::NOENT | Errno::SRCH) => return Ok(()),
            entry => entry?,
        };
        let tid = entry.file_name().to_str().ok().and_then(|name| name.parse().ok());
        if let Some(tid) = tid {
            each(dir.as_fd(), tid)?;
        }
    }
    Ok(())
}

fn tidy(pids: &mut Vec<i32>) {
    pids.sort_unstable();
    pids.dedup();
}
