//! The traces of one tree's actors, put together: who made whom, and what each machine was when its trace ended.
//!
//! The rule: what is told of an actor was said by its own machine or by its parent's, never guessed. An actor without a trace
//! is known by its parent's words alone.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Divergence, Trace};
use crate::{ActorId, Exit, Input, Instant, Life, Link, Machine, NameId, On, Output, Role, Stamp, Wait};

/// One actor of a tree that left a trace.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Member {
    /// What it took and said.
    pub trace: Trace,
    /// Its machine at the trace's end, or before the record that diverged.
    pub end: Machine,
    /// Where its replay says something else.
    pub diverged: Option<Box<Divergence>>,
    /// When the first thing of it was recorded, maybe in an earlier trace.
    first: Instant,
    /// When it took the last thing that is on record.
    last: Instant,
}

impl Member {
    fn new(trace: Trace) -> Self {
        let (end, diverged) = match trace.replay() {
            Ok(end) => (end, None),
            Err(diverged) => {
                (trace.replay_to(diverged.record).unwrap_or_else(|_| trace.start.clone()), Some(diverged))
            }
        };
        let begun = trace.start.state().now;
        let first = trace.timed().next().map_or(begun, |(now, _)| now);
        let last = trace.timed().last().map_or(begun, |(now, _)| now);
        Self { trace, end, diverged, first, last }
    }

    pub(super) fn last(&self) -> Instant {
        self.last
    }

    /// Tells whether its trace begins with its machine, and not with a later state of that.
    pub(super) fn is_whole(&self) -> bool {
        let start = self.trace.start.state();
        start.now == Instant::default() && start.life == Life::Booting
    }
}

/// What is known of an actor from whoever made it.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) parent: ActorId,
    pub(super) role: Role,
    pub(super) stamp: Option<Stamp>,
    /// How its process ended, and when its parent saw that.
    pub(super) exit: Option<(Instant, Exit)>,
    name: Option<String>,
}

/// The traces of one tree.
#[derive(Clone, Debug)]
pub struct Tree {
    root: ActorId,
    /// Those who left a trace, each before its children.
    order: Vec<ActorId>,
    members: BTreeMap<ActorId, Member>,
    made: BTreeMap<ActorId, Made>,
    /// What each is called that has a name.
    called: BTreeMap<ActorId, String>,
}

impl Tree {
    /// Tells when the traces were copied, if the tree went on then.
    #[must_use]
    pub fn seen(&self) -> Option<Instant> {
        self.members.values().filter_map(|member| member.trace.seen).max()
    }

    /// Sorts traces into the trees that they are of, the one that was recorded last first. Of several of one actor, the last
    /// counts. An actor whose parent left none is the root of a tree of its own.
    #[must_use]
    pub fn all(traces: Vec<Trace>) -> Vec<Self> {
        let (mut members, made) = gather(traces);
        let is_below =
            |id: &ActorId| made.get(id).is_some_and(|made: &Made| members.contains_key(&made.parent));
        let roots: Vec<ActorId> = members.keys().filter(|id| !is_below(id)).copied().collect();
        let mut trees: Vec<Self> =
            roots.into_iter().map(|root| Self::take(root, &mut members, &made)).collect();
        trees.sort_by_key(|tree| core::cmp::Reverse(tree.last()));
        trees
    }

    /// Puts those together that are of one actor and of all below it; nothing if that one left no trace.
    #[must_use]
    pub fn below(actor: ActorId, traces: Vec<Trace>) -> Option<Self> {
        let (mut members, made) = gather(traces);
        members.contains_key(&actor).then(|| Self::take(actor, &mut members, &made))
    }

    /// Takes a root out, and those that stand below it: each before its children, and these in the order of their ids.
    fn take(root: ActorId, all: &mut BTreeMap<ActorId, Member>, made: &BTreeMap<ActorId, Made>) -> Self {
        let mut below: BTreeMap<ActorId, Vec<ActorId>> = BTreeMap::new();
        made.iter().for_each(|(child, made)| below.entry(made.parent).or_default().push(*child));
        let (members, called) = (BTreeMap::new(), BTreeMap::new());
        let mut tree = Self { root, order: Vec::new(), members, made: BTreeMap::new(), called };
        let mut ids = Vec::from([root]);
        while let Some(id) = ids.pop() {
            let Some(member) = all.remove(&id) else { continue };
            let children = below.remove(&id).unwrap_or_default();
            let known = |child: &ActorId| Some((*child, made.get(child)?.clone()));
            tree.made.extend(children.iter().filter_map(known));
            ids.extend(children.into_iter().rev());
            tree.order.push(id);
            tree.members.insert(id, member);
        }
        tree.call();
        tree
    }

