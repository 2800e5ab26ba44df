//! A context: a pair of linked tasks across a channel. One side called, the other serves the call.
//!
//! Each side has a table of its own, and neither waits for the other without an end: a call ends with an answer, with
//! the loss of its channel, or with its time. The rule: the end has a place of its own, which no stream can fill.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::flow::Flow;
use crate::table::table;
use crate::{Cause, Error, Exit, Instant, Link, NameId, Payload, ScopeId};

table! {
    /// Where a call is in its life, as its caller sees it.
    Caller {
        /// It was sent; nothing has come back.
        Calling
        /// The far side began: its first value is here.
        Running
        /// The far side was told that it is cancelled.
        Cancelling
        /// The far side said that it is ending.
        Acked
        /// It is over.
        Ended
    }
    /// What can move a call at its caller.
    CallerChange {
        /// The far side began.
        Begun
        /// It is to end: by its owner, by its scope, or by its deadline.
        Cancelled
        /// The far side said that the cancellation is real.
        Acknowledged
        /// The far side gave its answer.
        Answered
        /// The channel is gone.
        Lost
        /// The time for the far side's ack, or for its end, is over.
        Expired
    }

    Calling    + Begun        => Running;
    Calling    + Cancelled    => Cancelling;
    Calling    + Answered     => Ended;
    Calling    + Lost         => Ended;

    Running    + Cancelled    => Cancelling;
    Running    + Answered     => Ended;
    Running    + Lost         => Ended;

    Cancelling + Acknowledged => Acked;
    Cancelling + Answered     => Ended;
    Cancelling + Lost         => Ended;
    Cancelling + Expired      => Ended;

    Acked      + Answered     => Ended;
    Acked      + Lost         => Ended;
    Acked      + Expired      => Ended;
}

table! {
    /// Where a call is in its life, as the one who serves it sees it.
    Callee {
        /// It came; nobody has taken it up.
        Offered
        /// A body serves it.
        Serving
        /// The body sent its first value.
        Begun
        /// The body was told that it is cancelled.
        Cancelling
        /// The caller is gone; the body was told, and still runs.
        Unheard
        /// It is over.
        Ended
    }
    /// What can move a call at the one who serves it.
    CalleeChange {
        /// A body took it up.
        Accepted
        /// The body sent its first value.
        Begun
        /// It is to end: by its caller, or by the scope that it is served in.
        Cancelled
        /// The body gave its answer, or the call is answered without one.
        Finished
        /// The channel is gone.
        Lost
        /// The body outlived the actor's deadline.
        Expired
    }

    Offered    + Accepted  => Serving;
    Offered    + Cancelled => Ended;
    Offered    + Finished  => Ended;
    Offered    + Lost      => Ended;

    Serving    + Begun     => Begun;
    Serving    + Cancelled => Cancelling;
    Serving    + Finished  => Ended;
    Serving    + Lost      => Unheard;
    Serving    + Expired   => Ended;

    Begun      + Cancelled => Cancelling;
    Begun      + Finished  => Ended;
    Begun      + Lost      => Unheard;
    Begun      + Expired   => Ended;

    Cancelling + Finished  => Ended;
    Cancelling + Lost      => Unheard;
    Cancelling + Expired   => Ended;

    Unheard    + Finished  => Ended;
    Unheard    + Expired   => Ended;
}

/// Which end of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums, reason = "a context has two ends")]
pub enum Side {
    /// The one that called.
    Caller,
    /// The one that serves.
    Callee,
}

impl Side {
    /// Gives the other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// One end of a context, by its channel, its side and the number that its caller gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "a name is its parts")]
pub struct ContextId {
    /// The channel.
    pub link: Link,
    /// Which end this is.
    pub side: Side,
    /// The caller's number: 1 or more. It grows with each call, over all its channels together, and is never given again.
    pub number: u64,
}

impl ContextId {
    /// Names the caller's end.
    #[must_use]
    pub const fn caller(link: Link, number: u64) -> Self {
        Self { link, side: Side::Caller, number }
    }

