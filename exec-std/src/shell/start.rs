//! Starting a child: its channel and its outputs first, so that nothing about it can come before it is expected.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use windrow_core::{ActorId, Input, Link, Role, ScopeId, Spec, SpecId, Stamp};
use zeroize::Zeroizing;

use super::asks::BYTES_MAX;
use super::body::Body;
use super::busy::Busy;
use super::channel::Channel;
use super::child::{Captured, Child};
use super::desk::{Asked, Ordered};
use super::directory::Tree;
use super::intern::clip;
use super::maker::STILLBORN;
use super::reactor::Reactor;
use super::wards::{Make, Making, Stdin};
use super::watch::Source;
use super::{Shell, say};
use crate::board::ChildFacts;
use crate::brief::Brief;
use crate::endpoint::too_long;
use crate::failure::Raised;
use crate::ids::fresh_id;
use crate::lines::{indent, plain};
use crate::notice::Notice;
use crate::order::{Any, Entry, Order};
use crate::unix::link;
use crate::unix::process::Process;
use crate::unix::procfs;
use crate::unix::segment::Segment;
use crate::unix::stdio::{self, Pump};
use crate::unix::template::{Answer, Template};

/// Orders of children, from a user's word to the machine's.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// Those that wait for the driver, who alone makes processes.
    pub(super) waiting: Vec<Ordered>,
    /// Those on their way through the machine, by their child.
    asked: BTreeMap<ActorId, Briefed>,
    /// Processes to be made, whose turn came while a thread had the shell.
    pub(super) unmade: Vec<Making>,
    /// Those that are to be tried again.
    pub(super) busy: Busy,
    last: u32,
}

impl Orders {
    /// Tells whether the driver has something to do for them at once.
    pub(super) fn want_driver(&self) -> bool {
        !self.waiting.is_empty() || !self.unmade.is_empty()
    }
}

/// An order, and what is to travel behind its spec.
type Briefed = (Box<Order<Any>>, Zeroizing<Vec<u8>>);

/// The error of a spawn that nobody can do: `EAGAIN`, because it may be tried again.
pub(super) const AGAIN: i32 = 11;

/// The error of a spawn that failed for what has no number, only words: `EIO`; and `ENOENT` where these name what is missing.
pub(super) const NAMELESS: i32 = 5;
const MISSING: i32 = 2;

impl<R: Reactor> Shell<R> {
    /// Puts a user's order to the machine. What is refused has no trace.
    ///
    /// # Errors
    /// Why the machine was not even asked.
    pub(super) fn order(&mut self, scope: ScopeId, order: Box<Order<Any>>) -> Result<Asked, Raised> {
        order.check(self.backend)?;
        let role = order.role(self.backend);
        let brief = self.brief_for(&order)?;
        let child = fresh_id();
        self.orders.last += 1;
        let id = SpecId(self.orders.last);
        let name = self.names.intern(&order.name);
        let spec = Spec { id, name, role, levels: order.levels(), times: order.times };
        self.orders.asked.insert(child, (order, brief));
        let facts = ChildFacts::new(scope, role == Role::Command);
        self.board.look().children.insert(child, facts);
        match self.give(Input::Spawn { child, scope, spec }) {
            None => {
                self.names.actors.came(child, self.machine.actor(), name);
                Ok(Ok(child))
            }
            Some(refused) => {
                self.orders.asked.remove(&child);
                self.board.look().children.remove(&child);
                Ok(Err(refused))
            }
        }
    }

    /// Its frame is large, and whoever has no children should not touch the pages of it.
    #[inline(never)]
    pub(super) fn start(&mut self, id: ActorId, kill_after: Duration) {
        let Some((order, brief)) = self.orders.asked.remove(&id) else {
            return self.not_started(id, AGAIN);
        };
        if let Err(error) = self.try_start(id, *order, brief, kill_after) {
            let errno = error.raw_os_error().unwrap_or_else(|| {
                self.board.write_child(id, |child| child.why = Some(error.to_string()));
                if error.kind() == io::ErrorKind::NotFound { MISSING } else { NAMELESS }
            });
            self.not_started(id, errno);
        }
    }

    /// Forgets a child that ended before its turn came.
    pub(super) fn bury_queued(&mut self, id: ActorId) {
        if self.orders.asked.remove(&id).is_some() {
            self.board.write_child(id, |child| child.gone = true);
        }
    }

