//! Calling another actor: a portal leads to it.
//!
//! The rule: no call outlives its peer, its scope or its deadline. A call that this side cancels is absorbed; what the far
//! end fails with is raised here, with its kind, its text and the way it took.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use windrow_core::{ActorId, ContextId, Error, Kind, Link, Payload, Refused, ScopeId};

use crate::actor::Actor;
use crate::context::{Context, ContextEnd};
use crate::dialogue::Dialogue;
use crate::endpoint::{Endpoint, encode, spare_buffer};
use crate::failure::Raised;
use crate::nursery::Scope;
use crate::pending::Pending;
use crate::reading::Reader;
use crate::shell::{Asks, Held};
use crate::slot::Slot;

/// A call that was sent, and where its user waits.
pub(crate) type Begun = (ContextId, Arc<Slot>);

/// The way to another actor, to call what it exposes: a child's ([`Child::portal`](crate::Child::portal)), the parent's
/// ([`Actor::parent`]), or that of whoever has a name ([`Actor::wait_for`], [`Actor::find`]).
///
/// It keeps nobody alive. A call to an actor that is gone is an error that says so.
#[derive(Clone, Debug)]
pub struct Portal {
    actor: Actor,
    link: Link,
    id: ActorId,
    name: Option<Arc<str>>,
}

impl Portal {
    pub(crate) fn new(actor: Actor, link: Link, id: ActorId, name: Option<Arc<str>>) -> Self {
        Self { actor, link, id, name }
    }

    /// Gives the id of the actor that it leads to, which it keeps when it is gone. A root's parent is nobody: its id is zero.
    #[must_use]
    pub fn id(&self) -> ActorId {
        self.id
    }

    /// Gives the name by which it is known here: a child's own, or the one by which it was found. What its parent is called no
    /// actor is told.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Waits until the actor is gone, or can't be reached any more. A child is gone when nothing of it is left; of another actor
    /// nothing is known but that its channel has ended.
    ///
    /// Whoever asks another actor to end, by [`cancel_actor`](Self::cancel_actor), waits for that like this.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled, as by the failure of the child; or, always, by the loss of
    ///   the parent.
    pub fn wait_gone(&self) -> Result<(), Raised> {
        match self.link {
            Link::Child(child) => self.actor.gone_by(child),
            Link::Peer(peer) => self.actor.parted_from(peer),
            _ if self.leads_nowhere() => self.actor.checkpoint(),
            // Who loses its parent is cancelled by that.
            _ => self.actor.sleep_forever(),
        }
    }

    fn leads_nowhere(&self) -> bool {
        self.id == ActorId::default()
    }

    /// Calls an endpoint and waits for its result.
    ///
    /// # Errors
    /// - [`Raised::Group`]: what the far end failed with, or that it is gone, now or since long, each with its
    ///   [kind](crate::Failure::kind).
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled.
    /// - [`Raised::Refused`]: as many calls are open as may be; or this is a root's portal to its parent, and it is
    ///   [`Parentless`](Refused::Parentless); or this actor itself has [ended](Refused::Ended).
    /// - [`Raised::Error`]: the arguments are longer than a message; or the result can't be read.
    pub fn call<A, R>(&self, endpoint: Endpoint<A, R>, args: &A) -> Result<R, Raised>
    where
        A: Serialize,
        R: DeserializeOwned,
    {
        self.call_by(endpoint, args, None)
    }

    /// Calls an endpoint and waits for its result, but not for longer than a time. The far end hears how much is left,
    /// and so does whatever it calls in turn.
    ///
    /// Once the time is over the call is let go of, as by the drop of a [`Pending`]: it is cancelled, and what it still comes to
    /// is told to nobody. The scope that it stands in does not close before that.
    ///
    /// # Errors
    /// The same as [`call`](Self::call), and
    /// - [`Raised::TimedOut`]: the time was over first, and the far end had told of no error by then.
    pub fn call_within<A, R>(
        &self,
        timeout: Duration,
        endpoint: Endpoint<A, R>,
        args: &A,
    ) -> Result<R, Raised>
    where
        A: Serialize,
        R: DeserializeOwned,
    {
        self.call_by(endpoint, args, Some(timeout))
    }

    fn call_by<A, R>(
        &self,
        endpoint: Endpoint<A, R>,
        args: &A,
        timeout: Option<Duration>,
    ) -> Result<R, Raised>
    where
        A: Serialize,
        R: DeserializeOwned,
    {
        let mut socket = None;
        // The answer to what is waited for at once is read by whoever waits.
        let lend = |shell: &mut dyn Asks| socket = shell.lend(self.link);
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let begun = self.begin(self.actor.body(), false, &endpoint, args, until, lend)?;
        let reader = socket.and_then(|socket| Reader::with(self.actor.desk(), self.link, socket));
        Pending::new(self, begun, reader).result()
    }

