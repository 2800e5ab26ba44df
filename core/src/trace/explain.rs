//! Who waited for whom when the traces of a tree end, from its root down, and why the last of them waited in vain.
//!
//! The rule: it follows what the machines say that they wait for. Why nobody answers is told by what is on record, and by what
//! is missing there: a driver that lives takes its facts and its ticks in time.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::mem::discriminant;
use core::ops::Deref;

use super::timeline::leaves_by;
use super::tree::{Member, Tree};
use crate::{
    ActorId, Child, Input, Instant, Life, Link, Message, On, Output, Record, Role, Span, Until, Wait, Why,
};

/// The chain of waits at the end of a tree's traces.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// Each wait in words, the root's first.
    pub chain: Vec<String>,
    /// Who waits, in the same order, and at last who does not answer, if that is an actor.
    pub actors: Vec<ActorId>,
    /// Why the last wait is not over.
    pub because: String,
    /// Of whom that is said, if it is an actor or a command.
    pub whom: Option<ActorId>,
    /// Where that is wrong, if it may be: a trace on disk may end before its actor did.
    pub unless: Option<&'static str>,
    /// Who else takes nothing, and what: with the one of the chain out of the way, the tree would wait for these.
    pub others: Vec<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.chain.iter().enumerate() {
            writeln!(f, "  {}{line}", if index == 0 { "" } else { "and " })?;
        }
        write!(f, "  because {}", self.because)?;
        self.unless.map_or(Ok(()), |unless| write!(f, ", {unless}"))?;
        self.others.iter().try_for_each(|other| write!(f, "\n  besides, {other}"))
    }
}

const STANDS_STILL: &str = "its driver stands still, or it was stopped or killed";
/// What is told on standard error as it happens.
const OR_ELSE: &str = "if its trace did not end early";

/// Where a wait leads.
enum Next {
    Actor(ActorId),
    /// To somebody, or to nobody, of whom these words are true.
    End(Option<ActorId>, String),
}

impl Tree {
    /// Says who waits for whom when the traces end, as it is seen at `now`; nothing if the root is over by then. Where nobody
    /// knows how old the traces are, `now` is [`last`](Self::last); but of a tree that hangs nobody records anything, and so the
    /// one that should have is told by the time that has passed since.
    #[must_use]
    pub fn explain(&self, now: Instant) -> Option<Explanation> {
        Seen { tree: self, now: now.max(self.last()) }.explain()
    }
}

/// A tree's traces as they are seen at some time.
struct Seen<'a> {
    tree: &'a Tree,
    now: Instant,
}

impl Deref for Seen<'_> {
    type Target = Tree;

    fn deref(&self) -> &Tree {
        self.tree
    }
}

