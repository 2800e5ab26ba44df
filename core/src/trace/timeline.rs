//! What a timeline is drawn of: what each actor was, and each child as its parent saw it, from when to when; and what was sent
//! from whom to whom.
//!
//! The rule: it is read off the machines and the records, and nothing is guessed: a message is told of where both ends left whole
//! traces, for only there the one that was sent as the third is the third that came.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use super::tree::{Member, Tree};
use crate::{ActorId, Child, Input, Instant, Life, Link, Machine, Message, On, Output, Record, Why};

/// What an actor was for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Phase {
    /// Which child it is told of, by its parent; nothing where an actor tells of itself.
    pub child: Option<ActorId>,
    /// What it was.
    pub state: State,
    /// From when.
    pub from: Instant,
    /// Until when; nothing where it is so when its trace ends.
    pub until: Option<Instant>,
}

/// What an actor is, or its parent takes it for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Where it is in its own life.
    Life(Life),
    /// Where its parent has it.
    Child(Child),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Life(life) => fmt::Debug::fmt(life, f),
            Self::Child(child) => fmt::Debug::fmt(child, f),
        }
    }
}

/// A message between a parent and a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Letter {
    /// Who sent it.
    pub from: ActorId,
    /// Who took it.
    pub to: ActorId,
    /// When it was sent.
    pub sent: Instant,
    /// When it was taken.
    pub taken: Instant,
    /// What it says.
    pub message: Message,
}

impl Member {
    /// Lists what the actor was, and what each of its children was to it, in the order in which that was over.
    #[must_use]
    pub fn phases(&self) -> Vec<Phase> {
        let mut phases = Vec::new();
        let mut open = BTreeMap::new();
        let begin = self.trace.records.first().map_or_else(Instant::default, |record| record.at);
        let mut now = self.trace.start.state().now.max(begin);
        turn(&mut open, &self.trace.start, now, &mut phases);
        // Up to where it diverged, if it did.
        let _ = self.trace.play(self.trace.records.len(), &mut |record: &Record, machine: &Machine| {
            now = now.max(record.at);
            turn(&mut open, machine, now, &mut phases);
        });
        phases.extend(open.into_iter().map(|(child, (state, from))| Phase {
            child,
            state,
            from,
            until: None,
        }));
        phases
    }
}

/// Who is what, and since when.
type Open = BTreeMap<Option<ActorId>, (State, Instant)>;

/// Ends the phases that are over by now, and begins those that follow.
fn turn(open: &mut Open, machine: &Machine, now: Instant, phases: &mut Vec<Phase>) {
    let children = machine.waits().filter_map(|wait| match (wait.on, wait.why) {
        (On::Child(child), Why::Child(phase)) => Some((Some(child), State::Child(phase))),
        _ => None,
    });
    let mut present: BTreeMap<_, _> = children.collect();
    present.insert(None, State::Life(machine.life()));
    open.retain(|child, (state, from)| {
        let stays = present.get(child) == Some(state);
        if !stays {
            phases.push(Phase { child: *child, state: *state, from: *from, until: Some(now) });
        }
        stays
    });
    for (child, state) in present {
        open.entry(child).or_insert((state, now));
    }
}

impl Tree {
    /// Lists what parents and children have said to each other, by whom it concerns.
    #[must_use]
    pub fn letters(&self) -> Vec<Letter> {
        let posts: BTreeMap<ActorId, Post> = self
            .members()
            .filter(|(_, member)| member.is_whole())
            .map(|(id, member)| (id, Post::of(member)))
            .collect();
        let mut letters = Vec::new();
        for (child, below) in &posts {
            let Some((parent, above)) = self.made(*child).and_then(|made| posts.get_key_value(&made.parent))
            else {
                continue;
            };
            carry((parent, above, Link::Child(*child)), (child, below, Link::Parent), &mut letters);
            carry((child, below, Link::Parent), (parent, above, Link::Child(*child)), &mut letters);
        }
        letters
    }
}

/// Says by which channel a message leaves with an output. How an actor is, its shell writes.
pub(super) fn leaves_by(output: &Output) -> Option<Link> {
    match *output {
        Output::Send { link, .. } | Output::Describe { link: Some(link), .. } => Some(link),
        _ => None,
    }
}

/// One end of a channel: whose, what passed there, and which channel it is to that one.
type Way<'a> = (&'a ActorId, &'a Post, Link);

/// Pairs what was sent with what came.
fn carry((from, sender, out): Way<'_>, (to, taker, into): Way<'_>, letters: &mut Vec<Letter>) {
    let (Some(sent), Some(taken)) = (sender.sent.get(&out), taker.taken.get(&into)) else { return };
    letters.extend(sent.iter().zip(taken).filter_map(|(sent, (taken, message))| {
        Some(Letter { from: *from, to: *to, sent: *sent, taken: *taken, message: (*message)? })
    }));
}

/// What an actor sent and took, channel by channel.
#[derive(Default)]
struct Post {
    sent: BTreeMap<Link, Vec<Instant>>,
    /// What was none comes as nothing.
    taken: BTreeMap<Link, Vec<(Instant, Option<Message>)>>,
}

impl Post {
    fn of(member: &Member) -> Self {
        let mut post = Self::default();
        for (now, record) in member.trace.timed() {
            let came = match record.input {
                Input::Received { link, message } => Some((link, Some(message))),
                Input::Garbled { link } => Some((link, None)),
                _ => None,
            };
            if let Some((link, message)) = came {
                post.taken.entry(link).or_default().push((now, message));
            }
            for link in record.outputs.iter().filter_map(leaves_by) {
                post.sent.entry(link).or_default().push(now);
            }
        }
        post
    }
}
