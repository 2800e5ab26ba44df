//! The blocking API: what user code, on its own thread, asks of its actor.
//!
//! A nursery's block does not end while a child of it is alive. A blocking call of ours is a checkpoint: it ends early,
//! with [`Raised::Cancelled`], when what it stands in is cancelled.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use windrow_core::{ActorId, Cause, End, Exit, Refused, ScopeId, TaskId};

use crate::board::{Board, ChildFacts, Facts, Failed, Output};
use crate::failure::Raised;
use crate::order::Order;
use crate::shell::{Asks, Desk};

thread_local! {
    /// The scopes whose bodies this thread is in, the innermost last.
    static BODIES: RefCell<Vec<ScopeId>> = const { RefCell::new(Vec::new()) };
}

/// A handle on the actor that this thread belongs to.
#[derive(Clone, Debug)]
pub struct Actor {
    id: ActorId,
    name: Arc<str>,
    levels: u8,
    task: TaskId,
    board: Arc<Board>,
    desk: Arc<dyn Desk>,
}

impl Actor {
    pub(crate) fn new(id: ActorId, name: &str, levels: u8, board: Arc<Board>, desk: Arc<dyn Desk>) -> Self {
        Self { id, name: name.into(), levels, task: TaskId::MAIN, board, desk }
    }

    /// Gives the actor's id.
    #[must_use]
    pub fn id(&self) -> ActorId {
        self.id
    }

    /// Gives the actor's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives how many generations may stand below the actor.
    #[must_use]
    pub fn levels(&self) -> u8 {
        self.levels
    }

