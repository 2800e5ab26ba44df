//! The bodies that a thread is in: what user code does between the opening of a scope and the end of all that is in it.
//!
//! The rule: a body's failure goes to its scope, which tells its owner once nothing of it is left; a panic is one of them, and
//! a cancellation is none, unless the main task ends with one that is not its own. What a thread asks of an actor stands in
//! the innermost body of that actor's that it is in.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use windrow_core::{ActorId, Cause, End, Reason, ScopeId};

use crate::actor::Actor;
use crate::board::{Facts, Failed, News, ScopeFacts};
use crate::failure::{Raised, counted};
use crate::nursery::Scope;

thread_local! {
    /// The scopes whose bodies this thread is in, and whose they are, the innermost last.
    static BODIES: RefCell<Vec<(ActorId, ScopeId)>> = const { RefCell::new(Vec::new()) };
    /// The body that was last found not cancelled, and how many cancellations its actor had seen by then.
    static CLEAR: Cell<Option<(ActorId, ScopeId, u64)>> = const { Cell::new(None) };
}

/// The bodies that a thread was in when it started another.
#[derive(Debug)]
pub(crate) struct Bodies(Vec<(ActorId, ScopeId)>);

impl Bodies {
    /// Has this thread, which is in none, be in them as well.
    pub(crate) fn enter(self) {
        BODIES.set(self.0);
    }
}

/// What a body gave: a value, or else the cancellation that it passed on, if it was one.
pub(crate) type Bodied<T> = Result<T, Option<Cause>>;

impl Actor {
    /// Opens a scope, runs `body` in it, and waits until nothing of it is left.
    pub(crate) fn scoped<T>(
        &self,
        scope: Scope,
        body: impl FnOnce(ScopeId) -> Result<T, Raised>,
    ) -> Result<T, Raised> {
        let parent = self.body();
        let Scope { shield, timeout } = scope;
        let scope = self.ask(|shell| shell.open_scope(parent, shield, timeout))?;
        let value = self.run_body(scope, || body(scope));
        self.tell(|shell| shell.leave(scope));
        let Some(closed) = self.closed(scope) else { return Err(Raised::Cancelled(self.gone())) };
        let deadline = Cause { canceller: self.id(), reason: Reason::Deadline };
        // Nobody above was cancelled by it, so nobody above would absorb it: this time was the scope's own.
        let own = timeout.is_some()
            && closed.closed == Some(End::Cancelled(deadline))
            && (shield || self.cancelled_now().is_none());
        if own { Err(Raised::TimedOut) } else { self.ended(closed, value) }
    }

    /// Runs the body of a scope; what it fails with goes to the scope. What is no failure is given back.
    pub(crate) fn run_body<T>(&self, scope: ScopeId, body: impl FnOnce() -> Result<T, Raised>) -> Bodied<T> {
        BODIES.with_borrow_mut(|bodies| bodies.push((self.id(), scope)));
        let ended = catch_unwind(AssertUnwindSafe(body));
        BODIES.with_borrow_mut(|bodies| bodies.pop());
        match ended {
            Ok(ended) => ended.map_err(|raised| self.fail(scope, raised)),
            Err(panic) => {
                let failed = Failed::panicked(panic);
                self.tell(|shell| shell.failed(scope, failed));
                Err(None)
            }
        }
    }

    /// Waits until nothing of the scope is left, and says how it ended. Nothing interrupts this wait: the machine bounds it.
    pub(crate) fn close<T>(&self, scope: ScopeId, value: Bodied<T>) -> Result<T, Raised> {
        match self.closed(scope) {
            Some(closed) => self.ended(closed, value),
            None => Err(Raised::Cancelled(self.gone())),
        }
    }

    /// The same, before anything is said. Gives nothing where the actor was over before.
    fn closed(&self, scope: ScopeId) -> Option<ScopeFacts> {
        self.board().wait(&[News::Closed(scope)], None, |facts| facts.take_closed(scope))
    }

    /// Says how a scope ended for its owner, whose body gave `value` unless it failed.
    pub(crate) fn ended<T>(&self, closed: ScopeFacts, value: Bodied<T>) -> Result<T, Raised> {
        match (closed.closed, value) {
            (Some(End::Failed), _) => {
                Err(Raised::Group(counted(closed.raised, usize::MAX, closed.lost, self.id())))
            }
            // What this actor asked for itself is no error of a body that went well.
            (Some(End::Cancelled(Cause { canceller, reason: Reason::Asked })), Ok(value))
                if canceller == self.id() =>
            {
                Ok(value)
            }
            (Some(End::Cancelled(cause)), _) => Err(Raised::Cancelled(cause)),
            (_, Ok(value)) => Ok(value),
            (_, Err(cause)) => Err(self.passed_on(cause)),
        }
    }

