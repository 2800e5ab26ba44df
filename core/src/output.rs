//! All that an actor asks of its shell, in the order to do it.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    ActorId, Cause, Census, Claim, ContextId, Ending, Error, Exit, Instant, Link, Message, NameId, Obstacle,
    Payload, PeerId, Round, ScopeId, Signal, Spec, Status, Tally, TaskId, Versions,
};

/// One thing to do. Append-only: a trace stores the variant's index.
///
/// An output that can fail has a fact for its failure, which its text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "outputs are Copy, and the queue holds one step's")]
pub enum Output {
    /// Make a child's process, its channel first. Answer `Started` or `NotStarted`.
    Spawn {
        /// Which one.
        child: ActorId,
        /// What it is to be; levels and times are filled in.
        spec: Spec,
        /// The guardian's span between SIGTERM and SIGKILL, should this actor die without teardown.
        kill_after: Duration,
    },
    /// A spawn was not answered in its boot time, or, once it was [recalled](Self::Recall), in the time that it has left:
    /// whoever was asked for it is of no use, and is to be replaced. Answer `NotStarted` for every spawn that is lost with it.
    Unanswered {
        /// Whose.
        child: ActorId,
    },
    /// Send a message. Fails as `LinkLost`, once for a channel: whatever else is sent there is to be dropped. None is owed for a
    /// channel after its [`Close`](Self::Close), nor for a child's after `NotStarted`.
    Send {
        /// To whom.
        link: Link,
        /// What.
        message: Message,
        /// It may stay here until what comes after it on this channel leaves, until `Credited` from there, or until it is worth
        /// a write: its reader has as much before it as it takes to say that it wants more.
        may_wait: bool,
    },
    /// Answer `Flushed` when all that was sent has left, or `LinkLost`.
    Flush {
        /// Which channel.
        link: Link,
    },
    /// Close a channel, if it is still there, and stop dialling it.
    Close {
        /// Which one.
        link: Link,
    },
    /// Send a signal to all that a child is: its process, its group, and what was attributed to it after its death.
    /// Answer `Ignored` if the child ignores it.
    Signal {
        /// Which one.
        child: ActorId,
        /// What.
        signal: Signal,
    },
    /// Look for what a dead child left behind: whoever [`Note`](Self::Note) named below it, and whoever is in its process group
    /// or session. Answer `Swept`, now and at every change.
    Sweep {
        /// Which one.
        child: ActorId,
    },
    /// Collect a dead child's status. Answer `Reaped`.
    Reap {
        /// Which one.
        child: ActorId,
    },
    /// Start the main task, [`TaskId::MAIN`]. Answer `TaskEnded` when it ends.
    Run,
    /// Tell a task that it is cancelled.
    CancelTask {
        /// Which one.
        task: TaskId,
        /// Who began it, and why.
        cause: Cause,
    },
    /// Tell the body of a scope that it is cancelled.
    CancelBody {
        /// Which one.
        scope: ScopeId,
        /// Who began it, and why.
        cause: Cause,
    },
    /// Hand an error to the owner of a scope; `Closed` follows.
    Raise {
        /// Whose.
        scope: ScopeId,
        /// What.
        error: Error,
    },
    /// Nothing in the scope is left. Of an actor's own scope, [`ScopeId::ROOT`], it is said only to a root, which has nobody
    /// else to tell: who has a parent tells that.
    Closed {
        /// Which one.
        scope: ScopeId,
        /// How it ended.
        end: End,
        /// Errors that did not fit and were only counted.
        lost: u32,
    },
    /// What a child's main task returned.
    Result {
        /// Whose.
        child: ActorId,
        /// What.
        payload: Payload,
    },
    /// Find a body for a call that came; answer with `Accept`. It may be withdrawn meanwhile.
    Offer {
        /// Which one.
        context: ContextId,
        /// What is called.
        endpoint: NameId,
        /// The arguments.
        payload: Payload,
    },
    /// Find no body any more: the call is over before it was accepted.
    Withdrawn {
        /// Which one.
        context: ContextId,
    },
    /// Hand a call's first value to its caller.
    Begun {
        /// Which one.
        context: ContextId,
        /// The value.
        payload: Payload,
    },
    /// Keep an item for whoever reads the stream.
    Item {
        /// Whose.
        context: ContextId,
        /// The item.
        payload: Payload,
    },
    /// Drop the oldest item that is kept, and count it; another follows.
    DropOldest {
        /// Whose stream.
        context: ContextId,
    },
    /// Let the writer of a stream send so many more items.
    Credited {
        /// Whose.
        context: ContextId,
        /// How many.
        items: u32,
    },
    /// Tell the reader of a stream that no further item comes; those that are kept come first.
    StreamEnded {
        /// Whose.
        context: ContextId,
    },
    /// Hand one of several errors of a call to its caller; `Ended` follows. One of a linked call goes to its scope instead.
    ContextError {
        /// Which call.
        context: ContextId,
        /// What.
        error: Error,
    },
    /// Tell a call's owner how it ended.
    Ended {
        /// Which call.
        context: ContextId,
        /// How.
        ending: Ending,
    },
    /// Drop bytes that nobody will ask for.
    Discard(Payload),
    /// Connect to another actor. Answer `PeerDialled` or `PeerFailed`.
    Dial {
        /// The new connection.
        peer: PeerId,
        /// Where.
        payload: Payload,
    },
    /// Tell whoever dialled an actor that it is connected.
    Reached {
        /// Whom.
        actor: ActorId,
        /// By which channel.
        link: Link,
    },
    /// Tell whoever dialled an actor that it is not connected.
    Unreached {
        /// Whom.
        actor: ActorId,
        /// Why not.
        obstacle: Obstacle,
    },
    /// Tell whoever claimed a name what came of it.
    Registered {
        /// The name.
        name: NameId,
        /// What came of it.
        claim: Claim,
    },
    /// Tell whoever asked who has a name; whoever asked for all names, one after the other. The bytes are lent, here
    /// and in the message: a registrar keeps them until it says `Discard`.
    Found {
        /// The asker's number for the question.
        request: u32,
        /// The name.
        name: NameId,
        /// Who has it.
        actor: ActorId,
        /// Where that one can be dialled.
        payload: Payload,
    },
    /// Tell whoever asked that nobody has the name, or no further one.
    NotFound {
        /// The asker's number for the question.
        request: u32,
    },
    /// Remember a process of the tree, or forget it.
    Note {
        /// The child in whose subtree it is.
        child: ActorId,
        /// What to remember.
        census: Census,
    },
    /// Describe this actor's waits. To the parent as a `Status` message, or to whoever asked this process.
    Describe {
        /// To whom; `None` for whoever asked this process.
        link: Option<Link>,
        /// What the message answers.
        round: Round,
        /// How many children were asked in turn.
        asked: u32,
    },
    /// The description of an actor below, for whoever asked this process.
    Described(Status),
    /// All descriptions are there, or the silent ones' time is over.
    DescribedAll {
        /// How many did not answer.
        silent: u32,
    },
    /// Kill every process below this one that is nobody's. Answer `Cleared`, now and at every change. Where the process is not
    /// the actor's alone, as that of a root in somebody's program, what nobody of the tree told of is that program's: leave it
    /// alone, and answer `Cleared { alive: 0 }` if there is nothing else.
    Clear,
    /// Let the guardian go and collect it. Answer `Released`.
    Release,
    /// Tell whoever listens.
    Report(Event),
    /// The process may exit. Always last, exactly once.
    Done(Outcome),
    /// Tell whoever asked about names that no registrar has said all that there is to say: it was lost, it took too long, or this
    /// actor is ending.
    Unheard {
        /// The asker's number for the question.
        request: u32,
    },
    /// A child is to end whose spawn is not answered: make it no more. Answer `NotStarted` if it is not made by now, and
    /// `Started` as ever if it is.
    Recall {
        /// Which one.
        child: ActorId,
    },
    /// Let whoever waits for a call go: the call's own time is over, whichever end was the first to see it. `Ended` still
    /// follows, for nobody. It is not said of a linked call, which waits for its `Ended`, nor where the time is that of a scope,
    /// whose body is told.
    Overdue {
        /// Which call.
        context: ContextId,
    },
}

