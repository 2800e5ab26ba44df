//! Nurseries and the children in them: what user code opens, orders, waits for and cancels.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use windrow_core::{ActorId, Exit, Link, Refused, ScopeId};

use crate::actor::Actor;
use crate::board::{ChildFacts, News, Output};
use crate::endpoint::{Endpoint, encode};
use crate::failure::{Failure, Raised};
use crate::order::{Any, Order};
use crate::portal::Portal;
use crate::shell::clip;
use crate::shown::shown;

/// How a nursery, a context or a scope of threads is opened: without a deadline and without a shield, unless told.
///
/// ```no_run
/// # use std::time::Duration;
/// # use windrow_std::{Actor, Order, Raised, Scope};
/// /// Mows for an hour, and puts the tools away then all the same; but that takes no longer than a second.
/// fn mow(actor: &Actor) -> Result<(), Raised> {
///     actor.nursery_with(Scope::default().timeout(Duration::from_secs(3600)), |_| {
///         let mown = actor.sleep_forever();
///         let scope = Scope::default().shield().timeout(Duration::from_secs(1));
///         actor.nursery_with(scope, |nursery| nursery.spawn(Order::entry("tidy", "")).map(drop))?;
///         mown
///     })
/// }
/// ```
///
/// Where the actor itself is cancelled, by its parent, a signal or [`Actor::cancel`], no scope is opened any more and nobody is
/// spawned. What is left to do then is plain code behind the call that said so, for which there is
/// [`Times::own`](windrow_core::Times::own):
///
/// ```no_run
/// # use windrow_std::{Actor, Raised};
/// /// Mows until it is cancelled, by Ctrl-C say, and takes the mark off the field.
/// fn mow(actor: &Actor) -> Result<(), Raised> {
///     std::fs::write("field.lock", "")?;
///     let mown = actor.sleep_forever();
///     std::fs::remove_file("field.lock")?;
///     mown
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scope {
    pub(crate) shield: bool,
    pub(crate) timeout: Option<Duration>,
}

impl Scope {
    /// Shields what is in it from cancellations from outside, also from one that is there already when it is opened: so what is
    /// left to do after a cancellation is done in one. It holds until shortly before the actor's own deadline; and once the whole
    /// actor is being cancelled, none is opened any more, and nobody is spawned in one that is.
    #[must_use]
    pub fn shield(mut self) -> Self {
        self.shield = true;
        self
    }

    /// Cancels it after this time, counted from its opening.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// A scope that owns child actors: it ends when all of them are gone, and the failure of one cancels the others. Opened by
/// [`Actor::nursery`].
#[derive(Debug)]
pub struct Nursery<'a> {
    actor: &'a Actor,
    scope: ScopeId,
}

impl<'a> Nursery<'a> {
    pub(crate) fn new(actor: &'a Actor, scope: ScopeId) -> Self {
        Self { actor, scope }
    }

    /// Spawns a child and returns at once; the child boots meanwhile, and a call to it waits for that.
    ///
    /// # Errors
    /// The cancellation of the nursery, or why the order was refused: a file or a directory that is missing, too.
    pub fn spawn(&self, order: impl Into<Order<Any>>) -> Result<Child, Raised> {
        let scope = self.scope;
        let mut order = Box::new(order.into());
        order.find()?;
        let name = clip(&order.name).into();
        let (reply, answer) = channel();
        self.actor.tell(|shell| shell.order_child((scope, order, reply)));
        let id = self.actor.answered(answer.recv().unwrap_or(Ok(Err(Refused::Ended)))?)?;
        Ok(Child { hold: Arc::new(Hold { id, name, actor: self.actor.clone() }) })
    }

    /// Runs a task of the program in an actor of its own, which ends with it. It returns at once; the result is waited for
    /// with [`Task::result`].
    ///
    /// # Errors
    /// The same as [`spawn`](Self::spawn), and arguments that can't be sent.
    pub fn run_in_actor<A: Serialize, R: DeserializeOwned>(
        &self,
        task: Endpoint<A, R>,
        args: &A,
    ) -> Result<Task<R>, Raised> {
        let child = self.spawn(Order::entry(task.name(), encode(args, Vec::new())?))?;
        Ok(Task { child, result: PhantomData })
    }

    /// Cancels the nursery: all its children and its body. A body that asks for that and then returns a value ends well.
    pub fn cancel(&self) {
        self.actor.tell(|shell| shell.cancel(self.scope));
    }
}

/// A child in a nursery, as its parent holds it. Clones are the same child. Dropping them all neither cancels nor waits: the
/// nursery does.
#[derive(Clone, Debug)]
pub struct Child {
    hold: Arc<Hold>,
}

/// What all clones share. What is known of a child is kept for as long as it is there, or one of them is.
#[derive(Debug)]
struct Hold {
    id: ActorId,
    name: Arc<str>,
    actor: Actor,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.actor.board().look().let_go(self.id);
    }
}

/// A task that runs in an actor of its own.
pub struct Task<R> {
    child: Child,
    result: PhantomData<fn() -> R>,
}

shown!(Task<R> { child });

impl<R: DeserializeOwned> Task<R> {
    /// Waits for the result; with it the actor is gone.
    ///
    /// # Errors
    /// The cancellation of the nursery, as by the failure of the task; and a result that can't be read.
    pub fn result(&self) -> Result<R, Raised> {
        let bytes = self.child.wait_gone()?.value;
        // One that was cancelled alone returned nothing.
        let bytes = bytes.ok_or_else(|| Raised::Cancelled(self.child.hold.actor.gone()))?;
        self.child.hold.actor.read(self.child.id(), &bytes)
    }