    /// A child was not made, and never will be.
    pub(super) fn not_started(&mut self, child: ActorId, errno: i32) {
        self.record_ended(child);
        self.facts.push_back(Input::NotStarted { child, errno });
    }

    /// Writes down what travels behind the spec; nothing for a command.
    fn brief_for(&self, order: &Order<Any>) -> Result<Zeroizing<Vec<u8>>, Raised> {
        let Any::Entry(Entry { entry, args, shared, .. }) = &order.what else {
            return Ok(Zeroizing::default());
        };
        let name = clip(&order.name);
        let key = self.peers.tree.as_ref().map(Tree::key);
        let tree = self.peers.tree.as_ref().zip(key.as_ref());
        let tree = tree.map(|(tree, key)| tree.place(key));
        // Plain data always fits into a growing vector.
        let brief = Brief { name, entry, args, backend: self.backend, tree, shared: shared.len() };
        let brief = brief.encode().unwrap_or_default();
        if brief.len() > BYTES_MAX { Err(too_long(brief.len())) } else { Ok(brief) }
    }

    /// Says which entries say themselves when they are ready, before any spec is read.
    pub(crate) fn set_slow(&mut self, slow: &[&'static str]) {
        self.slow = slow.to_vec();
    }

    /// Gives what came behind this actor's own spec, once.
    pub(crate) fn take_brief(&mut self) -> Zeroizing<Vec<u8>> {
        std::mem::take(&mut self.brief)
    }

    /// Gives what segments came with it, once.
    pub(crate) fn take_shared(&mut self) -> Vec<Segment> {
        self.channels.get(Link::Parent).map(Channel::take_passed).unwrap_or_default()
    }

    fn try_start(
        &mut self,
        id: ActorId,
        order: Order<Any>,
        brief: Zeroizing<Vec<u8>>,
        kill_after: Duration,
    ) -> io::Result<()> {
        let mut child = Child::new(&order, brief, kill_after);
        let prepared = self.prepare(id, order, &mut child);
        // Whether or not it can be started, what was opened stands in the record, and goes with it.
        self.children.insert(id, child);
        let (name, (stdin, outputs), what) = prepared?;
        let making = match what {
            Start::Thread(channel) => return self.start_thread(id, name, channel),
            Start::Process(what) => Making { id, name, what, stdin, outputs, kill_after },
        };
        if let Some(process) = self.make(making)? {
            self.made(id, Ok(process));
        }
        Ok(())
    }

    fn prepare(
        &mut self,
        id: ActorId,
        order: Order<Any>,
        child: &mut Child,
    ) -> io::Result<(String, Stdio, Start)> {
        let stdio = self.open_stdio(id, &order, child)?;
        let (role, warm) = (order.role(self.backend), order.is_forked(self.backend));
        if role != Role::Thread {
            self.record_starting(id, clip(&order.name))?;
        }
        let what = match order.what {
            Any::Entry(_) => {
                let channel = self.open_channel(id)?;
                match role {
                    Role::Thread => Start::Thread(channel),
                    _ => Start::Process(Make::Actor { channel, warm }),
                }
            }
            Any::Command(command) => Start::Process(Make::Command(command)),
        };
        Ok((order.name, stdio, what))
    }

    fn open_stdio(&mut self, id: ActorId, order: &Order<Any>, child: &mut Child) -> io::Result<Stdio> {
        let stdin = match &order.stdin {
            stdio::Source::Null => Stdin::Null,
            other => other.open()?.map_or(Stdin::Inherit, Stdin::Open),
        };
        let mut capture = |pump: Option<Pump>, source| {
            pump.map(|pump| Captured::watch(pump, source, &mut self.watch)).transpose()
        };
        let (stdout, pump) = order.stdout.open()?;
        child.stdout = capture(pump, Source::ChildOut(id))?;
        let (stderr, pump) = order.stderr.open()?;
        child.stderr = capture(pump, Source::ChildErr(id))?;
        Ok((stdin, [stdout, stderr]))
    }

    fn open_channel(&mut self, id: ActorId) -> io::Result<OwnedFd> {
        let (link, theirs) = link::Link::pair()?;
        let token = self.watch.add(&link, Source::ChildLink(id))?;
        self.channels.open(Link::Child(id), Channel::new(link, token));
        Ok(theirs)
    }

    /// A process exists: from here on its exit is awaited.
    pub(super) fn started(&mut self, id: ActorId, process: Process) {
        let recorded = self.record_started(id, process.pid());
        // Ancestors tell a dead child's leavings by it. A root has none, and a look into `/proc` is slow.
        let has_parent = self.channels.has(Link::Parent);
        let look = || has_parent.then(|| procfs::Stamp::of(process.pid()).ok()?);
        let known = recorded.or_else(|| look()?);
        let pid = u32::try_from(process.pid()).ok();
        let stamp = Stamp { pid: pid.unwrap_or(0), start: known.map_or(0, |stamp| stamp.start) };
        self.board.write_child(id, |child| child.pid = pid);
        let token = self.watch.add(&process, Source::ChildExit(id)).ok();
        let Some(child) = self.children.get_mut(&id) else { return };
        child.start = recorded.map(|stamp| stamp.start);
        (child.body, child.exit) = (Some(Body::Process(process)), token);
        if token.is_none() {
            // It is there, whatever could not be had for it.
            self.looks.unwatched.push(id);
        }
        self.facts.push_back(Input::Started { child: id, stamp });
    }

    pub(super) fn take_answers(&mut self) {
        while let Some(answer) = self.maker.answer() {
            match answer {
                Answer::Started { id, process } => self.made(ActorId(id), Ok(process)),
                Answer::Failed { id, errno } => self.made(ActorId(id), Err(errno)),
                Answer::Unguarded { id, errno } => {
                    let id = ActorId(id);
                    // One that is collected by now needs no guard.
                    if self.children.contains_key(&id) || self.company.wards.contains_key(&id) {
                        self.tell_unguarded(id, &io::Error::from_raw_os_error(errno).to_string());
                    }
                }
                Answer::Gone => return self.replace_template(),
            }
        }
    }

    /// The template is dead: a new one guards the living, unless none comes up. What it had not answered it has done, or not.
    pub(super) fn replace_template(&mut self) {
        let dead = self.maker.template().map(|template| template.pid());
        let is_worth_it = self.maker.count_death();
        self.maker.retire(&mut self.watch);
        self.find_unanswered(dead);
        if !is_worth_it {
            self.say_templateless();
            return self
                .tell_all_unguarded(&format!("{STILLBORN} templates in a row died before they were up"));
        }
        let mut template = match Template::reexec_told(self.told()) {
            Ok(template) => template,
            // Without a new one children are made by exec, and nobody guards them: a worse tree, but a tree.
            Err(error) => return self.tell_all_unguarded(&error.to_string()),
        };
        for (id, process, kill_after) in self.guarded() {
            template.guard(id.0, process, kill_after);
        }
        if let Err(error) = self.maker.set(template, &mut self.watch) {
            return self.tell_all_unguarded(&error.to_string());
        }
        self.house();
    }

    /// Says that nobody tries any more, which would go on as fast as the machine allows.
    fn say_templateless(&self) {
        let (indent, name, id) = (indent(&self.name), plain(&self.name), self.machine.actor());
        say(format!(
            "{indent}! {name} ({id}) goes on without a template, and nobody guards its children: {STILLBORN} in a row died \
             before they were up\nhint: call `Program::take_seat` first in `main`, before any argument is read, and have the \
             preload return\n"
        ));
    }

    /// Tells of all that live that nobody guards them.
    fn tell_all_unguarded(&mut self, why: &str) {
        let living: Vec<_> = self.guarded().map(|(actor, ..)| actor).collect();
        living.into_iter().for_each(|actor| self.tell_unguarded(actor, why));
    }

    pub(super) fn tell_unguarded(&mut self, actor: ActorId, why: &str) {
        self.notices.send(Notice::Unguarded { actor, why: why.to_owned() });
    }

    /// Takes the template into service that was made when the actor was still one thread.
    pub(crate) fn set_template(&mut self, template: Template) -> io::Result<()> {
        self.maker.set(template, &mut self.watch)
    }
}

/// A child's input, and its two outputs, of which what is none is inherited.
type Stdio = (Stdin, [Option<OwnedFd>; 2]);

/// What is to be started.
enum Start {
    Thread(OwnedFd),
    Process(Make),
}
