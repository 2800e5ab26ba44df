//! The run directory of a tree: where its sockets are, and what is written down of all that could be left.
//!
//! The rule: nothing of a tree exists in the file system, and no child of it runs, but a record in this
//! directory says so, from before it is there until after it is gone. Each process writes a record of its
//! own. So whatever is killed, what it leaves can be found, and proved to be of this tree, by somebody who
//! knows no more than the path: its parent ([`RunDir::clear_after`]), or anybody of the same user once the
//! tree is dead ([`RunDir::open_stale`]).
//!
//! The directory is ours alone (0700), and its root holds a lock on it (`flock`) that the kernel takes away
//! when the root dies. The same lock keeps systemd-tmpfiles from clearing it while the tree lives.
//!
//! It starts, signals and collects nobody, and makes no socket and no segment itself.

use std::ffi::CStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, chmodat, flock, mkdirat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, getpid};
use rustix::rand::{GetRandomFlags, getrandom};

use last::clear_dead;
pub(crate) use last::clear_place;
pub(crate) use leavings::segments;
use leavings::{clear, over, remove_own};
use place::{own, readable, walk};
pub(crate) use record::{File, Inode};
use record::{Line, Record, SUFFIX, name_of};

use super::procfs::Stamp;

mod last;
mod leavings;
mod place;
mod record;
mod stale;
mod told;

pub use place::{Fault, PlaceError};
pub use stale::{Left, Stale, Survivor, What};
#[cfg(test)]
use tests::looks_at;

/// How the name of every run directory begins.
pub const PREFIX: &str = "windrow-";

/// Where segments have their names.
pub(crate) const SEGMENTS: &str = "/dev/shm";

/// The longest name that is given to something in a run directory.
const MAX_NAME: usize = 64;

/// How many unguessable names are tried; one is enough.
const TRIES: usize = 4;

/// The run directory, as a process of the tree has it. Clones are the same.
///
/// When the last of them goes, so does this process's record, if all is over that it tells of; and the
/// directory, if nothing is in it and no other process is its root.
#[derive(Clone, Debug)]
pub struct RunDir(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base: OwnedFd,
    path: PathBuf,
    name: String,
    dir: OwnedFd,
    record: Record,
    /// A forked copy must not take away what is its parent's.
    maker: Pid,
}

impl RunDir {
    /// Returns where run directories go unless the user says otherwise: `$XDG_RUNTIME_DIR`, else `/tmp`.
    #[must_use]
    pub fn default_base() -> PathBuf {
        let given = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        given.filter(|path| path.is_absolute()).unwrap_or_else(|| PathBuf::from("/tmp"))
    }

    /// Makes the run directory of a new tree, of which this process is the root, under a name that nobody can
    /// guess.
    ///
    /// # Errors
    ///
    /// Refuses a base in which others could put another directory in the place of this one; says what the
    /// system says. Nothing is left then.
    pub fn create(base: &Path) -> Result<Self, PlaceError> {
        let mut last = PlaceError::new(base, Fault::Taken);
        for _ in 0..TRIES {
            let mut random = [0_u8; 16];
            getrandom(&mut random, GetRandomFlags::empty()).map_err(PlaceError::at(base))?;
            match Self::create_named(base, &format!("{:032x}", u128::from_ne_bytes(random))) {
                // Somebody who clears away was faster than our lock.
                Err(error) if matches!(error.fault, Fault::Taken | Fault::Living) => last = error,
                made => return made,
            }
        }
        Err(last)
    }

    /// The same under a given name, to which [`PREFIX`] is added.
    ///
    /// # Errors
    ///
    /// The same as [`RunDir::create`], and [`Fault::Taken`] if there is one of that name.
    pub fn create_named(base: &Path, name: &str) -> Result<Self, PlaceError> {
        let path = base.join(format!("{PREFIX}{name}"));
        if checked(name).is_err() {
            return Err(PlaceError::new(&path, Fault::Name));
        }
        let (base, name) = (walk(base)?, format!("{PREFIX}{name}"));
        mkdirat(&base, &name, Mode::RWXU).map_err(|errno| match errno {
            Errno::EXIST => PlaceError::new(&path, Fault::Taken),
            errno => PlaceError::new(&path, Fault::System(errno)),
        })?;
        let made = lock_new(&base, &name, &path).and_then(|dir| Self::with(&base, &name, &path, dir));
        made.map_err(|error| match unlinkat(&base, &name, AtFlags::REMOVEDIR) {
            // Before it had a lock it was cleared away.
            Err(Errno::NOENT) => PlaceError::new(&path, Fault::Living),
            _ => error,
        })
    }

