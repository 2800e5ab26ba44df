//! Watching descriptors with `async-io`: a task for each, on an executor that the loop runs while it waits.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_io::Async;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
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
    /// Held by nobody else, so that the copy goes with the watching: a task that is dropped goes only when it has its turn.
    source: Arc<Async<Arc<OwnedFd>>>,
    task: Task<()>,
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
            let task = self.report(*token, &source, one.write);
            one.told = Some(Told { source, task });
        }
        Ok(())
    }

    /// Starts the task that says when a descriptor is ready. It says it again at the next wait if the shell did not take
    /// all.
    fn report(&self, token: Token, source: &Arc<Async<Arc<OwnedFd>>>, write: bool) -> Task<()> {
        let (inbox, watched) = (Arc::clone(&self.inbox), Arc::downgrade(source));
        self.executor.spawn(async move {
            while let Some(found) = poll_fn(|context| poll_ready(&watched, write, context)).await {
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
        })
    }
}

/// Says whether there is something to write or to read; nothing if it is watched no more.
fn poll_ready(
    watched: &Weak<Async<Arc<OwnedFd>>>,
    write: bool,
    context: &mut Context<'_>,
) -> Poll<Option<io::Result<bool>>> {
    let Some(source) = watched.upgrade() else { return Poll::Ready(None) };
    if write && let Poll::Ready(writable) = source.poll_writable(context) {
        return Poll::Ready(Some(writable.map(|()| true)));
    }
    source.poll_readable(context).map(|readable| Some(readable.map(|()| false)))
}

impl Reactor for SmolReactor {
    fn watch(&mut self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        let fd = Arc::new(fd.try_clone_to_owned()?);
        let mut watched = lock(&self.watched);
        let source = || io::Result::Ok(Arc::new(Async::new_nonblocking(Arc::clone(&fd))?));
        let source = watched.running.then(source).transpose()?;
        let told = source.map(|source| Told { task: self.report(token, &source, false), source });
        watched.by_token.insert(token, One { fd, write: false, told });
        Ok(())
    }

    fn rewatch(&mut self, _fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<()> {
        let mut watched = lock(&self.watched);
        let one = watched.by_token.get_mut(&token).ok_or(io::ErrorKind::NotFound)?;
        one.write = interest.write;
        if let Some(told) = &mut one.told {
            told.task = self.report(token, &told.source, interest.write);
        }
        Ok(())
    }

    fn unwatch(&mut self, _fd: BorrowedFd<'_>, token: Token) {
        drop(lock(&self.watched).by_token.remove(&token));
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
