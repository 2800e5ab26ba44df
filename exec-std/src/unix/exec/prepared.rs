//! A command in the kernel's terms: made before there is a child, which must not allocate.

use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, getpid, waitid};

use super::{Command, ExecError, Leads};
use crate::broken::{Defect, broken};
use crate::unix::process::Process;
use crate::unix::sys::{self, Mask};

/// Where a program is looked for without a `PATH`, as libc does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A command in the kernel's terms.
#[derive(Debug)]
pub(super) struct Prepared {
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
    pub(super) fn new(command: Command) -> io::Result<Self> {
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

    /// Starts it once, and returns when it runs or nothing is left of it.
    pub(super) fn start(&self) -> Result<Process, ExecError> {
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
}
