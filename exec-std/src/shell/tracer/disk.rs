//! A trace on disk.
//!
//! The rule: what is written is written by one call. Nothing is synced: what the kernel has been given outlives the process,
//! not the machine.

use std::fs::{File, OpenOptions, rename};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use windrow_core::ActorId;

use super::Medium;

/// The part of the bound that is left to the last record: by default 1 MiB, where the longest of an actor with 2,000 children has
/// less than 100 KiB.
const FREE: usize = 8;

/// The files of one actor.
#[derive(Debug)]
pub(in super::super) struct Disk {
    /// The one that is written; before the first, none.
    pub(super) file: Option<File>,
    path: PathBuf,
    bound: usize,
    pub(super) written: u64,
    /// The longest file that this process may have: a byte beyond it is a signal that kills.
    pub(super) longest: u64,
}

impl Disk {
    /// Has files of so many bytes in a directory.
    pub(in super::super) fn new(dir: &Path, bound: u64, actor: ActorId) -> Self {
        let path = dir.join(format!("{:016x}.trace", actor.0));
        let longest = getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX);
        let bound = usize::try_from(bound.min(longest)).unwrap_or(usize::MAX);
        Self { file: None, path, bound, written: 0, longest }
    }

    fn failed(&self, error: &io::Error) -> io::Error {
        at(&self.path, error)
    }
}

impl Medium for Disk {
    fn begin(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_some() {
            let earlier = self.path.with_extension("earlier.trace");
            rename(&self.path, earlier).map_err(|error| self.failed(&error))?;
        }
        self.file = Some(create(&self.path)?);
        self.written = 0;
        self.append(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let end = self.written.saturating_add(bytes.len() as u64);
        let fits = if end > self.longest { Err(Errno::FBIG.into()) } else { Ok(()) };
        if let Err(error) = fits.and_then(|()| file.write_all(bytes)) {
            // A disk that is full has taken some of it.
            let _ = file.set_len(self.written);
            return Err(self.failed(&error));
        }
        self.written = end;
        Ok(())
    }

    /// A state that takes most of the bound would otherwise be written anew with every record.
    fn full(&self, begun: usize) -> usize {
        (self.bound - self.bound / FREE).max(begun.saturating_mul(2))
    }

    fn lost(&mut self) {}
}

/// Makes a file that nobody else has, and no program inherits.
fn create(path: &Path) -> io::Result<File> {
    let made = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| at(path, &error))
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
