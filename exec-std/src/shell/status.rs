//! The description of a tree: every actor, parent before child, each with what it waits for. Who does not answer is named.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use windrow_core::{ActorId, Instant, Link, Message, On, Round, Span, Status, TaskId, Wait, Why};

use super::aloud::say;
use super::reactor::Reactor;
use super::{Shell, now};
use crate::lines::{self, plain};

/// How many waits one description tells.
const WAITS: usize = 64;

/// How many children one description names: with names of 64 bytes each they fit into a frame.
const NAMED: usize = 512;

/// Descriptions that were collected for whoever asked this process.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    asked_at: Instant,
    /// What each said, and whose child it is.
    told: BTreeMap<ActorId, (ActorId, Description)>,
}

/// What an actor says of itself, and who below it was asked in turn.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Description {
    text: String,
    asked: Vec<(u64, String)>,
}

impl<R: Reactor> Shell<R> {
    pub(super) fn describe(&mut self, link: Option<Link>, round: Round, asked: u32) {
        let (actor, asked_at) = (self.machine.actor(), now());
        let description = self.description(asked_at);
        let Some(link) = link else {
            self.status = Collected { asked_at, told: BTreeMap::from([(actor, (actor, description))]) };
            return;
        };
        // Plain data always fits into a growing vector.
        let payload = self.payloads.put(postcard::to_allocvec(&description).unwrap_or_default());
        // The parent knows itself; it fills in who asked.
        self.send(link, Message::Status(Status { round, actor, parent: ActorId(0), asked, payload }), false);
    }

    /// Describes this actor: who it is, what it waits for. However many its children are, they don't hide the rest.
    fn description(&self, now: Instant) -> Description {
        let (id, life) = (self.machine.actor(), self.machine.life());
        let mut text = format!("{} {id} pid {} {life:?}", plain(&self.name), std::process::id());
        let is_of_child = |wait: &Wait| matches!(wait.on, On::Child(_));
        let own = self.machine.waits().filter(|wait| !is_of_child(wait));
        let mut waits = own.chain(self.machine.waits().filter(is_of_child));
        for wait in waits.by_ref().take(WAITS) {
            // Writing into a string can't fail.
            let _ = write!(text, "\n  {}", wait.seen_at(now));
            let child = if let On::Child(id) = wait.on { self.children.get(&id) } else { None };
            let _ = child.map(|child| write!(text, " ({})", plain(&child.name)));
        }
        let more = waits.count();
        if more > 0 {
            let _ = write!(text, "\n  and {more} more waits");
        }
        Description { text, asked: self.asked().take(NAMED).collect() }
    }

    /// Names the children that are asked in turn.
    fn asked(&self) -> impl Iterator<Item = (u64, String)> + '_ {
        self.machine.waits().filter_map(|wait| {
            let (On::Child(id), Why::Child(phase)) = (wait.on, wait.why) else { return None };
            let is_asked = phase.is_asked() && self.channels.has(Link::Child(id));
            self.children.get(&id).filter(|_| is_asked).map(|child| (id.0, child.name.clone()))
        })
    }

    pub(super) fn described(&mut self, status: &Status) {
        let bytes = self.payloads.take(status.payload);
        let description = postcard::from_bytes(&bytes).unwrap_or_default();
        self.status.told.insert(status.actor, (status.parent, description));
    }

    /// Prints the tree to standard error.
    pub(super) fn print_status(&mut self, silent: u32) {
        say(std::mem::take(&mut self.status).tell(self.machine.actor(), silent, now()));
        self.dump();
    }

    /// Says whose user code is still at work when the actor goes on to its end without it.
    pub(super) fn say_abandoned(&self, task: TaskId) {
        let (name, id) = (&self.name, self.machine.actor());
        let what = if task == TaskId::MAIN { String::from("code") } else { format!("thread {task}") };
        let (indent, name) = (lines::indent(name), plain(name));
        say(format!("{indent}! {name} ({id}): its {what} did not end in time, and ends with its process\n"));
    }
}

impl Collected {
    /// Tells the tree below and with `root`; `silent` did not answer.
    fn tell(mut self, root: ActorId, mut silent: u32, now: Instant) -> String {
        let mut text = String::new();
        let mut unnamed = self.unnamed(root);
        let mut stack = vec![(0, root, String::new())];
        while let Some((depth, actor, name)) = stack.pop() {
            if let Some((_, description)) = self.told.remove(&actor) {
                indent(&mut text, depth, &description.text);
                let others = unnamed.remove(&actor).unwrap_or_default();
                stack.extend(others.into_iter().rev().map(|id| (depth + 1, id, String::new())));
                let below = description.asked.into_iter().rev();
                stack.extend(below.map(|(id, name)| (depth + 1, ActorId(id), name)));
            } else {
                silent = silent.saturating_sub(1);
                let age = Span(now.since(self.asked_at));
                indent(&mut text, depth, &format!("{} {actor}: no answer for {age}", plain(&name)));
            }
        }
        if silent > 0 {
            let _ = writeln!(text, "{silent} more gave no answer");
        }
        text
    }

    /// Lists by its parent who answered and is not named by that: it had too many to name, or did not answer itself. Those
    /// stand below the root.
    fn unnamed(&self, root: ActorId) -> BTreeMap<ActorId, Vec<ActorId>> {
        let named = self.told.values().flat_map(|(_, description)| &description.asked);
        let named: BTreeSet<u64> = named.map(|(id, _)| *id).collect();
        let mut unnamed = BTreeMap::<ActorId, Vec<ActorId>>::new();
        for (actor, (parent, _)) in self.told.iter().filter(|(id, _)| **id != root && !named.contains(&id.0))
        {
            let parent = if self.told.contains_key(parent) { *parent } else { root };
            unnamed.entry(parent).or_default().push(*actor);
        }
        unnamed
    }
}

fn indent(text: &mut String, depth: usize, description: &str) {
    for line in description.lines() {
        let _ = writeln!(text, "{:1$}{line}", "", depth * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What somebody says who names these children.
    fn said(name: &str, asked: &[(u64, &str)]) -> Description {
        Description {
            text: format!("{name} waits"),
            asked: asked.iter().map(|(id, name)| (*id, (*name).to_owned())).collect(),
        }
    }

    #[test]
    fn who_is_silent_is_named_in_its_place() {
        let told = BTreeMap::from([
            (ActorId(1), (ActorId(1), said("root", &[(2, "one"), (3, "two"), (5, "three")]))),
            (ActorId(2), (ActorId(1), said("one", &[(4, "deaf")]))),
            (ActorId(5), (ActorId(1), said("three", &[]))),
        ]);
        let collected = Collected { asked_at: Instant(0), told };
        let text = collected.tell(ActorId(1), 2, Instant(1_250_000_000));
        let expected = "root waits\n  one waits\n    deaf a4: no answer for 1.2 s\n  \
                        two a3: no answer for 1.2 s\n  three waits\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn who_answers_is_told_though_nobody_names_it() {
        let told = BTreeMap::from([
            (ActorId(1), (ActorId(1), said("root", &[(2, "one")]))),
            (ActorId(2), (ActorId(1), said("one", &[]))),
            (ActorId(3), (ActorId(2), said("one too many", &[]))),
            (ActorId(4), (ActorId(9), said("child of a silent one", &[]))),
        ]);
        let collected = Collected { asked_at: Instant(0), told };
        let expected = "root waits\n  one waits\n    one too many waits\n  child of a silent one waits\n";
        assert_eq!(collected.tell(ActorId(1), 0, Instant(0)), expected);
    }
}
