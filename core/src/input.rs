//! All that can happen to an actor.
//!
//! *Asks* may be refused, and then nothing has changed. *Facts* have happened already and are always taken; one that
//! fits nothing known is reported as a stray. The *tick* says only that time has passed.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    ActorId, Answer, ContextId, Error, Exit, Instant, Link, Message, NameId, Payload, PeerId, ScopeId, Spec,
    Stamp, TaskId,
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
    },
    /// Spawns a child in a scope. The id is the caller's and must grow; nobody else in the tree may have it.
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
    /// The body of a call ended, or the call will have none. Its scope stays open all the same, for what is left in it: the body
    /// leaves that with [`Leave`](Self::Leave), as any other.
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

    // Asks of peers and names.
    /// Connects to another actor, unless it is connected. The number must grow.
    Dial {
        /// The new connection.
        peer: PeerId,
        /// Who must be there.
        actor: ActorId,
        /// Where.
        payload: Payload,
    },
    /// Cancels the actor at the far end of a channel. It takes as much time as it may. A channel that is gone: success,
    /// and nothing happens.
    CancelActor {
        /// Which one.
        link: Link,
    },
    /// Gives this actor a name, or another address to a name that it has.
    Register {
        /// The channel to the registrar. Nothing is sent if this actor is it; and so in all that follows.
        link: Link,
        /// The name.
        name: NameId,
        /// Where the actor can be dialled.
        payload: Payload,
    },
    /// Gives a name of this actor's back. One that it does not have: success, and nothing happens.
    Unregister {
        /// The channel to the registrar.
        link: Link,
        /// The name.
        name: NameId,
    },
    /// Asks who has a name. The number must grow.
    Find {
        /// The channel to the registrar.
        link: Link,
        /// The asker's number for the question.
        request: u32,
        /// The name.
        name: NameId,
        /// Whether to wait until somebody has it.
        wait: bool,
    },
    /// Asks for all names. The number must grow.
    List {
        /// The channel to the registrar.
        link: Link,
        /// The asker's number for the question.
        request: u32,
    },
    /// Gives a question up. One that was answered: success, and nothing happens.
    Forget {
        /// Which one.
        request: u32,
    },
    /// Says that nobody is where a name's holder should be.
    Stale {
        /// The channel to the registrar.
        link: Link,
        /// The name.
        name: NameId,
        /// Who was said to have it.
        actor: ActorId,
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
    /// Somebody dialled this actor, and must greet first. The number is new and must grow.
    PeerJoined {
        /// Which one.
        peer: PeerId,
    },
    /// A dialled peer is connected.
    PeerDialled {
        /// Which one.
        peer: PeerId,
    },
    /// A dialled peer can't be reached.
    PeerFailed {
        /// Which one.
        peer: PeerId,
        /// The system's reason.
        errno: i32,
    },

    // The tick.
    /// Time has passed. Give it after every fact that was there, with the time at which it was asked what is there: what is due
    /// by then fires. So that time may be earlier than that of a fact that was read since.
    Tick,

    // An ask of contexts, again.
    /// Lets nobody call an endpoint of this actor any more; who has called it and was not taken up hears that there is
    /// none. One that is not exposed: success, and nothing happens.
    Conceal {
        /// Its name.
        endpoint: NameId,
    },

    // A fact of channels, again.
    /// Somebody who joined has shown to be of this tree: no stranger takes their place.
    PeerShown {
        /// Which one.
        peer: PeerId,
    },

    // Of this actor's own start.
    /// Before its spec, a fact: this actor is not ready with its spec, but when its user's code says so.
    Deferred,
    /// An ask: says to the parent that this actor is ready. One that is already: success, and nothing happens.
    Ready,
    /// An ask: asks the parent for more time, until this actor is ready. How much there is, the parent decides.
    Extend {
        /// How much from now on.
        by: Duration,
    },

    // A fact of contexts, again.
    /// The user reads no further item of a stream, or never will: what is here, and what comes, is let go of.
    Unread {
        /// Whose.
        context: ContextId,
    },
}
