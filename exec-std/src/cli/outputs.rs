//! The two outputs: data goes to the standard one, talk to the one for errors.
//!
//! The rule: whoever waits here for a reader can be ended by a signal. The loop that took them is over by then, and what
//! nobody takes would wait with us for ever.

use std::fmt;
use std::io::{self, Write, stderr, stdout};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::Refusal;
use crate::lines::plain_lines;
use crate::unix::{signals, sys};

/// What an output that is ready has room for, whatever it is.
const ROOM: usize = 512;

/// Has what a file has no room for, because of `ulimit -f`, be an error and no signal. Whom this process starts begins with
/// the defaults.
pub(crate) fn outlive_limits() {
    sys::ignore(libc::SIGXFSZ);
}

/// Says a line, or some, on standard error. If nobody can hear it, that changes nothing.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = write_out(stderr(), &plain_lines(&format!("{line}\n")));
}

/// Prints data on standard output.
pub(crate) fn print(text: &str) -> io::Result<()> {
    write_out(stdout(), text)?;
    stdout().flush()
}

/// Prints the result of a search.
pub(crate) fn print_result(text: &str) -> Result<(), Refusal> {
    is_written(print(text))
}

/// Writes a result, or a part of one, as a line of JSON.
pub(crate) fn json_line(result: &impl Serialize) -> Result<String, Refusal> {
    let line = serde_json::to_string(result);
    line.map(|line| line + "\n").map_err(unwritten)
}

/// Says that a result can't be.
pub(crate) fn unwritten(error: impl ToString) -> Refusal {
    Refusal::new("the result can't be written", 2).because(error)
}

/// Tells whether a result was written. That nobody reads on is no failure.
pub(crate) fn is_written(printed: io::Result<()>) -> Result<(), Refusal> {
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unwritten(error)),
        _ => Ok(()),
    }
}

fn write_out(mut output: impl Write + AsFd, text: &str) -> io::Result<()> {
    text.as_bytes().chunks(ROOM).try_for_each(|some| {
        wait_for_room(&output);
        output.write_all(some)
    })
}

fn wait_for_room(output: &impl AsFd) {
    let mut polled = [PollFd::new(output, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut polled, Some(&now)) == Ok(0) {
        signals::release();
        let _ = poll(&mut polled, None);
    }
}
