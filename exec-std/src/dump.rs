//! What a flight recorder has, written to files, to be explained and replayed when the tree is gone.
//!
//! The rule: each dump has a directory to itself, for its user alone, and nothing that is there is written over. The files are
//! those of [traces](crate::Program::trace), so whatever reads these reads a dump.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf, absolute};

use windrow_core::ActorId;
use windrow_core::trace::Trace;

use crate::ended::Ended;
use crate::program::Program;
use crate::unix::arena::{Arena, read};

/// Names the directory where a program has none itself.
const VARIABLE: &str = "WINDROW_DUMP";

/// How many dumps of one tree there may be in one directory.
const DUMPS: u32 = 1000;

impl Program {
    /// Has what the [flight recorder](Self::without_recorder) has written to a directory below `dir`: at the end of a tree of
    /// which somebody had to be stopped or killed, or is left, or which a third signal ended; and at SIGUSR1. So does `WINDROW_DUMP=DIR`
    /// in the environment. Where it is, or why it could not be written, is told on standard error.
    ///
    /// It is called `<id of the root>-<number>`, and has the traces of all actors, as [`trace`](Self::trace) has: `windrow explain`
    /// and `windrow replay` read it. `windrow dump PID DIR` writes one of a tree that lives.
    #[must_use]
    pub fn dump(mut self, dir: impl AsRef<Path>) -> Self {
        let dir = dir.as_ref();
        self.kept.dumps = Some(absolute(dir).unwrap_or_else(|_| dir.to_owned()));
        self
    }

    /// Takes from the environment where dumps go, if the program does not say so.
    pub(crate) fn with_dumps(self) -> Self {
        match std::env::var_os(VARIABLE).filter(|dir| self.kept.dumps.is_none() && !dir.is_empty()) {
            Some(dir) => self.dump(dir),
            None => self,
        }
    }

    /// Writes what is on record if the end of the tree was not as it should be. Gives what is to be said of it.
    pub(crate) fn dump_if_due<T>(&self, ended: &Ended<T>, root: ActorId) -> Option<String> {
        let tally = ended.outcome.tally;
        let is_due =
            tally.escalations > 0 || tally.left > 0 || ended.outcome.end == windrow_core::End::Forced;
        let (arena, dir) = (self.kept.arena.as_deref()?, self.kept.dumps.as_deref()?);
        is_due.then(|| dump_told(arena, dir, root))
    }
}

/// Writes what is on record, and gives what is to be said of it.
pub(crate) fn dump_told(arena: &Arena, dir: &Path, root: ActorId) -> String {
    let dumped =
        File::open(arena.path()).and_then(|file| read::read(&file)).and_then(|all| below(all, dir, root));
    match dumped {
        Ok(dir) => format!("the flight recorder is kept: windrow explain {}\n", dir.display()),
        Err(error) => format!("the flight recorder can't be kept in {}: {error}\n", dir.display()),
    }
}

/// Writes it to a new directory of the tree's below one that is made if need be.
fn below(all: read::All, dir: &Path, root: ActorId) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    for number in 1..=DUMPS {
        let place = dir.join(format!("{:016x}-{number}", root.0));
        match DirBuilder::new().mode(0o700).create(&place) {
            Ok(()) => return write(all, &place).map(|_| place),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {}
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "there are a thousand of this tree"))
}

/// Writes the traces to a directory, and gives how many actors have one. What is no trace is left out.
///
/// # Errors
/// The system's; `AlreadyExists` where there are traces of the same actors.
pub(crate) fn write(all: read::All, dir: &Path) -> io::Result<usize> {
    let mut actors = 0;
    for written in all.written {
        let mut traces =
            written.halves.iter().rev().filter_map(|half| Some((half, Trace::read(half).ok()?.actor())));
        let Some((last, actor)) = traces.next() else { continue };
        let name = format!("{:016x}", actor.0);
        save(&dir.join(format!("{name}.trace")), last)?;
        // A slot may have been another's before.
        if let Some((earlier, _)) = traces.next().filter(|(_, earlier)| *earlier == actor) {
            save(&dir.join(format!("{name}.earlier.trace")), earlier)?;
        }
        actors += 1;
    }
    Ok(actors)
}

fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}
