//! What the kernel says about processes: who is whose child, what state it is in, and whether a pid still
//! means the same one.
//!
//! The rule: a pid alone names nothing. Whatever is remembered longer than one scan is a [`Stamp`], pid and
//! start time, and a process that is gone is an answer (`None`), never an error. What a process wrote about
//! itself (its name) is read as hostile.
//!
//! Nothing here holds a descriptor between two calls, because `/proc/self` kept open across a fork still
//! means the parent. It knows no signals, no pidfds and no waiting: it only looks.

use std::io;

use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};
use rustix::io::Errno;

pub(crate) use text::field;
use text::{Path, pids, read_whole};

mod text;

/// The longest text that is read from one file of `/proc`.
const MAX_TEXT: usize = 4 << 20;

/// How often a scan of a process with several threads is repeated until two scans agree.
///
/// When a thread ends, its children move to another thread's list, and may pass from a list not yet read to
/// one already read.
const MAX_PASSES: usize = 4;

/// Returns the pids of all children of this process, zombies included, in ascending order.
///
/// One that another thread collected meanwhile may still be in the list.
///
/// # Errors
///
/// Fails if `/proc` is not mounted, without descriptors to read it, or with `Unsupported` on a kernel that
/// lists no children.
pub fn children() -> io::Result<Vec<i32>> {
    let mut scan = Scan::default();
    scan.children()?;
    Ok(scan.found)
}

/// Walks everything below `pid`, parents before their children, and appends it to `out`.
///
/// See [`Scan::descendants`].
///
/// # Errors
///
/// The same as [`children`].
pub fn descendants(pid: i32, limit: usize, out: &mut Vec<Stamp>) -> io::Result<Walk> {
    Scan::default().descendants(pid, limit, out)
}

/// Says whether `/proc` tells of the processes that this one can mean by their pids.
///
/// # Errors
///
/// Fails if `/proc` is not mounted, or shows the pids of another namespace.
pub fn check() -> io::Result<()> {
    let own = std::fs::read_link("/proc/self").ok();
    if own.is_some_and(|own| own.as_os_str() == &*rustix::process::getpid().to_string()) {
        return Ok(());
    }
    Err(io::Error::other("/proc is not mounted, or it is that of another pid namespace"))
}

/// Says whether this process has one thread. One that was joined a moment ago may still be counted.
///
/// # Errors
///
/// Fails if `/proc` is not mounted.
pub fn is_single_threaded() -> io::Result<bool> {
    // A directory has two links and one for each directory in it: the count without listing them.
    Ok(rustix::fs::stat("/proc/self/task")?.st_nlink == 3)
}