    /// Opens a nursery, runs `body` in it, and returns when the body has ended and every child is gone.
    ///
    /// An error of the body, or of a child that nobody awaited, cancels the rest.
    ///
    /// # Errors
    /// All failures of the body and of the children, or the cancellation that ended them.
    pub fn nursery<T>(&self, body: impl FnOnce(&Nursery<'_>) -> Result<T, Raised>) -> Result<T, Raised> {
        self.nursery_with(Scope::default(), body)
    }

    /// Opens a nursery with a deadline or a shield of its own. See [`nursery`](Self::nursery).
    ///
    /// # Errors
    /// The same.
    pub fn nursery_with<T>(
        &self,
        scope: Scope,
        body: impl FnOnce(&Nursery<'_>) -> Result<T, Raised>,
    ) -> Result<T, Raised> {
        let parent = self.body();
        let Scope { shield, timeout } = scope;
        let scope = self.ask(|shell| shell.open_scope(parent, shield, timeout))?;
        let nursery = Nursery { actor: self, scope };
        BODIES.with_borrow_mut(|bodies| bodies.push(scope));
        let ended = catch_unwind(AssertUnwindSafe(|| body(&nursery)));
        BODIES.with_borrow_mut(|bodies| bodies.pop());
        let value = match ended {
            Ok(Ok(value)) => Some(value),
            Ok(Err(raised)) => {
                self.fail(scope, raised);
                None
            }
            Err(panic) => {
                self.tell(|shell| shell.failed(scope, panicked(&*panic)));
                None
            }
        };
        self.tell(|shell| shell.leave(scope));
        self.close(scope, value)
    }

    /// Waits until nothing of the scope is left. Nothing interrupts this wait: the machine bounds it.
    fn close<T>(&self, scope: ScopeId, value: Option<T>) -> Result<T, Raised> {
        let closed = self.board.wait(None, |facts| {
            facts
                .scopes
                .get(&scope)
                .is_some_and(|scope| scope.closed.is_some())
                .then(|| facts.scopes.remove(&scope))
        });
        let Some(facts) = closed.flatten() else { return Err(Raised::Cancelled(self.gone())) };
        match (facts.closed, value) {
            (Some(End::Failed), _) => Err(Raised::Group(facts.raised)),
            (Some(End::Cancelled(cause)), _) => Err(Raised::Cancelled(cause)),
            (_, Some(value)) => Ok(value),
            (_, None) => Err(Raised::Cancelled(self.gone())),
        }
    }

    /// Sleeps, unless cancelled before.
    ///
    /// # Errors
    /// The cancellation.
    pub fn sleep(&self, span: Duration) -> Result<(), Raised> {
        let until = Instant::now().checked_add(span);
        match self.board.wait(until, |facts| self.cancelled_by(facts)) {
            Some(cause) => Err(Raised::Cancelled(cause)),
            None => Ok(()),
        }
    }

    /// Sleeps until cancelled.
    ///
    /// # Errors
    /// The cancellation, always.
    pub fn sleep_forever(&self) -> Result<(), Raised> {
        let cause = self.board.wait(None, |facts| self.cancelled_by(facts));
        Err(Raised::Cancelled(cause.unwrap_or_else(|| self.gone())))
    }

    /// Does nothing, unless cancelled.
    ///
    /// # Errors
    /// The cancellation.
    pub fn checkpoint(&self) -> Result<(), Raised> {
        match self.cancelled_by(&self.board.look()) {
            Some(cause) => Err(Raised::Cancelled(cause)),
            None => Ok(()),
        }
    }

    /// Cancels this actor: all its scopes but the shielded ones.
    pub fn cancel(&self) {
        self.tell(|shell| shell.cancel(ScopeId::ROOT));
    }

    /// Stops the driver at its next word to the user's threads, for ever: what a bug of ours, or a stopped thread, would
    /// do. Only signals to the process help then. For demonstrations and tests of the ladder.
    #[doc(hidden)]
    pub fn wedge(&self) -> ! {
        let _held = self.board.look();
        loop {
            std::thread::park();
        }
    }

    /// Ends the main task with what the user's entry returned.
    pub(crate) fn finish(&self, ended: std::thread::Result<Result<Vec<u8>, Raised>>) {
        let value = match ended {
            Ok(Ok(value)) => value,
            Ok(Err(raised)) => {
                self.fail(ScopeId::ROOT, raised);
                Vec::new()
            }
            Err(panic) => {
                self.tell(|shell| shell.failed(ScopeId::ROOT, panicked(&*panic)));
                Vec::new()
            }
        };
        self.tell(|shell| shell.task_ended(self.task, value));
    }

    fn fail(&self, scope: ScopeId, raised: Raised) {
        match raised {
            // It is absorbed by whoever cancelled.
            Raised::Cancelled(_) => {}
            Raised::Error(text) => {
                self.tell(|shell| shell.failed(scope, Failed::Here { panicked: false, text }));
            }
            Raised::Group(failures) => {
                for failure in failures {
                    let failed = Failed::Below { error: failure.error, text: failure.text };
                    self.tell(|shell| shell.failed(scope, failed));
                }
            }
        }
    }

    /// Says by what the present body of this thread is cancelled: the innermost nursery's state, or else the task's.
    fn cancelled_by(&self, facts: &Facts) -> Option<Cause> {
        match BODIES.with_borrow(|bodies| bodies.last().copied()) {
            Some(scope) => facts.scopes.get(&scope).and_then(|scope| scope.cancelled),
            None => facts.tasks.get(&self.task).copied().flatten(),
        }
    }

    fn body(&self) -> ScopeId {
        BODIES.with_borrow(|bodies| bodies.last().copied()).unwrap_or(ScopeId::ROOT)
    }

    /// Asks the machine at once, on this thread.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&mut dyn Asks) -> Result<T, Refused>) -> Result<T, Raised> {
        let mut answer = Err(Refused::Ended);
        self.tell(|shell| answer = ask(shell));
        self.answered(answer)
    }

    fn answered<T>(&self, answer: Result<T, Refused>) -> Result<T, Raised> {
        match answer {
            Ok(value) => Ok(value),
            Err(Refused::Cancelled(Some(cause))) => Err(Raised::Cancelled(cause)),
            Err(Refused::Ended) => Err(Raised::Cancelled(self.gone())),
            Err(refused) => Err(Raised::Error(refused.to_string())),
        }
    }

    /// Says something that is never refused. If the actor is over, so is its process.
    pub(crate) fn tell(&self, say: impl FnOnce(&mut dyn Asks)) {
        let mut say = Some(say);
        self.desk.at(&mut |shell| {
            if let Some(say) = say.take() {
                say(shell);
            }
        });
    }

    fn gone(&self) -> Cause {
        Cause { canceller: self.id, reason: windrow_core::Reason::Asked }
    }
}

/// How a nursery is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scope {
    shield: bool,
    timeout: Option<Duration>,
}

