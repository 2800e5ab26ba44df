//! A terminal of its own for a command, as a user's is.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::running::{Launch, Running};
use super::{Bed, Module};

/// The master's side of a terminal.
#[derive(Debug)]
pub(crate) struct Pty {
    master: File,
    slave: OsString,
}

impl Pty {
    /// Makes a terminal.
    pub(crate) fn new() -> Self {
        use std::os::unix::ffi::OsStringExt;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("a terminal");
        grantpt(&master).expect("a terminal");
        unlockpt(&master).expect("a terminal");
        let slave = OsString::from_vec(ptsname(&master, Vec::new()).expect("its name").into_bytes());
        Self { master: master.into(), slave }
    }

    /// Starts a command in a session of its own that has this terminal, in its foreground group. Its standard input is the
    /// terminal; its outputs are read as always.
    #[track_caller]
    pub(crate) fn start(&self, bed: &Bed, command: Vec<OsString>) -> Running {
        let slave: OwnedFd =
            File::options().read(true).write(true).open(&self.slave).expect("the terminal's end").into();
        let mut words = bed.act("on-terminal", &[]).into_iter();
        let program = words.next().expect("this program");
        Launch::new(program, words.chain(command).collect()).in_our_group().stdin(slave).start()
    }

    /// Types at the keyboard: `\x03` is Ctrl-C.
    #[track_caller]
    pub(crate) fn type_in(&self, keys: &str) {
        (&self.master).write_all(keys.as_bytes()).expect("a terminal");
    }

    /// Reads what was echoed and written since the last time, at least one byte.
    pub(crate) fn read(&self) -> String {
        let mut bytes = [0; 4096];
        let read = (&self.master).read(&mut bytes).unwrap_or(0);
        String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()).into_owned()
    }
}

/// The act that takes the terminal.
pub(super) const MODULE: Module = Module { acts: &[("on-terminal", on_terminal)], ..Module::EMPTY };

/// Leads a session with the terminal on standard input, and becomes the command.
fn on_terminal(words: &[String]) -> u8 {
    use std::os::unix::process::CommandExt;
    let [program, args @ ..] = words else { return 125 };
    rustix::process::setsid().expect("a session");
    rustix::process::ioctl_tiocsctty(std::io::stdin()).expect("the terminal");
    let error = std::process::Command::new(program).args(args).exec();
    eprintln!("error: {error}");
    127
}