    /// Calls everybody by name, and by the id too where another one has the same.
    fn call(&mut self) {
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        let named = || self.made.iter().filter_map(|(id, made)| Some((*id, made.name.as_deref()?)));
        for (_, name) in named() {
            let count = names.entry(name).or_default();
            *count = count.saturating_add(1);
        }
        let called = |(id, name): (ActorId, &str)| match names.get(name) {
            Some(2..) => (id, format!("{name} ({id})")),
            _ => (id, name.to_string()),
        };
        let mut all: BTreeMap<ActorId, String> = named().map(called).collect();
        if self.member(self.root).is_some_and(|member| member.end.state().parent.is_none()) {
            all.insert(self.root, "root".to_string());
        }
        self.called = all;
    }

    /// Names the actor at the top.
    #[must_use]
    pub fn root(&self) -> ActorId {
        self.root
    }

    /// Lists those who left a trace, each before those below it, and these in the order in which they were made.
    pub fn members(&self) -> impl Iterator<Item = (ActorId, &Member)> {
        self.order.iter().filter_map(|id| Some((*id, self.members.get(id)?)))
    }

    /// Lists all who are known, by a trace of their own or by their parent's words, each before those below it.
    #[must_use]
    pub fn actors(&self) -> Vec<ActorId> {
        let mut below: BTreeMap<ActorId, Vec<ActorId>> = BTreeMap::new();
        let bare = self.made.iter().filter(|(id, _)| !self.members.contains_key(id));
        bare.for_each(|(id, made)| below.entry(made.parent).or_default().push(*id));
        let with_bare = |id: &ActorId| [*id].into_iter().chain(below.remove(id).unwrap_or_default());
        self.order.iter().flat_map(with_bare).collect()
    }

    /// Names the parent of an actor, if that one is of the tree.
    #[must_use]
    pub fn parent(&self, actor: ActorId) -> Option<ActorId> {
        self.made(actor).map(|made| made.parent)
    }

    /// Tells whether it is on record that an actor or a command is no more: by its own last word, or by its parent, who saw its
    /// exit, or has no such child any more.
    #[must_use]
    pub fn is_over(&self, actor: ActorId) -> bool {
        let is_over = self.member(actor).is_some_and(|member| member.end.life() == Life::Ended);
        let is_let_go = || {
            let parent = self.made(actor).and_then(|made| self.member(made.parent));
            parent.is_some_and(|parent| !parent.end.state().children.contains_key(&actor))
        };
        is_over || self.exit(actor).is_some() || is_let_go()
    }

    /// Tells which process an actor or a command was, as its parent had it: where it is or was a process of its own.
    #[must_use]
    pub fn stamp(&self, actor: ActorId) -> Option<Stamp> {
        self.made(actor)?.stamp.filter(|stamp| stamp.pid > 0)
    }

    /// Tells how the process of an actor or a command ended, and when its parent saw that.
    #[must_use]
    pub fn exit(&self, actor: ActorId) -> Option<(Instant, Exit)> {
        self.made(actor)?.exit
    }

    /// Counts those who were made and left no trace: commands, and actors that keep none.
    #[must_use]
    pub fn untraced(&self) -> usize {
        self.made.keys().filter(|id| !self.members.contains_key(id)).count()
    }

    /// Gives when the first thing was recorded, in whichever of an actor's files.
    #[must_use]
    pub fn first(&self) -> Instant {
        self.members.values().map(|member| member.first).min().unwrap_or_default()
    }

    /// Gives when the last thing was recorded.
    #[must_use]
    pub fn last(&self) -> Instant {
        self.members.values().map(Member::last).max().unwrap_or_default()
    }

    /// Gives the name of an actor, with its id if another one has it too; the id alone where nobody named it.
    #[must_use]
    pub fn called(&self, actor: ActorId) -> String {
        self.called.get(&actor).cloned().unwrap_or_else(|| actor.to_string())
    }