    /// Calls an endpoint and returns at once. The call belongs to the scope that this thread stands in: that of
    /// the main task, if it is none of our [threads](Actor::threads).
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled.
    /// - [`Raised::Group`]: the far end is gone.
    /// - [`Raised::Refused`]: as many calls are open as may be; or as for [`call`](Self::call).
    /// - [`Raised::Error`]: the arguments are longer than a message.
    pub fn start<A, R>(&self, endpoint: Endpoint<A, R>, args: &A) -> Result<Pending<'_, R>, Raised>
    where
        A: Serialize,
        R: DeserializeOwned,
    {
        let begun = self.begin(self.actor.body(), false, &endpoint, args, None, |_| {})?;
        Ok(Pending::new(self, begun, None))
    }

    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Calls an endpoint and links `body` here with its code there: a failure of either cancels the other, and this
    /// returns when both have ended. A far end that still sends when the body has ended is cancelled, for nobody would read
    /// it: a body that wants it to go on to its end asks for the [result](Context::result). One that still reads comes to the
    /// end of what was sent.
    ///
    /// # Errors
    /// - [`Raised::Group`]: the failures of the body, of the far end, or of both; that it can't be called is one.
    /// - [`Raised::Cancelled`]: the scope around is cancelled; or the body gave no value, since it was, as by
    ///   [`cancel`](Context::cancel) in it: not to be [passed on](Raised::Cancelled) then.
    /// - [`Raised::Refused`]: as many scopes are open as may be.
    pub fn context<A, R, D, T>(
        &self,
        endpoint: Endpoint<A, R, D>,
        args: &A,
        body: impl FnOnce(&Context<'_, R, D>) -> Result<T, Raised>,
    ) -> Result<T, Raised>
    where
        A: Serialize,
        R: DeserializeOwned,
        D: Dialogue,
    {
        self.context_with(Scope::default(), endpoint, args, body)
    }

    /// Opens a context with a deadline or a shield of its own. See [`context`](Self::context).
    ///
    /// # Errors
    /// The same, and
    /// - [`Raised::TimedOut`]: its own deadline cancelled it.
    pub fn context_with<A, R, D, T>(
        &self,
        scope: Scope,
        endpoint: Endpoint<A, R, D>,
        args: &A,
        body: impl FnOnce(&Context<'_, R, D>) -> Result<T, Raised>,
    ) -> Result<T, Raised>
    where
        A: Serialize,
        R: DeserializeOwned,
        D: Dialogue,
    {
        self.actor.scoped(scope, |scope| {
            let (id, slot) = self.begin(scope, true, &endpoint, args, None, |_| {})?;
            body(&Context::new(ContextEnd::new(&self.actor, id, slot)))
        })
    }

    /// Cancels the whole actor at the far end, whosever child it is, and returns at once: for its end there is
    /// [`wait_gone`](Self::wait_gone). All who have a context with it hear that this actor asked for that. One that is gone needs
    /// no cancellation.
    ///
    /// # Errors
    /// - [`Raised::Refused`]: this actor itself has ended.
    pub fn cancel_actor(&self) -> Result<(), Raised> {
        self.actor.ask(|shell| shell.cancel_actor(self.link))
    }

    /// Says that nobody is there, unless that has cancelled this thread.
    fn lost(&self, error: Error) -> Raised {
        match self.actor.cancelled_now() {
            Some(cause) => Raised::Cancelled(cause),
            None => Raised::Group(vec![self.actor.failure_of(error)]),
        }
    }

    /// Sends the call, and says something more with it. A child that still boots is waited for.
    fn begin<A: Serialize, R, D>(
        &self,
        scope: ScopeId,
        linked: bool,
        endpoint: &Endpoint<A, R, D>,
        args: &A,
        until: Option<Instant>,
        mut with: impl FnMut(&mut dyn Asks),
    ) -> Result<Begun, Raised> {
        let (name, mut bytes) = (endpoint.name(), spare_buffer());
        bytes.push(u8::try_from(name.len()).unwrap_or(0));
        bytes.extend_from_slice(name.as_bytes());
        endpoint.types().put(&mut bytes);
        let mut bytes = encode(args, bytes)?;
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let said = self.actor.said(|shell| {
                let begun = shell.call(self.link, scope, linked, &mut bytes, left);
                // Once the shell is free again, a child that boots may be up.
                let boots = match (&begun, self.link) {
                    (Ok(_), _) => {
                        with(shell);
                        None
                    }
                    (Err(_), Link::Child(child)) => Some(child).filter(|child| self.actor.is_booting(*child)),
                    (Err(_), _) => None,
                };
                (begun, boots)
            });
            let (begun, boots) = said.unzip();
            match (begun, boots.flatten()) {
                (Some(Err(Held::Refused(Refused::ClosedLink))), Some(child)) => {
                    self.actor.ready_by(child, until)?;
                }
                (Some(Err(Held::Refused(Refused::ClosedLink))), None) => {
                    let gone = Kind::PeerLost(self.actor.exit_of(self.id));
                    return Err(self.lost(Error::new(gone, self.id, Payload(0))));
                }
                (Some(Err(Held::Refused(Refused::GoneAway(cause)))), _) => {
                    return Err(self.lost(Error::cancelled(self.id, cause)));
                }
                (Some(Err(Held::Congested)), _) => self.actor.wait_for_link(self.link, until, None)?,
                (begun, _) => {
                    if let Some(begun) = self.actor.unheld(self.link, begun)? {
                        return Ok(begun);
                    }
                }
            }
        }
    }
}
