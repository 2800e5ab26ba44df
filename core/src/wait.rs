//! A wait as a value: who waits for what, since when, until when, and why.
//!
//! The rule: a wait in teardown has a [`Deadline`]; one without can't be built.
//! `poll_timeout` is the earliest deadline of the waits, and an explanation of a hang is their `Display`.

use core::fmt;

use crate::{
    ActorId, Callee, Caller, Channel, Child, ContextId, Deadline, Instant, Life, Link, Question, Scope,
    ScopeId, Span, Task, TaskId,
};

/// One open wait of one actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wait {
    /// Who waits.
    pub who: ActorId,
    /// For what.
    pub on: On,
    /// Since when.
    pub since: Instant,
    /// Until when.
    pub until: Until,
    /// In which state of which sub-machine.
    pub why: Why,
}

/// What is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum On {
    /// Something of a child.
    Child(ActorId),
    /// The end of a task.
    Task(TaskId),
    /// The body or the deadline of a scope.
    Scope(ScopeId),
    /// Something on a channel.
    Link(Link),
    /// That no process is left that is nobody's.
    Strangers,
    /// The guardian's exit.
    Guardian,
    /// Something of a context.
    Context(ContextId),
    /// The registrar's answer.
    Question(Question),
}

/// How long a wait may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a wait is one or the other")]
pub enum Until {
    /// Of a running actor: as long as it takes, or to a point in time.
    Running(Option<Instant>),
    /// Of a teardown: to a point in time, always.
    Teardown(Deadline),
}

impl Until {
    /// Gives the point in time, if there is one.
    #[must_use]
    pub fn at(self) -> Option<Instant> {
        match self {
            Self::Running(at) => at,
            Self::Teardown(deadline) => Some(deadline.at()),
        }
    }
}

/// Which sub-machine waits, and in which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// For a child.
    Child(Child),
    /// For a task.
    Task(Task),
    /// For a scope.
    Scope(Scope),
    /// For the actor itself.
    Life(Life),
    /// For the one who serves a call.
    Caller(Caller),
    /// For the body of a call that is served.
    Callee(Callee),
    /// For a peer that is not connected yet, or not for good.
    Peer(Channel),
    /// For the registrar.
    Registrar,
}

impl Wait {
    /// Tells of the wait as it stands at `now`: by its age and by what is left of its time.
    #[must_use]
    pub fn seen_at(self, now: Instant) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            self.subject(f)?;
            write!(f, " since {} ago", Span(now.since(self.since)))?;
            match self.until.at() {
                Some(at) if at < now => write!(f, ", and its time was over {} ago", Span(now.since(at))),
                Some(at) if at < Instant::MAX => write!(f, ", within {}", Span(at.since(now))),
                Some(_) | None => f.write_str(", without a deadline"),
            }
        })
    }

    fn subject(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} waits for ", self.who)?;
        match (self.on, self.why) {
            (On::Child(child), Why::Child(phase)) => write!(f, "{} of child {child}", phase.awaited())?,
            (On::Child(child), _) => write!(f, "child {child}")?,
            (On::Task(TaskId::MAIN), _) => f.write_str("the end of its main task")?,
            (On::Task(task), _) => write!(f, "the end of task {task}")?,
            (On::Scope(scope), _) => write!(f, "the body of scope {scope}")?,
            (On::Link(Link::Parent), Why::Life(Life::Booting)) => f.write_str("its spec from its parent")?,
            (On::Link(link), Why::Life(Life::Flushing)) => write!(f, "its last words to leave for {link}")?,
            (On::Link(link), Why::Life(Life::ShieldBroken)) => write!(f, "{link} to read what was sent")?,
            (On::Link(link), Why::Peer(Channel::Dialling)) => write!(f, "a connection to {link}")?,
            (On::Link(link), Why::Peer(Channel::Closed)) => write!(f, "a connection in the place of {link}")?,
            (On::Link(link), Why::Peer(_)) => write!(f, "the handshake of {link}")?,
            (On::Link(link), _) => write!(f, "its {link} to close the channel")?,
            (On::Strangers, _) => f.write_str("processes that are nobody's")?,
            (On::Guardian, _) => f.write_str("its guardian to exit")?,
            (On::Context(context), Why::Caller(phase)) => write!(f, "{} of {context}", phase.awaited())?,
            (On::Context(context), Why::Callee(Callee::Offered)) => write!(f, "a body for {context}")?,
            (On::Context(context), _) => write!(f, "the body of {context}")?,
            (On::Question(question), _) => write!(f, "the registrar's answer to {question}")?,
        }
        Ok(())
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.subject(f)?;
        write!(f, " since {}", self.since)?;
        match self.until.at() {
            Some(at) if at < Instant::MAX => write!(f, " until {at}"),
            Some(_) | None => f.write_str(" without a deadline"),
        }
    }
}

impl Caller {
    /// Says what is awaited of the far side in this state.
    #[must_use]
    pub fn awaited(self) -> &'static str {
        match self {
            Self::Calling => "the first word",
            Self::Running => "the answer",
            Self::Cancelling => "the ack of the cancellation",
            Self::Acked => "the answer after the ack",
            Self::Ended => "nothing",
        }
    }
}

impl Child {
    /// Tells whether a child in this state is asked for a description, if its channel is open.
    #[must_use]
    pub fn is_asked(self) -> bool {
        matches!(self, Self::Up | Self::Asked | Self::Acked)
    }

    /// Says what is awaited of a child in this state.
    #[must_use]
    pub fn awaited(self) -> &'static str {
        match self {
            Self::Queued => "its turn to be started",
            Self::Starting => "the start",
            Self::Early => "the start (it already said that it is ready)",
            Self::Booting => "the handshake",
            Self::Up => "the end",
            Self::Asked => "the ack",
            Self::Acked => "the last word after its ack",
            Self::Parting => "the exit after its last word",
            Self::Withdrawn => "the answer to its withdrawn spawn",
            Self::Unanswered => "the end of whoever did not answer its spawn",
            Self::Stopping => "the exit after SIGTERM",
            Self::Killing => "the exit after SIGKILL",
            Self::Sweeping => "the leavings",
            Self::Purging => "the leavings after SIGKILL",
            Self::Reaping => "the collection",
            Self::Unkillable => "the exit, given up,",
            Self::Gone => "nothing",
        }
    }
}
