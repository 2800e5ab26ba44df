//! All that can happen to an actor.
//!
//! *Asks* may be refused, and then nothing has changed. *Facts* have happened already and are always taken; one that
//! fits nothing known is reported as a stray. The *tick* says only that time has passed.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    ActorId, Answer, Cause, ContextId, Error, Exit, Instant, Link, Message, NameId, Payload, PeerId, ScopeId,
    Spec, Stamp, TaskId,
};

/// A signal that the machine knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Signal {
    /// SIGINT.
    Int,
    /// SIGTERM, always with SIGCONT behind it, so that a stopped process hears it.
    Term,
    /// SIGHUP.
    Hup,
    /// SIGKILL.
    Kill,
}

impl Signal {
    /// Gives Linux's number of the signal.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Hup => 1,
            Self::Int => 2,
            Self::Kill => 9,
            Self::Term => 15,
        }
    }
}

/// One thing that happened. Append-only: a trace stores the variant's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "inputs are Copy, and few are in flight")]
pub enum Input {
    // Asks.
    /// Opens a scope in another. The id is the caller's and must grow.
    OpenScope {
        /// The new scope.
        scope: ScopeId,
        /// The scope it stands in.
        parent: ScopeId,
        /// Whether it is shielded from its parent's cancellation.
        shield: bool,
        /// When it cancels itself.
        deadline: Option<Instant>,
    },
    /// Ends a scope's body; the scope closes when nothing in it is left.
    Leave {
        /// Which one.
        scope: ScopeId,
    },
    /// Starts a task in a scope. The id is the caller's and must grow.
    StartTask {
        /// The new task.
        task: TaskId,
        /// The scope it runs in.
        scope: ScopeId,
        /// Its name.
        name: NameId,
    },
    /// Spawns a child in a scope. The id is the caller's and must grow.
    Spawn {
        /// The new child.
        child: ActorId,
        /// The scope that owns it.
        scope: ScopeId,
        /// What it is to be.
        spec: Spec,
    },
    /// Cancels a scope and all in it. One that is already gone: success, and nothing happens.
    Cancel {
        /// Which one.
        scope: ScopeId,
    },
    /// Cancels one child. One that is already gone: success, and nothing happens.
    CancelChild {
        /// Which one.
        child: ActorId,
    },

    // Asks of contexts.
    /// Lets others call an endpoint of this actor. One that is exposed already: success, and nothing happens.
    Expose {
        /// Its name.
        endpoint: NameId,
    },
    /// Calls an endpoint of the actor at the far end of a channel. The number in the id must grow.
    Call {
        /// The new context.
        context: ContextId,
        /// The scope it belongs to, which does not close before the call has ended.
        scope: ScopeId,
        /// Whether a failure of the far side fails the scope; else it is only told.
        linked: bool,
        /// What is called.
        endpoint: NameId,
        /// The arguments.
        payload: Payload,
        /// By when the answer is wanted, if the scope's own deadline does not come first.
        deadline: Option<Instant>,
    },
    /// Takes up a call that was offered. Its body runs in a new scope, whose id must grow.
    Accept {
        /// Which one.
        context: ContextId,
        /// The body's scope.
        scope: ScopeId,
        /// The scope that the call is served in, which does not close before the call has ended.
        parent: ScopeId,
    },
    /// Tells the caller that the body has begun: once, and before its stream.
    Begin {
        /// Which call.
        context: ContextId,
        /// The first value.
        payload: Payload,
    },
    /// Opens this end of a context's stream: once. The far end may send `window` items ahead.
    OpenStream {
        /// Whose.
        context: ContextId,
        /// How many items are taken ahead, within the actor's limit.
        window: u32,
        /// Whether the oldest item gives way when there is no room, instead of the sender's waiting.
        lossy: bool,
    },
    /// Sends one item, against credit.
    Push {
        /// On which context's stream.
        context: ContextId,
        /// The item.
        payload: Payload,
    },
    /// Says that no further item will be sent.
    EndStream {
        /// On which context's stream.
        context: ContextId,
    },
    /// Cancels a context, from either end. One that is over: success, and nothing happens.
    CancelContext {
        /// Which one.
        context: ContextId,
    },

    // Facts of contexts.
    /// The body of a call met one of several errors; its answer is still to come.
    ContextFailed {
        /// Which call.
        context: ContextId,
        /// What.
        error: Error,
    },
    /// The body of a call ended.
    Finished {
        /// Which call.
        context: ContextId,
        /// With what.
        answer: Answer,
    },
    /// The user took items of a stream, so there is room for as many more.
    Taken {
        /// Whose.
        context: ContextId,
        /// How many.
        items: u32,
    },