    /// Opens the run directory of a tree of which this process is a member.
    ///
    /// # Errors
    ///
    /// The same as [`RunDir::create`].
    pub fn join(path: &Path) -> Result<Self, PlaceError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            return Err(PlaceError::new(path, Fault::NotPlain));
        };
        let base = walk(parent)?;
        let dir = own(&base, name, path)?;
        Self::with(&base, name, path, dir)
    }

    fn with(base: &OwnedFd, name: &str, path: &Path, dir: OwnedFd) -> Result<Self, PlaceError> {
        let at = PlaceError::at(path);
        let base = base.try_clone().map_err(|error| at(errno(&error)))?;
        let record = Record::create(&dir).map_err(|error| at(errno(&error)))?;
        let (path, name) = (path.to_owned(), name.to_owned());
        Ok(Self(Arc::new(Inner { base, path, name, dir, record, maker: getpid() })))
    }

    /// Opens the run directory of a dead tree, to see what is left of it and to clear it away.
    ///
    /// # Errors
    ///
    /// [`Fault::Living`] while its root lives, and the same as [`RunDir::create`].
    pub fn open_stale(path: &Path) -> Result<Stale, PlaceError> {
        Stale::open(path)
    }

    /// Clears away what dead trees have left in a base, as [`Stale::sweep`] does: to be called at a start, or now and then. Trees
    /// that live, and what is not ours, are left alone. Returns what stays of the dead.
    ///
    /// # Errors
    ///
    /// The same as [`RunDir::list`].
    pub fn sweep(base: &Path) -> Result<Vec<Left>, PlaceError> {
        let dead = Self::list(base)?.into_iter().filter_map(|path| Self::open_stale(&path).ok());
        // What can't be cleared away now stays on record.
        Ok(dead.filter_map(|stale| stale.sweep().ok()).flatten().collect())
    }

    /// Lists the run directories in a base that look like ours; whose they are, and whether their trees live,
    /// [`RunDir::open_stale`] says of each.
    ///
    /// # Errors
    ///
    /// The same as [`RunDir::create`].
    pub fn list(base: &Path) -> Result<Vec<PathBuf>, PlaceError> {
        let names = walk(base).and_then(|dir| names(&readable(&dir, base)?).map_err(PlaceError::at(base)))?;
        Ok(names.into_iter().filter(|name| name.starts_with(PREFIX)).map(|name| base.join(name)).collect())
    }

    /// Returns where it is, for those who are to [`RunDir::join`].
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Writes down that a child is about to be started; call it before.
    ///
    /// # Errors
    ///
    /// Fails if the line cannot be written; the child must not be started then.
    pub fn starting(&self, id: u64, name: &str) -> io::Result<()> {
        self.write(&Line::Starting { id, name: name.to_owned() })
    }

    /// Writes down which process it has become, and returns it; call it at once.
    ///
    /// # Errors
    ///
    /// Fails if the line cannot be written, or the process has been collected.
    pub fn started(&self, id: u64, pid: i32) -> io::Result<Stamp> {
        let stamp = Stamp::of(pid)?.ok_or(Errno::SRCH)?;
        self.write(&Line::Started { id, pid, start: stamp.start })?;
        Ok(stamp)
    }

    /// Writes down that the child was collected, or never came to be; call it after.
    ///
    /// # Errors
    ///
    /// Fails if the line cannot be written; the child then stays on record, which harms nobody.
    pub fn ended(&self, id: u64) -> io::Result<()> {
        self.write(&Line::Ended { id })
    }

    /// Clears away what a member of the tree has left, after it was collected; returns what stays. `start` is that of its
    /// [`Stamp`]; without it, its record is looked for among all that is in the directory.
    ///
    /// # Errors
    ///
    /// Fails if its record cannot be read, or something of it cannot be removed: it is still on record then.
    pub fn clear_after(&self, pid: i32, start: Option<u64>) -> io::Result<Vec<Left>> {
        let dir = &self.0.dir;
        if let Some(start) = start {
            return clear(dir, [name_of(Stamp { pid, start })]);
        }
        let prefix = format!("{pid}-");
        let is_its_own = |name: &String| name.starts_with(&prefix) && name.ends_with(SUFFIX);
        clear(dir, names(dir)?.into_iter().filter(is_its_own))
    }

    /// Removes what this process has made and still has, and takes the dead among its children off its record: for its end,
    /// at which a thread that was given up may have some of it.
    ///
    /// # Errors
    ///
    /// Fails if something cannot be removed: it is still on record then.
    pub fn let_go(&self) -> io::Result<()> {
        for line in over(&self.0.dir, self.0.record.living()?)? {
            self.write(&line)?;
        }
        Ok(())
    }

    /// Removes this process's record and, if this is the root, what the dead have left, and the directory.
    ///
    /// # Errors
    ///
    /// [`Fault::NotEmpty`] if something of the tree is still there, which then stays on record;
    /// [`Fault::Living`] for a member: its part is done.
    pub fn close(&self) -> Result<(), PlaceError> {
        self.0.close()
    }

    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.0.dir.as_fd()
    }

    /// Gives the name for a socket that is being made, to one thread at a time. It belongs to this process's record.
    pub(crate) fn draft(&self) -> (String, MutexGuard<'_, ()>) {
        self.0.record.draft()
    }

    /// Gives the name that a segment of this directory has in `/dev/shm`.
    pub(crate) fn segment_name(&self, name: &str) -> io::Result<String> {
        Ok(format!("{}.{}", self.0.name, checked(name)?))
    }

    /// Writes a name down, then makes it, and removes it when the returned value goes.
    pub(crate) fn make(
        &self,
        file: File,
        inode: Inode,
        make: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<Name> {
        self.write(&Line::Making { file: file.clone(), inode })?;
        if let Err(error) = make() {
            let _ = self.write(&Line::Removed { file });
            return Err(error);
        }
        Ok(Name { dir: self.clone(), file, inode })
    }

    fn write(&self, line: &Line) -> io::Result<()> {
        self.0.record.append(&self.0.dir, line)
    }
}

