//! What actors say to each other. One enum, append-only: the wire stores a variant's index.
//!
//! Nothing here is recursive and nothing is a sequence: a decoder can't be made to build more than one small value.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ActorId, Cause, Claim, Error, Limits, NameId, Payload, Side, Stamp, Word};

/// The first and the last version of the messages that this build speaks.
pub const VERSIONS: Versions = Versions { first: 1, last: 1 };

/// A range of versions, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Versions {
    /// The oldest.
    pub first: u16,
    /// The newest.
    pub last: u16,
}

impl Versions {
    /// Gives the newest version that both ranges hold.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u16> {
        let last = self.last.min(other.last);
        (last >= self.first.max(other.first)).then_some(last)
    }
}

/// One message between two actors. A [`Payload`] in it is the receiver's or the sender's own number for the bytes that
/// travel behind the message; on the wire it is zero. A [`NameId`] in it is the sender's own number on the wire, too, and means
/// nothing to whoever reads it: its text travels behind, as [`wire`](crate::wire) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Message {
    /// The first message on every channel, both ways. A peer's proof that it may speak here travels behind: a shell that
    /// finds it wrong gives `Garbled` in its place.
    Hello {
        /// What the sender speaks.
        versions: Versions,
        /// Who the sender is.
        actor: ActorId,
    },
    /// Parent to child: what the child is to be.
    Spec {
        /// How many generations may stand below it.
        levels: u8,
        /// Its limits.
        limits: Limits,
        /// Its entry point and arguments, as the shells agree. To the sender it is the number of its spec, [`Spec::id`], and
        /// never one of its payloads: nothing is to be freed. To the receiver it is a payload of its own, which stays with the
        /// shell that runs it from [`Output::Run`] on.
        ///
        /// [`Spec::id`]: crate::Spec::id
        /// [`Output::Run`]: crate::Output::Run
        payload: Payload,
    },
    /// Child to parent: it is up. Unless its user's code is to say so, that is when the spec is taken.
    Ready,
    /// Parent to child: end, within `left`.
    Cancel {
        /// How long the child may take.
        left: Duration,
        /// Who began it, and why.
        cause: Cause,
    },
    /// Child to parent: the cancel is being carried out.
    Ack,
    /// Child to parent: one error. To a peer in place of a greeting: there is no room for its connection.
    Error(Error),
    /// Child to parent: what the main task returned.
    Result(Payload),
    /// Child to parent, the last message that counts: what the child's subtree comes to. What crosses it on the way may still be
    /// answered behind it, and the answer is a [`Stray`](crate::Stray) there.
    Bye(Tally),
    /// Child to parent, and on up: a process was started or is gone.
    Census(Census),
    /// Parent to child: describe yourself and all below you.
    Ask(Round),
    /// Child to parent, and on up: the description of one actor.
    Status(Status),
    /// Either way: a word between the two ends of a context.
    Context {
        /// The caller's number of it.
        number: u64,
        /// Which end speaks.
        side: Side,
        /// What it says.
        word: Word,
    },
    /// To the registrar: the sender wants a name. The name's text and the address travel behind.
    Register {
        /// The name.
        name: NameId,
        /// Who wants it: the sender.
        actor: ActorId,
        /// Where it can be dialled.
        payload: Payload,
    },
    /// From the registrar: what came of it. The name's text travels behind.
    Registered {
        /// The name.
        name: NameId,
        /// What came of it.
        claim: Claim,
    },
    /// To the registrar: the sender gives a name back. The name's text travels behind, as in what follows.
    Unregister {
        /// The name.
        name: NameId,
    },
    /// To the registrar: who has a name?
    Find {
        /// The sender's number for the question.
        request: u32,
        /// The name.
        name: NameId,
        /// Whether to wait until somebody has it.
        wait: bool,
    },
    /// To the registrar: who has which name?
    List {
        /// The sender's number for the question.
        request: u32,
    },
    /// From the registrar: one holder. The name's text and the address travel behind; the registrar keeps them.
    Found {
        /// The receiver's number for the question.
        request: u32,
        /// The name.
        name: NameId,
        /// Who has it.
        actor: ActorId,
        /// Where that one can be dialled.
        payload: Payload,
    },
    /// From the registrar: nobody, or no further one.
    NotFound {
        /// The receiver's number for the question.
        request: u32,
    },
    /// To the registrar: the question is given up. A find that waits is answered then, like one that does not.
    Forget {
        /// The sender's number for it.
        request: u32,
    },
    /// To the registrar: nobody is where a name's holder should be.
    Stale {
        /// The name.
        name: NameId,
        /// Who was said to have it.
        actor: ActorId,
    },
    /// Child to parent, before it is ready: its start takes longer.
    Extend {
        /// How much longer, from when this is read.
        by: Duration,
    },
    /// Between peers, the last word of who was cancelled: what crosses it on the way is answered by this. As HTTP/2's `GOAWAY`.
    GoAway(Cause),
}

