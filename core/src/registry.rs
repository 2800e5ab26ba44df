//! Who has which name, and who waits for one: the registrar's records, and those of who asks it.
//!
//! The rule: a name has one holder, and its entry lives no longer than the channel it came by. Every question is answered
//! once, and one that waits has an end: its answer, its channel's loss, its asker's or the registrar's teardown. And however
//! fast somebody asks, and gives up again, a registrar that stands still owes each channel no more than its send buffer holds:
//! as many finds as may be open, and one list.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::is_reached;
use crate::{ActorId, Instant, Link, Message, NameId, Payload};

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
        let asked = self.asked.iter().filter_map(|(question, asked)| match (question, asked.progress) {
            (Question::Claim(name), _) => Some(*name),
            (_, Progress::Held(Message::Find { name, .. })) => Some(name),
            _ => None,
        });
        self.names.keys().copied().chain(waited).chain(asked)
    }

    /// Lists the questions that somebody still asks.
    pub(crate) fn open(&self) -> impl Iterator<Item = (Question, Asked)> + '_ {
        self.asked.iter().map(|(question, asked)| (*question, *asked)).filter(|(_, asked)| asked.is_open())
    }

    /// Tells whether a registrar that answers everything at once has room for the answer to one more question like this.
    pub(crate) fn may_say(&self, question: Question, link: Link, finds: u32) -> bool {
        let owed = |kind: fn(&Question) -> bool| {
            let said = |(question, asked): &(&Question, &Asked)| {
                kind(question) && asked.link == link && !matches!(asked.progress, Progress::Held(_))
            };
            self.asked.iter().filter(said).count()
        };
        match question {
            // Its answer is no longer than the claim, which was sent.
            Question::Claim(_) => true,
            Question::Find(_) => !is_reached(finds, owed(|question| matches!(question, Question::Find(_)))),
            Question::List(_) => owed(|question| matches!(question, Question::List(_))) == 0,
        }
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

/// Where a question goes, since when, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) link: Link,
    pub(crate) since: Instant,
    pub(crate) progress: Progress,
}

impl Asked {
    /// Tells whether somebody still asks.
    pub(crate) fn is_open(&self) -> bool {
        self.progress != Progress::GivenUp
    }
}

/// How far a question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Progress {
    /// It is said when the registrar has answered another.
    Held(Message),
    /// It is said.
    Said,
    /// It is said, and nobody asks any more; the answer is still owed.
    GivenUp,
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