    /// Puts names for ids.
    #[must_use]
    pub fn named(&self, text: &str) -> String {
        let is_word = |c: char| c.is_ascii_alphanumeric();
        let mut out = String::new();
        let mut rest = text;
        while let Some(begin) = rest.find(is_word) {
            let (before, tail) = rest.split_at(begin);
            let (word, tail) = tail.split_at(tail.find(|c| !is_word(c)).unwrap_or(tail.len()));
            out.push_str(before);
            let id = word.strip_prefix('a').and_then(|hex| u64::from_str_radix(hex, 16).ok()).map(ActorId);
            out.push_str(id.and_then(|id| self.called.get(&id)).map_or(word, String::as_str));
            rest = tail;
        }
        out.push_str(rest);
        out
    }

    /// Names whom a wait is for, where that is an actor or a command.
    #[must_use]
    pub fn awaited(&self, wait: &Wait) -> Option<ActorId> {
        match wait.on {
            On::Child(child) => Some(child),
            On::Link(link) => self.far(wait.who, link),
            On::Context(context) => self.far(wait.who, context.link),
            _ => None,
        }
    }

    /// Gives an actor's trace, if it left one.
    #[must_use]
    pub fn member(&self, actor: ActorId) -> Option<&Member> {
        self.members.get(&actor)
    }

    pub(super) fn made(&self, actor: ActorId) -> Option<&Made> {
        self.made.get(&actor)
    }

    /// Names the actor at the far end of a channel of another's.
    pub(super) fn far(&self, actor: ActorId, link: Link) -> Option<ActorId> {
        match link {
            Link::Child(child) => Some(child),
            Link::Parent => self.made(actor).map(|made| made.parent),
            Link::Peer(_) => Some(self.member(actor)?.end.far(link)).filter(|far| *far != ActorId::default()),
        }
    }
}

/// Replays traces, and notes who made whom in all of them; of several of one actor, the last is the one that stays. One in which
/// nothing ever happened is none: nobody knows when it was.
fn gather(traces: Vec<Trace>) -> (BTreeMap<ActorId, Member>, BTreeMap<ActorId, Made>) {
    let has_begun =
        |trace: &Trace| !trace.records.is_empty() || trace.start.state().now != Instant::default();
    let mut all: Vec<Member> = traces.into_iter().filter(has_begun).map(Member::new).collect();
    all.sort_by_key(Member::last);
    let mut made = BTreeMap::new();
    all.iter().for_each(|member| note_children(member, &mut made));
    for member in &all {
        // Its parent may have begun its trace anew since, and forgotten it.
        let parent = member.end.state().parent_id;
        if parent != ActorId::default() && parent != member.trace.actor() {
            let own = Made { parent, role: Role::Actor, stamp: None, exit: None, name: None };
            made.entry(member.trace.actor()).or_insert(own);
        }
    }
    let mut members: BTreeMap<ActorId, Member> = BTreeMap::new();
    for mut member in all {
        let earlier = members.remove(&member.trace.actor());
        member.first = earlier.map_or(member.first, |earlier| earlier.first.min(member.first));
        members.insert(member.trace.actor(), member);
    }
    (members, made)
}

/// Notes whom an actor made, by its own words: those it had when its trace began, and those it made since.
fn note_children(member: &Member, made: &mut BTreeMap<ActorId, Made>) {
    let (trace, parent) = (&member.trace, member.trace.actor());
    let named = |name: &NameId| trace.names.get(name).cloned();
    for (id, child) in &trace.start.state().children {
        let stamp = child.started.then_some(child.stamp);
        made.insert(*id, Made { parent, role: child.role, stamp, exit: None, name: named(&child.name) });
    }
    let mut own: BTreeSet<ActorId> = trace.start.state().children.keys().copied().collect();
    for (now, record) in trace.timed() {
        match record.input {
            Input::Started { child, stamp } if own.contains(&child) => {
                made.entry(child).and_modify(|made| made.stamp = Some(stamp));
            }
            Input::Exited { child, exit } if own.contains(&child) => {
                made.entry(child).and_modify(|made| made.exit = Some((now, exit)));
            }
            _ => {}
        }
        for output in &record.outputs {
            if let Output::Spawn { child, spec, .. } = output {
                own.insert(*child);
                let name = named(&spec.name);
                made.insert(*child, Made { parent, role: spec.role, stamp: None, exit: None, name });
            }
        }
    }
}
