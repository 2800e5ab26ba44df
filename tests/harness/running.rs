//! A program that a case started: what it writes, and how it ends.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use serde_json::Value;
use windrow_std::unix::exec::{self, Command, Leads};
use windrow_std::unix::process::{Exit, Process};
use windrow_std::unix::stdio::null;

use super::{soon, watch};

/// How long an output may stay open after the program's exit.
const HELD: Duration = Duration::from_secs(2);

/// How soon a program that has exited is looked at again.
const AGAIN: Duration = Duration::from_millis(20);

/// A program to start. It has no input, and both outputs are read.
#[derive(Debug)]
pub(crate) struct Launch {
    command: Command,
}

impl Launch {
    pub(super) fn new(program: OsString, args: Vec<OsString>) -> Self {
        let mut command = Command::new(program);
        command.args = args;
        Self { command }
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it an input.
    pub(crate) fn stdin(mut self, stdin: OwnedFd) -> Self {
        self.command.stdio[0] = Some(stdin);
        self
    }

    /// Leaves it in the case's process group: a leader of a group can't lead a session.
    pub(crate) fn in_our_group(mut self) -> Self {
        self.command.leads = Leads::Nothing;
        self
    }

    /// Adds more of a command line.
    pub(crate) fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Starts it, with default signals and a group of its own.
    #[track_caller]
    pub(crate) fn start(mut self) -> Running {
        let (out, theirs) = output();
        self.command.stdio[1] = Some(theirs);
        let (err, theirs) = output();
        self.command.stdio[2] = Some(theirs);
        if self.command.stdio[0].is_none() {
            self.command.stdio[0] = Some(null().expect("/dev/null"));
        }
        let shown = format!("{:?} {:?}", self.command.program, self.command.args);
        let began = Instant::now();
        let process = exec::spawn(self.command).unwrap_or_else(|error| panic!("{shown}: {error}"));
        Running { process, out, err, began, shown }
    }

    /// Starts it and waits for its end.
    #[track_caller]
    pub(crate) fn finish(self) -> Finished {
        self.start().finish()
    }
}

fn output() -> (Output, OwnedFd) {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    fcntl_setfl(&read, fcntl_getfl(&read).expect("flags") | OFlags::NONBLOCK).expect("flags");
    (Output { pipe: Some(read), bytes: Vec::new() }, write)
}

/// What one output has brought.
#[derive(Debug)]
struct Output {
    pipe: Option<OwnedFd>,
    bytes: Vec<u8>,
}

impl Output {
    fn read(&mut self) {
        let mut bytes = [0; 16384];
        while let Some(pipe) = &self.pipe {
            match rustix::io::read(pipe, &mut bytes) {
                Ok(0) => self.pipe = None,
                Ok(read) => self.bytes.extend_from_slice(bytes.get(..read).unwrap_or_default()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(error) => panic!("an output can't be read: {error}"),
            }
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Running {
    process: Process,
    out: Output,
    err: Output,
    began: Instant,
    shown: String,
}

impl Running {
    /// Gives its pid.
    pub(crate) fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Sends it a signal.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal.as_raw()).expect("a program to signal");
    }

    /// Gives what its standard error has brought.
    pub(crate) fn err_text(&self) -> String {
        self.err.text()
    }

    /// Reads until its standard output has this text.
    #[track_caller]
    pub(crate) fn until_out(&mut self, text: &str) {
        self.until(&format!("output `{text}`"), |running| running.out.text().contains(text));
    }

    /// Reads until its standard error has this text.
    #[track_caller]
    pub(crate) fn until_err(&mut self, text: &str) {
        self.until(&format!("output `{text}`"), |running| running.err.text().contains(text));
    }

    /// Waits for the end of a tree that `windrow run` was told of in these words, of which `sleep` has to be interrupted.
    #[track_caller]
    pub(crate) fn finish_tree(self, words: &[&str]) -> Finished {
        if words.contains(&"sleep") { self.interrupt() } else { self.finish() }
    }

    /// Ends a tree whose leaves sleep, once all are up.
    #[track_caller]
    pub(crate) fn interrupt(mut self) -> Finished {
        self.until_err("Ctrl-C");
        self.signal(Signal::INT);
        self.finish()
    }

    /// Reads until `there` is so of it.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut there: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + soon();
        while !there(self) {
            assert!(Instant::now() < end && self.is_open(), "no {what} came from {}", self.story());
            self.turn(end);
        }
    }

    /// Waits for its exit and for the end of its outputs, and collects it.
    #[track_caller]
    pub(crate) fn finish(self) -> Finished {
        self.finish_within(soon())
    }

    /// The same, within a span.
    #[track_caller]
    pub(crate) fn finish_within(mut self, span: Duration) -> Finished {
        let end = Instant::now() + span;
        let exit = loop {
            if let Some(exit) = self.process.collect().expect("a status") {
                break exit;
            }
            assert!(Instant::now() < end, "no end within {span:?}: {}", self.story());
            self.turn(end);
        };
        let took = self.began.elapsed();
        let end = Instant::now() + HELD;
        while self.is_open() && Instant::now() < end {
            self.turn(end);
        }
        let held = self.is_open();
        Finished { exit, out: self.out.text(), err: self.err.text(), took, held, shown: self.shown }
    }

    fn is_open(&self) -> bool {
        self.out.pipe.is_some() || self.err.pipe.is_some()
    }

    /// Waits for something of it, and reads.
    fn turn(&mut self, end: Instant) {
        let exited = matches!(self.process.peek(), Ok(Some(_)));
        let left = end.saturating_duration_since(Instant::now());
        // One that exits just now has nothing to wake us: it is collected at the next look.
        let left = watch::timespec(if exited { left.min(AGAIN) } else { left });
        let pipes = [&self.out, &self.err].into_iter().filter_map(|output| output.pipe.as_ref());
        let mut polled: Vec<_> = pipes.map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
        if !exited {
            polled.push(PollFd::from_borrowed_fd(self.process.as_fd(), PollFlags::IN));
        }
        let _ = poll(&mut polled, Some(&left));
        self.out.read();
        self.err.read();
    }

    fn story(&self) -> String {
        format!(
            "{}\nout: {}\nerr: {}\n{}",
            self.shown,
            self.out.text(),
            self.err.text(),
            super::dump::tree(self.pid())
        )
    }
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
    /// Something still had an output open, long after the exit.
    pub(crate) held: bool,
    shown: String,
}

impl Finished {
    /// Says that it exited with this code.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32) -> &Self {
        assert_eq!(self.exit, Exit::Code(code), "{self}");
        assert!(!self.held, "an output is still open: {self}");
        self
    }

    /// Reads the summary that stands, alone, on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let line = self.out.strip_suffix('\n').filter(|line| !line.contains('\n'));
        let line = line.unwrap_or_else(|| panic!("standard output is not one line: {self}"));
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { exit, out, err, took, shown, .. } = self;
        write!(f, "{shown}\n{exit} after {took:?}\nout: {out}\nerr: {err}")
    }
}
