//! Starting a program: this one again, or any command.
//!
//! The rule: when [`spawn`] has returned, the program runs or its errno is known, and then nothing is left of
//! the attempt. The child shares our memory until its exec, so all that it needs is made beforehand, and its
//! cost does not grow with our size.
//!
//! The program starts as from a clean shell: default dispositions, nothing blocked, its own process group,
//! and of our descriptors only those it was given. It knows nothing of the handshake on the channel.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::slice;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;

use prepared::Prepared;
pub(crate) use prepared::{AT_DESCRIPTORS, AT_DIRECTORY, AT_EXEC, AT_PARENT, Plan};

use super::process::Process;
use super::sys::{self, Mask};

mod prepared;

/// Tells a program at which descriptor its channel is.
pub const CHANNEL_VARIABLE: &str = "WINDROW_CHANNEL";

/// Tells a re-executed program which actor it is.
pub(crate) const ACTOR_VARIABLE: &str = "WINDROW_ACTOR";

/// What is said where a seat is not taken in `main`.
const MISPLACED: &[u8] =
    b"error: a process that was started as an actor did not take its seat in `main`, but on another thread\n\
      hint: call `Program::take_seat` first in `main`; a test has none unless it says `harness = false`: there actors can be \
      threads, by `Backend::Thread`\n";

/// Tells a re-executed program, or template, where its actors keep their traces.
pub(crate) const TRACE_VARIABLE: &str = "WINDROW_ACTOR_TRACE";

/// Tells a re-executed program, or template, where its tree's flight recorder is.
pub(crate) const RECORDER_VARIABLE: &str = "WINDROW_ACTOR_RECORDER";

/// What a program that is started again is told by its environment, beside who it is.
pub(crate) type Told = Vec<(&'static str, OsString)>;

/// The pauses between attempts at a file that somebody has open for writing: such a one was most often just
/// written, and is still open in a child that another thread is making. 6 ms in all.
pub(crate) const BUSY_PAUSES: [Duration; 5] = [
    Duration::from_micros(200),
    Duration::from_micros(400),
    Duration::from_micros(800),
    Duration::from_micros(1600),
    Duration::from_micros(3200),
];

/// A program to start.
#[derive(Debug)]
#[non_exhaustive]
pub struct Command {
    /// Its file; without a slash it is looked for in `PATH`.
    pub program: OsString,
    /// What follows the first argument.
    pub args: Vec<OsString>,
    /// The first argument, if not the program.
    pub title: Option<OsString>,
    /// The directory to start in.
    pub directory: Option<PathBuf>,
    /// Its end of a channel, put at a descriptor that [`CHANNEL_VARIABLE`] tells.
    pub channel: Option<OwnedFd>,
    /// What 0, 1 and 2 shall be; `None` is what we have.
    pub stdio: [Option<OwnedFd>; 3],
    /// Whether it gets SIGTERM when the calling thread dies: from its first instruction on, before any guardian
    /// can know of it.
    pub tied: bool,
    /// Whether what its children leave becomes its own.
    pub adopts: bool,
    /// What it leads: a process group, unless told.
    pub leads: Leads,
    pub(crate) blocked: Mask,
    environment: Vec<(OsString, Option<OsString>)>,
    clean: bool,
}

impl Command {
    /// Starts from a program without arguments that inherits 0, 1, 2 and the environment.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            title: None,
            directory: None,
            channel: None,
            stdio: [None, None, None],
            tied: false,
            adopts: false,
            leads: Leads::Group,
            blocked: Mask::EMPTY,
            environment: Vec::new(),
            clean: false,
        }
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl Into<OsString>) -> &mut Self {
        self.args.push(arg.into());
        self
    }

    /// Sets a variable.
    pub fn env(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> &mut Self {
        self.environment.push((name.into(), Some(value.into())));
        self
    }

    /// Takes a variable away.
    pub fn env_remove(&mut self, name: impl Into<OsString>) -> &mut Self {
        self.environment.push((name.into(), None));
        self
    }

    /// Takes all inherited variables away.
    pub fn env_clear(&mut self) -> &mut Self {
        self.clean = true;
        self.environment.clear();
        self
    }

    /// Says what of it no program can have, if there is something: the system has a number for that, and no words.
    pub(crate) fn flaw(&self) -> Option<String> {
        let is_flawed = |text: &OsStr| text.as_bytes().contains(&0);
        let variable = |(name, value): &&(OsString, Option<OsString>)| {
            is_flawed(name) || value.as_deref().is_some_and(is_flawed)
        };
        if self.program.is_empty() {
            return Some(String::from("the name of its program is empty"));
        }
        if is_flawed(&self.program) {
            return Some(String::from("a NUL is in the name of its program"));
        }
        if let Some(at) = self.args.iter().position(|arg| is_flawed(arg)) {
            return Some(format!("a NUL is in its argument {}", at + 1));
        }
        let flawed = self.environment.iter().find(variable);
        flawed.map(|(name, _)| format!("a NUL is in its variable `{}`", name.to_string_lossy()))
    }

    /// Returns the whole environment; what ours says of channels is not for others.
    fn variables(&self) -> Vec<(OsString, OsString)> {
        let ours =
            [CHANNEL_VARIABLE, ACTOR_VARIABLE, TRACE_VARIABLE, RECORDER_VARIABLE, super::template::VARIABLE];
        let ours = |name: &OsStr| ours.iter().any(|known| name == *known);
        let mut all: Vec<_> = if self.clean {
            Vec::new()
        } else {
            std::env::vars_os().filter(|(name, _)| !ours(name)).collect()
        };
        for (name, value) in &self.environment {
            all.retain(|(known, _)| known != name);
            all.extend(value.clone().map(|value| (name.clone(), value)));
        }
        if self.channel.is_some() {
            all.push((CHANNEL_VARIABLE.into(), sys::CHANNEL_FD.to_string().into()));
        }
        all
    }
}

