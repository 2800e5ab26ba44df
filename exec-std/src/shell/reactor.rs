//! The seam between the shell and the loop that waits for it.
//!
//! A loop tells the shell which descriptors are ready, and the shell tells the loop which to watch. That is all that a
//! blocking and an async shell differ in.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use polling::{Event, PollMode, Poller};
use rustix::event::epoll::{self, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

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

/// What a descriptor is watched for. Its end is told of in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "every loop reads it")]
pub struct Interest {
    /// Something to read.
    pub read: bool,
    /// Room to write.
    pub write: bool,
}

impl Interest {
    /// Something to read, and nothing else.
    pub const READ: Self = Self { read: true, write: false };
}

/// What a loop must be able to do for the shell. Interest is level-triggered: what is not taken is reported again.
pub trait Reactor: Send + fmt::Debug + 'static {
    /// Watches a descriptor for input.
    ///
    /// # Errors
    /// The system's.
    fn watch(&mut self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()>;
    /// Changes what a watched descriptor is watched for.
    ///
    /// # Errors
    /// The system's.
    fn rewatch(&mut self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<()>;
    /// Watches a descriptor no more; called before it is closed.
    fn unwatch(&mut self, fd: BorrowedFd<'_>, token: Token);
    /// Tells whether watching one for nothing and for input again costs less than waking a thread. Then a thread that waits
    /// for what comes on a channel may read it itself meanwhile.
    fn lends(&self) -> bool {
        false
    }
    /// Tells whether the loop waits for what was watched before, and must be woken to wait for what is.
    fn is_behind(&self) -> bool {
        false
    }
}

/// Up to how many descriptors are asked for by one `poll`: enough for a leaf of the tree, and for an actor whose children
/// are about to come. More of them are worth what an epoll costs to make.
const FEW: usize = 8;

/// How many descriptors one question to an epoll tells of.
const BATCH: usize = 256;

/// How many one wait gives at the most, so that it ends whatever becomes ready meanwhile.
const READY_MAX: usize = 1 << 15;

/// What tells that writing is worth a try: there is room, or an error to be had.
const WRITABLE: PollFlags = PollFlags::OUT.union(PollFlags::HUP).union(PollFlags::ERR);

/// The blocking loop's reactor: what its shell registers with, while the loop waits elsewhere. Copies of it are one.
#[derive(Clone, Debug, Default)]
pub struct PollingReactor {
    watched: Arc<Mutex<Watched>>,
}

/// What is watched: a few descriptors, or as many as an epoll holds.
#[derive(Debug, Default)]
struct Watched {
    few: Vec<Few>,
    many: Option<Arc<Poller>>,
    /// The loop waits for the few.
    polling: bool,
    /// They are others than when it began to.
    behind: bool,
    /// Room for what one wait asks for.
    asked: Asked,
}

/// A few descriptors while they are waited for, as the kernel takes them.
#[derive(Debug, Default)]
struct Asked {
    tokens: Vec<Token>,
    polled: Vec<PollFd<'static>>,
}

/// One of a few.
#[derive(Clone, Debug)]
struct Few {
    token: Token,
    interest: Interest,
    polled: PollFd<'static>,
}

impl Watched {
    /// Watches more than a few from now on, or those that another thread is to read at times.
    fn become_many(&mut self) -> io::Result<()> {
        let poller = Poller::new()?;
        for one in &self.few {
            sys::poller_add(&poller, one.polled.as_fd(), event(one.token, one.interest))?;
        }
        self.few = Vec::new();
        self.many = Some(Arc::new(poller));
        Ok(())
    }
}

impl PollingReactor {
    /// Waits until something is ready or the time is over, and appends what is ready.
    pub(crate) fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let mut watched = self.watched();
        watched.behind = false;
        if let Some(poller) = &watched.many {
            let poller = Arc::clone(poller);
            drop(watched);
            return wait_for_many(&poller, timeout, ready);
        }
        let mut asked = std::mem::take(&mut watched.asked);
        asked.tokens.extend(watched.few.iter().map(|one| one.token));
        asked.polled.extend(watched.few.iter().map(|one| one.polled.clone()));
        watched.polling = true;
        drop(watched);
        let found = poll(&mut asked.polled, span(timeout).as_ref());
        if found.is_ok() {
            for (token, polled) in asked.tokens.iter().zip(&asked.polled) {
                let found = polled.revents();
                if !found.is_empty() {
                    ready.push(Ready { token: *token, writable: found.intersects(WRITABLE) });
                }
            }
        }
        asked.tokens.clear();
        asked.polled.clear();
        let mut watched = self.watched();
        (watched.polling, watched.asked) = (false, asked);
        match found {
            Err(Errno::INTR) => Ok(()),
            found => Ok(found.map(drop)?),
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        // Nothing that runs under this lock can panic half way.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reactor for PollingReactor {
    fn watch(&mut self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        let mut watched = self.watched();
        watched.behind |= watched.polling;
        if watched.many.is_none() && watched.few.len() == FEW {
            watched.become_many()?;
        }
        match &watched.many {
            Some(poller) => sys::poller_add(poller, fd, event(token, Interest::READ)),
            None => {
                let polled = sys::to_poll(fd, PollFlags::IN);
                watched.few.push(Few { token, interest: Interest::READ, polled });
                Ok(())
            }
        }
    }

    fn rewatch(&mut self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<()> {
        let mut watched = self.watched();
        if watched.many.is_none() && !interest.read {
            watched.behind |= watched.polling;
            watched.become_many()?;
        }
        if let Some(poller) = &watched.many {
            return poller.modify_with_mode(fd, event(token, interest), PollMode::Level);
        }
        watched.behind |= watched.polling;
        let room = if interest.write { PollFlags::OUT } else { PollFlags::empty() };
        let polled = sys::to_poll(fd, PollFlags::IN | room);
        watched.few.retain(|one| one.token != token);
        watched.few.push(Few { token, interest, polled });
        Ok(())
    }

    fn unwatch(&mut self, fd: BorrowedFd<'_>, token: Token) {
        let mut watched = self.watched();
        watched.behind |= watched.polling;
        watched.few.retain(|one| one.token != token);
        if let Some(poller) = &watched.many {
            // A descriptor that is not watched is what was asked for.
            let _ = poller.delete(fd);
        }
    }

    fn lends(&self) -> bool {
        true
    }

    fn is_behind(&self) -> bool {
        self.watched().behind
    }
}

fn wait_for_many(poller: &Poller, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
    let begin = ready.len();
    fill(poller, timeout, ready)?;
    let Some(first) = ready.get(begin).map(|one| one.token) else { return Ok(()) };
    // A full batch may not be all. The kernel goes on where it stopped, and comes round to the first in the end.
    let mut last = begin;
    while ready.len() == last + BATCH && last < READY_MAX {
        last = ready.len();
        fill(poller, Some(Duration::ZERO), ready)?;
        if let Some(again) = ready[last..].iter().position(|one| one.token == first) {
            ready.truncate(last + again);
            break;
        }
    }
    Ok(())
}

/// Asks the poller's epoll itself: the poller would set a timer and arm an event for its waking from elsewhere, four
/// system calls around each wait, and here nobody wakes it.
fn fill(poller: &Poller, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
    let mut space = [const { MaybeUninit::uninit() }; BATCH];
    let events = match epoll::wait(poller, &mut space, span(timeout).as_ref()) {
        Err(Errno::INTR) => return Ok(()),
        found => found?.0,
    };
    for event in events {
        let (data, flags) = (event.data, event.flags);
        let writable = flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR);
        ready.extend(Token::try_from(data.u64()).map(|token| Ready { token, writable }));
    }
    Ok(())
}

fn event(token: Token, interest: Interest) -> Event {
    Event::new(token, interest.read, interest.write)
}

/// Gives a timeout as every kernel takes it. After a day the shell is asked again.
fn span(timeout: Option<Duration>) -> Option<Timespec> {
    timeout.and_then(|timeout| Timespec::try_from(timeout.min(Duration::from_secs(86_400))).ok())
}