impl Message {
    /// Gives the payload's place, if the message has one.
    pub fn payload_mut(&mut self) -> Option<&mut Payload> {
        match self {
            Self::Spec { payload, .. }
            | Self::Result(payload)
            | Self::Register { payload, .. }
            | Self::Found { payload, .. } => Some(payload),
            Self::Error(error) => Some(&mut error.payload),
            Self::Status(status) => Some(&mut status.payload),
            Self::Context { word, .. } => word.payload_mut(),
            Self::Hello { .. }
            | Self::Ready
            | Self::Cancel { .. }
            | Self::Ack
            | Self::Bye(_)
            | Self::Census(_)
            | Self::Ask(_)
            | Self::Registered { .. }
            | Self::Unregister { .. }
            | Self::Find { .. }
            | Self::List { .. }
            | Self::NotFound { .. }
            | Self::Forget { .. }
            | Self::Stale { .. }
            | Self::Extend { .. }
            | Self::GoAway(_) => None,
        }
    }

    /// Gives the name's place, if the message has one. Whoever reads it from the wire puts its own number for the text there.
    pub fn name_mut(&mut self) -> Option<&mut NameId> {
        match self {
            Self::Census(census) => Some(&mut census.name),
            Self::Register { name, .. }
            | Self::Registered { name, .. }
            | Self::Unregister { name }
            | Self::Find { name, .. }
            | Self::Found { name, .. }
            | Self::Stale { name, .. } => Some(name),
            Self::Context { word: Word::Call { endpoint, .. }, .. } => Some(endpoint),
            Self::Context { .. }
            | Self::Hello { .. }
            | Self::Spec { .. }
            | Self::Ready
            | Self::Cancel { .. }
            | Self::Ack
            | Self::Error(_)
            | Self::Result(_)
            | Self::Bye(_)
            | Self::Ask(_)
            | Self::Status(_)
            | Self::List { .. }
            | Self::NotFound { .. }
            | Self::Forget { .. }
            | Self::Extend { .. }
            | Self::GoAway(_) => None,
        }
    }
}

/// A process of the tree came or went. With it an ancestor can attribute an orphan to the child that left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Census {
    /// Who it is.
    pub actor: ActorId,
    /// Who made it.
    pub parent: ActorId,
    /// Which process it is.
    pub stamp: Stamp,
    /// Whether it came; otherwise it went.
    pub came: bool,
    /// Its name: the sender's or the receiver's own number; its text travels behind the message.
    pub name: NameId,
}

/// Which asking a description answers. One that comes late belongs to no later round, and one that another actor asked for
/// is not for whoever passes it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Round {
    /// Who began it.
    pub by: ActorId,
    /// Which one of that actor's it is.
    pub number: u32,
}

/// One actor's answer to [`Message::Ask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Status {
    /// What it answers.
    pub round: Round,
    /// Who answers.
    pub actor: ActorId,
    /// Who made it.
    pub parent: ActorId,
    /// How many of its children were asked in turn.
    pub asked: u32,
    /// The description.
    pub payload: Payload,
}

/// What the actors below one come to. It adds up on the way to the root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tally {
    /// Actors and commands that were started, this one not counted.
    pub actors: u32,
    /// Those that were collected.
    pub reaped: u32,
    /// Processes that are known to be left over, one where nobody could look for them, and threads that were given up and have
    /// not ended since. Such a thread ends with its process at the latest. Where the end was [`Forced`](crate::End::Forced) nobody
    /// was looked for.
    pub left: u32,
    /// Errors that began in it or below and that nobody handled: what a nursery raised, and nobody raised again, is not among
    /// them.
    pub errors: u32,
    /// Errors that could not be delivered and were only counted.
    pub lost: u32,
    /// Childless actors, this one too, that ended because they were cancelled.
    pub cancelled: u32,
    /// Rungs that were taken because time ran out.
    pub escalations: u32,
    /// How long the longest of all waits was that came to a rung of a ladder, or to tasks that were given up: by its deadlines,
    /// from the beginning of the cascade there. Zero where nobody had to be hurried. A teardown took about as long.
    pub spent: Duration,
}

impl Tally {
    /// Adds what a child reported of its subtree.
    pub(crate) fn add(&mut self, other: &Self) {
        self.actors = self.actors.saturating_add(other.actors);
        self.reaped = self.reaped.saturating_add(other.reaped);
        self.left = self.left.saturating_add(other.left);
        self.errors = self.errors.saturating_add(other.errors);
        self.lost = self.lost.saturating_add(other.lost);
        self.cancelled = self.cancelled.saturating_add(other.cancelled);
        self.escalations = self.escalations.saturating_add(other.escalations);
    }
}