/// How a scope, or an actor, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum End {
    /// By itself, without an error.
    Well,
    /// With at least one error.
    Failed,
    /// By a cancellation that no error caused.
    Cancelled(Cause),
    /// At once, because a third signal asked for that; what is left is another's to sweep.
    Forced,
}

impl End {
    /// Gives the exit status that says it: 0 if no failure was left, else 1, or 130 if it was forced to end.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Well | Self::Cancelled(_) => 0,
            Self::Failed => 1,
            Self::Forced => 130,
        }
    }
}

/// What an actor's life came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What its subtree came to.
    pub tally: Tally,
    /// When its teardown began.
    pub began: Instant,
    /// The bound on its teardown.
    pub bound: Duration,
}

/// Something worth telling. It asks nothing of the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// A child is ready. From here on it can be called.
    Up(ActorId),
    /// A child's process exited.
    Exited(ActorId, Exit),
    /// A child is reaped and nothing of it is left.
    Gone(ActorId),
    /// A child was sent a signal because the time before it ran out.
    Escalated(ActorId, Signal),
    /// A child could not be killed, found or collected in time.
    Unkillable(ActorId),
    /// A dead child's leavings outlived SIGKILL; the number counts those that the last look saw, and is 0 where nobody could
    /// look for them.
    Escaped(ActorId, u32),
    /// Processes that are nobody's outlived SIGKILL; the number counts those that the last look saw, and is 0 where nobody
    /// could look for them. The outcome reckons with one then.
    StrangersLeft(u32),
    /// A task outlived the actor's deadline.
    Abandoned(TaskId),
    /// The actor's teardown began.
    Cancelling(Cause),
    /// Errors could not be delivered to the parent, or to a caller; the number counts them.
    Undelivered(u32),
    /// A fact fits nothing known.
    Stray(Stray),
    /// The shell's clock went back; the machine's did not.
    ClockWentBack,
    /// The parent greeted with versions that this actor does not speak: theirs, then ours.
    Mismatch(Versions, Versions),
    /// A peer was turned away.
    TurnedAway(PeerId, Obstacle),
    /// A child is a thread that did not end in time; its channel is closed from this side.
    Leaked(ActorId),
    /// What a dead child left behind was sent SIGKILL because the time before it ran out; the number counts it, and is 0 where
    /// nobody could look for it.
    Purged(ActorId, u32),
    /// A scope is cancelled, and with it at least one child. Told as it begins; what is the actor's own scope is told as
    /// [`Cancelling`](Self::Cancelling).
    Cascading(ScopeId, Cause),
}

/// A fact that fits nothing known. It may be a fault of the shell's; but what crosses an end on its way is one, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Stray {
    /// Of a child that is not there, or not in a state to which it could happen.
    Child(ActorId),
    /// Of a channel that is not there, or a message out of place.
    Link(Link),
    /// Of a scope that is not there.
    Scope(ScopeId),
    /// Of a task that is not there.
    Task(TaskId),
    /// Of a context that is not there, or not in a state to which it could happen.
    Context(ContextId),
    /// Of the actor itself, out of place.
    Own,
}
