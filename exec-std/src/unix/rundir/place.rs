//! The way to a directory, looked at step by step.
//!
//! The rule: nothing is followed and nothing is believed. Each step is opened relative to the step before,
//! and what was opened is then looked at: a directory, root's or ours, in which nobody else can put another in
//! the place of the next. So what is found stays what it is, whoever renames what meanwhile, and a path may
//! be longer than the kernel takes in one piece.
//!
//! It knows nothing of what stands in the directory.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;
use rustix::process::geteuid;

/// The permission bits that let others change a directory.
const WRITABLE: u32 = 0o022;
/// In a directory with this bit only an entry's owner can replace the entry.
const STICKY: u32 = 0o1000;

/// Why a directory cannot be used, and what to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub struct PlaceError {
    /// The step of the path that is at fault.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a place.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// It is relative, or goes up.
    NotPlain,
    /// It is a symbolic link.
    Link,
    /// It is no directory.
    NotDirectory,
    /// It is somebody else's.
    Owner {
        /// Whose.
        uid: u32,
    },
    /// Others can replace what is in it.
    Writable {
        /// Its permissions.
        mode: u32,
    },
    /// It is a run directory that others can look into.
    Open {
        /// Its permissions.
        mode: u32,
    },
    /// There is one of that name.
    Taken,
    /// The tree that it belongs to lives, or somebody is clearing it away.
    Living,
    /// Something is still in it.
    NotEmpty {
        /// One of the names.
        name: String,
    },
    /// It cannot be a name there.
    Name,
    /// The system says so.
    System(Errno),
}

impl PlaceError {
    pub(super) fn new(path: &Path, fault: Fault) -> Self {
        Self { path: path.to_owned(), fault }
    }

    /// Gives a function that says of an errno where it was met.
    pub(super) fn at(path: &Path) -> impl Fn(Errno) -> Self {
        |errno| Self::new(path, Fault::System(errno))
    }
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.fault {
            Fault::NotPlain => {
                write!(f, "{path} is not a plain absolute path: give one that starts with / and has no ..")
            }
            Fault::Link => write!(f, "{path} is a symbolic link: give the directory that it leads to"),
            Fault::NotDirectory => write!(f, "{path} is not a directory: give one that is"),
            Fault::Owner { uid } => write!(
                f,
                "{path} belongs to user {uid}: set XDG_RUNTIME_DIR to a directory of your own, or unset it"
            ),
            Fault::Writable { mode } => write!(
                f,
                "{path} can be changed by others (mode {mode:04o}): take away their write permission, or set the sticky bit"
            ),
            Fault::Open { mode } => {
                write!(f, "{path} is open to others (mode {mode:04o}): it must be 0700")
            }
            Fault::Taken => {
                write!(
                    f,
                    "{path} is there already: choose another name, or clear away what a dead tree has left"
                )
            }
            Fault::Living => write!(f, "{path} is in use: its tree lives, or somebody clears it away"),
            Fault::NotEmpty { name } => write!(f, "{path} is not empty: {name} is still there"),
            Fault::Name => {
                write!(f, "{path}: a name is 1 to 64 of the characters a-z, A-Z, 0-9, - and _")
            }
            Fault::System(errno @ (Errno::ROFS | Errno::NOSPC | Errno::DQUOT | Errno::ACCESS)) => {
                write!(f, "{path}: {errno}: set XDG_RUNTIME_DIR to a directory that can be written")
            }
            Fault::System(errno) => write!(f, "{path}: {errno}"),
        }
    }
}

impl std::error::Error for PlaceError {}

impl From<PlaceError> for io::Error {
    fn from(error: PlaceError) -> Self {
        let kind = match &error.fault {
            Fault::System(errno) => errno.kind(),
            Fault::Taken => io::ErrorKind::AlreadyExists,
            Fault::Living => io::ErrorKind::ResourceBusy,
            Fault::NotEmpty { .. } => io::ErrorKind::DirectoryNotEmpty,
            Fault::NotPlain | Fault::Name => io::ErrorKind::InvalidInput,
            Fault::NotDirectory => io::ErrorKind::NotADirectory,
            Fault::Link | Fault::Owner { .. } | Fault::Writable { .. } | Fault::Open { .. } => {
                io::ErrorKind::PermissionDenied
            }
        };
        Self::new(kind, error)
    }
}

/// Opens the directory that the path names, if nobody but root and us can make it mean another.
pub(crate) fn walk(path: &Path) -> Result<OwnedFd, PlaceError> {
    let mut components = path.components();
    if components.next() != Some(Component::RootDir) {
        return Err(PlaceError::new(path, Fault::NotPlain));
    }
    let mut reached = PathBuf::from("/");
    let mut dir = step(CWD, reached.as_os_str(), &reached, is_safe)?;
    for component in components {
        let Component::Normal(name) = component else { return Err(PlaceError::new(path, Fault::NotPlain)) };
        reached.push(name);
        dir = step(&dir, name, &reached, is_safe)?;
    }
    Ok(dir)
}

/// Opens a directory that is ours alone, so that it can be locked and listed.
pub(super) fn own(base: &OwnedFd, name: &str, path: &Path) -> Result<OwnedFd, PlaceError> {
    readable(&step(base, name.as_ref(), path, is_private)?, path)
}

/// Opens a directory again, to read it.
pub(super) fn readable(dir: &OwnedFd, path: &Path) -> Result<OwnedFd, PlaceError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(dir, c".", flags, Mode::empty()).map_err(PlaceError::at(path))
}

fn step(
    dir: impl AsFd,
    name: &OsStr,
    path: &Path,
    fault: fn(&Stat) -> Option<Fault>,
) -> Result<OwnedFd, PlaceError> {
    // As a mere place in the tree, so that a link is opened itself and a FIFO does not wait.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let at = PlaceError::at(path);
    let found = openat(dir, name, flags, Mode::empty()).map_err(&at)?;
    let stat = fstat(&found).map_err(&at)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {}
        FileType::Symlink => return Err(PlaceError::new(path, Fault::Link)),
        _ => return Err(PlaceError::new(path, Fault::NotDirectory)),
    }
    fault(&stat).map_or(Ok(found), |fault| Err(PlaceError::new(path, fault)))
}

fn is_safe(stat: &Stat) -> Option<Fault> {
    let mode = stat.st_mode & 0o7777;
    if stat.st_uid != 0 && stat.st_uid != geteuid().as_raw() {
        Some(Fault::Owner { uid: stat.st_uid })
    } else if mode & WRITABLE != 0 && mode & STICKY == 0 {
        Some(Fault::Writable { mode })
    } else {
        None
    }
}

fn is_private(stat: &Stat) -> Option<Fault> {
    let mode = stat.st_mode & 0o7777;
    if stat.st_uid != geteuid().as_raw() {
        Some(Fault::Owner { uid: stat.st_uid })
    } else if mode & 0o777 != 0o700 {
        Some(Fault::Open { mode })
    } else {
        None
    }
}
