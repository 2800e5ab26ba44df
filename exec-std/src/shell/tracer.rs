//! A trace on disk: all that the machine of one actor takes and says, for whoever asks later what it did, and why.
//!
//! The rule: a record is written whole, by one call, before anything of it is done; so whoever is killed leaves all that it did.
//! Nothing is synced: what the kernel has been given outlives the process, not the machine.
//!
//! It reads nothing back, and what fails here is no more than the end of the trace.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, rename};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use windrow_core::{Input, Machine, NameId, Output, Record, trace};

use super::intern::Names;

/// How many bytes of the past an actor keeps for certain, unless its program says otherwise; it holds no more than twice as many.
/// A record takes some 40, so these are the last two hundred thousand.
pub(crate) const BOUND: u64 = 8 << 20;

/// The part of the bound that is left to the last record: by default 1 MiB, where the longest of an actor with 2,000 children
/// has less than 100 KiB.
const FREE: u64 = 8;

/// How much of the buffer is kept for the next record.
const KEPT: usize = 1 << 16;

/// The trace of one actor, as it grows.
#[derive(Debug)]
pub(super) struct Tracer {
    file: File,
    path: PathBuf,
    /// What is to be written, used again.
    bytes: Vec<u8>,
    written: u64,
    /// A new file begins behind so many bytes.
    full: u64,
    bound: u64,
    /// The longest file that this process may have: a byte beyond it is a signal that kills.
    longest: u64,
}

impl Tracer {
    /// Begins the trace of a machine that was given nothing yet.
    pub(super) fn begin(dir: &Path, bound: u64, machine: &Machine) -> io::Result<Self> {
        let path = dir.join(format!("{:016x}.trace", machine.actor().0));
        let longest = getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX);
        let (file, bytes, bound) = (create(&path)?, Vec::new(), bound.min(longest));
        let mut tracer = Self { file, path, bytes, written: 0, full: 0, bound, longest };
        tracer.open(machine, &[], &Names::default())?;
        Ok(tracer)
    }

    /// Writes a record down. What it says is not done yet, and all of it is polled.
    ///
    /// # Errors
    /// The system's, with the path. What was written stands as far as it is whole, and no more is to be.
    pub(super) fn keep(&mut self, record: &Record, machine: &Machine, names: &Names) -> io::Result<()> {
        for id in spawned(record) {
            trace::name(id, names.name(id), &mut self.bytes);
        }
        trace::record(record, &mut self.bytes);
        self.write()?;
        if self.written <= self.full {
            return Ok(());
        }
        self.renew(record, machine, names)
    }

    /// Sets the file aside, in the place of an earlier one, and goes on in a new one.
    fn renew(&mut self, record: &Record, machine: &Machine, names: &Names) -> io::Result<()> {
        rename(&self.path, self.path.with_extension("earlier.trace")).map_err(|error| self.failed(&error))?;
        self.file = create(&self.path)?;
        self.written = 0;
        // Whom this record spawns is not counted among the living yet.
        let living: BTreeSet<_> = names.actors.children(machine.actor()).chain(spawned(record)).collect();
        self.open(machine, &Vec::from_iter(living), names)
    }

    /// Writes how a file begins: with the machine as it is now, and the names of those that it may speak of.
    fn open(&mut self, machine: &Machine, living: &[NameId], names: &Names) -> io::Result<()> {
        trace::begin(machine, &mut self.bytes);
        for id in living {
            trace::name(*id, names.name(*id), &mut self.bytes);
        }
        self.write()?;
        self.bytes.shrink_to(KEPT);
        // A state that takes most of the bound would otherwise be written anew with every record.
        self.full = (self.bound - self.bound / FREE).max(self.written.saturating_mul(2));
        Ok(())
    }

    /// Writes what is in the buffer, all of it or nothing.
    fn write(&mut self) -> io::Result<()> {
        let end = self.written.saturating_add(self.bytes.len() as u64);
        let fits = if end > self.longest { Err(Errno::FBIG.into()) } else { Ok(()) };
        if let Err(error) = fits.and_then(|()| self.file.write_all(&self.bytes)) {
            // A disk that is full has taken some of it.
            let _ = self.file.set_len(self.written);
            return Err(self.failed(&error));
        }
        self.written = end;
        self.bytes.clear();
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> io::Error {
        at(&self.path, error)
    }
}

/// Makes a file that nobody else has, and no program inherits.
fn create(path: &Path) -> io::Result<File> {
    let made = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| at(path, &error))
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Lists the names that a record is the first to speak of: of whom it orders, and of those whose turn comes with it.
fn spawned(record: &Record) -> impl Iterator<Item = NameId> + '_ {
    let ordered = match record.input {
        Input::Spawn { spec, .. } => Some(spec.name),
        _ => None,
    };
    let turns = record.outputs.iter().filter_map(|output| match output {
        Output::Spawn { spec, .. } => Some(spec.name),
        _ => None,
    });
    ordered.into_iter().chain(turns.filter(move |name| Some(*name) != ordered))
}

#[cfg(test)]
mod tests;
