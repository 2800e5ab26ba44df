//! The seam between the shell and the loop that waits for it.
//!
//! A loop tells the shell which descriptors are ready, and the shell tells the loop which to watch. That is all that a
//! blocking and an async shell differ in.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};

use crate::unix::sys;

/// The loop's name for a watched descriptor.
pub type Token = usize;

/// One descriptor that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "every loop builds it")]
pub struct Ready {
    /// Which one.
    pub token: Token,
    /// Whether it can be written; that it can be read, or has ended, is always tried.
    pub writable: bool,
}

/// What a loop must be able to do for the shell. Interest is level-triggered: what is not taken is reported again.
pub trait Reactor: Send + fmt::Debug + 'static {
    /// Watches a descriptor for input, and for room to write if asked to.
    ///
    /// # Errors
    /// The system's.
    fn watch(&mut self, fd: BorrowedFd<'_>, token: Token, write: bool) -> io::Result<()>;
    /// Changes what a watched descriptor is watched for.
    ///
    /// # Errors
    /// The system's.
    fn rewatch(&mut self, fd: BorrowedFd<'_>, token: Token, write: bool) -> io::Result<()>;
    /// Watches a descriptor no more; called before it is closed.
    fn unwatch(&mut self, fd: BorrowedFd<'_>, token: Token);
}

/// How many descriptors one question to the kernel tells of: the buffer is a page, not more, in every process.
const BATCH: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// How many one wait gives at the most, so that it ends whatever becomes ready meanwhile.
const READY_MAX: usize = 1 << 15;

/// The blocking loop's reactor: what its shell registers with, while the loop waits elsewhere.
#[derive(Clone, Debug)]
pub struct PollingReactor {
    poller: Arc<Poller>,
}

/// The blocking loop's way to wait.
#[derive(Debug)]
pub(crate) struct Waiter {
    poller: Arc<Poller>,
    events: Events,
}

impl Waiter {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { poller: Arc::new(Poller::new()?), events: Events::with_capacity(BATCH) })
    }

    pub(crate) fn reactor(&self) -> PollingReactor {
        PollingReactor { poller: Arc::clone(&self.poller) }
    }

    fn fill(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.events.clear();
        match self.poller.wait(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Ok(_) | Err(_) => {}
        }
        ready.extend(self.events.iter().map(|event| Ready { token: event.key, writable: event.writable }));
        Ok(())
    }

    /// Waits until something is ready or the time is over, and appends what is ready.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let begin = ready.len();
        self.fill(timeout, ready)?;
        let Some(first) = ready.get(begin).map(|one| one.token) else { return Ok(()) };
        // A full batch may not be all. The kernel goes on where it stopped, and comes round to the first in the end.
        let mut last = begin;
        while ready.len() == last + BATCH.get() && last < READY_MAX {
            last = ready.len();
            self.fill(Some(Duration::ZERO), ready)?;
            if let Some(again) = ready[last..].iter().position(|one| one.token == first) {
                ready.truncate(last + again);
                break;
            }
        }
        Ok(())
    }
}

impl Reactor for PollingReactor {
    fn watch(&mut self, fd: BorrowedFd<'_>, token: Token, write: bool) -> io::Result<()> {
        sys::poller_add(&self.poller, fd, Event::new(token, true, write), PollMode::Level)
    }

    fn rewatch(&mut self, fd: BorrowedFd<'_>, token: Token, write: bool) -> io::Result<()> {
        self.poller.modify_with_mode(fd, Event::new(token, true, write), PollMode::Level)
    }

    fn unwatch(&mut self, fd: BorrowedFd<'_>, _token: Token) {
        // A descriptor that is not watched is what was asked for.
        let _ = self.poller.delete(fd);
    }
}