    /// Names the end that serves.
    #[must_use]
    pub const fn callee(link: Link, number: u64) -> Self {
        Self { link, side: Side::Callee, number }
    }
}

impl fmt::Display for ContextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.side {
            Side::Caller => write!(f, "call {} to {}", self.number, self.link),
            Side::Callee => write!(f, "call {} from {}", self.number, self.link),
        }
    }
}

/// What the one who serves a call ends it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums, reason = "a body returns, fails or is cancelled")]
pub enum Answer {
    /// Its result.
    Returned(Payload),
    /// Its error.
    Failed(Error),
    /// It was cancelled, and says by whom.
    Cancelled(Cause),
}

/// How a call ended for its caller.
///
/// Of a [linked](crate::Input::Call::linked) call these are errors of its scope instead: [`Answer::Failed`] and
/// [`Unanswered`](Self::Unanswered) whenever they come, and [`Lost`](Self::Lost) and another's [`Answer::Cancelled`] unless this
/// side had cancelled the call, or its time was over. The ending is then [`Answer::Cancelled`] with
/// [`Reason::Failure`](crate::Reason::Failure), and the scope is cancelled behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Ending {
    /// With the far side's answer.
    Answered(Answer),
    /// The far side is gone. Its exit is known of a child that exited before it was to be killed: a child's calls end with its
    /// process, not with its channel.
    Lost(Option<Exit>),
    /// The far side was cancelled and did not end in time, or this actor's own time was over. What it runs is lost sight of.
    Unanswered,
}

/// What one end of a context says to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Word {
    /// The caller's first: serve this. Behind it travel the endpoint's name and the arguments.
    Call {
        /// What is called: the receiver's own number for the name.
        endpoint: NameId,
        /// How long the call may take.
        left: Option<Duration>,
        /// The arguments.
        payload: Payload,
    },
    /// The callee began.
    Begun(
        /// Its first value.
        Payload,
    ),
    /// One message of the stream.
    Item(Payload),
    /// So many more items may be sent.
    Credit(u32),
    /// There will be no further item.
    End,
    /// The caller's: end.
    Cancel(Cause),
    /// The callee's: the cancellation is real.
    Ack,
    /// The callee's: one of several errors; the answer is still to come.
    Error(Error),
    /// The callee's last.
    Answer(Answer),
}

impl Word {
    /// Gives the payload's place, if the word has one.
    pub fn payload_mut(&mut self) -> Option<&mut Payload> {
        match self {
            Self::Call { payload, .. }
            | Self::Begun(payload)
            | Self::Item(payload)
            | Self::Answer(Answer::Returned(payload)) => Some(payload),
            Self::Error(error) | Self::Answer(Answer::Failed(error)) => Some(&mut error.payload),
            Self::Credit(_)
            | Self::End
            | Self::Cancel(_)
            | Self::Ack
            | Self::Answer(Answer::Cancelled(_)) => None,
        }
    }
}

/// A call that this actor made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct CallerRecord {
    pub(crate) phase: Caller,
    pub(crate) scope: ScopeId,
    /// A failure of the far side fails the scope; else it is only told.
    pub(crate) linked: bool,
    pub(crate) since: Instant,
    pub(crate) cause: Option<Cause>,
    pub(crate) flow: Flow,
}

/// A call that this actor serves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct CalleeRecord {
    pub(crate) phase: Callee,
    pub(crate) endpoint: NameId,
    /// The scope that the call is served in, and the one of its body, once there is a body.
    pub(crate) scopes: Option<(ScopeId, ScopeId)>,
    pub(crate) since: Instant,
    /// By when the caller wants its answer.
    pub(crate) deadline: Option<Instant>,
    pub(crate) cause: Option<Cause>,
    pub(crate) flow: Flow,
}
