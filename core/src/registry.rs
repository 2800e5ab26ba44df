//! Who has which name, and who waits for one: the registrar's records, and those of who asks it.
//!
//! The rule: a name has one holder, and its entry lives no longer than the channel it came by. Every question is answered
//! once, and one that waits has an end: its answer, its channel's loss, its asker's or the registrar's teardown.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{ActorId, Instant, Link, NameId, Payload};

/// The names that this actor keeps, if it is the root, and what it asked of the root, if it is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Registry {
    pub(crate) names: BTreeMap<NameId, Entry>,
    /// Finds that wait for a name, in the order in which they came.
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) asked: BTreeMap<Question, Asked>,
    pub(crate) last_request: u32,
}

impl Registry {
    /// Lists the names that this actor keeps, waits for, or has claimed.
    pub(crate) fn names(&self) -> impl Iterator<Item = NameId> + '_ {
        let waited = self.waiting.iter().map(|find| find.name);
        let claimed = self.asked.keys().filter_map(|question| match question {
            Question::Claim(name) => Some(*name),
            Question::Find(_) | Question::List(_) => None,
        });
        self.names.keys().copied().chain(waited).chain(claimed)
    }
}

/// One name's holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) actor: ActorId,
    /// The channel by which it came; none for the registrar's own.
    pub(crate) by: Option<Link>,
    /// The holder's address.
    pub(crate) payload: Payload,
}

/// One find that waits at the registrar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) by: Option<Link>,
    pub(crate) request: u32,
    pub(crate) name: NameId,
    pub(crate) since: Instant,
}

/// What this actor asked of a registrar elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Question {
    /// To have a name.
    Claim(NameId),
    /// Who has a name.
    Find(u32),
    /// Who has which name.
    List(u32),
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(name) => write!(f, "its claim to the name {name}"),
            Self::Find(request) => write!(f, "find {request}"),
            Self::List(request) => write!(f, "list {request}"),
        }
    }
}

/// Where a question went, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) link: Link,
    pub(crate) since: Instant,
}

/// What came of a claim to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Claim {
    /// The name is the claimer's.
    Granted,
    /// It is another's.
    Taken(ActorId),
    /// There is no room for it, or whoever was asked keeps no names, or no longer.
    Refused,
    /// No answer came.
    Unanswered,
}
