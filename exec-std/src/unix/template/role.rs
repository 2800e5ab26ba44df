//! What comes back from making a template: which process this is, or why there is none.
//!
//! The rule: nothing of the caller's may be dropped in a newborn that owns a descriptor. It knows only what it was told.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;

use super::Template;
use crate::unix::exec::Told;

/// Which process this is, after a template was made.
#[derive(Debug)]
#[must_use]
#[allow(clippy::exhaustive_enums, reason = "a fork has two ends, and the template itself does not return")]
pub enum Role {
    /// The actor, with its template.
    Actor(Template),
    /// A child that the template has forked, some time later.
    Newborn(Newborn),
}

impl Role {
    /// Forks a template, or, in a process that has a second thread, makes one by [`Template::reexec`], which is told what is not
    /// inherited.
    pub(crate) fn take(preload: Option<fn()>, told: impl FnOnce() -> Told) -> io::Result<Self> {
        match Template::start(preload) {
            Ok(role) => Ok(role),
            Err(StartError::Threads) => {
                let made = Template::reexec_told(told());
                made.map(Self::Actor).map_err(|error| io::Error::from_raw_os_error(error.errno))
            }
            Err(StartError::Io(error)) => Err(error),
        }
    }
}

/// What a forked child knows of itself.
#[derive(Debug)]
#[non_exhaustive]
pub struct Newborn {
    /// The id under which it was asked for.
    pub id: u64,
    /// Its parent, the actor.
    pub parent: i32,
    /// Its channel to the parent.
    pub channel: OwnedFd,
}

/// Why no template was forked.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// This process has a second thread: a template can only be made by [`Template::reexec`].
    Threads,
    /// The system refused.
    Io(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads => out.write_str("a process with a second thread cannot fork its template"),
            Self::Io(error) => write!(out, "cannot fork the template: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Threads => None,
            Self::Io(error) => Some(error),
        }
    }
}

impl<E: Into<io::Error>> From<E> for StartError {
    fn from(error: E) -> Self {
        let error = error.into();
        match Errno::from_io_error(&error) {
            Some(Errno::DEADLK) => Self::Threads,
            _ => Self::Io(error),
        }
    }
}
