//! Who has which name, and who waits for one: the registrar's records, and those of who asks it.
//!
//! The rule: a name has one holder, and its entry lives no longer than the channel it came by. Every question is answered
//! once, and one that waits has an end: its answer, its channel's loss, its asker's or the registrar's teardown. And however
//! fast somebody asks, and gives up again, a registrar that stands still owes each channel no more than its send buffer holds:
//! as many finds as may be open, and one list.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{has_place, is_reached};
use crate::{ActorId, Instant, Link, Message, NameId, Payload};

/// The names that this actor keeps, if it is the root, and what it asked of the root, if it is not.
///
/// What came by a channel, or goes over it, stands once more under that channel, so that its end costs what concerns it and no
/// more. Only the functions below change the one and the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Registry {
    names: BTreeMap<NameId, Entry>,
    /// The names that came by each channel.
    came: BTreeSet<(Option<Link>, NameId)>,
    /// Finds that wait for a name: by whom and under which number they were asked.
    waiting: BTreeMap<(Option<Link>, u32), Waiting>,
    /// Those for each name, in the order in which they came.
    awaited: BTreeMap<NameId, Vec<(Option<Link>, u32)>>,
    asked: BTreeMap<Question, Asked>,
    /// What is asked over each channel.
    lines: BTreeMap<Link, Line>,
    pub(crate) last_request: u32,
}

/// What is asked over one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Line {
    /// How many finds were said and are not answered.
    finds: u32,
    /// How many lists.
    lists: u32,
    /// How many questions nobody asks any more.
    given_up: u32,
    /// What is not said yet.
    held: BTreeSet<Question>,
    /// All of it.
    asked: BTreeSet<Question>,
}

impl Line {
    /// Counts a question in, or out again.
    fn count(&mut self, question: Question, progress: Progress, by: i32) {
        let count = |count: &mut u32| *count = count.saturating_add_signed(by);
        match (progress, question) {
            (Progress::Held(_), _) => {}
            (_, Question::Find(_)) => count(&mut self.finds),
            (_, Question::List(_)) => count(&mut self.lists),
            (_, Question::Claim(_)) => {}
        }
        if progress == Progress::GivenUp {
            count(&mut self.given_up);
        }
    }

    /// Tells whether a registrar that answers everything at once has room for the answer to one more question like this.
    fn may_say(&self, question: Question, finds: u32) -> bool {
        match question {
            // Its answer is no longer than the claim, which was sent.
            Question::Claim(_) => true,
            Question::Find(_) => self.finds < finds,
            Question::List(_) => self.lists == 0,
        }
    }
}

/// The names that are kept, and who waits for one.
impl Registry {
    pub(crate) fn entry(&self, name: NameId) -> Option<&Entry> {
        self.names.get(&name)
    }

    /// Lists the names that are held.
    pub(crate) fn held(&self) -> impl Iterator<Item = NameId> + '_ {
        self.names.keys().copied()
    }

    /// Tells whether as many names are held as may be.
    pub(crate) fn is_full(&self, most: u32) -> bool {
        is_reached(most, self.names.len())
    }

    /// Gives a name to its holder, or takes it; gives back who had it.
    pub(crate) fn hold(&mut self, name: NameId, entry: Option<Entry>) -> Option<Entry> {
        let before = match entry {
            Some(entry) => self.names.insert(name, entry),
            None => self.names.remove(&name),
        };
        if let Some(before) = before {
            self.came.remove(&(before.by, name));
        }
        if let Some(entry) = entry {
            self.came.insert((entry.by, name));
        }
        before
    }

    /// Lists the names that came by a channel.
    pub(crate) fn came_by(&self, link: Link) -> Vec<NameId> {
        let by = Some(link);
        self.came.range((by, NameId(0))..=(by, NameId(u32::MAX))).map(|(_, name)| *name).collect()
    }

    /// Tells whether one more find may wait: nobody has more of them than it leaves places free.
    pub(crate) fn may_wait(&self, by: Option<Link>, finds: u32) -> bool {
        has_place(finds, self.waiting.len(), self.waits_of(by))
    }

    /// Has a find wait for a name. One that waits already is answered once.
    pub(crate) fn wait(&mut self, find: (Option<Link>, u32), waiting: Waiting) {
        self.unwait(find);
        self.waiting.insert(find, waiting);
        self.awaited.entry(waiting.name).or_default().push(find);
    }

    /// Has a find wait no more, and tells whether it did.
    pub(crate) fn unwait(&mut self, find: (Option<Link>, u32)) -> bool {
        let Some(Waiting { name, .. }) = self.waiting.remove(&find) else {
            return false;
        };
        if let Some(finds) = self.awaited.get_mut(&name) {
            finds.retain(|other| *other != find);
            if finds.is_empty() {
                self.awaited.remove(&name);
            }
        }
        true
    }

    /// Takes those that wait for a name, in the order in which they came.
    pub(crate) fn wake(&mut self, name: NameId) -> Vec<(Option<Link>, u32)> {
        let woken = self.awaited.remove(&name).unwrap_or_default();
        for find in &woken {
            self.waiting.remove(find);
        }
        woken
    }

    /// Takes all that wait, name by name.
    pub(crate) fn wake_all(&mut self) -> impl Iterator<Item = (Option<Link>, u32)> + use<> {
        self.waiting.clear();
        core::mem::take(&mut self.awaited).into_values().flatten()
    }

    /// Lists the finds that came by a channel, or are the actor's own, and wait.
    pub(crate) fn waits_of(&self, by: Option<Link>) -> impl Iterator<Item = (u32, Waiting)> + '_ {
        self.waiting.range((by, 0)..=(by, u32::MAX)).map(|((_, request), waiting)| (*request, *waiting))
    }
}

