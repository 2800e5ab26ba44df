//! Where the traces of a tree are kept, and what is wrong with a place where none can be.
//!
//! The rule: the root makes the directory before there is anything of the tree, and says so if it can't. Whoever is below finds
//! it there, by an absolute path: an actor may be somewhere else by then.

use std::borrow::Cow;
use std::fmt;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf, absolute};

use rustix::fs::{Access, access};

use crate::lines::plain;
use crate::program::Program;

/// Names the directory where a program has none itself.
pub(crate) const VARIABLE: &str = "WINDROW_TRACE";

impl Program {
    /// Has every actor of the tree keep a trace in the directory `dir`: what its machine took and said, step by step, to be
    /// replayed and explained when the actor is gone, however it went. Without this, or `WINDROW_TRACE=DIR` in the environment,
    /// nothing is kept.
    ///
    /// The root makes the directory, for its user alone, with those above it. In it are, for each actor, `<id>.trace` and, where that
    /// would grow beyond 8 MiB, `<id>.earlier.trace` with what was before; the id is the actor's, as 16 hexadecimal digits. Older ones are
    /// dropped, so an actor holds no more than 16 MiB. Whoever is killed just when it begins a file leaves it empty, or has only the
    /// earlier one. Nobody clears the directory away.
    ///
    /// A record is written by one `write`, some 40 bytes, before anything of it is done. So an actor that is killed leaves all that it
    /// did; a disk that is slow makes it slow; and one that is full ends the trace, which is told once on standard error, and
    /// nothing else. It has times, ids, pids, signals, errors as numbers, and the names of actors; no arguments, no results and
    /// no text that actors send.
    ///
    /// ```no_run
    /// # fn main() -> std::io::Result<()> {
    /// let program = windrow_std::Program::new().trace("/var/tmp/traces");
    /// program.run(|actor| actor.sleep_forever())?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn trace(mut self, dir: impl AsRef<Path>) -> Self {
        self.kept.traces = Some(from_here(dir.as_ref()));
        self
    }

    /// Has each trace begin anew beyond so many bytes.
    #[doc(hidden)]
    #[must_use]
    pub fn trace_bound(mut self, bytes: u64) -> Self {
        self.kept.bound = Some(bytes);
        self
    }

    /// Tells whether its actors keep traces.
    #[cfg(feature = "cli")]
    pub(crate) fn is_traced(&self) -> bool {
        self.kept.traces.is_some()
    }

    /// Takes from the environment where traces go, if the program does not say so, and makes the directory.
    pub(crate) fn with_traces(&self) -> Result<Cow<'_, Self>, Untraceable> {
        let told = std::env::var_os(VARIABLE).filter(|dir| self.kept.traces.is_none() && !dir.is_empty());
        let program = told.map_or(Cow::Borrowed(self), |dir| Cow::Owned(self.clone().trace(dir)));
        if let Some(dir) = &program.kept.traces {
            make(dir).map_err(|why| Untraceable { dir: dir.clone(), why })?;
        }
        Ok(program)
    }
}

/// Gives a path that means the same wherever a process is later.
pub(crate) fn from_here(dir: &Path) -> PathBuf {
    // Without a directory of its own this process can make none there either, and is told so at the start.
    absolute(dir).unwrap_or_else(|_| dir.to_owned())
}

/// Makes the directory, and sees whether files can be made in it.
pub(crate) fn make(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    Ok(access(dir, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// A directory in which no trace can be kept.
#[derive(Debug)]
pub(crate) struct Untraceable {
    dir: PathBuf,
    pub(crate) why: io::Error,
}

impl Untraceable {
    /// Says where.
    pub(crate) fn place(&self) -> String {
        format!("no trace can be kept in `{}`", plain(&self.dir.to_string_lossy()))
    }

    /// Says what to do instead.
    pub(crate) fn hint(&self) -> &'static str {
        "name a directory that can be made and written in"
    }
}

impl fmt::Display for Untraceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place(), self.why, self.hint())
    }
}

impl std::error::Error for Untraceable {}

impl From<Untraceable> for io::Error {
    fn from(error: Untraceable) -> Self {
        Self::new(error.why.kind(), error)
    }
}