/// What a program is set apart as, by a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the kernel knows these three")]
pub enum Leads {
    /// Nothing: it stays in our process group, and so shares our terminal.
    Nothing,
    /// A process group in our session: at our terminal, in the background. If it reads there, the kernel stops it.
    Group,
    /// A session: it has no terminal to ask at, and hears so at once. `/dev/tty` is not there.
    Session,
}

/// At what a program could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Before there was a process: the arguments, memory, the fork.
    Preparing,
    /// Its descriptors.
    Descriptors,
    /// Its directory.
    Directory,
    /// Its parent died.
    Parent,
    /// The program itself.
    Program,
}

/// Why a program was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecError {
    /// What the system says.
    pub errno: i32,
    /// Where.
    pub stage: Stage,
}

impl ExecError {
    pub(crate) fn preparing(error: &io::Error) -> Self {
        Self { errno: error.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error()), stage: Stage::Preparing }
    }

    fn in_child((errno, place): (i32, i32)) -> Self {
        let stage = match place {
            AT_DESCRIPTORS => Stage::Descriptors,
            AT_DIRECTORY => Stage::Directory,
            AT_PARENT => Stage::Parent,
            _ => Stage::Program,
        };
        Self { errno, stage }
    }
}

impl fmt::Display for ExecError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Preparing => "prepare the start of a program",
            Stage::Descriptors => "arrange a program's descriptors",
            Stage::Directory => "enter a program's directory",
            Stage::Parent => "start a program for a parent that is gone",
            Stage::Program => "execute a program",
        };
        write!(out, "cannot {stage}: {}", io::Error::from_raw_os_error(self.errno))
    }
}

impl std::error::Error for ExecError {}

/// Starts a program, and returns when it runs. Unlike `execvp`, a file without a known format is an error and
/// not a script.
///
/// With [`Command::tied`] it is to be called on the main thread: the program is signalled when the calling
/// thread dies.
///
/// # Errors
///
/// The errno and the stage; a file open for writing is tried again for some milliseconds, which this waits.
pub fn spawn(command: Command) -> Result<Process, ExecError> {
    let mut attempt = Attempt::new(command)?;
    loop {
        match attempt.go()? {
            Tried::Runs(process) => return Ok(process),
            Tried::Busy(pause) => thread::sleep(pause),
        }
    }
}

/// A start, for whoever has no time to wait while its file is open for writing.
#[derive(Debug)]
pub(crate) struct Attempt {
    prepared: Prepared,
    pauses: slice::Iter<'static, Duration>,
}

/// What a try came to.
#[derive(Debug)]
pub(crate) enum Tried {
    Runs(Process),
    /// It is to be tried again after this time.
    Busy(Duration),
}

impl Attempt {
    pub(crate) fn new(command: Command) -> Result<Self, ExecError> {
        let prepared = Prepared::new(command).map_err(|error| ExecError::preparing(&error))?;
        Ok(Self { prepared, pauses: BUSY_PAUSES.iter() })
    }

    /// Tries it once. An error is the last word.
    pub(crate) fn go(&mut self) -> Result<Tried, ExecError> {
        match self.prepared.start() {
            Err(error) if error.errno == Errno::TXTBSY.raw_os_error() => {
                self.pauses.next().map(|pause| Tried::Busy(*pause)).ok_or(error)
            }
            started => started.map(Tried::Runs),
        }
    }
}

/// Takes the channel that the process which started this program has left for it, once.
///
/// To be called before there is a second thread, so that the variable can be removed; otherwise it stays,
/// harmless. By another thread than the first it is not taken, but the process ends with words: which of a program's places is meant
/// nobody knows there, and other threads may do as if there were none, and start this program anew in their turn.
pub fn take_channel() -> Option<OwnedFd> {
    let number = std::env::var(CHANNEL_VARIABLE).ok()?;
    sys::forget_variable(CHANNEL_VARIABLE);
    let channel = if number == sys::CHANNEL_FD.to_string() { sys::take_channel() } else { None };
    if channel.is_some() && rustix::thread::gettid() != rustix::process::getpid() {
        let _ = io::stderr().write_all(MISPLACED);
        std::process::exit(1);
    }
    channel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_the_environment_apply_in_order() {
        let mut command = Command::new("x");
        command.env_clear().env("A", "1").env("B", "2").env_remove("A").env("B", "3");
        assert_eq!(command.variables(), [("B".into(), "3".into())]);
    }
}