impl Inner {
    fn close(&self) -> Result<(), PlaceError> {
        self.record.remove(&self.dir).map_err(|error| PlaceError::at(&self.path)(errno(&error)))?;
        clear_dead(&self.base, &self.name, &self.dir, &self.path)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.maker == getpid() {
            // What cannot be removed stays on record.
            let _ = self.close();
        }
    }
}

/// A name in the file system that exists as long as this value.
#[derive(Debug)]
pub(crate) struct Name {
    dir: RunDir,
    file: File,
    inode: Inode,
}

impl Drop for Name {
    fn drop(&mut self) {
        if self.dir.0.maker == getpid() && remove_own(&self.dir.0.dir, &self.file, self.inode).is_ok() {
            // It then stays on record as something that is not there.
            let _ = self.dir.write(&Line::Removed { file: self.file.clone() });
        }
    }
}

/// Takes a name only if it is short and plain.
pub(crate) fn checked(name: &str) -> io::Result<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_plain) {
        Ok(name)
    } else {
        Err(PlaceError::new(Path::new(name), Fault::Name).into())
    }
}

fn lock_new(base: &OwnedFd, name: &str, path: &Path) -> Result<OwnedFd, PlaceError> {
    let at = PlaceError::at(path);
    // A strange umask may have taken away what was asked for.
    chmodat(base, name, Mode::RWXU, AtFlags::empty()).map_err(&at)?;
    let dir = own(base, name, path)?;
    flock(&dir, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
        Errno::WOULDBLOCK => PlaceError::new(path, Fault::Living),
        errno => at(errno),
    })?;
    Ok(dir)
}

fn is_fresh(name: &str) -> bool {
    name.strip_prefix(PREFIX)
        .is_some_and(|name| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Lists a directory.
fn names(dir: &OwnedFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    looks_at(names.len());
    names.sort_unstable();
    Ok(names)
}

/// Tests count how many names or lines are looked at.
#[cfg(not(test))]
fn looks_at(_count: usize) {}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

#[cfg(test)]
pub(crate) mod tests;