    /// Gives the child that runs it.
    #[must_use]
    pub fn child(&self) -> &Child {
        &self.child
    }
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

impl ChildEnd {
    fn of(child: &ChildFacts) -> Self {
        Self { exit: child.exit, value: child.result.clone(), output: child.output.clone() }
    }
}

impl Child {
    /// Gives the child's id.
    #[must_use]
    pub fn id(&self) -> ActorId {
        self.hold.id
    }

    /// Gives the child's name: the order's, which is cut after 64 bytes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.hold.name
    }

    /// Gives the number of the child's process, from when it is made until its exit is seen; a thread has none. To end it there is
    /// [`cancel`](Self::cancel): once a process is collected, its number may be another's.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let facts = self.hold.actor.board().look();
        facts.children.get(&self.hold.id).filter(|child| child.exit.is_none() && !child.gone)?.pid
    }

    /// Gives a portal to the child.
    #[must_use]
    pub fn portal(&self) -> Portal {
        let Hold { id, name, actor } = &*self.hold;
        Portal::new(actor.clone(), Link::Child(*id), *id, Some(Arc::clone(name)))
    }

    /// Waits until the child is ready, or gone: of one that was cancelled alone, or has ended by now, this says nothing more, and
    /// [`end`](Self::end) does.
    ///
    /// # Errors
    /// The cancellation of the nursery, as by the failure of the child.
    pub fn ready(&self) -> Result<(), Raised> {
        self.hold.actor.ready_by(self.hold.id, None)
    }

    /// Waits until the child is gone. For one that may fail there is [`Actor::attempt`].
    ///
    /// # Errors
    /// The cancellation of the nursery, as by the failure of the child, whatever of it is known by then.
    pub fn wait_gone(&self) -> Result<ChildEnd, Raised> {
        self.hold
            .actor
            .wait_child(self.hold.id, None, |child| child.filter(|child| child.gone).map(ChildEnd::of))
    }

    /// Says how the child ended, if it has.
    #[must_use]
    pub fn end(&self) -> Option<ChildEnd> {
        let facts = self.hold.actor.board().look();
        facts.children.get(&self.hold.id).filter(|child| child.gone).map(ChildEnd::of)
    }

    /// Cancels the child alone.
    pub fn cancel(&self) {
        self.hold.actor.tell(|shell| shell.cancel_child(self.hold.id));
    }

    /// Sends a signal to the process of a command, and to nothing that it has started: SIGHUP, say, where that means to read
    /// a file again. What is to end is cancelled instead, so that its end is none of its own.
    ///
    /// # Errors
    /// - [`Raised::Refused`]: its parent has ended.
    /// - [`Raised::Error`]: no signal has this number; there is no process yet, or no more; it has become another user's; this is
    ///   an actor, which is told what to do by messages.
    pub fn signal(&self, signal: i32) -> Result<(), Raised> {
        let told = self.hold.actor.said(|shell| shell.signal_child(self.hold.id, signal));
        Ok(told.ok_or(Raised::Refused(Refused::Ended))??)
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "whether it failed stands here and nowhere else"]
#[non_exhaustive]
pub struct Attempt {
    /// How the child ended; `None` if it was never ordered.
    pub end: Option<ChildEnd>,
    /// Its failures; none if all went well.
    pub failures: Vec<Failure>,
}

impl Actor {
    /// Waits until a child is gone. Nobody may hold it any more.
    pub(crate) fn gone_by(&self, child: ActorId) -> Result<(), Raised> {
        self.wait_child(child, None, |child| child.is_none_or(|child| child.gone).then_some(()))
    }

    /// Waits until a child is ready or gone, or the time is over.
    pub(crate) fn ready_by(&self, child: ActorId, until: Option<Instant>) -> Result<(), Raised> {
        self.wait_child(child, until, |child| child.is_none_or(|child| child.up || child.gone).then_some(()))
    }

    /// Waits for something about a child. Nothing is known of one that is gone and that nobody holds.
    fn wait_child<T>(
        &self,
        child: ActorId,
        until: Option<Instant>,
        mut found: impl FnMut(Option<&ChildFacts>) -> Option<T>,
    ) -> Result<T, Raised> {
        self.find_at_board(News::Child(child), until, |facts| found(facts.children.get(&child)))
    }

    /// Runs one child that may fail, and waits until it is gone: in a nursery of its own, so nobody else is cancelled.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this call stands in is cancelled.
    /// - [`Raised::Refused`]: as many scopes are open as may be. That the order itself is refused is one of the failures.
    pub fn attempt(&self, order: impl Into<Order<Any>>) -> Result<Attempt, Raised> {
        self.attempt_with(Scope::default(), order)
    }

    /// Runs one child that may fail in a nursery with a deadline or a shield of its own. See [`attempt`](Self::attempt).
    ///
    /// # Errors
    /// The same, and
    /// - [`Raised::TimedOut`]: its own deadline cancelled it, and it has not failed.
    pub fn attempt_with(&self, scope: Scope, order: impl Into<Order<Any>>) -> Result<Attempt, Raised> {
        let mut child = None;
        let ended =
            self.nursery_with(scope, |nursery| child.insert(nursery.spawn(order)?).wait_gone().map(drop));
        let failures = match ended {
            Ok(()) => Vec::new(),
            Err(Raised::Group(failures)) => failures,
            Err(raised) => return Err(raised),
        };
        Ok(Attempt { end: child.and_then(|child| child.end()), failures })
    }
}
