//! The flight recorder of a tree: whether there is one, and how an actor that is started by `exec` finds it.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::Path;

use crate::lines::plain;
use crate::program::Program;
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
    /// Each of up to 1,023 actors that live at once has room for its last 1,500 steps and more, the root for 16 times as many;
    /// actors beyond these, and one that has more children than fit, are left out, which is told. It takes memory as it is written
    /// to, up to 128 KiB for an actor, and 130 MiB in all. A child begins when it is ready. Who can read it is who could trace the
    /// root. It has no arguments, no results and no text that actors send.
    ///
    /// There is none either where no file may be so long (`ulimit -f`) or there is no room for it (`ulimit -v`): the tree is the
    /// same without. Where it is to outlive the root, and for the whole of the past, see [`trace`](Self::trace).
    #[must_use]
    pub fn without_recorder(mut self) -> Self {
        self.unrecorded = true;
        self
    }

    /// Makes the memory, where the program and the environment have nothing against it.
    pub(crate) fn with_recorder(&self) -> io::Result<Cow<'_, Self>> {
        let is_wanted = is_wanted().map_err(|bad| io::Error::new(io::ErrorKind::InvalidInput, bad))?;
        if self.unrecorded || !is_wanted {
            return Ok(Cow::Borrowed(self));
        }
        let mut program = self.clone().with_dumps();
        program.kept.arena = Arena::new().ok();
        Ok(Cow::Owned(program))
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

/// Tells whether the environment has nothing against a recorder.
pub(crate) fn is_wanted() -> Result<bool, BadWord> {
    match std::env::var_os(VARIABLE).unwrap_or_default().to_str() {
        Some("" | "on") => Ok(true),
        Some("off") => Ok(false),
        word => Err(BadWord(word.unwrap_or("?").into())),
    }
}

/// What the environment says of the recorder, and is neither of two words.
#[derive(Debug)]
pub(crate) struct BadWord(String);

impl BadWord {
    /// Says what to do instead.
    pub(crate) fn hint(&self) -> &'static str {
        "use `off`, or leave it out"
    }

    /// Says where what is wrong.
    pub(crate) fn why(&self) -> String {
        format!("`{VARIABLE}` in the environment: `{}` is neither `on` nor `off`", plain(&self.0))
    }
}

impl fmt::Display for BadWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.why(), self.hint())
    }
}

impl std::error::Error for BadWord {}
