//! The blocking API: what user code, on its own thread, asks of its actor.
//!
//! A nursery's block does not end while a child of it is alive. A blocking call of ours is a checkpoint: it ends early,
//! with [`Raised::Cancelled`], when what it stands in is cancelled, and looks at that first, even if it has no need to wait.
//!
//! What a thread stands in is the innermost body that it is in: of a nursery, of a context, of a call that it serves, of one of
//! our [threads](Actor::threads). A thread that `std` alone started is in none of them: it stands in the scope of the main task.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use windrow_core::{ActorId, Cause, Error, Exit, Kind, Link, Payload, Reason, Refused, ScopeId};

use crate::board::{Board, Facts, News};
use crate::dialogue::Dialogue;
use crate::endpoint::{Endpoint, Service, decode, too_long, unreadable};
use crate::failure::{Failure, Raised};
use crate::listen::Listener;
use crate::nursery::{Nursery, Scope};
use crate::portal::Portal;
use crate::shell::{Asks, Desk, Held};
use crate::unix::segment::Segment;

/// The actor that this thread belongs to: what its code asks and waits for.
///
/// The main task is given one, and so is whoever serves a call; clones are the same actor, and may go to other threads. Every
/// call that waits, or may, is a checkpoint: once what the calling thread stands in is cancelled it returns [`Raised::Cancelled`].
#[derive(Clone)]
pub struct Actor {
    id: ActorId,
    name: Arc<str>,
    levels: u8,
    pub(crate) shared: Arc<[Segment]>,
    board: Arc<Board>,
    desk: Arc<dyn Desk>,
}

/// Says who it is. What stands behind it is large, and may hold the tree's key.
impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Actor");
        shown.field("id", &self.id).field("name", &self.name).field("levels", &self.levels);
        shown.finish_non_exhaustive()
    }
}

