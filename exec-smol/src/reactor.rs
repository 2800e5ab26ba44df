//! Watching descriptors with `async-io`: a task for each, on an executor of this thread.
//!
//! `async-io` has a thread of its own, and a process must have one thread until its template is forked. So until the
//! actor's main task starts, which is after that, the few descriptors of a boot are waited for with `poll`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use async_io::{Async, Timer, block_on};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smol::future::or;
use smol::{LocalExecutor, Task};
use windrow_std::shell::{Reactor, Ready, Token};

use crate::once;

/// What the shell watches, and who watches it.
#[derive(Default)]
pub struct SmolReactor {
    watched: BTreeMap<Token, Watched>,
    executor: LocalExecutor<'static>,
    inbox: Rc<Inbox>,
    stage: Stage,
}

/// How descriptors are waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// With `poll`: there must be no second thread yet.
    #[default]
    Boot,
    /// With `poll` still, but the next wait is the first that may have one.
    WillRun,
    /// With `async-io`.
    Running,
}

struct Watched {
    /// A copy, so that it can be owned here; it goes when the watching does, before the shell closes its own.
    fd: Rc<OwnedFd>,
    write: bool,
    task: Option<Task<()>>,
}

/// Where watching tasks put what is ready, and the loop that waits for it.
#[derive(Default)]
struct Inbox {
    ready: RefCell<Vec<Ready>>,
    waiting: Cell<Option<Waker>>,
}

impl SmolReactor {
    fn poll(&self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let timeout = timeout.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        let interest = |write| if write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let mut polled: Vec<_> =
            self.watched.values().map(|one| PollFd::new(&one.fd, interest(one.write))).collect();
        match poll(&mut polled, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            found => found?,
        };
        for (token, polled) in self.watched.keys().zip(&polled) {
            let found = polled.revents();
            if !found.is_empty() {
                ready.push(Ready { token: *token, writable: found.contains(PollFlags::OUT) });
            }
        }
        Ok(())
    }

    fn run(&mut self) -> io::Result<()> {
        self.stage = Stage::Running;
        for (token, watched) in &mut self.watched {
            watched.task = Some(report(&self.executor, &self.inbox, *token, &watched.fd, watched.write)?);
        }
        Ok(())
    }
}

/// Starts the task that says when a descriptor is ready. It says it again at the next wait if the shell did not take all.
fn report(
    executor: &LocalExecutor<'static>,
    inbox: &Rc<Inbox>,
    token: Token,
    fd: &Rc<OwnedFd>,
    write: bool,
) -> io::Result<Task<()>> {
    let source = Async::new_nonblocking(Rc::clone(fd))?;
    let inbox = Rc::clone(inbox);
    Ok(executor.spawn(async move {
        loop {
            let readable = async { source.readable().await.map(|()| false) };
            let writable = async { source.writable().await.map(|()| true) };
            let found = if write { or(writable, readable).await } else { readable.await };
            // A descriptor that can't be watched any more is looked at, which tells why.
            let failed = found.is_err();
            inbox.ready.borrow_mut().push(Ready { token, writable: found.unwrap_or(false) });
            if let Some(waker) = inbox.waiting.take() {
                waker.wake();
            }
            if failed {
                return;
            }
        }
    }))
}

impl Reactor for SmolReactor {
    fn watch(&mut self, fd: BorrowedFd<'_>, token: Token, write: bool) -> io::Result<()> {
        let fd = Rc::new(fd.try_clone_to_owned()?);
        let running = self.stage == Stage::Running;
        let task = running.then(|| report(&self.executor, &self.inbox, token, &fd, write)).transpose()?;
        self.watched.insert(token, Watched { fd, write, task });
        Ok(())
    }

    fn rewatch(&mut self, fd: BorrowedFd<'_>, token: Token, write: bool) -> io::Result<()> {
        self.unwatch(fd, token);
        self.watch(fd, token, write)
    }

    fn will_run(&mut self) {
        self.stage = Stage::WillRun;
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        match self.stage {
            Stage::Boot => return self.poll(timeout, ready),
            Stage::WillRun => self.run()?,
            Stage::Running => {}
        }
        let inbox = Rc::clone(&self.inbox);
        let arrived = poll_fn(|context| {
            if !inbox.ready.borrow().is_empty() {
                return Poll::Ready(());
            }
            inbox.waiting.set(Some(context.waker().clone()));
            Poll::Pending
        });
        match timeout {
            None => block_on(self.executor.run(arrived)),
            Some(Duration::ZERO) => block_on(self.executor.run(once())),
            Some(span) => block_on(self.executor.run(or(arrived, async {
                Timer::after(span).await;
            }))),
        }
        ready.append(&mut self.inbox.ready.borrow_mut());
        Ok(())
    }

    fn unwatch(&mut self, _fd: BorrowedFd<'_>, token: Token) {
        // The task, and with it its copy of the descriptor, goes here.
        self.watched.remove(&token);
    }
}

impl fmt::Debug for SmolReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmolReactor")
            .field("watched", &self.watched.len())
            .field("stage", &self.stage)
            .finish()
    }
}
