//! The signals of a process that has other threads already: taken by handlers, whichever thread they reach.
//!
//! Blocking them here would leave them to the other threads, and to their default action. So each is written to a pipe by the
//! handler that it meets. Some thousands may wait there, and those beyond are dropped: more than anybody counts.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use signal_hook_registry::{SigId, unregister};

use super::Received;
use crate::unix::sys;

/// Signals that wait to be read.
#[derive(Debug)]
pub(super) struct Handled {
    pipe: OwnedFd,
    handlers: Vec<SigId>,
}

impl Handled {
    pub(super) fn install(signals: &[Signal]) -> io::Result<Self> {
        let (pipe, theirs) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let theirs = Arc::new(theirs);
        let mut handled = Self { pipe, handlers: Vec::with_capacity(signals.len()) };
        for signal in signals {
            handled.handlers.push(sys::tell_signal(*signal, Arc::clone(&theirs))?);
        }
        Ok(handled)
    }

    /// Takes one signal that has come.
    pub(super) fn read(&self) -> Option<Received> {
        let mut words = [[0; 4]; 3];
        // What is as short is written, and read, as a whole.
        rustix::io::read(&self.pipe, words.as_flattened_mut()).ok()?;
        let [signal, sender, code] = words.map(i32::from_ne_bytes);
        Some(Received { signal: Signal::from_named_raw(signal)?, sender, code })
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            unregister(handler);
        }
    }
}

impl AsFd for Handled {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}
