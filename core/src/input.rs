//! All that can happen to an actor.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    ActorId, Answer, ContextId, Error, Exit, Instant, Link, Message, NameId, Payload, PeerId, ScopeId,
    Signal, Spec, Stamp, TaskId,
};

/// One thing that happened. Append-only: a trace stores the variant's index.
///
/// An *ask* may be [`Refused`](crate::Refused), and then nothing has changed. A *fact* has happened already and is always taken;
/// one that fits nothing known is told as a [`Stray`](crate::Stray). The *tick* says only that time has passed. Each variant
/// says first which of these it is, and [`is_ask`](Self::is_ask) tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "inputs are Copy, and few are in flight")]
pub enum Input {
    /// Ask: opens a scope in another. The id is the caller's and must grow, in one sequence with those of
    /// [`Accept`](Self::Accept).
    OpenScope {
        /// The new scope.
        scope: ScopeId,
        /// The scope it stands in.
        parent: ScopeId,
        /// Whether it is shielded from its parent's cancellation. The actor's teardown breaks it when time runs out: for a child
        /// process with the actor's own spans there is time for SIGTERM then, and for SIGKILL [`stop`](crate::Times::stop)
        /// later, but for no message. To have it asked, cancel the scope itself before that.
        shield: bool,
        /// When it cancels itself.
        deadline: Option<Instant>,
    },
    /// Ask: ends a scope's body; the scope closes when nothing in it is left. [`ScopeId::ROOT`] is refused: its body is the main
    /// task, which ends it.
    Leave {
        /// Which one.
        scope: ScopeId,
    },
    /// Ask: starts a task in a scope. The id is the caller's and must grow.
    StartTask {
        /// The new task.
        task: TaskId,
        /// The scope it runs in.
        scope: ScopeId,
    },
    /// Ask: spawns a child in a scope. The id is the caller's and must grow; nobody else in the tree may have it. The
    /// child must be told it before it greets, for its [`Config::child`](crate::Config::child): who greets as another loses its
    /// channel.
    Spawn {
        /// The new child.
        child: ActorId,
        /// The scope that owns it.
        scope: ScopeId,
        /// What it is to be.
        spec: Spec,
    },
    /// Ask: cancels a scope and all in it. One that is already gone: success, and nothing happens.
    Cancel {
        /// Which one.
        scope: ScopeId,
    },
    /// Ask: cancels one child. One that is already gone: success, and nothing happens.
    CancelChild {
        /// Which one.
        child: ActorId,
    },
    /// Ask: lets others call an endpoint of this actor. One that is exposed already: success, and nothing happens.
    Expose {
        /// Its name.
        endpoint: NameId,
    },
    /// Ask: calls an endpoint of the actor at the far end of a channel. The number in the id begins with 1 and grows with each
    /// call, over all channels together.
    Call {
        /// The new context.
        context: ContextId,
        /// The scope it belongs to, which does not close before the call has ended.
        scope: ScopeId,
        /// Whether a failure of the far side fails the scope; else it is only told. See [`Ending`](crate::Ending).
        linked: bool,
        /// What is called.
        endpoint: NameId,
        /// The arguments.
        payload: Payload,
        /// By when the answer is wanted, if the scope's own deadline does not come first.
        deadline: Option<Instant>,
    },
    /// Ask: takes up a call that was offered. Its body runs in a new scope, whose id must grow as that of one that is opened.
    Accept {
        /// Which one.
        context: ContextId,
        /// The body's scope.
        scope: ScopeId,
        /// The scope that the call is served in, which does not close before the call has ended.
        parent: ScopeId,
    },
    /// Ask: tells the caller that the body has begun: once, and before its stream.
    Begin {
        /// Which call.
        context: ContextId,
        /// The first value.
        payload: Payload,
    },
    /// Ask: opens this end of a context's stream: once. The far end may send `window` items ahead. At the caller it
    /// is refused until [`Output::Begun`](crate::Output::Begun), where the call is served until [`Begin`](Self::Begin).
    OpenStream {
        /// Whose.
        context: ContextId,
        /// How many items are taken ahead, within the actor's limit.
        window: u32,
        /// Whether the oldest item gives way when there is no room, instead of the sender's waiting.
        lossy: bool,
    },
    /// Ask: sends one item, against credit, which [`Output::Credited`](crate::Output::Credited) gives: for each item that the far
    /// end has room for, so a slow reader slows its writer alone.
    Push {
        /// On which context's stream.
        context: ContextId,
        /// The item.
        payload: Payload,
    },
    /// Ask: says that no further item will be sent.
    EndStream {
        /// On which context's stream.
        context: ContextId,
    },
    /// Ask: cancels a context, from either end. One that is over: success, and nothing happens.
    CancelContext {
        /// Which one.
        context: ContextId,
    },
    /// Fact: the body of a call met one of several errors; its answer is still to come.
    ContextFailed {
        /// Which call.
        context: ContextId,
        /// What.
        error: Error,
    },
    /// Fact: the body of a call ended, or the call will have none: then the answer must be [`Answer::Failed`]. The body's scope
    /// stays open all the same, for what is left in it: the body leaves that with [`Leave`](Self::Leave), as any other.
    Finished {
        /// Which call.
        context: ContextId,
        /// With what.
        answer: Answer,
    },
    /// Fact: the user took items of a stream, so there is room for as many more. Untold, the far end gets no credit.
    Taken {
        /// Whose.
        context: ContextId,
        /// How many.
        items: u32,
    },
    /// Ask: connects to another actor, unless it is connected. The number begins with 1 and grows, in one sequence with those of
    /// [`PeerJoined`](Self::PeerJoined).
    Dial {
        /// The new connection.
        peer: PeerId,
        /// Who must be there.
        actor: ActorId,
        /// Where.
        payload: Payload,
    },
    /// Ask: cancels the actor at the far end of a channel. It takes as much time as it may. A channel that is gone: success,
    /// and nothing happens.
    CancelActor {
        /// Which one.
        link: Link,
    },
    /// Ask: gives this actor a name, or another address to a name that it has. The registrar, which keeps the names of a tree, is
    /// always its root.
    Register {
        /// The channel to the registrar. Where this actor is it, nothing is sent and this is not looked at; and so in all that
        /// follows.
        link: Link,
        /// The name.
        name: NameId,
        /// Where the actor can be dialled.
        payload: Payload,
    },
    /// Ask: gives a name of this actor's back. One that it does not have: success, and nothing happens.
    Unregister {
        /// The channel to the registrar.
        link: Link,
        /// The name.
        name: NameId,
    },
    /// Ask: asks who has a name. The number begins with 1 and grows, in one sequence with those of [`List`](Self::List).
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
    /// Ask: asks for all names. The number grows in one sequence with those of [`Find`](Self::Find).
    List {
        /// The channel to the registrar.
        link: Link,
        /// The asker's number for the question.
        request: u32,
    },
    /// Ask: gives a question up. One that was answered: success, and nothing happens.
    Forget {
        /// Which one.
        request: u32,
    },
    /// Ask: says that nobody is where a name's holder should be.
    Stale {
        /// The channel to the registrar.
        link: Link,
        /// The name.
        name: NameId,
        /// Who was said to have it.
        actor: ActorId,
    },
    /// Fact: something in a scope failed: the scope is cancelled.
    Failed {
        /// Where.
        scope: ScopeId,
        /// What.
        error: Error,
    },
    /// Fact: a task ended.
    TaskEnded {
        /// Which one.
        task: TaskId,
        /// What the main task returned.
        payload: Payload,
    },
    /// Fact: a child's process exists.
    Started {
        /// Which one.
        child: ActorId,
        /// Its process.
        stamp: Stamp,
    },
    /// Fact: a child's process could not be made.
    NotStarted {
        /// Which one.
        child: ActorId,
        /// The system's reason.
        errno: i32,
    },
    /// Fact: a child's process has exited and is not yet collected.
    Exited {
        /// Which one.
        child: ActorId,
        /// How.
        exit: Exit,
    },
    /// Fact: a child ignores a signal that it was sent.
    Ignored {
        /// Which one.
        child: ActorId,
        /// What it ignores.
        signal: Signal,
    },
    /// Fact: the answer to [`Output::Sweep`](crate::Output::Sweep), and again whenever it changes.
    Swept {
        /// Whose leavings were looked for.
        child: ActorId,
        /// How many of them are alive.
        alive: u32,
        /// How many of those were not there at the last look.
        fresh: u32,
        /// How many actors among them were collected since the last look: by this process, if the system gives it the orphans
        /// below it, as a subreaper is given them. All others give 0.
        reaped: u32,
    },
    /// Fact: a child's exit status was collected.
    Reaped {
        /// Which one.
        child: ActorId,
    },
    /// Fact: the answer to [`Output::Clear`](crate::Output::Clear), and again whenever it changes.
    Cleared {
        /// How many strangers are alive.
        alive: u32,
    },
    /// Fact: the guardian is gone.
    Released,
    /// Fact: this process got a signal.
    Signalled(Signal),
    /// Fact: somebody asked this process for its status.
    StatusAsked,
    /// Fact: a message came.
    Received {
        /// From whom.
        link: Link,
        /// What.
        message: Message,
    },
    /// Fact: something came that is no message.
    Garbled {
        /// From whom.
        link: Link,
    },
    /// Fact: a channel is gone, or can't be kept up.
    LinkLost {
        /// Which one.
        link: Link,
    },
    /// Fact: the answer to [`Output::Flush`](crate::Output::Flush).
    Flushed {
        /// Which one.
        link: Link,
    },
    /// Fact: somebody dialled this actor, and must greet first. The number is the shell's, begins with 1 and grows, in one
    /// sequence with those of [`Dial`](Self::Dial).
    PeerJoined {
        /// Which one.
        peer: PeerId,
    },
    /// Fact: a dialled peer is connected.
    PeerDialled {
        /// Which one.
        peer: PeerId,
    },
    /// Fact: a dialled peer can't be reached.
    PeerFailed {
        /// Which one.
        peer: PeerId,
        /// The system's reason.
        errno: i32,
    },
    /// Tick: time has passed. Give it after every fact that was there, with the time at which it was asked what is there: what is
    /// due by then fires. So that time may be earlier than that of a fact that was read since.
    Tick,
    /// Ask: lets nobody call an endpoint of this actor any more; who has called it and was not taken up hears that there is
    /// none. One that is not exposed: success, and nothing happens.
    Conceal {
        /// Its name.
        endpoint: NameId,
    },
    /// Fact: somebody who joined has shown to be of this tree: no stranger takes their place.
    PeerShown {
        /// Which one.
        peer: PeerId,
    },
    /// Fact, before its spec: this actor is not ready with its spec, but when its user's code says so.
    Deferred,
    /// Ask: says to the parent that this actor is ready. One that is already: success, and nothing happens.
    Ready,
    /// Ask: asks the parent for more time, until this actor is ready. How much there is, the parent decides.
    Extend {
        /// How much from now on.
        by: Duration,
    },
    /// Fact: the user reads no further item of a stream, or never will: what is here, and what comes, is let go of.
    Unread {
        /// Whose.
        context: ContextId,
    },
}
