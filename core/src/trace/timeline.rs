//! What a timeline is drawn of: what each actor was, and each child as its parent saw it, from when to when; and what was sent
//! from whom to whom.
//!
//! The rule: it is read off the machines and the records, and nothing is guessed: a message is told of where both ends left whole
//! traces, for only there the one that was sent as the third is the third that came.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use super::tree::{Member, Tree};
use crate::{ActorId, Child, Input, Instant, Life, Link, Machine, Message, Output, Record};

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
        let begin = self.trace.records.first().map_or_else(Instant::default, |record| record.at);
        let mut now = self.trace.start.state().now.max(begin);
        let mut open = Open { life: (self.trace.start.life(), now), children: BTreeMap::new() };
        let mut phases = Vec::new();
        open.turn(&self.trace.start, now, &mut phases);
        // Up to where it diverged, if it did.
        let _ = self.trace.play(self.trace.records.len(), &mut |record: &Record, machine: &Machine| {
            now = now.max(record.at);
            open.turn(machine, now, &mut phases);
        });
        let (life, from) = open.life;
        phases.push(Phase { child: None, state: State::Life(life), from, until: None });
        let stays = |(child, (state, from))| Phase {
            child: Some(child),
            state: State::Child(state),
            from,
            until: None,
        };
        phases.extend(open.children.into_iter().map(stays));
        phases
    }
}

/// Who is what, and since when.
struct Open {
    life: (Life, Instant),
    children: BTreeMap<ActorId, (Child, Instant)>,
}

impl Open {
    /// Ends the phases that are over by now, and begins those that follow.
    fn turn(&mut self, machine: &Machine, now: Instant, phases: &mut Vec<Phase>) {
        let until = Some(now);
        let (life, from) = self.life;
        if machine.life() != life {
            phases.push(Phase { child: None, state: State::Life(life), from, until });
            self.life = (machine.life(), now);
        }
        let children = &machine.state().children;
        let was = self.children.iter().map(|(child, (state, _))| (*child, *state));
        // Most records move no child, and there may be thousands of both.
        if was.eq(children.iter().map(|(id, child)| (*id, child.phase))) {
            return;
        }
        self.children.retain(|child, (state, from)| {
            let stays = children.get(child).is_some_and(|child| child.phase == *state);
            if !stays {
                phases.push(Phase { child: Some(*child), state: State::Child(*state), from: *from, until });
            }
            stays
        });
        for (id, child) in children {
            self.children.entry(*id).or_insert((child.phase, now));
        }
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