    /// Says what a body raises that gave no value: the cancellation that it passed on, or its failure's, which the scope has.
    pub(crate) fn passed_on(&self, cause: Option<Cause>) -> Raised {
        Raised::Cancelled(cause.unwrap_or_else(|| self.gone()))
    }

    /// Ends the main task with what the user's entry returned.
    pub(crate) fn finish(&self, ended: std::thread::Result<Result<Vec<u8>, Raised>>) {
        let value = match ended {
            Ok(Ok(value)) => value,
            Ok(Err(raised)) => {
                if let Some(cause) = self.fail(ScopeId::ROOT, raised)
                    && self.cancelled_now().is_none()
                {
                    // Nobody above would absorb it, nor know that the rest was not done.
                    let passed = format!("it passed on a cancellation that was not its own ({cause})");
                    self.fail(ScopeId::ROOT, passed.into());
                }
                Vec::new()
            }
            Err(panic) => {
                let failed = Failed::panicked(panic);
                self.tell(|shell| shell.failed(ScopeId::ROOT, failed));
                Vec::new()
            }
        };
        self.tell(|shell| shell.main_ended(value));
    }

    /// Tells a scope what its body failed with. A cancellation is none: it is given back, for whoever cancelled absorbs it.
    pub(crate) fn fail(&self, scope: ScopeId, raised: Raised) -> Option<Cause> {
        match raised {
            Raised::Cancelled(cause) => return Some(cause),
            raised @ (Raised::Error(_) | Raised::Refused(_) | Raised::TimedOut) => {
                let text = raised.words();
                self.tell(|shell| shell.failed(scope, Failed::Here { panicked: false, text }));
            }
            Raised::Group(failures) => {
                for failure in failures {
                    let failed = Failed::Below { error: failure.error, text: failure.into_words() };
                    self.tell(|shell| shell.failed(scope, failed));
                }
            }
        }
        None
    }

    /// Says by what the present body of this thread is cancelled: the innermost nursery's state, or else the task's.
    pub(crate) fn cancelled_by(&self, facts: &Facts) -> Option<Cause> {
        match self.body() {
            ScopeId::ROOT => facts.main,
            scope => facts.cancelled(scope),
        }
    }

    /// Gives the news of what the present body of this thread is [cancelled by](Self::cancelled_by).
    pub(crate) fn cancellation(&self) -> News {
        News::Cancelled(self.body())
    }

    /// Says by what the present body of this thread is cancelled, or that the actor is over. As long as nothing more is
    /// cancelled in the actor, asking again costs no lock.
    pub(crate) fn cancelled_now(&self) -> Option<Cause> {
        let clear = Some((self.id(), self.body(), self.board().cancellations()));
        if CLEAR.get() == clear {
            return None;
        }
        let facts = self.board().look();
        let cause = self.cancelled_by(&facts).or_else(|| facts.over.then(|| self.gone()));
        if cause.is_none() {
            CLEAR.set(clear);
        }
        cause
    }

    /// Tells whether this thread is in the body of a scope of this actor's, however deep.
    pub(crate) fn is_in(&self, scope: ScopeId) -> bool {
        BODIES.with_borrow(|bodies| bodies.contains(&(self.id(), scope)))
    }

    /// Says by what a call is cancelled that this thread serves from outside of it: one that was taken up by hand, or is
    /// served by a thread of `std` too. Who is in the call hears of it there, and in a shield nobody does.
    pub(crate) fn cancelled_outside(&self, call: ScopeId, facts: &Facts) -> Option<Cause> {
        let cause = facts.cancelled(call).filter(|_| !self.is_in(call))?;
        let is_shield = |(actor, scope): &(ActorId, ScopeId)| *actor == self.id() && facts.is_shield(*scope);
        BODIES.with_borrow(|bodies| !bodies.iter().any(is_shield)).then_some(cause)
    }

    /// Lists the bodies that this thread is in, for a thread that is to be in them too.
    pub(crate) fn bodies() -> Bodies {
        Bodies(BODIES.with_borrow(Clone::clone))
    }

    /// Gives the scope of the innermost body of this actor's that this thread is in.
    pub(crate) fn body(&self) -> ScopeId {
        BODIES.with_borrow(|bodies| {
            let own = bodies.iter().rev().find(|(actor, _)| *actor == self.id());
            own.map_or(ScopeId::ROOT, |(_, scope)| *scope)
        })
    }
}
