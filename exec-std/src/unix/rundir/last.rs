//! The end of a tree's directory: whoever of a dead tree is there last clears it away.
//!
//! The rule: while the root lives, it holds the directory's lock alone; those who clear away hold it together. So nobody
//! clears in a tree whose root lives, and nobody who clears keeps another from it: whoever begins last finds none but the
//! dead. What another removes meanwhile is removed.
//!
//! It waits for nobody.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, openat, readlinkat, unlinkat};
use rustix::fs::{CWD, fstat};
use rustix::io::Errno;

use super::leavings::clear;
use super::place::{Fault, PlaceError, own, walk};
use super::record::SUFFIX;
use super::{RunDir, errno, names};

impl RunDir {
    /// Gives the directory as a mere place, without its lock: for a guardian, which clears it away ([`clear_place`]) when
    /// its actor and all that it guards are dead.
    pub(crate) fn place(&self) -> Result<OwnedFd, Errno> {
        openat(self.dir(), c".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    }
}

/// Clears away what the dead have left in a directory, and it too, if its root is dead and nothing is left in it.
///
/// # Errors
///
/// [`Fault::Living`] while the root lives, [`Fault::NotEmpty`] while somebody else does; says what the system says.
pub(crate) fn clear_place(place: &OwnedFd) -> Result<(), PlaceError> {
    let link = format!("/proc/self/fd/{}", place.as_raw_fd());
    if is_gone(place).map_err(PlaceError::at(Path::new(&link)))? {
        return Ok(());
    }
    let path = readlinkat(CWD, &*link, Vec::new()).map_err(PlaceError::at(Path::new(&link)))?;
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(PlaceError::new(path, Fault::NotPlain));
    };
    let base = walk(parent)?;
    let dir = own(&base, name, path)?;
    clear_dead(&base, name, &dir, path)
}

/// The same for an open directory, also by its root itself.
pub(super) fn clear_dead(base: &OwnedFd, name: &str, dir: &OwnedFd, path: &Path) -> Result<(), PlaceError> {
    let at = PlaceError::at(path);
    if is_gone(dir).map_err(&at)? {
        return Ok(());
    }
    flock(dir, FlockOperation::NonBlockingLockShared).map_err(|errno| match errno {
        Errno::WOULDBLOCK => PlaceError::new(path, Fault::Living),
        errno => at(errno),
    })?;
    // Also of those whose parents could not clear what somebody had attached then.
    let records = names(dir).map_err(&at)?.into_iter().filter(|name| name.ends_with(SUFFIX));
    clear(dir, records).map_err(|error| at(errno(&error)))?;
    if let Some(name) = names(dir).map_err(&at)?.into_iter().next() {
        return Err(PlaceError::new(path, Fault::NotEmpty { name }));
    }
    match unlinkat(base, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        removed => removed.map_err(at),
    }
}

fn is_gone(dir: &OwnedFd) -> Result<bool, Errno> {
    Ok(fstat(dir)?.st_nlink == 0)
}
