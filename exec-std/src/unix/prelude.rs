//! What a freshly forked child does before anything else.
//!
//! The rule: this order. Descriptors come first, because a copy of somebody's channel hides its end. The
//! group comes before the signal that a dying parent sends, and that before the look whether the parent still
//! is there, so that its death is either seen here or signalled later. Dispositions and the mask come from
//! the template, which has every disposition at its default and every signal blocked: they cost the child
//! nothing, and the signals stay blocked until the shell has its own in place.
//!
//! It is in the measured path of every spawn, so it makes no system call that could be made once in the
//! template. It knows no handshake, and cannot reseed what user code drew from a random source before the
//! fork.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal, getppid, set_child_subreaper, set_parent_process_death_signal, setpgid};

use super::sys;

/// The exit code of a child that could not become itself: what a shell says of a command that it could not
/// start.
const NOT_STARTED: i32 = 126;

/// What a child is told by its template.
#[derive(Debug)]
pub(crate) struct Birth<'a> {
    pub(crate) parent: i32,
    pub(crate) channel: OwnedFd,
    pub(crate) stdio: [Option<OwnedFd>; 3],
    pub(crate) title: &'a CStr,
}

/// Makes this process the child that was asked for, and returns its channel; or ends it.
pub(crate) fn enter(birth: Birth<'_>) -> OwnedFd {
    match become_child(birth) {
        Ok(channel) => channel,
        Err(_) => sys::exit_now(NOT_STARTED),
    }
}

fn become_child(birth: Birth<'_>) -> io::Result<OwnedFd> {
    let channel = sys::keep_only(birth.channel, birth.stdio)?;
    setpgid(None, None)?;
    set_parent_process_death_signal(Some(Signal::TERM))?;
    let parent = getppid();
    if parent.map(Pid::as_raw_pid) != Some(birth.parent) {
        return Err(io::ErrorKind::NotFound.into());
    }
    // It is switched on by any id.
    set_child_subreaper(parent)?;
    if !birth.title.is_empty() {
        rustix::thread::set_name(birth.title)?;
    }
    Ok(channel)
}
