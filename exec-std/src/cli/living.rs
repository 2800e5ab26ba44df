//! The traces of a tree that lives, out of its flight recorder.
//!
//! Any process of a tree leads to it: its root has it open; whoever is below has the memory, and the one above it that has the
//! same memory open is the root; and whoever stands outside, such as the outer half of `windrow run`, or a command, has somebody of
//! the tree below or above it.
//!
//! It stops nobody and asks nobody: a tree in which nobody answers is read as any other.

use std::collections::BTreeMap;
use std::fs::{File, read, read_dir, read_link};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use windrow_core::ActorId;
use windrow_core::trace::Trace;

use super::Refusal;
use super::outputs::say;
use super::traces::{counted, few};
use crate::lines::plain;
use crate::unix::{arena, procfs};

/// How many processes below one are looked at.
pub(super) const BELOW: usize = 10_000;
/// How many above.
const ABOVE: usize = 100;

/// Where a tree's recorder is, and what stands in it.
#[derive(Debug)]
pub(super) struct Recorder {
    /// The root's process.
    pub(super) root: i32,
    pub(super) all: arena::read::All,
}

/// What was read of a tree.
#[derive(Debug)]
pub(super) struct Living {
    pub(super) traces: Vec<Trace>,
    /// Whose tree it is, and in which process.
    pub(super) root: Option<(ActorId, i32)>,
    /// None of them ends before its actor.
    pub(super) whole: bool,
}

impl Recorder {
    /// Reads what is on record of the tree that a process is of.
    pub(super) fn of(pid: i32) -> Result<Self, Refusal> {
        let (root, file) = find(pid)?;
        let all = arena::read::read(&file).map_err(|error| {
            let refusal = Refusal::new(format!("the flight recorder of process {pid} can't be read"), 2);
            match error.kind() {
                io::ErrorKind::InvalidData => refusal.hint("the build that made it can read it"),
                _ => refusal.because(error),
            }
        })?;
        if all.written.is_empty() {
            return Err(Refusal::new(format!("of the tree of process {pid} nothing is on record yet"), 2));
        }
        Ok(Self { root, all })
    }

    /// Says what is not there.
    pub(super) fn warn(&self) {
        let lost = self.all.written.iter().filter(|written| written.lives && written.lost).count();
        if lost > 0 {
            let who = counted(lost, "actor");
            say(format_args!(
                "warning: {who} had no room for all records: what they did meanwhile is missing"
            ));
        }
        if self.all.missed > 0 {
            let who = counted(usize::try_from(self.all.missed).unwrap_or(usize::MAX), "actor");
            say(format_args!("warning: the recorder had no room for {who}"));
        }
    }
}

impl Living {
    /// Reads all traces of the tree that a process is of.
    pub(super) fn of(pid: i32) -> Result<Self, Refusal> {
        let recorder = Recorder::of(pid)?;
        recorder.warn();
        let mut living = Self { traces: Vec::new(), root: None, whole: true };
        for written in recorder.all.written {
            living.whole &= !written.outgrown;
            for half in written.halves {
                match Trace::read(&half) {
                    Ok(trace) => {
                        if written.is_root {
                            living.root = Some((trace.actor(), recorder.root));
                        }
                        living.traces.push(trace);
                    }
                    Err(bad) => {
                        say(format_args!("warning: a trace of process {} is left out: {bad}", written.pid));
                    }
                }
            }
        }
        Ok(living)
    }
}

/// Finds the recorder's memory, from any process of the tree, and the root that has it.
pub(super) fn find(pid: i32) -> Result<(i32, File), Refusal> {
    let Some(stat) = procfs::stat(pid).ok().flatten() else {
        return Err(Refusal::new(format!("there is no process {pid}"), 2));
    };
    if stat.is_zombie() {
        return Err(Refusal::new(format!("process {pid} is dead, and not collected"), 2));
    }
    let inodes = mapped(pid).map_err(|error| {
        let refusal = Refusal::new(format!("process {pid} can't be looked into"), 2);
        match error.kind() {
            io::ErrorKind::PermissionDenied => refusal.because(error).hint("be its user, or root"),
            _ => refusal.because(error),
        }
    })?;
    if inodes.is_empty() { from_outside(pid) } else { from_within(pid, &inodes) }
}

/// Finds it from a process that has the memory: above it is the root, if not it itself.
fn from_within(pid: i32, inodes: &[u64]) -> Result<(i32, File), Refusal> {
    let found = above(pid).find_map(|above| Some((above, open(above, inodes)?)));
    found.ok_or_else(|| {
        let error = format!("the root of the tree of process {pid} is gone, or not to be looked into");
        Refusal::new(error, 2).hint("its recorder goes with the root; be the root's user")
    })
}

/// Finds it from one that has nothing of a tree but somebody below or above: of those below, who stands in another's tree does not
/// count.
fn from_outside(pid: i32) -> Result<(i32, File), Refusal> {
    let mut below = Vec::new();
    let _ = procfs::descendants(pid, BELOW, &mut below);
    let mut trees: BTreeMap<i32, File> = BTreeMap::new();
    // Each comes before those below it.
    for root in below.into_iter().map(|stamp| stamp.pid) {
        if let Some(file) = open(root, &[])
            && !above(root).any(|above| trees.contains_key(&above))
        {
            trees.insert(root, file);
        }
    }
    if trees.len() > 1 {
        let roots: Vec<_> = trees.keys().map(i32::to_string).collect();
        let hint = format!("name a process of one; their roots are {}", few(&roots));
        return Err(Refusal::new(format!("below process {pid} are {} trees", trees.len()), 2).hint(hint));
    }
    let from_above = || above(pid).find_map(|above| Some((above, open(above, &[])?)));
    trees.pop_first().or_else(from_above).ok_or_else(|| {
        let name = procfs::name(pid).unwrap_or_default();
        let error = format!("process {pid} (`{}`) is of no tree with a flight recorder", plain(&name));
        Refusal::new(error, 2).hint(
            "a program of windrow's has one, but for `WINDROW_RECORDER=off`, `Program::without_recorder`, `ulimit -v` and `ulimit -f`",
        )
    })
}

/// Lists a process and those above it.
fn above(pid: i32) -> impl Iterator<Item = i32> {
    std::iter::successors(Some(pid), |pid| Some(procfs::stat(*pid).ok()??.ppid)).take(ABOVE)
}

/// Lists which recorders' memory a process has mapped.
fn mapped(pid: i32) -> io::Result<Vec<u64>> {
    let maps = read(format!("/proc/{pid}/maps"))?;
    // Address, access, offset, device, inode, and the rest of the line is the name.
    let inode = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let mut words = line.splitn(6, ' ');
        let inode = words.nth(4)?.parse().ok()?;
        arena::read::is_named(words.next()?.trim_start().as_bytes()).then_some(inode)
    };
    Ok(maps.split(|byte| *byte == b'\n').filter_map(inode).collect())
}

/// Opens a recorder's memory that a process has open: one with these inodes, or any.
fn open(pid: i32, inodes: &[u64]) -> Option<File> {
    let mut links = read_dir(format!("/proc/{pid}/fd")).ok()?;
    links.find_map(|entry| {
        let path = entry.ok()?.path();
        if !arena::read::is_named(read_link(&path).ok()?.as_os_str().as_bytes()) {
            return None;
        }
        let file = File::open(&path).ok()?;
        let is_it = inodes.is_empty() || inodes.contains(&file.metadata().ok()?.ino());
        is_it.then_some(file)
    })
}