/// Returns how many threads this process has; only one that has a single thread may fork.
///
/// # Errors
///
/// Fails if `/proc` is not mounted or without a descriptor to read it.
pub fn threads() -> io::Result<usize> {
    let mut count = 0;
    each_task(Of::Myself, |_, _| {
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

/// Returns what `/proc/PID/stat` says about a process, or `None` if there is none.
///
/// # Errors
///
/// Fails if `/proc` cannot be read, and with `InvalidData` if its text makes no sense.
pub fn stat(pid: i32) -> io::Result<Option<Stat>> {
    Scan::default().stat(pid)
}

/// Says whether the process ignores the signal, or `None` if it is gone or cannot be read.
///
/// A blocked signal is not an ignored one.
#[must_use]
pub fn signal_ignored(pid: i32, signal: i32) -> Option<bool> {
    signals_ignored(pid)?.contains(signal)
}

/// Returns the signals that the process ignores, or `None` if it is gone or cannot be read.
#[must_use]
pub fn signals_ignored(pid: i32) -> Option<Ignored> {
    let mut status = Vec::new();
    read_whole(Path::of(format_args!("/proc/{pid}/status")), &mut status).ok()??;
    Some(Ignored(u64::from_str_radix(field(&status, b"\nSigIgn:")?, 16).ok()?))
}

/// The signals that a process ignored when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ignored(u64);

impl Ignored {
    /// What a process ignores whose every other disposition is known to be its default.
    pub(crate) const PIPE: Self = Self(1 << (rustix::process::Signal::PIPE.as_raw() - 1));

    /// Says whether the signal was ignored, or `None` if there is no such signal.
    #[must_use]
    pub fn contains(self, signal: i32) -> Option<bool> {
        let bit = u32::try_from(signal).ok()?.checked_sub(1)?;
        Some(self.0.checked_shr(bit)? & 1 == 1)
    }
}

/// Says whether the process is stopped by a signal, or `None` if it is gone or cannot be read.
#[must_use]
pub fn is_stopped(pid: i32) -> Option<bool> {
    Some(stat(pid).ok()??.is_stopped())
}

/// Returns the name the process gave itself, fit for a report: control characters are replaced.
#[must_use]
pub fn name(pid: i32) -> Option<String> {
    let mut comm = Vec::new();
    read_whole(Path::of(format_args!("/proc/{pid}/comm")), &mut comm).ok()??;
    let comm = comm.strip_suffix(b"\n").unwrap_or(&comm);
    let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    Some(String::from_utf8_lossy(comm).chars().map(shown).collect())
}

/// Says whether the process has this socket open, by its inode. One that is gone, or can't be looked into, has not.
#[must_use]
pub fn has_socket(pid: i32, inode: u64) -> bool {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let socket = format!("socket:[{inode}]");
    entries
        .flatten()
        .any(|entry| std::fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == socket.as_str()))
}

/// A process, told apart from a later one with the same pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The process id.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start: u64,
}

impl Stamp {
    /// Identifies the process that has this pid now, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// The same as [`stat`].
    pub fn of(pid: i32) -> io::Result<Option<Self>> {
        Ok(stat(pid)?.map(|stat| Self { pid, start: stat.start_time }))
    }

    /// Says whether this very process still runs; a zombie does not.
    ///
    /// # Errors
    ///
    /// The same as [`stat`]. An error is not an answer: the process may well be alive.
    pub fn is_alive(&self) -> io::Result<bool> {
        Ok(stat(self.pid)?.is_some_and(|stat| stat.start_time == self.start && !stat.is_zombie()))
    }
}

/// What the kernel says about a process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stat {
    /// The kernel's letter for its condition: `R`, `S`, `D`, `T`, `t`, `Z`, `X`, `I`.
    pub state: u8,
    /// Its parent.
    pub ppid: i32,
    /// Its process group.
    pub pgrp: i32,
    /// Its session.
    pub session: i32,
    /// How many threads it has.
    pub threads: u64,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
}

impl Stat {
    /// Says whether it is stopped by a signal, so that SIGTERM waits for SIGCONT. One held by a tracer is
    /// not.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state == b'T'
    }

    /// Says whether it has exited and is not yet reaped.
    ///
    /// A process whose first thread has ended while others run has the same letter and is no zombie.
    #[must_use]
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }
}

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
    text: Vec<u8>,
    found: Vec<i32>,
    before: Vec<i32>,
}

impl Scan {
    /// The same as [`children`], into a buffer that is reused.
    ///
    /// # Errors
    ///
    /// The same as [`children`].
    pub fn children(&mut self) -> io::Result<&[i32]> {
        let mut tasks = self.pass(Of::Myself)?;
        for _ in 1..MAX_PASSES {
            if tasks <= 1 {
                break;
            }
            std::mem::swap(&mut self.before, &mut self.found);
            tasks = self.pass(Of::Myself)?;
            if self.found == self.before {
                break;
            }
            self.found.append(&mut self.before);
            tidy(&mut self.found);
        }
        Ok(&self.found)
    }

    /// Walks everything below `pid`, parents before their children, and appends at most `limit` to `out`.
    ///
    /// A process that changes its parent during the walk is left out: it is then somebody's own child, and
    /// found there.
    ///
    /// # Errors
    ///
    /// The same as [`children`].
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

    /// The same as the free function [`stat`], with a buffer that is reused.
    ///
    /// # Errors
    ///
    /// The same as [`stat`].
    pub fn stat(&mut self, pid: i32) -> io::Result<Option<Stat>> {
        match read_whole(Path::of(format_args!("/proc/{pid}/stat")), &mut self.text)? {
            None => Ok(None),
            Some(()) => text::stat(&self.text).map(Some).ok_or_else(|| odd("a stat line makes no sense")),
        }
    }

    /// Appends those of `found` that are still children of `parent` and not yet seen.
    fn note(
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
enum Of {
    Myself,
    Pid(i32),
}

/// Calls `each` with the directory of tasks and every thread id in it; a process that is gone has none.
fn each_task(
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

fn odd(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
