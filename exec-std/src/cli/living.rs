//! The traces of a tree that lives, out of its flight recorder.
//!
//! Any process of a tree leads to it: its root has it open; whoever is below has the memory, and the one above it that has the
//! same memory open is the root; and whoever stands outside, such as the outer half of `windrow run`, or a command, has somebody of
//! the tree below or above it.
//!
//! It stops nobody and asks nobody: a tree in which nobody answers is read as any other.

use std::fs::{File, read_dir, read_link, read_to_string};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use windrow_core::trace::Trace;

use super::Refusal;
use super::outputs::say;
use super::traces::counted;
use crate::lines::plain;
use crate::unix::arena::read;
use crate::unix::procfs;

/// How many processes below one are looked at.
const BELOW: usize = 10_000;
/// How many above.
const ABOVE: usize = 100;

/// Reads what is on record of the tree that a process is of.
pub(super) fn recorded(pid: i32) -> Result<read::All, Refusal> {
    let file = find(pid)?;
    let read = read::read(&file).map_err(|error| {
        let refusal = Refusal::new(format!("the flight recorder of process {pid} can't be read"), 2);
        match error.kind() {
            io::ErrorKind::InvalidData => refusal.hint("the build that made it can read it"),
            _ => refusal.because(error),
        }
    })?;
    let outgrown = read.written.iter().filter(|written| written.lives && written.outgrown).count();
    if outgrown > 0 {
        let who = counted(outgrown, "actor");
        say(format_args!(
            "warning: {who} grew too large for the recorder: what is told is what they were then"
        ));
    }
    if read.missed > 0 {
        let who = counted(usize::try_from(read.missed).unwrap_or(usize::MAX), "actor");
        say(format_args!("warning: the recorder had no room for {who}"));
    }
    Ok(read)
}

/// Reads all traces of the tree that a process is of, and tells whether none ends before its actor.
pub(super) fn read(pid: i32) -> Result<(Vec<Trace>, bool), Refusal> {
    let mut traces = Vec::new();
    let mut whole = true;
    for written in recorded(pid)?.written {
        whole &= !written.outgrown;
        for half in written.halves {
            match Trace::read(&half) {
                Ok(trace) => traces.push(trace),
                Err(bad) => {
                    say(format_args!("warning: a trace of process {} is left out: {bad}", written.pid))
                }
            }
        }
    }
    Ok((traces, whole))
}

/// Says what a process is at this moment.
pub(super) fn state(pid: i32) -> &'static str {
    match procfs::stat(pid).ok().flatten().map(|stat| stat.state) {
        Some(b'R') => "has work to do, or is in an endless loop",
        Some(b'S' | b'I') => "sleeps",
        Some(b'D') => "is in the kernel and can't be interrupted",
        Some(b'T') => "is stopped: SIGCONT lets it go on",
        Some(b't') => "is stopped by a debugger",
        Some(b'Z') => "is dead, and not collected",
        Some(_) => "is in no state that has a name",
        None => "is gone",
    }
}

/// Finds the recorder's memory, from any process of the tree.
fn find(pid: i32) -> Result<File, Refusal> {
    if !matches!(procfs::stat(pid), Ok(Some(_))) {
        return Err(Refusal::new(format!("there is no process {pid}"), 2));
    }
    let inode = mapped(pid).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => Refusal::new(format!("process {pid} can't be looked into"), 2)
            .because(error)
            .hint("be its user, or root"),
        _ => Refusal::new(format!("process {pid} can't be looked into"), 2).because(error),
    })?;
    let mut below = Vec::new();
    let _ = procfs::descendants(pid, BELOW, &mut below);
    let below = below.into_iter().map(|stamp| stamp.pid).filter(|_| inode.is_none());
    let above = std::iter::successors(Some(pid), |pid| Some(procfs::stat(*pid).ok()??.ppid)).take(ABOVE);
    let found = [pid].into_iter().chain(below).chain(above).find_map(|pid| open(pid, inode));
    found.ok_or_else(|| {
        let name = procfs::name(pid).unwrap_or_default();
        let error = format!("process {pid} (`{}`) is of no tree with a flight recorder", plain(&name));
        Refusal::new(error, 2).hint(
            "a program of windrow's has one, but for `WINDROW_RECORDER=off`, `Program::without_recorder`, `ulimit -f` and `ulimit -v`",
        )
    })
}

/// Gives which recorder's memory a process has mapped.
fn mapped(pid: i32) -> io::Result<Option<u64>> {
    let maps = read_to_string(format!("/proc/{pid}/maps"))?;
    // Address, access, offset, device, inode, and the rest of the line is the name.
    let inode = |line: &str| {
        let mut words = line.splitn(6, ' ');
        let inode = words.nth(4)?.parse().ok()?;
        read::is_named(words.next()?.trim_start().as_bytes()).then_some(inode)
    };
    Ok(maps.lines().find_map(inode))
}

/// Opens a recorder's memory that a process has open: that with the inode, or any.
fn open(pid: i32, inode: Option<u64>) -> Option<File> {
    let mut links = read_dir(format!("/proc/{pid}/fd")).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    links.find_map(|path: PathBuf| {
        if !read::is_named(read_link(&path).ok()?.as_os_str().as_bytes()) {
            return None;
        }
        let file = File::open(&path).ok()?;
        let is_it = inode.is_none_or(|inode| file.metadata().is_ok_and(|data| data.ino() == inode));
        is_it.then_some(file)
    })
}
