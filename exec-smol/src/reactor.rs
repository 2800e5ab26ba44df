//! Watching descriptors with `async-io`: a task for each, on an executor that the loop runs while it waits.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use async_io::Async;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smol::future::or;
use smol::{Executor, Task};
use windrow_std::shell::{Interest, Reactor, Ready, Token};

/// What a shell watches, and who watches it. Copies of it are one.
#[derive(Clone, Default)]
pub struct SmolReactor {
    watched: Arc<Mutex<Watched>>,
    executor: Arc<Executor<'static>>,
    inbox: Arc<Mutex<Inbox>>,
}

/// The descriptors, by token.
#[derive(Default)]
struct Watched {
    by_token: BTreeMap<Token, One>,
    /// There may be other threads, so tasks watch; before, whoever waits does.
    running: bool,
}

struct One {
    /// A copy, so that it can be owned here; it goes when the watching does, before the shell closes its own. What it is
    /// watched for changes without another, so that it can change also when there are no descriptors.
    fd: Arc<OwnedFd>,
    write: bool,
    /// While tasks watch.
    told: Option<Told>,
}

/// By whom a watched descriptor is told of.
struct Told {
    source: Arc<Async<Arc<OwnedFd>>>,
    _task: Task<()>,
}

/// Where watching tasks put what is ready, and the loop that waits for it.
#[derive(Default)]
struct Inbox {
    ready: Vec<Ready>,
    waiting: Option<Waker>,
}

impl SmolReactor {
    pub(crate) fn executor(&self) -> &Executor<'static> {
        &self.executor
    }

    /// Tells whether something is ready; if not, whoever asks is woken when something is.
    pub(crate) fn has_ready(&self, context: &Context<'_>) -> bool {
        let mut inbox = lock(&self.inbox);
        if inbox.ready.is_empty() {
            inbox.waiting = Some(context.waker().clone());
        }
        !inbox.ready.is_empty()
    }

    pub(crate) fn take_ready(&self, ready: &mut Vec<Ready>) {
        ready.append(&mut lock(&self.inbox).ready);
    }

    pub(crate) fn poll(&self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let timeout = timeout.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        let interest = |write| if write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let watched: Vec<_> = lock(&self.watched)
            .by_token
            .iter()
            .map(|(token, one)| (*token, Arc::clone(&one.fd), interest(one.write)))
            .collect();
        let mut polled: Vec<_> = watched.iter().map(|(_, fd, interest)| PollFd::new(fd, *interest)).collect();
        match poll(&mut polled, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            found => found?,
        };
        for ((token, ..), polled) in watched.iter().zip(&polled) {
            let found = polled.revents();
            if !found.is_empty() {
                ready.push(Ready { token: *token, writable: found.contains(PollFlags::OUT) });
            }
        }
        Ok(())
    }

    /// Gives each watched descriptor its task.
    pub(crate) fn run(&self) -> io::Result<()> {
        let mut watched = lock(&self.watched);
        watched.running = true;
        for (token, one) in &mut watched.by_token {
            let source = Arc::new(Async::new_nonblocking(Arc::clone(&one.fd))?);
            one.told = Some(self.report(*token, source, one.write));
        }
        Ok(())
    }

    /// Starts the task that says when a descriptor is ready. It says it again at the next wait if the shell did not take
    /// all.
    fn report(&self, token: Token, source: Arc<Async<Arc<OwnedFd>>>, write: bool) -> Told {
        let (inbox, watched) = (Arc::clone(&self.inbox), Arc::clone(&source));
        let _task = self.executor.spawn(async move {
            loop {
                let readable = async { watched.readable().await.map(|()| false) };
                let writable = async { watched.writable().await.map(|()| true) };
                let found = if write { or(writable, readable).await } else { readable.await };
                // A descriptor that can't be watched any more is looked at, which tells why.
                let failed = found.is_err();
                let mut inbox = lock(&inbox);
                inbox.ready.push(Ready { token, writable: found.unwrap_or(false) });
                if let Some(waker) = inbox.waiting.take() {
                    waker.wake();
                }
                if failed {
                    return;
                }
            }
        });
        Told { source, _task }
    }
}

impl Reactor for SmolReactor {
    fn watch(&mut self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        let fd = Arc::new(fd.try_clone_to_owned()?);
        let mut watched = lock(&self.watched);
        let source = || io::Result::Ok(Arc::new(Async::new_nonblocking(Arc::clone(&fd))?));
        let source = watched.running.then(source).transpose()?;
        let told = source.map(|source| self.report(token, source, false));
        watched.by_token.insert(token, One { fd, write: false, told });
        Ok(())
    }

    fn rewatch(&mut self, _fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<()> {
        let mut watched = lock(&self.watched);
        let one = watched.by_token.get_mut(&token).ok_or(io::ErrorKind::NotFound)?;
        one.write = interest.write;
        if let Some(told) = &mut one.told {
            *told = self.report(token, Arc::clone(&told.source), interest.write);
        }
        Ok(())
    }

    fn unwatch(&mut self, _fd: BorrowedFd<'_>, token: Token) {
        let removed = lock(&self.watched).by_token.remove(&token);
        let Some(One { fd, told, .. }) = removed else { return };
        let copy = Arc::downgrade(&fd);
        drop((fd, told));
        // A task that is dropped lets go of the copy when its turn comes: here and now, unless the loop is just giving it.
        while copy.strong_count() > 0 && self.executor.try_tick() {}
        // One of those may have told of a descriptor that goes next, and whose token is then another's.
        lock(&self.inbox).ready.retain(|ready| ready.token != token);
    }
}

/// Nothing that runs under these locks can panic half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for SmolReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmolReactor").field("watched", &lock(&self.watched).by_token.len()).finish()
    }
}

#[cfg(test)]
mod tests;