    // Facts of the user's tasks.
    /// Something in a scope failed: the scope is cancelled.
    Failed {
        /// Where.
        scope: ScopeId,
        /// What.
        error: Error,
    },
    /// A task ended.
    TaskEnded {
        /// Which one.
        task: TaskId,
        /// What the main task returned.
        payload: Payload,
    },

    // Facts of processes.
    /// A child's process exists.
    Started {
        /// Which one.
        child: ActorId,
        /// Its process.
        stamp: Stamp,
    },
    /// A child's process could not be made.
    NotStarted {
        /// Which one.
        child: ActorId,
        /// The system's reason.
        errno: i32,
    },
    /// A child's process has exited and is not yet collected.
    Exited {
        /// Which one.
        child: ActorId,
        /// How.
        exit: Exit,
    },
    /// A child ignores a signal that it was sent.
    Ignored {
        /// Which one.
        child: ActorId,
        /// What it ignores.
        signal: Signal,
    },
    /// The answer to [`Output::Sweep`](crate::Output::Sweep), and again whenever it changes.
    Swept {
        /// Whose leavings were looked for.
        child: ActorId,
        /// How many of them are alive.
        alive: u32,
        /// How many of those were not there at the last look.
        fresh: u32,
        /// How many actors among them were collected since the last look.
        reaped: u32,
    },
    /// A child's exit status was collected.
    Reaped {
        /// Which one.
        child: ActorId,
    },
    /// The answer to [`Output::Clear`](crate::Output::Clear), and again whenever it changes.
    Cleared {
        /// How many strangers are alive.
        alive: u32,
    },
    /// The guardian is gone.
    Released,
    /// This process got a signal.
    Signalled(Signal),
    /// Somebody asked this process for its status.
    StatusAsked,

    // Facts of channels.
    /// A message came.
    Received {
        /// From whom.
        link: Link,
        /// What.
        message: Message,
    },
    /// Something came that is no message.
    Garbled {
        /// From whom.
        link: Link,
    },
    /// A channel is gone, or can't be kept up.
    LinkLost {
        /// Which one.
        link: Link,
    },
    /// The answer to [`Output::Flush`](crate::Output::Flush).
    Flushed {
        /// Which one.
        link: Link,
    },
    /// An actor that is neither parent nor child is connected.
    PeerJoined {
        /// Which one.
        peer: PeerId,
    },

    // The tick.
    /// Time has passed. Give it after every fact that was there.
    Tick,
}

/// Why an ask was turned down. Nothing has changed then, not even the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refused {
    /// Outputs of the last input are still queued; poll them first. The one refusal that a fact can meet.
    Undrained,
    /// The actor has ended.
    Ended,
    /// The actor awaits its spec.
    Booting,
    /// No scope of that name was ever opened.
    UnknownScope,
    /// The scope is closed.
    ClosedScope,
    /// The scope, or the actor, is cancelled.
    Cancelled(Option<Cause>),
    /// The id does not grow.
    StaleId,
    /// No generation may stand below this actor, or not that many.
    TooDeep,
    /// The child's spans don't fit into this actor's bound.
    TooSlow,
    /// A limit is reached.
    Full,
    /// No such channel is open.
    ClosedLink,
    /// The context is not there, or not in a state to which this could happen.
    ClosedContext,
    /// This end of the stream was opened before, or has ended.
    ClosedStream,
    /// There is no credit: the far end has no room for an item.
    NoCredit,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undrained => f.write_str("outputs are still queued"),
            Self::Ended => f.write_str("the actor has ended"),
            Self::Booting => f.write_str("the actor has not started yet"),
            Self::UnknownScope => f.write_str("there is no such scope"),
            Self::ClosedScope => f.write_str("the scope is closed"),
            Self::Cancelled(Some(cause)) => write!(f, "the scope is cancelled: {cause}"),
            Self::Cancelled(None) => f.write_str("the scope is cancelled"),
            Self::StaleId => f.write_str("the id was given before"),
            Self::TooDeep => f.write_str("no generation may stand so deep: raise the root's levels"),
            Self::TooSlow => f.write_str("the child's spans don't fit into its parent's teardown bound"),
            Self::Full => f.write_str("a limit on children, scopes, tasks or contexts is reached"),
            Self::ClosedLink => f.write_str("no channel to that actor is open"),
            Self::ClosedContext => f.write_str("the context is over, or has not begun"),
            Self::ClosedStream => f.write_str("the stream was opened before, or has ended"),
            Self::NoCredit => f.write_str("the far end of the stream has no room for an item"),
        }
    }
}

impl core::error::Error for Refused {}
