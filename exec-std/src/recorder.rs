//! The flight recorder of a tree: whether there is one, and how an actor that is started by `exec` finds it.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::lines::plain;
use crate::program::Program;
use crate::traces::make;
use crate::unix::arena::Arena;
use crate::unix::exec::{RECORDER_VARIABLE, TRACE_VARIABLE};

/// Says for one run that there is none.
const VARIABLE: &str = "WINDROW_RECORDER";

impl Program {
    /// Has no flight recorder, which is there otherwise, and with `WINDROW_RECORDER=off` in the environment is not.
    ///
    /// It is memory of the whole tree, in which every actor writes down what its machine takes and says, before anything of
    /// it is done, and which the root keeps: what an actor wrote is there when it was killed. `windrow explain PID` says from it
    /// of a tree that hangs who waits for whom and why nobody answers, and `windrow replay PID` runs its machines again.
    ///
    /// Each of up to 1,023 actors that live at once has room for its last 2,000 steps and more, the root for 16 times as many;
    /// actors beyond these, and one that has more children than fit (some 500; the root 8,000), are left out for so long, which is
    /// told. It takes memory as it is written to, up to 256 KiB for an actor, and 260 MiB in all. A child begins when it is ready. Who
    /// can read it is who could trace the root. It has no arguments, no results and no text that actors send.
    ///
    /// There is none either where no file may be so long (`ulimit -f`), and where a process may have only so much memory (`ulimit -v`):
    /// the tree is the same without. Where it is to outlive the root, and for the whole of the past, see [`trace`](Self::trace).
    #[must_use]
    pub fn without_recorder(mut self) -> Self {
        self.unrecorded = true;
        self
    }

    /// Makes the memory, where the program and the environment have nothing against it.
    pub(crate) fn with_recorder(&self) -> Result<Cow<'_, Self>, Unrecorded> {
        if !self.is_recorded()? {
            return Ok(Cow::Borrowed(self));
        }
        let mut program = self.clone();
        program.kept.dumps = self.dumps();
        program.kept.arena = match Arena::new() {
            Err(why) if program.kept.dumps.is_some() => return Err(Unrecorded::NoMemory(why)),
            made => made.ok(),
        };
        Ok(Cow::Owned(program))
    }

    /// Tells whether there is to be one, and makes the directory to which it is written, if it is.
    pub(crate) fn is_recorded(&self) -> Result<bool, Unrecorded> {
        let is_wanted = match std::env::var_os(VARIABLE).unwrap_or_default().to_str() {
            Some("" | "on") => true,
            Some("off") => false,
            word => return Err(Unrecorded::BadWord(word.unwrap_or("?").into())),
        };
        let is_recorded = is_wanted && !self.unrecorded;
        match self.dumps() {
            Some(_) if !is_recorded => return Err(Unrecorded::Unwanted),
            Some(dir) => make(&dir).map_err(|why| Unrecorded::NoPlace(dir, why))?,
            None => {}
        }
        Ok(is_recorded)
    }

    /// Takes over what the parent has told this process, where it was started by `exec`: the places of records.
    pub(crate) fn as_told(&self) -> Cow<'_, Self> {
        let [traces, recorder] = [TRACE_VARIABLE, RECORDER_VARIABLE].map(std::env::var_os);
        if traces.is_none() && recorder.is_none() {
            return Cow::Borrowed(self);
        }
        let mut program = self.clone();
        if let Some(dir) = traces {
            program = program.trace(dir);
        }
        // The root that is no more has nothing to be recorded.
        program.kept.arena = recorder.and_then(|path| Arena::open(Path::new(&path)).ok());
        Cow::Owned(program)
    }
}

/// Why there is no flight recorder of a tree that should have one, or one that can't be written to files.
#[derive(Debug)]
pub(crate) enum Unrecorded {
    /// The environment says of it what is neither of two words.
    BadWord(String),
    /// It is to be written to files, and is not to be there.
    Unwanted,
    /// The same, and there is no room for it.
    NoMemory(io::Error),
    /// The same, and there is no place for the files.
    NoPlace(PathBuf, io::Error),
}

impl Unrecorded {
    /// Says what is wrong.
    pub(crate) fn what(&self) -> String {
        match self {
            Self::BadWord(word) => {
                format!("`{VARIABLE}` in the environment: `{}` is neither `on` nor `off`", plain(word))
            }
            Self::Unwanted | Self::NoMemory(_) => {
                String::from("there is no flight recorder, and it is to be written to files")
            }
            Self::NoPlace(dir, _) => {
                format!("no flight recorder can be written in `{}`", plain(&dir.to_string_lossy()))
            }
        }
    }

    /// Says why, if the system does.
    pub(crate) fn why(&self) -> Option<&io::Error> {
        match self {
            Self::NoMemory(why) | Self::NoPlace(_, why) => Some(why),
            Self::BadWord(_) | Self::Unwanted => None,
        }
    }

    /// Says what to do instead.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::BadWord(_) => "use `off`, or leave it out",
            Self::Unwanted => {
                "leave out `WINDROW_RECORDER=off` and `without_recorder`, or `WINDROW_DUMP` and `dump`"
            }
            Self::NoMemory(_) => "raise `ulimit -v` and `ulimit -f`, or leave out `WINDROW_DUMP` and `dump`",
            Self::NoPlace(..) => "name a directory that can be made and written in",
        }
    }
}

impl fmt::Display for Unrecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what())?;
        self.why().map_or(Ok(()), |why| write!(f, ": {why}"))?;
        write!(f, "; {}", self.hint())
    }
}

impl std::error::Error for Unrecorded {}

impl From<Unrecorded> for io::Error {
    fn from(error: Unrecorded) -> Self {
        Self::new(error.why().map_or(io::ErrorKind::InvalidInput, Self::kind), error)
    }
}
