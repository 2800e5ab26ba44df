//! The record of a connection to an actor that is neither parent nor child.
//!
//! Its phases are the channel's. The rule: no wait for a peer is without a deadline, and of two connections between the
//! same two actors one stays, on which both agree without a word.

use alloc::collections::{BTreeMap, BTreeSet};
use core::cmp::Reverse;
use core::fmt;
use core::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::limits::is_reached;
use crate::{ActorId, Cause, Channel, Instant, PeerId, Versions};

/// How a connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Way {
    /// This actor dialled, and greets first.
    Dialled,
    /// The far side dialled, and must greet first. It has shown to be of the tree.
    Joined,
    /// The far side dialled, and has shown nothing yet: whoever comes next may take its place.
    Knocked,
}

/// One connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct PeerRecord {
    /// `Closed` only while the far side's own connection is awaited in its place.
    pub(crate) channel: Channel,
    pub(crate) way: Way,
    /// Who is there: as it was dialled, or as it greeted.
    pub(crate) actor: Option<ActorId>,
    /// When the present state began.
    pub(crate) since: Instant,
}

impl PeerRecord {
    /// Orders the connections between this actor and a given other; of two, the smaller stays.
    ///
    /// The one that the smaller actor dialled stays, for both ends know who that is. Of two by the same dialler it is
    /// the later one: nobody dials while it has a connection, so the earlier one is gone at its end.
    pub(crate) fn precedence(&self, id: PeerId, me: ActorId, other: ActorId) -> (ActorId, Reverse<PeerId>) {
        let dialler = match self.way {
            Way::Dialled => me,
            Way::Joined | Way::Knocked => other,
        };
        (dialler, Reverse(id))
    }

    /// Tells whether this actor has greeted: from then on the far side may take the channel for open, and call.
    pub(crate) fn has_greeted(&self) -> bool {
        self.channel == Channel::Open || self.channel == Channel::Opening && self.way == Way::Dialled
    }

    /// Tells whether somebody of this actor's awaits the outcome of a dial.
    pub(crate) fn is_awaited(&self) -> bool {
        self.way == Way::Dialled && self.channel != Channel::Open
    }
}

/// The connections, and once more what is asked of all of them: whose they are, and who stands at the door. Only
/// [`keep`](Self::keep) changes the one and the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Peers {
    records: BTreeMap<PeerId, PeerRecord>,
    /// The one to each actor: there is one at the most.
    to: BTreeMap<ActorId, PeerId>,
    /// Those that have shown nothing.
    knocked: BTreeSet<PeerId>,
    /// What cancelled those that are gone and have said so, as far back as is remembered.
    gone_away: BTreeMap<PeerId, Cause>,
}

impl Deref for Peers {
    type Target = BTreeMap<PeerId, PeerRecord>;

    fn deref(&self) -> &Self::Target {
        &self.records
    }
}

impl Peers {
    /// Keeps a connection as it is now, or lets it go.
    pub(crate) fn keep(&mut self, id: PeerId, peer: Option<PeerRecord>) {
        let before = match peer {
            Some(peer) => self.records.insert(id, peer),
            None => self.records.remove(&id),
        };
        if let Some(actor) = before.and_then(|before| before.actor) {
            self.to.remove(&actor);
        }
        self.knocked.remove(&id);
        if let Some(actor) = peer.and_then(|peer| peer.actor) {
            self.to.insert(actor, id);
        }
        if peer.is_some_and(|peer| peer.way == Way::Knocked) {
            self.knocked.insert(id);
        }
    }

    /// Tells whether what is noted twice is the same.
    pub(crate) fn is_sound(&self) -> bool {
        let known = self.records.iter().filter_map(|(id, peer)| Some((peer.actor?, *id)));
        let knocked = self.records.iter().filter(|(_, peer)| peer.way == Way::Knocked).map(|(id, _)| id);
        let noted = known.clone().all(|(actor, id)| self.to(actor) == Some(id));
        noted && known.count() == self.to.len() && knocked.eq(&self.knocked)
    }

    pub(crate) fn channel_mut(&mut self, id: PeerId) -> Option<&mut Channel> {
        self.records.get_mut(&id).map(|peer| &mut peer.channel)
    }

    pub(crate) fn to(&self, actor: ActorId) -> Option<PeerId> {
        self.to.get(&actor).copied()
    }

    /// Remembers what cancelled one that is gone, and of so many the last ones only.
    pub(crate) fn remember(&mut self, id: PeerId, cause: Cause, most: u32) {
        if is_reached(most, self.gone_away.len()) {
            self.gone_away.pop_first();
        }
        self.gone_away.insert(id, cause);
    }

    /// Gives what cancelled one that is gone, if it has said so and that is remembered.
    pub(crate) fn gone_away(&self, id: PeerId) -> Option<Cause> {
        self.gone_away.get(&id).copied()
    }

    /// Counts those of whom it is known who they are.
    pub(crate) fn known(&self) -> usize {
        self.to.len()
    }

    /// Counts the others.
    pub(crate) fn unknown(&self) -> usize {
        self.records.len().saturating_sub(self.to.len())
    }

    /// Gives who has stood at the door longest without having shown anything.
    pub(crate) fn first_knocked(&self) -> Option<PeerId> {
        self.knocked.first().copied()
    }
}

/// Why a connection did not come about, or did not stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Obstacle {
    /// The system's reason (`errno`).
    Failed(i32),
    /// It took too long.
    Deadline,
    /// No common version: theirs, then ours.
    Mismatch(Versions, Versions),
    /// Somebody else was there.
    Another(ActorId),
    /// What came is no message, or out of place.
    Garbled,
    /// The far side closed it.
    Lost,
    /// Parent and children have their own channel, which is not open, or was there already.
    Family,
    /// There is no room for another.
    Full,
    /// Another connection between the same two actors stays.
    Duplicate,
    /// This actor is ending.
    Ending,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(errno) => write!(f, "it can't be reached: os error {errno}"),
            Self::Deadline => f.write_str("it did not answer in time"),
            Self::Mismatch(theirs, ours) => {
                let ([a, b], [c, d]) = ([theirs.first, theirs.last], [ours.first, ours.last]);
                write!(f, "it speaks versions {a} to {b}, we speak {c} to {d}")
            }
            Self::Another(actor) => write!(f, "{actor} is there in its place"),
            Self::Garbled => f.write_str("it sent something that is no message"),
            Self::Lost => f.write_str("it closed the connection"),
            Self::Family => f.write_str("it is parent or child, and has no other channel"),
            Self::Full => f.write_str("there is no room for another connection"),
            Self::Duplicate => f.write_str("there is another connection to it"),
            Self::Ending => f.write_str("this actor is ending"),
        }
    }
}
