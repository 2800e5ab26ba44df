//! Starting a program: this one again, or any command.
//!
//! The rule: when [`spawn`] has returned, the program runs or its errno is known, and then nothing is left of
//! the attempt. The child shares our memory until its exec, so all that it needs is made beforehand, and its
//! cost does not grow with our size.
//!
//! The program starts as from a clean shell: default dispositions, nothing blocked, its own process group,
//! and of our descriptors only those it was given. It knows nothing of the handshake on the channel.

use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, getpid, waitid};

use super::process::Process;
use super::sys::{self, Mask};
use crate::broken::{Defect, broken};

/// Tells a program at which descriptor its channel is.
pub const CHANNEL_VARIABLE: &str = "WINDROW_CHANNEL";

/// Tells a re-executed program which actor it is.
pub(crate) const ACTOR_VARIABLE: &str = "WINDROW_ACTOR";

/// Where a program is looked for without a `PATH`, as libc does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The pauses between attempts at a file that somebody has open for writing: such a one was most often just
/// written, and is still open in a child that another thread is making. 6 ms in all.
const BUSY_PAUSES: [Duration; 5] = [
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

    /// Returns the whole environment; what ours says of channels is not for others.
    fn variables(&self) -> Vec<(OsString, OsString)> {
        let ours = [CHANNEL_VARIABLE, ACTOR_VARIABLE, super::template::VARIABLE];
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
/// The errno and the stage; a file open for writing is tried again for some milliseconds.
pub fn spawn(command: Command) -> Result<Process, ExecError> {
    let prepared = Prepared::new(command).map_err(|error| ExecError::preparing(&error))?;
    let mut pauses = BUSY_PAUSES.iter();
    loop {
        match prepared.start() {
            Err(ExecError { errno, .. }) if errno == Errno::TXTBSY.raw_os_error() => match pauses.next() {
                Some(pause) => thread::sleep(*pause),
                None => return Err(ExecError { errno, stage: Stage::Program }),
            },
            done => return done,
        }
    }
}

/// Takes the channel that the process which started this program has left for it, once.
///
/// To be called before there is a second thread, so that the variable can be removed; otherwise it stays,
/// harmless.
pub fn take_channel() -> Option<OwnedFd> {
    let number = std::env::var(CHANNEL_VARIABLE).ok()?;
    sys::forget_variable(CHANNEL_VARIABLE);
    if number == sys::CHANNEL_FD.to_string() { sys::take_channel() } else { None }
}

/// A command in the kernel's terms.
struct Prepared {
    paths: Vec<CString>,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    directory: Option<CString>,
    descriptors: [Option<OwnedFd>; 4],
    tied: bool,
    adopts: bool,
    leads: Leads,
    blocked: Mask,
}

impl Prepared {
    fn new(command: Command) -> io::Result<Self> {
        let variables = command.variables();
        let path = variables.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
        let paths = search(&command.program, path)?;
        let Command { program, args, title, directory, channel, stdio: [stdin, stdout, stderr], .. } =
            command;
        let first = title.unwrap_or(program);
        let arguments = std::iter::once(first).chain(args).map(c_string).collect::<io::Result<_>>()?;
        let assign = |(mut name, value): (OsString, OsString)| {
            name.push("=");
            name.push(value);
            c_string(name)
        };
        let environment = variables.into_iter().map(assign).collect::<io::Result<_>>()?;
        let mut descriptors = [stdin, stdout, stderr, channel];
        for place in &mut descriptors {
            *place = place.take().map(above_channel).transpose()?;
        }
        Ok(Self {
            paths,
            arguments,
            environment,
            directory: directory.map(|path| c_string(path.into_os_string())).transpose()?,
            descriptors,
            tied: command.tied,
            adopts: command.adopts,
            leads: command.leads,
            blocked: command.blocked,
        })
    }

    fn start(&self) -> Result<Process, ExecError> {
        let pointers = |strings: &[CString]| -> Vec<_> {
            strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let (arguments, environment) = (pointers(&self.arguments), pointers(&self.environment));
        let paths: Vec<_> = self.paths.iter().map(CString::as_c_str).collect();
        let born = sys::spawn(&Plan {
            paths: &paths,
            arguments: &arguments,
            environment: &environment,
            directory: self.directory.as_deref(),
            descriptors: self.descriptors.each_ref().map(|fd| fd.as_ref().map(AsFd::as_fd)),
            leads: self.leads,
            parent: self.tied.then(|| getpid().as_raw_pid()),
            adopts: self.adopts,
            blocked: self.blocked,
            kept: if broken(Defect::SigintIgnoredInherited) { Signal::INT.as_raw() } else { 0 },
        });
        let born = born.map_err(|error| ExecError::preparing(&error))?;
        match born.failure {
            None => Ok(Process::new(born.pid, born.pidfd)),
            Some(failure) => {
                // It is past its last instruction: this waits for nothing but the kernel.
                while let Err(Errno::INTR) = waitid(WaitId::PidFd(born.pidfd.as_fd()), WaitIdOptions::EXITED)
                {
                }
                Err(ExecError::in_child(failure))
            }
        }
    }
}

/// Lists the files that the name may mean, in order.
fn search(program: &OsStr, path: Option<&OsStr>) -> io::Result<Vec<CString>> {
    let name = program.as_bytes();
    if name.contains(&b'/') || name.is_empty() {
        return Ok(vec![c_string(program.to_owned())?]);
    }
    let path = path.map_or(DEFAULT_PATH.as_bytes(), OsStr::as_bytes);
    let candidates = path.split(|byte| *byte == b':').map(|directory| {
        // An empty entry is the current directory.
        let directory = if directory.is_empty() { b".".as_slice() } else { directory };
        Ok(CString::new([directory, b"/", name].concat())?)
    });
    candidates.collect()
}

fn c_string(text: OsString) -> io::Result<CString> {
    Ok(CString::new(text.into_vec())?)
}

/// All that a child needs between its birth and its exec, made beforehand: it must not allocate.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The paths to try, in order.
    pub(crate) paths: &'a [&'a CStr],
    /// The arguments, ended by a null.
    pub(crate) arguments: &'a [*const c_char],
    /// The environment, ended by a null.
    pub(crate) environment: &'a [*const c_char],
    /// Where to go first.
    pub(crate) directory: Option<&'a CStr>,
    /// What 0, 1, 2 and [`sys::CHANNEL_FD`] shall be; each source stands above them all.
    pub(crate) descriptors: [Option<BorrowedFd<'a>>; 4],
    /// What to lead.
    pub(crate) leads: Leads,
    /// The parent with whose death it shall get SIGTERM.
    pub(crate) parent: Option<i32>,
    /// Whether to adopt what its children leave.
    pub(crate) adopts: bool,
    /// The signals that stay blocked.
    pub(crate) blocked: Mask,
    /// The signal whose disposition is not reset, if a defect leaves one out.
    pub(crate) kept: i32,
}

/// Where a child was when it failed.
pub(crate) const AT_DESCRIPTORS: i32 = 1;
pub(crate) const AT_DIRECTORY: i32 = 2;
pub(crate) const AT_PARENT: i32 = 3;
pub(crate) const AT_EXEC: i32 = 4;

/// Duplicates a descriptor to a number above all that a child's plan places.
fn above_channel(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > sys::CHANNEL_FD {
        Ok(fd)
    } else {
        Ok(rustix::io::fcntl_dupfd_cloexec(fd.as_fd(), sys::CHANNEL_FD + 1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(program: &str, path: Option<&str>) -> Vec<String> {
        let found = search(program.as_ref(), path.map(OsStr::new)).unwrap();
        found.into_iter().map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn a_name_is_looked_for_like_execvp_does() {
        assert_eq!(names("./ls", Some("/a")), ["./ls"]);
        assert_eq!(names("ls", Some("/a::b")), ["/a/ls", "./ls", "b/ls"]);
        assert_eq!(names("ls", None), ["/bin/ls", "/usr/bin/ls"]);
        assert_eq!(names("", Some("/a")), [""]);
    }

    #[test]
    fn changes_of_the_environment_apply_in_order() {
        let mut command = Command::new("x");
        command.env_clear().env("A", "1").env("B", "2").env_remove("A").env("B", "3");
        assert_eq!(command.variables(), [("B".into(), "3".into())]);
    }
}