impl Seen<'_> {
    fn explain(&self) -> Option<Explanation> {
        if self.member(self.root())?.end.life() == Life::Ended {
            return None;
        }
        let mut told = Explanation {
            chain: Vec::new(),
            actors: Vec::new(),
            because: String::new(),
            whom: None,
            unless: None,
            others: Vec::new(),
        };
        let (mut at, blamed, mut is_fresh) = (self.root(), self.blamed(), false);
        told.because = loop {
            if told.actors.contains(&at) {
                let fresh = if is_fresh { ", which may be over by now" } else { "" };
                break format!("they wait for each other{fresh}");
            }
            told.actors.push(at);
            if let Some(words) = self.silence(at) {
                (told.whom, told.unless) = (Some(at), Some(OR_ELSE));
                break words;
            }
            let Some(wait) = self.choose(at, &blamed) else {
                break format!("{} waits for nothing that is on record", self.called(at));
            };
            told.chain.push(self.named(&wait.seen_at(self.now).to_string()));
            is_fresh |= self.is_fresh(at, &wait);
            match self.next(at, &wait) {
                Next::Actor(next) => at = next,
                Next::End(whom, words) => {
                    told.whom = whom;
                    break words;
                }
            }
        };
        let others = self.members().filter(|(id, _)| Some(*id) != told.whom);
        told.others = others.filter_map(|(id, _)| self.silence(id)).collect();
        Some(told)
    }

    /// Chooses the wait to follow: the one that leads to who is silent or dead, then one without an end, then the oldest.
    fn choose(&self, actor: ActorId, blamed: &BTreeSet<ActorId>) -> Option<Wait> {
        let waits: Vec<Wait> = self.member(actor)?.end.waits().collect();
        let is_vain = |wait: &&Wait| matches!(wait.on, On::Child(child) if blamed.contains(&child));
        let by_actor = |wait: &&Wait| matches!(wait.on, On::Child(_) | On::Link(_) | On::Context(_));
        let is_endless = |wait: &&Wait| wait.until == Until::Running(None);
        let oldest = || waits.iter().filter(by_actor).min_by_key(|wait| wait.since);
        let found = waits.iter().find(is_vain);
        let found = found.or_else(|| waits.iter().filter(by_actor).find(is_endless)).or_else(oldest);
        found.or_else(|| waits.first()).copied()
    }

    /// Lists who is silent, or dead and still waited for, and all above them.
    fn blamed(&self) -> BTreeSet<ActorId> {
        let mut blamed = BTreeSet::new();
        for (_, member) in self.members() {
            for wait in member.end.waits() {
                let mut at = match wait.on {
                    On::Child(child) if self.is_vain(child) => Some(child),
                    _ => None,
                };
                while let Some(actor) = at.filter(|actor| blamed.insert(*actor)) {
                    at = self.made(actor).map(|made| made.parent);
                }
            }
        }
        blamed
    }

    fn is_vain(&self, child: ActorId) -> bool {
        self.exit(child).is_some() || self.silence(child).is_some()
    }

    /// Says where a wait leads.
    fn next(&self, actor: ActorId, wait: &Wait) -> Next {
        let me = self.called(actor);
        let process = self.process(actor);
        let of_me = |words: String| Next::End(Some(actor), words);
        let is_fresh = self.is_fresh(actor, wait);
        let ends = if is_fresh { "has not ended yet" } else { "does not end" };
        match (wait.on, wait.why) {
            (On::Child(child), Why::Child(phase)) => self.child(child, phase, is_fresh),
            (On::Task(_) | On::Scope(_), _) | (On::Context(_), Why::Callee(_)) => {
                of_me(format!("only the user's code in {me}{process} could end that"))
            }
            (On::Link(link), _) => self.far_end(actor, link),
            (On::Context(context), _) => self.far_end(actor, context.link),
            (On::Strangers, _) => Next::End(None, format!("what {me} killed at its end {ends}")),
            (On::Guardian, _) => Next::End(None, format!("the guardian of {me} {ends}")),
            (On::Question(_) | On::Child(_), _) => Next::End(None, format!("nobody answers {me}")),
        }
    }

    /// Tells whether an actor has waited for no longer than that may take where all is well.
    fn is_fresh(&self, actor: ActorId, wait: &Wait) -> bool {
        let hop = self.member(actor).map(|member| member.end.limits().times.hop);
        hop.is_some_and(|hop| self.now.since(wait.since) <= hop)
    }

    fn far_end(&self, actor: ActorId, link: Link) -> Next {
        let me = self.called(actor);
        let Some(far) = self.far(actor, link) else {
            return Next::End(None, format!("whoever is at the far end of {link} of {me} does not answer"));
        };
        let of_it = |words: String| Next::End(Some(far), words);
        match self.member(far) {
            None => of_it(format!("{} does not answer, and left no trace", self.called(far))),
            Some(member) if member.end.life() == Life::Ended => {
                of_it(format!("{} is over, and {me} was not told", self.called(far)))
            }
            Some(_) => Next::Actor(far),
        }
    }

    /// Says why nothing comes of a child.
    fn child(&self, child: ActorId, phase: Child, is_fresh: bool) -> Next {
        let (who, made) = (self.called(child), self.made(child));
        let process = self.process(child);
        let of_it = |words: String| Next::End(Some(child), words);
        if let Some((_, exit)) = self.exit(child) {
            return of_it(match phase {
                _ if is_fresh => format!("{who} is dead ({exit}), and has not been collected yet"),
                Child::Sweeping | Child::Purging => {
                    format!(
                        "{who} is dead ({exit}), and what it left behind is alive{}",
                        self.leavings(child)
                    )
                }
                Child::Reaping => {
                    format!("{who}{process} is dead ({exit}), and can't be collected: is it traced?")
                }
                _ => format!("{who} is dead ({exit})"),
            });
        }
        if matches!(phase, Child::Queued | Child::Starting) {
            return of_it(format!("nobody has made {who} yet"));
        }
        match self.member(child) {
            Some(member) if member.end.life() == Life::Ended => {
                let on = if is_fresh { "its exit was not told yet" } else { "its process goes on" };
                of_it(format!("{who}{process} said its last word, and {on}"))
            }
            Some(_) => Next::Actor(child),
            None if made.is_some_and(|made| made.role == Role::Command) => {
                of_it(format!("{who}{process} is a command and goes on"))
            }
            None => of_it(format!("{who}{process} left no trace: it never began, or keeps none")),
        }
    }

    /// Says which process an actor is, if that is known.
    fn process(&self, actor: ActorId) -> String {
        self.stamp(actor).map_or_else(String::new, |stamp| format!(" (pid {})", stamp.pid))
    }

    fn leavings(&self, child: ActorId) -> String {
        let parent = self.made(child).and_then(|made| self.member(made.parent));
        let left =
            parent.and_then(|parent| parent.end.state().children.get(&child)).map(|child| child.leavings);
        left.filter(|left| *left > 0).map_or_else(String::new, |left| format!(" ({left} processes)"))
    }

    /// Says of an actor that is neither over nor known to be dead why its driver does nothing any more, if it does not: the
    /// others went on, and it has not taken what was due.
    fn silence(&self, actor: ActorId) -> Option<String> {
        let member = self.member(actor).filter(|member| member.end.life() != Life::Ended)?;
        if self.exit(actor).is_some() {
            return None;
        }
        let (who, now) = (self.called(actor), self.now);
        let process = self.process(actor);
        let patience = member.end.limits().times.hop;
        let is_over = |at: &Instant| now.since(*at) > patience;
        let why = if let Some(child) = self.abandoned_child(actor, member.last()) {
            let child = self.called(child);
            format!(
                "closed its channel to {child} without a word, and nothing of it is on record after that: it died"
            )
        } else if let Some((at, word)) = self.untaken(actor).filter(|(at, _)| is_over(at)) {
            let (word, ago) = (self.named(&word.to_string()), Span(now.since(at)));
            format!("was sent `{word}` {ago} ago, and has not taken it: {STANDS_STILL}")
        } else {
            let due = member.end.poll_timeout().filter(is_over)?;
            let ago = Span(now.since(due));
            format!("did nothing when its time was over {ago} ago: {STANDS_STILL}")
        };
        Some(format!("{who}{process} {why}"))
    }

    /// Names a child whose channel to its parent was lost after the last thing that the parent did: then that is dead, for the end
    /// of a process closes all it had.
    fn abandoned_child(&self, parent: ActorId, last: Instant) -> Option<ActorId> {
        let is_loss = |(at, record): (Instant, &Record)| {
            at > last && record.input == (Input::LinkLost { link: Link::Parent })
        };
        let mut members = self.members();
        members.find_map(|(id, member)| {
            let below = self.made(id).is_some_and(|made| made.parent == parent);
            (below && member.trace.timed().any(is_loss)).then_some(id)
        })
    }

    /// Gives the first word of its parent's that an actor has not taken, and when it was sent. It is known only where the
    /// channel was whole, and where the parent has no later word of the actor's.
    fn untaken(&self, actor: ActorId) -> Option<(Instant, Message)> {
        let member = self.member(actor)?;
        let above = self.made(actor).and_then(|made| self.member(made.parent))?;
        let is_lost = |record: &Record| record.input == (Input::LinkLost { link: Link::Parent });
        if member.trace.records.iter().any(is_lost) {
            return None;
        }
        let is_heard = |record: &Record| is_word(&record.input, Link::Child(actor));
        let is_taken = |record: &Record| is_word(&record.input, Link::Parent);
        let sent = sent(above, Link::Child(actor));
        let must_be_taken = |(at, word, may_wait)| if may_wait { None } else { Some((at, word)) };
        // Who is heard of after its last record has gone on without one.
        if member.is_whole() && above.is_whole() {
            let taken = member.trace.records.iter().filter(|record| is_taken(record)).count();
            let heard = above.trace.records.iter().filter(|record| is_heard(record)).count();
            return sent.skip(taken).find_map(must_be_taken).filter(|_| heard <= words_said(member));
        }
        // Where words can't be counted, for one trace begins later than the other, the last that was taken tells, or else the
        // times: words stay in order.
        let taken = member.trace.timed().filter(|(_, record)| is_taken(record)).last();
        let (by, last) =
            taken.map_or((member.trace.start.state().now, None), |(now, record)| (now, Some(record.input)));
        let sent: Vec<_> = sent.collect();
        let is_last = |(at, message, _): &(Instant, Message, bool)| {
            *at <= by && last == Some(Input::Received { link: Link::Parent, message: *message })
        };
        let behind = sent.iter().rposition(is_last).map(|last| last.saturating_add(1));
        let behind = behind.unwrap_or_else(|| sent.partition_point(|(at, ..)| *at <= by));
        let found = sent.into_iter().skip(behind).find_map(must_be_taken)?;
        let said: Vec<_> = self::sent(member, Link::Parent).map(|(_, word, _)| discriminant(&word)).collect();
        let mut heard = above.trace.timed().filter(|(now, record)| *now > found.0 && is_heard(record));
        let is_its = |(_, record): (Instant, &Record)| match record.input {
            Input::Received { message, .. } if !matches!(message, Message::Status(_)) => {
                said.contains(&discriminant(&message))
            }
            _ => true,
        };
        heard.all(is_its).then_some(found)
    }
}

/// Counts what an actor has said to its parent.
fn words_said(member: &Member) -> usize {
    let outputs = member.trace.records.iter().flat_map(|record| &record.outputs);
    outputs.filter(|output| leaves_by(output) == Some(Link::Parent)).count()
}

/// Lists what an actor has said by a channel, when, and whether it may wait there.
fn sent(member: &Member, by: Link) -> impl Iterator<Item = (Instant, Message, bool)> + '_ {
    member.trace.timed().flat_map(move |(now, record)| {
        record.outputs.iter().filter_map(move |output| match *output {
            Output::Send { link, message, may_wait } if link == by => Some((now, message, may_wait)),
            _ => None,
        })
    })
}

fn is_word(input: &Input, from: Link) -> bool {
    matches!(input, Input::Received { link, .. } | Input::Garbled { link } if *link == from)
}
