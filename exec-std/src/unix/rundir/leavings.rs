//! What one dead process has left, by its record.
//!
//! The rule: only what is proved ours is removed, and nothing is followed. A process is ours if its pid and
//! its start are those of the record, in the same boot and the same numbering of pids; a socket
//! or a segment if it is the very file that the record tells of. What cannot be proved is shown and left alone, and what a living process has attached stays.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, openat, unlinkat};
use rustix::io::Errno;
use rustix::process::{geteuid, getpid};

use super::place::walk;
use super::record::{File, Inode, Line, World, drafts_of};
use super::told::Told;
use super::{Left, SEGMENTS, What};
use crate::unix::procfs::Stamp;

/// A record and what it tells of.
#[derive(Debug)]
pub(super) struct Leavings {
    name: String,
    told: Told,
    same_world: bool,
    writer_lives: bool,
    /// Shared with others who clear.
    _lock: OwnedFd,
}

impl Leavings {
    /// Opens a record that was found in the directory; `None` if its writer has just ended in order.
    pub(super) fn open(dir: &OwnedFd, name: &str) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(dir, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened?,
        };
        // Its writer has it alone. Who looks here at the same time is not taken for one.
        let writer_lives = match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => true,
            locked => locked.map(|()| false)?,
        };
        let told = Told::read(&file)?;
        let same_world = match &told.origin {
            Some(origin) => origin.world == World::current(dir)?,
            // Its writer was killed before it made anything.
            None => told.living.is_empty(),
        };
        Ok(Some(Self { name: name.to_owned(), told, same_world, writer_lives, _lock: file }))
    }

    /// How many bytes of the record made no sense.
    pub(super) fn lost(&self) -> usize {
        self.told.lost
    }

    /// Says whether a name in the directory is the record or something that it tells of.
    pub(super) fn knows(&self, name: &str) -> bool {
        let is_draft = || drafts_of(&self.name).iter().any(|draft| draft == name);
        name == self.name || is_draft() || self.told.has(File::Socket(name.to_owned()))
    }

    /// Lists what is there of what the record tells of.
    pub(super) fn left(&self, dir: &OwnedFd) -> io::Result<Vec<Left>> {
        let writer = self.told.origin.iter().map(|origin| (origin.pid, origin.start, ""));
        let lines = self.told.living.values();
        let started = lines.clone().filter_map(|line| match line {
            Line::Started { id, pid, start } => Some((*pid, *start, self.name_of(*id))),
            _ => None,
        });
        let mut left = Vec::new();
        for (pid, start, name) in writer.chain(started) {
            left.extend(self.process(Stamp { pid, start }, name)?);
        }
        for line in lines {
            match line {
                Line::Starting { id, name } if !self.has_started(*id) => {
                    left.push(Left {
                        what: What::Unstarted { name: name.clone() },
                        ours: false,
                        used: false,
                    });
                }
                Line::Making { file, inode } => {
                    left.extend(self.file(dir, file, *inode)?.map(|(left, _)| left))
                }
                _ => {}
            }
        }
        Ok(left)
    }

    /// Removes what is proved ours and used by nobody, and then the record; tells what stays.
    pub(super) fn clear(&self, dir: &OwnedFd) -> io::Result<Vec<Left>> {
        if self.same_world && !self.writer_lives {
            for line in self.told.living.values() {
                let Line::Making { file, inode } = line else { continue };
                // The lock on a segment is kept until it has no name any more.
                if let Some((Left { ours: true, used: false, .. }, _locked)) = self.file(dir, file, *inode)? {
                    remove(dir, file)?;
                }
            }
        }
        let mut left = self.left(dir)?;
        left.retain(|left| !matches!(left.what, What::Unstarted { .. }));
        // Whoever clears away after the one that made it is not left itself.
        let own = getpid().as_raw_pid();
        let is_over =
            |left: &Left| matches!(left.what, What::Process { pid, .. } if !left.ours || pid == own);
        if self.same_world && left.iter().all(is_over) {
            for draft in drafts_of(&self.name) {
                unlink(dir, &draft)?;
            }
            unlink(dir, &self.name)?;
        }
        Ok(left)
    }

    fn process(&self, stamp: Stamp, name: &str) -> io::Result<Option<Left>> {
        let Some(found) = Stamp::of(stamp.pid)? else { return Ok(None) };
        let ours = self.same_world && found == stamp;
        if ours && !stamp.is_alive()? {
            return Ok(None);
        }
        let what = What::Process { pid: stamp.pid, start: stamp.start, name: name.to_owned() };
        Ok(Some(Left { what, ours, used: ours }))
    }

    /// Looks at a name, and returns with it what holds the lock of a segment.
    fn file(&self, dir: &OwnedFd, file: &File, inode: Inode) -> io::Result<Option<(Left, Option<OwnedFd>)>> {
        Ok(match file {
            File::Socket(name) => {
                let what = What::Socket { name: name.clone() };
                let found = socket(dir, name, inode)?;
                found
                    .map(|ours| (Left { what, ours: ours && self.same_world, used: self.writer_lives }, None))
            }
            File::Segment(name) => {
                let what = What::Segment { name: name.clone() };
                let found = segment(name, inode)?;
                found.map(|(ours, lock)| {
                    (Left { what, ours: ours && self.same_world, used: lock.is_none() }, lock)
                })
            }
        })
    }

    fn name_of(&self, started: u64) -> &str {
        let mut names = self.told.of_child(started).filter_map(|line| match line {
            Line::Starting { name, .. } => Some(name.as_str()),
            _ => None,
        });
        names.next_back().unwrap_or("")
    }

    fn has_started(&self, starting: u64) -> bool {
        self.told.of_child(starting).any(|line| matches!(line, Line::Started { .. }))
    }
}