impl Scope {
    /// Shields the nursery from cancellations from outside, until the actor's own deadline.
    #[must_use]
    pub fn shield(mut self) -> Self {
        self.shield = true;
        self
    }

    /// Cancels the nursery after this time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// A scope that owns child actors.
#[derive(Debug)]
pub struct Nursery<'a> {
    actor: &'a Actor,
    scope: ScopeId,
}

impl Nursery<'_> {
    /// Spawns a child and returns at once.
    ///
    /// # Errors
    /// The cancellation of the nursery, or why the order was refused.
    pub fn spawn(&self, order: Order) -> Result<Handle, Raised> {
        let scope = self.scope;
        let order = Box::new(order);
        let (reply, answer) = channel();
        self.actor.tell(|shell| shell.order_soon((scope, order, reply)));
        let gone = || Err(Refused::Ended);
        let id = self.actor.answered(answer.recv().unwrap_or_else(|_| gone()))?;
        Ok(Handle { id, actor: self.actor.clone() })
    }

    /// Cancels the nursery: all its children and its body.
    pub fn cancel(&self) {
        self.actor.tell(|shell| shell.cancel(self.scope));
    }
}

/// A handle on one child.
#[derive(Clone, Debug)]
pub struct Handle {
    id: ActorId,
    actor: Actor,
}

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildEnd {
    /// How its process exited; `None` if it was given up.
    pub exit: Option<Exit>,
    /// What its entry returned, if it ended well.
    pub value: Option<Vec<u8>>,
    /// What was captured of its output.
    pub output: Output,
}

impl Handle {
    /// Gives the child's id.
    #[must_use]
    pub fn id(&self) -> ActorId {
        self.id
    }

    /// Waits until the child is ready. One that is already gone is not.
    ///
    /// # Errors
    /// The cancellation of the nursery, as by the failure of the child.
    pub fn ready(&self) -> Result<(), Raised> {
        self.wait(|child| (child.up || child.gone).then_some(())).map(drop)
    }

    /// Waits until the child is gone.
    ///
    /// # Errors
    /// The cancellation of the nursery, as by the failure of the child.
    pub fn wait_gone(&self) -> Result<ChildEnd, Raised> {
        self.wait(|child| {
            let ChildFacts { exit, result, output, .. } = child.clone();
            child.gone.then_some(ChildEnd { exit, value: result, output })
        })
    }

    /// Says how the child ended, if it has.
    #[must_use]
    pub fn end(&self) -> Option<ChildEnd> {
        let facts = self.actor.board.look();
        let child = facts.children.get(&self.id).filter(|child| child.gone)?;
        Some(ChildEnd { exit: child.exit, value: child.result.clone(), output: child.output.clone() })
    }

    /// Cancels the child alone.
    pub fn cancel(&self) {
        self.actor.tell(|shell| shell.cancel_child(self.id));
    }

    fn wait<T>(&self, mut found: impl FnMut(&ChildFacts) -> Option<T>) -> Result<T, Raised> {
        let found = self.actor.board.wait(None, |facts| {
            if let Some(value) = facts.children.get(&self.id).and_then(&mut found) {
                return Some(Ok(value));
            }
            self.actor.cancelled_by(facts).map(|cause| Err(Raised::Cancelled(cause)))
        });
        found.unwrap_or_else(|| Err(Raised::Cancelled(self.actor.gone())))
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Failed {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Failed::Here { panicked: true, text: text.unwrap_or_else(|| String::from("a panic without words")) }
}
