//! What a flight recorder has, written to files, to be explained and replayed when the tree is gone.
//!
//! The rule: each dump has a directory to itself, for its user alone, and nothing that is there is written over. The files are
//! those of [traces](crate::Program::trace), so whatever reads these reads a dump.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions, remove_dir, remove_file};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use windrow_core::trace::{self, Trace};
use windrow_core::{ActorId, End, Instant};

use crate::ended::Ended;
use crate::program::Program;
use crate::shell::now;
use crate::traces::{from_here, make};
use crate::unix::arena::{Arena, read};

/// Names the directory where a program has none itself.
const VARIABLE: &str = "WINDROW_DUMP";

/// How many dumps of one tree there may be in one directory.
const DUMPS: u32 = 1000;

/// How long the end of a tree waits until one is written.
const PATIENCE: Duration = Duration::from_secs(5);

impl Program {
    /// Has what the [flight recorder](Self::without_recorder) has written to a directory below `dir`: at the end of a tree of
    /// which somebody had to be stopped or killed, or is left, or which a third signal ended; and at SIGUSR1 to the root. So does
    /// `WINDROW_DUMP=DIR` in the environment. Where it is, or why it could not be written, is told on standard error. The directory
    /// is made at the start; the end of the tree waits for a dump for five seconds at the most, for a disk may hang.
    ///
    /// It is called `<id of the root>-<number>`, and has the traces of all actors, as [`trace`](Self::trace) has: `windrow explain`
    /// and `windrow replay` read it, as of the time at which it was written. `windrow dump PID DIR` writes one of a tree that lives.
    #[must_use]
    pub fn dump(mut self, dir: impl AsRef<Path>) -> Self {
        self.kept.dumps = Some(from_here(dir.as_ref()));
        self
    }

    /// Gives where dumps go: as the program says, or else as the environment does.
    pub(crate) fn dumps(&self) -> Option<PathBuf> {
        let told = || std::env::var_os(VARIABLE).filter(|dir| !dir.is_empty());
        self.kept.dumps.clone().or_else(|| Some(from_here(Path::new(&told()?))))
    }

    /// Writes what is on record if the end of the tree was not as it should be. Gives what is to be said of it.
    pub(crate) fn dump_if_due<T>(&self, ended: &Ended<T>, root: ActorId) -> Option<String> {
        let tally = ended.outcome.tally;
        let is_due = tally.escalations > 0 || tally.left > 0 || ended.outcome.end == End::Forced;
        let (arena, dir) = (self.kept.arena.as_ref()?, self.kept.dumps.as_deref()?);
        is_due.then(|| dump_within(arena, dir, root))
    }
}

/// Writes what is on record, on a thread of its own, for a disk may hang; and gives what is to be said of it to `tell`. Without a
/// thread it is not written.
pub(crate) fn dump_aside(
    arena: &Arc<Arena>,
    dir: &Path,
    root: ActorId,
    tell: impl FnOnce(String) + Send + 'static,
) {
    let (arena, dir) = (Arc::clone(arena), dir.to_owned());
    let dump = move || {
        let read = || read::read(&File::open(arena.path())?);
        tell(match read().and_then(|all| below(&all, &dir, root)) {
            Ok(dir) => format!("the flight recorder is kept: windrow explain {}\n", dir.display()),
            Err(error) => format!("the flight recorder can't be kept in {}: {error}\n", dir.display()),
        });
    };
    let _ = std::thread::Builder::new().name(String::from("dump")).spawn(dump);
}

/// The same at an end, which waits for it, but not for ever.
fn dump_within(arena: &Arc<Arena>, dir: &Path, root: ActorId) -> String {
    let (sender, told) = channel();
    dump_aside(arena, dir, root, move |words| drop(sender.send(words)));
    told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        format!("the flight recorder can't be kept in {}: nothing came of it\n", dir.display())
    })
}

/// Writes it to a new directory of the tree's below one that is made if need be.
fn below(all: &read::All, dir: &Path, root: ActorId) -> io::Result<PathBuf> {
    make(dir)?;
    for number in 1..=DUMPS {
        let place = dir.join(format!("{:016x}-{number}", root.0));
        match DirBuilder::new().mode(0o700).create(&place) {
            Ok(()) => {
                return write(all, &place).map(|_| place.clone()).inspect_err(|_| drop(remove_dir(&place)));
            }
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {}
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "there are a thousand of this tree"))
}

/// Writes the traces to a directory, all or none, and gives how many actors have one. What is no trace is left out.
///
/// # Errors
/// The system's; `AlreadyExists` where there are traces of the same actors.
pub(crate) fn write(all: &read::All, dir: &Path) -> io::Result<usize> {
    save_all(traces(all, now()), dir)
}

/// Writes traces to a directory, all or none: each of an actor, told apart from an earlier one of the same. Gives how many actors
/// have one.
///
/// # Errors
/// The system's; `AlreadyExists` where there are traces of the same actors.
pub(crate) fn save_all(
    traces: impl Iterator<Item = (ActorId, bool, Vec<u8>)>,
    dir: &Path,
) -> io::Result<usize> {
    let (mut actors, mut files) = (BTreeSet::new(), Vec::new());
    for (actor, earlier, bytes) in traces {
        let name = format!("{:016x}{}.trace", actor.0, if earlier { ".earlier" } else { "" });
        let path = dir.join(name);
        if let Err(error) = save(&path, &bytes) {
            files.iter().for_each(|file| drop(remove_file(file)));
            return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())));
        }
        files.push(path);
        actors.insert(actor);
    }
    Ok(actors.len())
}

/// Lists what each actor wrote last, and before it what is left of what it wrote earlier, as it is to be written at `now`.
fn traces(all: &read::All, now: Instant) -> impl Iterator<Item = (ActorId, bool, Vec<u8>)> + '_ {
    all.written.iter().flat_map(move |written| {
        let halves =
            written.halves.iter().rev().filter_map(|half| Some((Trace::read(half).ok()?.actor(), half)));
        let halves: Vec<_> = halves.collect();
        let last = halves.first().map(|(actor, _)| *actor);
        // A slot may have been another's before.
        let own = halves.into_iter().filter(move |(actor, _)| Some(*actor) == last);
        own.enumerate().map(move |(index, (actor, half))| {
            let mut bytes = half.clone();
            if index == 0 && written.lives {
                trace::seen(now, &mut bytes);
            }
            (actor, index > 0, bytes)
        })
    })
}

/// Writes a file that nobody else has, all of it or none.
fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes).inspect_err(|_| drop(remove_file(path)))
}