/// What this actor asks of a registrar elsewhere.
impl Registry {
    pub(crate) fn asked(&self, question: Question) -> Option<Asked> {
        self.asked.get(&question).copied()
    }

    /// Keeps a question as far as it is, or lets it go.
    pub(crate) fn keep(&mut self, question: Question, asked: Option<Asked>) -> Option<Asked> {
        let before = match asked {
            Some(asked) => self.asked.insert(question, asked),
            None => self.asked.remove(&question),
        };
        if let Some(Asked { link, progress, .. }) = before
            && let Some(line) = self.lines.get_mut(&link)
        {
            line.count(question, progress, -1);
            line.held.remove(&question);
            line.asked.remove(&question);
            if line.asked.is_empty() {
                self.lines.remove(&link);
            }
        }
        if let Some(Asked { link, progress, .. }) = asked {
            let line = self.lines.entry(link).or_default();
            line.count(question, progress, 1);
            line.asked.insert(question);
            if matches!(progress, Progress::Held(_)) {
                line.held.insert(question);
            }
        }
        before
    }

    /// Tells whether a question may be said on a channel now.
    pub(crate) fn may_say(&self, question: Question, link: Link, finds: u32) -> bool {
        match self.lines.get(&link) {
            Some(line) => line.may_say(question, finds),
            None => Line::default().may_say(question, finds),
        }
    }

    /// Gives what is the next to be said on a channel, if there is room for its answer.
    pub(crate) fn next_to_say(&self, link: Link, finds: u32) -> Option<(Question, Message)> {
        let line = self.lines.get(&link)?;
        // Finds stand before lists, and of each kind the earlier first.
        let list = line.held.range(Question::List(0)..).next();
        let question = line.held.first().into_iter().chain(list).find(|next| line.may_say(**next, finds))?;
        match self.asked.get(question)?.progress {
            Progress::Held(message) => Some((*question, message)),
            Progress::Said | Progress::GivenUp => None,
        }
    }

    /// Lists what is asked over a channel.
    pub(crate) fn asked_over(&self, link: Link) -> Vec<Question> {
        self.lines.get(&link).into_iter().flat_map(|line| line.asked.iter().copied()).collect()
    }

    /// Lists the questions that somebody still asks.
    pub(crate) fn open(&self) -> impl Iterator<Item = (Question, Asked)> + '_ {
        self.asked.iter().map(|(question, asked)| (*question, *asked)).filter(|(_, asked)| asked.is_open())
    }

    /// Counts the questions that somebody still asks.
    pub(crate) fn open_questions(&self) -> usize {
        let given_up: usize =
            self.lines.values().map(|line| usize::try_from(line.given_up).unwrap_or(0)).sum();
        self.asked.len().saturating_sub(given_up)
    }

    /// Tells whether what is noted twice is the same.
    pub(crate) fn is_sound(&self) -> bool {
        let came = self.names.iter().all(|(name, entry)| self.came.contains(&(entry.by, *name)));
        let waits = self.awaited.iter().all(|(name, finds)| {
            finds.iter().all(|find| self.waiting.get(find).is_some_and(|waiting| waiting.name == *name))
        });
        let waiting = self.awaited.values().map(Vec::len).sum::<usize>();
        let lines = self.lines.iter().all(|(link, line)| {
            let mut counted = Line::default();
            for question in &line.asked {
                let Some(asked) = self.asked.get(question).filter(|asked| asked.link == *link) else {
                    return false;
                };
                counted.count(*question, asked.progress, 1);
                if matches!(asked.progress, Progress::Held(_)) != line.held.contains(question) {
                    return false;
                }
            }
            (counted.finds, counted.lists, counted.given_up) == (line.finds, line.lists, line.given_up)
        });
        let asked = self.lines.values().map(|line| line.asked.len()).sum::<usize>();
        let counts = (self.came.len(), waiting, asked);
        came && waits && lines && counts == (self.names.len(), self.waiting.len(), self.asked.len())
    }

    /// Tells whether nothing is asked, and nobody waits.
    pub(crate) fn is_quiet(&self) -> bool {
        self.asked.is_empty() && self.waiting.is_empty()
    }

    /// Forgets what is asked and what is owed for it.
    pub(crate) fn ask_no_more(&mut self) {
        self.asked.clear();
        self.lines.clear();
    }

    /// Lists the names that this actor keeps, waits for, or has claimed.
    pub(crate) fn names(&self) -> impl Iterator<Item = NameId> + '_ {
        let asked = self.asked.iter().filter_map(|(question, asked)| match (question, asked.progress) {
            (Question::Claim(name), _) => Some(*name),
            (_, Progress::Held(Message::Find { name, .. })) => Some(name),
            _ => None,
        });
        self.held().chain(self.awaited.keys().copied()).chain(asked)
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

/// What a find at the registrar waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Waiting {
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
    /// No answer came in time. The claim was withdrawn, and until it is answered all the same there is no other to that name.
    Unanswered,
}
