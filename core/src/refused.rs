//! Why an ask was turned down: each reason once, with what its reader can do about it.

use core::fmt;

use crate::{ActorId, BadLimits, Cause, Input};

/// Why an ask was turned down. Nothing has changed then, not even the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refused {
    /// Outputs of the last input are still queued; poll them first. The one refusal that a fact can meet.
    Undrained,
    /// The actor that asks has ended.
    Ended,
    /// The actor awaits its spec, or a root its first tick.
    Booting,
    /// No scope of that name was ever opened.
    UnknownScope,
    /// No child of that name was ever spawned.
    UnknownChild,
    /// The scope is closed.
    ClosedScope,
    /// The scope, or the actor, is cancelled.
    Cancelled(Option<Cause>),
    /// The id does not grow.
    StaleId,
    /// No generation may stand below this actor, or not that many.
    TooDeep,
    /// The child's spans don't fit into this actor's bound: give the spec fewer levels or shorter spans, or this actor more
    /// levels or longer spans.
    TooSlow,
    /// The child's spans break a rule by themselves.
    BadTimes(BadLimits),
    /// As many are there as may be.
    Full {
        /// Of what.
        limit: Limit,
        /// How many that is.
        most: u32,
    },
    /// No such channel is open.
    ClosedLink,
    /// The peer at that channel was cancelled by this, and has said its last word there.
    GoneAway(Cause),
    /// The context is not there, or not in a state to which this could happen.
    ClosedContext,
    /// This end of the stream was opened before, or has ended.
    ClosedStream,
    /// There is no credit: the far end has no room for an item.
    NoCredit,
    /// A root has no parent.
    Parentless,
    /// An actor can't call itself, nor find itself to do so.
    Itself,
    /// The same is asked already, and not answered.
    Pending,
    /// What has no name can't be called: the empty one stands for all that nobody knows.
    Nameless,
    /// The actor is ready, so nobody waits for that any more.
    Ready,
    /// The name is another's, as the registrar has answered.
    Taken(ActorId),
    /// The endpoint is there, and its calls are taken up otherwise: by hand, or by another service.
    Served,
}

impl Input {
    /// Tells whether it is an ask. All else is a fact or the tick, and refused only while outputs are queued
    /// ([`Refused::Undrained`]).
    #[must_use]
    pub const fn is_ask(&self) -> bool {
        match self {
            Self::OpenScope { .. }
            | Self::Leave { .. }
            | Self::StartTask { .. }
            | Self::Spawn { .. }
            | Self::Cancel { .. }
            | Self::CancelChild { .. }
            | Self::Expose { .. }
            | Self::Call { .. }
            | Self::Accept { .. }
            | Self::Begin { .. }
            | Self::OpenStream { .. }
            | Self::Push { .. }
            | Self::EndStream { .. }
            | Self::CancelContext { .. }
            | Self::Dial { .. }
            | Self::CancelActor { .. }
            | Self::Register { .. }
            | Self::Unregister { .. }
            | Self::Find { .. }
            | Self::List { .. }
            | Self::Forget { .. }
            | Self::Stale { .. }
            | Self::Conceal { .. }
            | Self::Ready
            | Self::Extend { .. } => true,
            Self::ContextFailed { .. }
            | Self::Finished { .. }
            | Self::Taken { .. }
            | Self::Failed { .. }
            | Self::TaskEnded { .. }
            | Self::Started { .. }
            | Self::NotStarted { .. }
            | Self::Exited { .. }
            | Self::Ignored { .. }
            | Self::Swept { .. }
            | Self::Reaped { .. }
            | Self::Cleared { .. }
            | Self::Released
            | Self::Signalled(_)
            | Self::StatusAsked
            | Self::Received { .. }
            | Self::Garbled { .. }
            | Self::LinkLost { .. }
            | Self::Flushed { .. }
            | Self::PeerJoined { .. }
            | Self::PeerDialled { .. }
            | Self::PeerFailed { .. }
            | Self::Tick
            | Self::PeerShown { .. }
            | Self::Deferred
            | Self::Unread { .. } => false,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undrained => f.write_str("outputs are still queued"),
            Self::Ended => f.write_str("the actor that asks has ended"),
            Self::Booting => f.write_str("the actor has not started yet"),
            Self::UnknownScope => f.write_str("there is no such scope"),
            Self::UnknownChild => f.write_str("there is no such child"),
            Self::ClosedScope => f.write_str("the scope is closed"),
            Self::Cancelled(Some(cause)) => write!(f, "the scope is cancelled: {cause}"),
            Self::Cancelled(None) => f.write_str("the scope is cancelled"),
            Self::StaleId => f.write_str("the id was given before"),
            Self::TooDeep => f.write_str("no generation may stand so deep: raise the root's levels"),
            Self::TooSlow => f.write_str("the child's spans don't fit into its parent's teardown bound"),
            Self::BadTimes(rule) => write!(f, "the child's own times are refused: {rule}"),
            Self::Full { limit, most } => {
                let (what, field) = limit.words();
                write!(
                    f,
                    "{most} {what} are there, and {field} allows no more: raise it, or let one end first"
                )
            }
            Self::ClosedLink => f.write_str("no channel to that actor is open"),
            Self::GoneAway(cause) => write!(f, "the actor there was cancelled: {cause}"),
            Self::ClosedContext => f.write_str("the context is over, or has not begun"),
            Self::ClosedStream => f.write_str("the stream was opened before, or has ended"),
            Self::NoCredit => f.write_str("the far end of the stream has no room for an item"),
            Self::Parentless => f.write_str("the actor is a root, and has no parent"),
            Self::Itself => f.write_str("an actor can't call itself: nothing leads from it to itself"),
            Self::Nameless => {
                f.write_str("an endpoint needs a name, and room for it among those that the actor knows")
            }
            Self::Ready => {
                f.write_str("the actor is ready: only one that says so itself may ask for more time")
            }
            Self::Taken(holder) => write!(f, "the name is taken, by {holder}"),
            Self::Served => f.write_str(
                "the calls of that endpoint are taken up otherwise: drop its listeners, or conceal the service that has it, first",
            ),
            Self::Pending => f.write_str("the same was asked, and is not answered yet"),
        }
    }
}

impl core::error::Error for Refused {}

/// What there may be only so many of: by a field of [`Limits`](crate::Limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Children, by [`Limits::children`](crate::Limits::children).
    Children,
    /// Scopes, by [`Limits::scopes`](crate::Limits::scopes).
    Scopes,
    /// Tasks, by [`Limits::tasks`](crate::Limits::tasks).
    Tasks,
    /// Connections to peers, by [`Limits::peers`](crate::Limits::peers).
    Peers,
    /// Questions for names, by [`Limits::finds`](crate::Limits::finds).
    Finds,
    /// Calls that it made, by [`Limits::contexts`](crate::Limits::contexts).
    Contexts,
    /// Endpoints, by [`Limits::contexts`](crate::Limits::contexts) as well.
    Endpoints,
}

impl Limit {
    /// Says what is counted, and by which field it is limited.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Children => ("children", "Limits::children"),
            Self::Scopes => ("scopes", "Limits::scopes"),
            Self::Tasks => ("tasks", "Limits::tasks"),
            Self::Peers => ("peers", "Limits::peers"),
            Self::Finds => ("questions for names", "Limits::finds"),
            Self::Contexts => ("calls", "Limits::contexts"),
            Self::Endpoints => ("endpoints", "Limits::contexts"),
        }
    }
}
