//! Letters between the shells of one process: the main actor's, and those of the actors that are its threads.
//!
//! The rule: a box is locked for as long as a letter takes to go in or out, and nothing else is locked meanwhile; so no shell
//! ever waits for another. Whoever puts a letter in wakes the driver it is for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use windrow_core::{ActorId, Exit, Signal};

use super::aloud::{say, stuck};
use super::wards::Making;
use crate::unix::process::Process;
use crate::unix::waker::Waker;

/// What shells say to each other.
#[derive(Debug)]
pub(crate) enum Letter {
    /// To a thread, from its parent: a signal of the ladder, which no kernel could send to it alone.
    Signalled(Signal),
    /// To a thread: its parent was given up, and will never say so itself.
    Orphaned,
    /// To the parent: the last thread of this actor has ended.
    Ended(ActorId, Exit),
    /// To the main actor, who alone makes processes: make one.
    Make(Box<Making>, Arc<Mail>),
    /// To the thread: this is what became of it.
    Made(ActorId, Result<Process, i32>),
    /// To the main actor: make it no more.
    Recalled(ActorId),
    /// To the main actor: whoever is to make it does not answer.
    Unanswered(ActorId),
    /// To the main actor: this one is collected.
    Collected(ActorId),
    /// To the main actor: this thread was given up, and what was made for it is an orphan.
    Leaked(Arc<Mail>),
}

/// The letter box of one shell, and the way to wake its driver.
#[derive(Debug)]
pub(crate) struct Mail {
    letters: Mutex<Vec<Letter>>,
    /// The boxes of the threads below.
    below: Mutex<Vec<Weak<Self>>>,
    waker: Waker,
    /// Its shell does nothing any more.
    closed: AtomicBool,
}

impl Mail {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let waker = Waker::new()?;
        Ok(Arc::new(Self { letters: Mutex::default(), below: Mutex::default(), waker, closed: false.into() }))
    }

    /// Makes the box of a thread below.
    pub(crate) fn for_child(&self) -> io::Result<Arc<Self>> {
        let mail = Self::new()?;
        let mut below = lock(&self.below);
        below.retain(|mail| mail.strong_count() > 0);
        below.push(Arc::downgrade(&mail));
        Ok(mail)
    }

    pub(crate) fn post(&self, letter: Letter) {
        lock(&self.letters).push(letter);
        self.wake();
    }

    /// Says to all threads below that their parent was given up.
    pub(crate) fn orphan_below(&self) {
        let below: Vec<_> = lock(&self.below).iter().filter_map(Weak::upgrade).collect();
        below.iter().for_each(|mail| mail.post(Letter::Orphaned));
    }

    pub(crate) fn take(&self) -> Vec<Letter> {
        std::mem::take(&mut lock(&self.letters))
    }

    /// Says that whose box it is does nothing any more: collects nobody, either.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    pub(crate) fn clear(&self) -> io::Result<()> {
        self.waker.clear().map(drop)
    }
}

impl AsFd for Mail {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }
}

/// Nothing that runs under these locks can panic half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What every thread of an actor holds while it lives; when the last lets go, the parent hears that the actor has ended.
#[derive(Debug)]
pub(crate) struct Alive {
    parent: Arc<Mail>,
    actor: ActorId,
    code: AtomicI32,
}

/// The driver has not said how it ended.
const UNSAID: i32 = -1;

impl Alive {
    pub(crate) fn new(parent: Arc<Mail>, actor: ActorId) -> Arc<Self> {
        Arc::new(Self { parent, actor, code: AtomicI32::new(UNSAID) })
    }

    /// Says how the driver ended, like an exit status.
    pub(crate) fn ends(&self, code: i32) {
        self.code.store(code, Ordering::Relaxed);
    }

    /// Says that the driver can't go on: the actor ends like a process that exits with 1.
    pub(crate) fn fails(&self, name: &str, error: &io::Error) {
        say(stuck(name, self.actor, error));
        self.ends(1);
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let exit = match *self.code.get_mut() {
            UNSAID => Exit::Unknown,
            code => Exit::Code(code),
        };
        self.parent.post(Letter::Ended(self.actor, exit));
    }
}