impl Actor {
    pub(crate) fn new(
        id: ActorId,
        name: &str,
        levels: u8,
        shared: Vec<Segment>,
        board: Arc<Board>,
        desk: Arc<dyn Desk>,
    ) -> Self {
        Self { id, name: name.into(), levels, shared: shared.into(), board, desk }
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
    /// An error of the body, or of a child, whether anybody waits for it or not, cancels the rest. What the body returns is the
    /// nursery's result, unless somebody failed or the scope around is cancelled:
    ///
    /// ```no_run
    /// # use windrow_std::{Actor, Order, Raised};
    /// /// Has two fields mown at the same time, or neither.
    /// fn mow(actor: &Actor) -> Result<(), Raised> {
    ///     actor.nursery(|nursery| {
    ///         nursery.spawn(Order::entry("mow", "east"))?;
    ///         nursery.spawn(Order::entry("mow", "west"))?;
    ///         Ok(())
    ///     })
    /// }
    /// ```
    ///
    /// # Errors
    /// - [`Raised::Group`]: all failures of the body and of the children.
    /// - [`Raised::Cancelled`]: the scope around is cancelled; or the body gave no value, since it, or something in it, was. The
    ///   latter ends here: whoever [cancels](Nursery::cancel) a nursery of their own has the body return a value, or does not
    ///   [pass this on](Raised::Cancelled).
    /// - [`Raised::Refused`]: as many scopes are open as may be.
    pub fn nursery<T>(&self, body: impl FnOnce(&Nursery<'_>) -> Result<T, Raised>) -> Result<T, Raised> {
        self.nursery_with(Scope::default(), body)
    }

    /// Opens a nursery with a deadline or a shield of its own. See [`nursery`](Self::nursery).
    ///
    /// # Errors
    /// The same, and
    /// - [`Raised::TimedOut`]: its own deadline cancelled it.
    pub fn nursery_with<T>(
        &self,
        scope: Scope,
        body: impl FnOnce(&Nursery<'_>) -> Result<T, Raised>,
    ) -> Result<T, Raised> {
        self.scoped(scope, |scope| body(&Nursery::new(self, scope)))
    }

    /// Sleeps, unless cancelled before.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled.
    pub fn sleep(&self, span: Duration) -> Result<(), Raised> {
        let until = Instant::now().checked_add(span);
        match self.board.wait(&[self.cancellation()], until, |facts| self.cancelled_by(facts)) {
            Some(cause) => Err(Raised::Cancelled(cause)),
            None if self.is_over() => Err(Raised::Cancelled(self.gone())),
            None => Ok(()),
        }
    }

    /// Sleeps until cancelled.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: always, once what this thread stands in is cancelled.
    pub fn sleep_forever(&self) -> Result<(), Raised> {
        let cause = self.board.wait(&[self.cancellation()], None, |facts| self.cancelled_by(facts));
        Err(Raised::Cancelled(cause.unwrap_or_else(|| self.gone())))
    }

    /// Does nothing, unless cancelled.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled.
    pub fn checkpoint(&self) -> Result<(), Raised> {
        match self.cancelled_now() {
            Some(cause) => Err(Raised::Cancelled(cause)),
            None => Ok(()),
        }
    }

    /// Says by what this actor is cancelled, if it is, which is no checkpoint: who stands behind a [shield](crate::Scope::shield) sees
    /// there that what is under way is to be finished, and nothing more begun.
    ///
    /// ```no_run
    /// # use windrow_std::{Actor, Raised, Scope};
    /// # fn next() -> Option<u32> { None }
    /// # fn carry_out(actor: &Actor, job: u32) -> Result<(), Raised> { Ok(()) }
    /// # fn drain(actor: &Actor) -> Result<(), Raised> {
    /// actor.nursery_with(Scope::default().shield(), |_| {
    ///     while let Some(job) = next().filter(|_| actor.cancelled().is_none()) {
    ///         carry_out(actor, job)?;
    ///     }
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn cancelled(&self) -> Option<Cause> {
        self.board.look().main
    }

    /// Says that this actor is ready: to its parent, which waits for it and gives it no call before. One that is ready
    /// already, as every actor is that no [`slow_entry`](crate::Program::slow_entry) began, may say it again.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: the actor is cancelled.
    pub fn ready(&self) -> Result<(), Raised> {
        self.ask(|shell| shell.ready())
    }

    /// Asks the parent for more time until this actor is [ready](Self::ready): so much from now on. No answer comes: how much
    /// there is all in all, the parent's limits say ([`boot_max`](windrow_core::Limits::boot_max)), and what it has it keeps.
    ///
    /// # Errors
    /// - [`Raised::Refused`]: the actor is ready already.
    /// - [`Raised::Cancelled`]: the actor is cancelled; or what this thread stands in, while the channel to the parent has no room.
    pub fn extend(&self, by: Duration) -> Result<(), Raised> {
        self.when_room(Link::Parent, |shell| shell.extend(by))
    }

    /// Lets others call the endpoints of a service, from now on, all of them or none. A service is known by its name: what one of
    /// the same name has already is served by the newer one's code, and what only the older has stays.
    ///
    /// # Errors
    /// - [`Raised::Refused`]: these are more endpoints than the actor may have, or one has no name, or its calls are taken up by
    ///   [hand](Self::listen) or by another service; or the actor has ended.
    pub fn expose(&self, service: &Service) -> Result<(), Raised> {
        self.ask(|shell| shell.expose(service))
    }

    /// Lets nobody call the endpoints of a service any more, but for those that one of another name has. Calls that are served by
    /// now are served to their end; those that wait are told that there is no such endpoint.
    pub fn conceal(&self, service: &Service) {
        self.tell(|shell| shell.conceal(service));
    }

    /// Lets others call an endpoint, from now on, whose calls are taken up by hand and not by threads of their own. Several may
    /// listen to one, and none to one that a service [has](Self::expose).
    ///
    /// # Errors
    /// The same as [`expose`](Self::expose); [`Raised::Refused`], if a service has the endpoint.
    pub fn listen<A, R, D>(&self, endpoint: Endpoint<A, R, D>) -> Result<Listener<A, R, D>, Raised>
    where
        A: DeserializeOwned,
        R: Serialize,
        D: Dialogue,
    {
        let name = self.ask(|shell| shell.listen(endpoint.name()))?;
        Ok(Listener::new(self.clone(), name, endpoint.types()))
    }

    /// Gives a portal to the actor that made this one. A root has none, and calls through it say so.
    #[must_use]
    pub fn parent(&self) -> Portal {
        let parent = self.said(|shell| shell.far(Link::Parent)).unwrap_or_default();
        Portal::new(self.clone(), Link::Parent, parent, None)
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

    /// Asks the machine at once, on this thread.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&mut dyn Asks) -> Result<T, Refused>) -> Result<T, Raised> {
        self.answered(self.said(ask).unwrap_or(Err(Refused::Ended)))
    }

    pub(crate) fn answered<T>(&self, answer: Result<T, Refused>) -> Result<T, Raised> {
        match answer {
            Ok(value) => Ok(value),
            Err(Refused::Cancelled(Some(cause))) => Err(Raised::Cancelled(cause)),
            Err(refused) => {
                let closed = matches!(refused, Refused::ClosedContext | Refused::ClosedLink);
                // What closed it may have cancelled this body, which is then all that it is to fail with.
                match self.cancelled_now().filter(|_| closed) {
                    Some(cause) => Err(Raised::Cancelled(cause)),
                    None => Err(Raised::Refused(refused)),
                }
            }
        }
    }

    /// Says something to the machine at once, on this thread, and gives the answer; `None` if the actor is over.
    pub(crate) fn said<T>(&self, say: impl FnOnce(&mut dyn Asks) -> T) -> Option<T> {
        self.desk.said(say)
    }

    /// Says something that is never refused. If the actor is over, so is its process.
    pub(crate) fn tell(&self, say: impl FnOnce(&mut dyn Asks)) {
        self.said(say);
    }

    /// Says what needs room on a channel until it has it, and gives the answer.
    pub(crate) fn when_room<T>(
        &self,
        link: Link,
        mut say: impl FnMut(&mut dyn Asks) -> Result<T, Held>,
    ) -> Result<T, Raised> {
        loop {
            let said = self.said(&mut say);
            if let Some(answer) = self.unheld(link, said)? {
                return Ok(answer);
            }
        }
    }

    /// Gives the answer to what was [said](Self::said), or `None` once it may be said again.
    pub(crate) fn unheld<T>(&self, link: Link, said: Option<Result<T, Held>>) -> Result<Option<T>, Raised> {
        match said.unwrap_or(Err(Held::Refused(Refused::Ended))) {
            Ok(value) => Ok(Some(value)),
            Err(Held::Congested) => self.wait_for_link(link, None, None).map(|()| None),
            Err(Held::TooLong(length)) => Err(too_long(length)),
            Err(Held::Refused(refused)) => self.answered(Err(refused)),
        }
    }

    /// Waits until a channel's send buffer is short, or the time is over; or until this thread is cancelled, or the call that
    /// is `served` here from outside.
    pub(crate) fn wait_for_link(
        &self,
        link: Link,
        until: Option<Instant>,
        served: Option<ScopeId>,
    ) -> Result<(), Raised> {
        let cancellation = self.cancellation();
        let of_call = served.map_or(cancellation, News::Cancelled);
        let short = self.board.wait(&[News::Room(link), cancellation, of_call], until, |facts| {
            if !facts.congested.contains(&link) {
                return Some(Ok(()));
            }
            let of_call = || self.cancelled_outside(served?, facts);
            self.cancelled_by(facts).or_else(of_call).map(|cause| Err(Raised::Cancelled(cause)))
        });
        short.unwrap_or_else(|| Err(self.unfound()))
    }

    /// Waits for something at the board, or until the time is over. That this thread is cancelled comes first: a failure
    /// cancels before who failed is gone, and nobody is to see which of both came sooner.
    pub(crate) fn find_at_board<T>(
        &self,
        news: News,
        until: Option<Instant>,
        mut look: impl FnMut(&mut Facts) -> Option<T>,
    ) -> Result<T, Raised> {
        let found =
            self.board.wait(&[news, self.cancellation()], until, |facts| match self.cancelled_by(facts) {
                Some(cause) => Some(Err(Raised::Cancelled(cause))),
                None => look(facts).map(Ok),
            });
        found.unwrap_or_else(|| Err(self.unfound()))
    }

    /// Says why a wait found nothing.
    pub(crate) fn unfound(&self) -> Raised {
        if self.is_over() { Raised::Cancelled(self.gone()) } else { Raised::TimedOut }
    }

    pub(crate) fn desk(&self) -> &dyn Desk {
        &*self.desk
    }

    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    pub(crate) fn is_over(&self) -> bool {
        self.board.look().over
    }

    pub(crate) fn is_booting(&self, child: ActorId) -> bool {
        self.board.look().children.get(&child).is_some_and(|child| !child.up && !child.gone)
    }

    /// Says how a child exited, if it is one that has, and of which something is still known.
    pub(crate) fn exit_of(&self, child: ActorId) -> Option<Exit> {
        self.board.look().children.get(&child)?.exit
    }

    /// Makes a failure of another actor's error, as it is seen from here.
    pub(crate) fn failure_of(&self, error: Error) -> Failure {
        let failure = self.said(|shell| shell.failure_of(error));
        failure.unwrap_or_else(|| Failure::new(error, "", Vec::new()))
    }

    /// Reads what an actor sent. It is that of the same type there, so it is nobody's fault but the type's if it can't be read.
    pub(crate) fn read<T: DeserializeOwned>(&self, sender: ActorId, bytes: &[u8]) -> Result<T, Raised> {
        decode(bytes).map_err(|error| {
            let who = match self.failure_of(Error::new(Kind::Failed, sender, Payload(0))).name {
                name if name.is_empty() => sender.to_string(),
                name => name,
            };
            unreadable::<T>(&format!("what {who} sent"), &error).into()
        })
    }

    /// Reads what came over a channel.
    pub(crate) fn read_from<T: DeserializeOwned>(&self, link: Link, bytes: &[u8]) -> Result<T, Raised> {
        self.read(self.said(|shell| shell.far(link)).unwrap_or_default(), bytes)
    }

    /// Gives the cancellation of what has no other: whoever waits for something of an actor that ends waits for nothing.
    pub(crate) fn gone(&self) -> Cause {
        Cause { canceller: self.id, reason: Reason::Asked }
    }
}
