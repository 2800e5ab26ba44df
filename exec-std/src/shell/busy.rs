//! Starts of programs that somebody has open for writing: put back, and tried again when their time comes.
//!
//! The rule: the driver waits for none of them, so that however many there are, they hold up nobody else.

use std::io;

use windrow_core::{ActorId, Instant};

use super::reactor::Reactor;
use super::{Shell, now};
use crate::unix::exec::{Attempt, Command, ExecError, Tried};
use crate::unix::process::Process;

/// Starts that were put back.
#[derive(Debug, Default)]
pub(super) struct Busy(Vec<Again>);

#[derive(Debug)]
struct Again {
    id: ActorId,
    attempt: Attempt,
    at: Instant,
}

impl Busy {
    /// Gives the time of the next try.
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.0.iter().map(|again| again.at).min()
    }

    /// Has one tried no more, and tells whether it was to be.
    pub(super) fn forget(&mut self, id: ActorId) -> bool {
        self.0.extract_if(.., |again| again.id == id).count() > 0
    }
}

impl<R: Reactor> Shell<R> {
    /// Starts a program. `None` means that it is put back.
    pub(super) fn attempt(&mut self, id: ActorId, command: Command) -> io::Result<Option<Process>> {
        self.go(id, Attempt::new(command).map_err(by_errno)?)
    }

    /// Tries those again whose time has come.
    pub(super) fn try_again(&mut self, now: Instant) {
        let due: Vec<_> = self.orders.busy.0.extract_if(.., |again| again.at <= now).collect();
        for Again { id, attempt, .. } in due {
            let made = self.go(id, attempt);
            self.tried(id, made);
        }
    }

    fn go(&mut self, id: ActorId, mut attempt: Attempt) -> io::Result<Option<Process>> {
        match attempt.go().map_err(by_errno)? {
            Tried::Runs(process) => Ok(Some(process)),
            Tried::Busy(pause) => {
                self.orders.busy.0.push(Again { id, attempt, at: now().after(pause) });
                Ok(None)
            }
        }
    }
}

fn by_errno(error: ExecError) -> io::Error {
    io::Error::from_raw_os_error(error.errno)
}

#[cfg(test)]
mod tests;
