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

pub use scan::{Scan, Walk};
pub(crate) use text::field;

use scan::{Of, each_task};
use text::{Path, read_whole};

mod scan;
mod text;

/// The longest text that is read from one file of `/proc`.
const MAX_TEXT: usize = 4 << 20;

/// Returns the pids of all children of this process, zombies included, in ascending order.
///
/// One that another thread collected meanwhile may still be in the list.
///
/// # Errors
///
/// Fails if `/proc` is not mounted, without descriptors to read it, or with `Unsupported` on a kernel that
/// lists no children.
pub fn children() -> io::Result<Vec<i32>> {
    Scan::default().children().map(<[i32]>::to_vec)
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
    let is_there = std::fs::exists("/proc/version").unwrap_or(false);
    Err(if is_there {
        io::Error::other("/proc is that of another pid namespace")
    } else {
        io::Error::new(io::ErrorKind::NotFound, "/proc is not mounted")
    })
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

/// Returns the real user of the process, or `None` if it is gone or cannot be read.
#[must_use]
pub fn user(pid: i32) -> Option<u32> {
    let mut status = Vec::new();
    read_whole(Path::of(format_args!("/proc/{pid}/status")), &mut status).ok()??;
    field(&status, b"\nUid:")?.split_ascii_whitespace().next()?.parse().ok()
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

fn odd(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
