//! Threads of the user's that stand in a scope: what cancels the scope reaches them, and what they fail with goes to it.
//!
//! The rule: such a thread is a task of the machine's, in a scope that does not close before it has ended; its work is one more
//! body of that scope. `std::thread::scope` joins it, so it may borrow what any scoped thread may.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use windrow_core::{ScopeId, TaskId};

use crate::actor::Actor;
use crate::board::News;
use crate::bodies::Bodied;
use crate::failure::Raised;
use crate::nursery::Scope;
use crate::shown::shown;

/// A scope that owns threads.
#[derive(Clone, Copy, Debug)]
pub struct Threads<'scope, 'env: 'scope> {
    threads: &'scope std::thread::Scope<'scope, 'env>,
    actor: &'env Actor,
    scope: ScopeId,
}

/// A thread of a scope, for whoever waits for what it returns. To let go of it changes nothing.
pub struct Thread<'env, T> {
    actor: &'env Actor,
    task: TaskId,
    ended: Arc<Mutex<Option<Bodied<T>>>>,
}

shown!(Thread<'env, T> { actor });

impl Actor {
    /// Opens a scope for threads, runs `body` in it, and returns when the body and every thread have ended.
    ///
    /// A thread that is started here stands in this scope, wherever the scope stands: in a nursery, a context, a call that is
    /// served. Every blocking call of ours on it ends early when the scope is cancelled. An error or a panic of the body, or of a
    /// thread, cancels the rest. A thread that is started by `std` alone stands in no such scope, and hears only of the
    /// cancellation of the whole actor, and at the stream of a call that is served of the call's.
    ///
    /// ```no_run
    /// # use windrow_std::{Actor, Endpoint, Portal, Raised};
    /// # const SUM: Endpoint<Vec<u64>, u64> = Endpoint::new("sum");
    /// fn total(actor: &Actor, desks: &[Portal], part: &Vec<u64>) -> Result<u64, Raised> {
    ///     actor.threads(|threads| {
    ///         let at_work = desks.iter().map(|desk| threads.spawn(|| desk.call(SUM, part)));
    ///         let at_work = at_work.collect::<Result<Vec<_>, _>>()?;
    ///         at_work.into_iter().map(|thread| thread.join()).sum()
    ///     })
    /// }
    /// ```
    ///
    /// # Errors
    /// - [`Raised::Group`]: all failures of the body and of the threads.
    /// - [`Raised::Cancelled`]: the scope around is cancelled; or the body gave no value, since it was, as by
    ///   [`cancel`](Threads::cancel): not to be [passed on](Raised::Cancelled) then.
    /// - [`Raised::Refused`]: as many scopes are open as may be.
    pub fn threads<'env, T>(
        &'env self,
        body: impl for<'scope> FnOnce(&Threads<'scope, 'env>) -> Result<T, Raised>,
    ) -> Result<T, Raised> {
        self.threads_with(Scope::default(), body)
    }

    /// Opens a scope for threads with a deadline or a shield of its own. See [`threads`](Self::threads).
    ///
    /// # Errors
    /// The same, and
    /// - [`Raised::TimedOut`]: its own deadline cancelled it.
    pub fn threads_with<'env, T>(
        &'env self,
        scope: Scope,
        body: impl for<'scope> FnOnce(&Threads<'scope, 'env>) -> Result<T, Raised>,
    ) -> Result<T, Raised> {
        self.scoped(scope, |scope| {
            std::thread::scope(|threads| {
                // What it fails with is told before the threads are waited for, which may wait for just that.
                let ended = self.run_body(scope, || body(&Threads { threads, actor: self, scope }));
                ended.map_err(|cause| self.passed_on(cause))
            })
        })
    }
}

impl<'scope, 'env> Threads<'scope, 'env> {
    /// Starts a thread and returns at once.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: the scope is cancelled.
    /// - [`Raised::Refused`]: as many threads run as may be.
    /// - [`Raised::Error`]: as many run as the system lets.
    pub fn spawn<T: Send + 'scope>(
        &self,
        work: impl FnOnce() -> Result<T, Raised> + Send + 'scope,
    ) -> Result<Thread<'env, T>, Raised> {
        let Self { threads, actor, scope } = *self;
        let task = actor.ask(|shell| shell.start_task(scope))?;
        let ended = Arc::new(Mutex::new(None));
        let (tell, around) = (Arc::clone(&ended), Actor::bodies());
        let run = move || {
            around.enter();
            let bodied = actor.run_body(scope, work);
            *tell.lock().unwrap_or_else(PoisonError::into_inner) = Some(bodied);
            actor.tell(|shell| shell.task_ended(task));
        };
        match Builder::new().spawn_scoped(threads, run) {
            Ok(_) => Ok(Thread { actor, task, ended }),
            Err(error) => {
                actor.tell(|shell| shell.task_ended(task));
                Err(error.into())
            }
        }
    }

    /// Cancels the scope: all its threads and its body.
    pub fn cancel(&self) {
        self.actor.tell(|shell| shell.cancel(self.scope));
    }
}

impl<T> Thread<'_, T> {
    /// Waits until the thread has ended, and gives what it returned.
    ///
    /// # Errors
    /// The cancellation of what this thread stands in, as by the failure of the other; or the one that the other passed on.
    pub fn join(self) -> Result<T, Raised> {
        let news = [News::Ended(self.task), self.actor.cancellation()];
        let ended = self.actor.board().wait(&news, None, |facts| {
            // First of all: a failure cancels before its thread has ended, and nobody is to see which of both came sooner.
            if let Some(cause) = self.actor.cancelled_by(facts) {
                return Some(Err(Some(cause)));
            }
            self.ended.lock().unwrap_or_else(PoisonError::into_inner).take()
        });
        ended.unwrap_or(Err(None)).map_err(|cause| self.actor.passed_on(cause))
    }
}