/// Clears away what the writers of these records have left, if they are dead; returns what stays.
pub(super) fn clear(dir: &OwnedFd, records: impl IntoIterator<Item = String>) -> io::Result<Vec<Left>> {
    let mut left = Vec::new();
    for name in records {
        let leavings = Leavings::open(dir, &name)?;
        left.extend(leavings.map_or(Ok(Vec::new()), |leavings| leavings.clear(dir))?);
    }
    Ok(left)
}

/// Removes the files of a process that ends, whoever uses them; gives the lines that say what is over.
pub(super) fn over(dir: &OwnedFd, living: Vec<Line>) -> io::Result<Vec<Line>> {
    let mut over = Vec::new();
    for line in living {
        match line {
            Line::Making { file, inode } => {
                remove_own(dir, &file, inode)?;
                over.push(Line::Removed { file });
            }
            Line::Started { id, pid, start } if !(Stamp { pid, start }.is_alive()?) => {
                over.push(Line::Ended { id });
            }
            _ => {}
        }
    }
    Ok(over)
}

/// Says whether the socket of this name is the one meant.
fn socket(dir: &OwnedFd, name: &str, inode: Inode) -> io::Result<Option<bool>> {
    match Inode::at(dir, name) {
        Err(Errno::NOENT) => Ok(None),
        found => Ok(Some(found? == inode)),
    }
}

/// Says whether the segment of this name is the one meant, with the lock on it if nobody has it attached.
fn segment(name: &str, inode: Inode) -> io::Result<Option<(bool, Option<OwnedFd>)>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(&segments()?, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        // Not even ours to open, or a link.
        Err(Errno::ACCESS | Errno::LOOP) => return Ok(Some((false, None))),
        opened => opened?,
    };
    let ours = rustix::fs::fstat(&file)?.st_uid == geteuid().as_raw() && Inode::of(&file)? == inode;
    if !ours {
        return Ok(Some((false, None)));
    }
    let free = match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => false,
        locked => locked.map(|()| true)?,
    };
    Ok(Some((true, free.then_some(file))))
}

/// Opens the directory of the segments.
pub(crate) fn segments() -> io::Result<OwnedFd> {
    Ok(walk(Path::new(SEGMENTS))?)
}

/// Removes a file that is used or not, unless its name means another by now.
pub(super) fn remove_own(dir: &OwnedFd, file: &File, inode: Inode) -> io::Result<()> {
    let ours = match file {
        File::Socket(name) => socket(dir, name, inode)?,
        File::Segment(name) => segment(name, inode)?.map(|(ours, _)| ours),
    };
    if ours == Some(true) { remove(dir, file) } else { Ok(()) }
}

/// Removes a file; one that is gone already is removed.
fn remove(dir: &OwnedFd, file: &File) -> io::Result<()> {
    match file {
        File::Socket(name) => unlink(dir, name),
        File::Segment(name) => unlink(&segments()?, name),
    }
}

fn unlink(dir: &OwnedFd, name: &str) -> io::Result<()> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        removed => Ok(removed?),
    }
}
