//! Making a child's process: its channel and its outputs first, so that nothing about it can come before it is expected.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use windrow_core::{ActorId, Input, Instant, Refused, ScopeId, Spec, SpecId, Stamp};

use super::Shell;
use super::channel::Channel;
use super::intern::clip;
use super::peers::Tree;
use super::reactor::Reactor;
use super::records::{Captured, Child, watch_exit};
use super::sources::Source;
use crate::order::{Backend, Brief, Order, What};
use crate::program::{ACTOR_VARIABLE, fresh_id};
use crate::unix::exec::{self, Command};
use crate::unix::link::Link;
use crate::unix::process::Process;
use crate::unix::procfs;
use crate::unix::stdio::{Sink, null};
use crate::unix::template::{Answer, Request, Template};

/// The error of a spawn that nobody can do: `EAGAIN`, because it may be tried again.
pub(super) const AGAIN: i32 = 11;

impl<R: Reactor> Shell<R> {
    /// Puts a user's order to the machine. What is refused has no trace.
    pub(super) fn order(
        &mut self,
        now: Instant,
        scope: ScopeId,
        order: Box<Order>,
    ) -> Result<ActorId, Refused> {
        let child = fresh_id();
        self.last_order += 1;
        let id = SpecId(self.last_order);
        let name = self.names.intern(&order.name);
        let spec = Spec { id, name, role: order.role(), levels: order.levels, times: order.times };
        self.orders.insert(id.0, order);
        self.board.write(|facts| drop(facts.children.insert(child, Default::default())));
        match self.give(now, Input::Spawn { child, scope, spec }) {
            None => {
                self.called.came(child, name);
                Ok(child)
            }
            Some(refused) => {
                self.orders.remove(&id.0);
                self.board.write(|facts| drop(facts.children.remove(&child)));
                Err(refused)
            }
        }
    }

    pub(super) fn start(&mut self, id: ActorId, spec: Spec, kill_after: Duration) {
        let Some(order) = self.orders.remove(&spec.id.0) else {
            return self.facts.push_back(Input::NotStarted { child: id, errno: AGAIN });
        };
        if let Err(error) = self.try_start(id, *order, kill_after) {
            let errno = error.raw_os_error().unwrap_or(AGAIN);
            self.facts.push_back(Input::NotStarted { child: id, errno });
        }
    }

    fn try_start(&mut self, id: ActorId, order: Order, kill_after: Duration) -> io::Result<()> {
        let mut child = Child::new(&order, kill_after);
        let backend = order.backend.unwrap_or(self.backend);
        let outputs = self.open_outputs(id, &order, &mut child);
        let recorded = self.record_starting(id, clip(&order.name));
        let started = outputs.and_then(|stdio| recorded.map(|()| stdio)).and_then(|stdio| match order.what {
            What::Entry { ref entry, ref args } => {
                let name = clip(&order.name);
                let card = self.peers.tree.as_ref().map(Tree::card);
                let tree = self.peers.tree.as_ref().zip(card.as_ref());
                let tree = tree.and_then(|(tree, card)| tree.place(card));
                let brief = Brief { name, entry, args, backend: self.backend, tree };
                child.brief = postcard::to_allocvec(&brief).map_err(io::Error::other)?;
                let channel = self.open_channel(id, &mut child)?;
                let by_template = backend == Backend::Fork && self.maker.template().is_some();
                if by_template {
                    child.in_flight = Some(rustix::fs::fstat(&channel)?.st_ino);
                    self.fork(id, &order, kill_after, channel, stdio);
                    Ok(None)
                } else {
                    exec_actor(id, &order, channel, stdio).map(Some)
                }
            }
            What::Command { program, args, envs, own_terminal } => {
                exec_command(program, args, envs, !own_terminal, stdio).map(Some)
            }
        });
        // Whether or not there is a process, what was opened stands in the record, and goes with it.
        self.children.insert(id, child);
        match started? {
            Some(process) => self.started(id, process),
            None => Ok(()),
        }
    }

    fn open_outputs(
        &mut self,
        id: ActorId,
        order: &Order,
        child: &mut Child,
    ) -> io::Result<[Option<OwnedFd>; 3]> {
        let stdin = match &order.stdin {
            Sink::Inherit => None,
            Sink::Null => Some(null()?),
            other => other.open()?.0,
        };
        let (stdout, pump) = order.stdout.open()?;
        let (reactor, sources) = (&mut self.reactor, &mut self.sources);
        child.stdout = pump.map(|pump| Captured::watch(pump, id, Source::ChildOut, reactor, sources));
        let (stderr, pump) = order.stderr.open()?;
        child.stderr = pump.map(|pump| Captured::watch(pump, id, Source::ChildErr, reactor, sources));
        Ok([stdin, stdout, stderr])
    }

    fn open_channel(&mut self, id: ActorId, child: &mut Child) -> io::Result<OwnedFd> {
        let (link, theirs) = Link::pair()?;
        let channel = Channel::new(link, self.sources.insert(Source::ChildLink(id)));
        channel.watch(&mut self.reactor)?;
        child.channel = Some(channel);
        Ok(theirs)
    }

    fn fork(
        &mut self,
        id: ActorId,
        order: &Order,
        kill_after: Duration,
        channel: OwnedFd,
        stdio: [Option<OwnedFd>; 3],
    ) {
        let request = Request { id: id.0, kill_after, channel, stdio, title: &order.name };
        if let Some(template) = self.maker.template() {
            template.spawn(request);
        }
    }

    /// A process exists: from here on its exit is awaited.
    pub(super) fn started(&mut self, id: ActorId, process: Process) -> io::Result<()> {
        // Ancestors tell a dead child's leavings by it. A root has none, and a look into `/proc` is slow.
        let stamp = self.parent.is_some().then(|| procfs::Stamp::of(process.pid()).ok().flatten()).flatten();
        let stamp = Stamp {
            pid: u32::try_from(process.pid()).unwrap_or(0),
            start: stamp.map_or(0, |stamp| stamp.start),
        };
        self.record_started(id, process.pid());
        let token = watch_exit(&process, Source::ChildExit(id), &mut self.reactor, &mut self.sources)?;
        let Some(child) = self.children.get_mut(&id) else { return Ok(()) };
        let by_template = child.in_flight.take().is_some();
        if let Some(template) = self.maker.template().filter(|_| !by_template) {
            template.guard(id.0, &process, child.kill_after);
        }
        (child.process, child.exit) = (Some(process), Some(token));
        self.facts.push_back(Input::Started { child: id, stamp });
        Ok(())
    }

    pub(super) fn take_answers(&mut self) {
        while let Some(answer) = self.maker.answer() {
            match answer {
                Answer::Started { id, process } => {
                    let id = ActorId(id);
                    if self.started(id, process).is_err() {
                        self.facts.push_back(Input::NotStarted { child: id, errno: AGAIN });
                    }
                }
                Answer::Failed { id, errno } => self.not_started(ActorId(id), errno),
                Answer::Gone => return self.replace_template(),
                _ => {}
            }
        }
    }

    pub(super) fn not_started(&mut self, child: ActorId, errno: i32) {
        if let Some(child) = self.children.get_mut(&child) {
            child.in_flight = None;
        }
        self.facts.push_back(Input::NotStarted { child, errno });
    }

    /// The template is dead: a new one guards the living. What it had not answered it has done, or not.
    pub(super) fn replace_template(&mut self) {
        let dead = self.maker.template().map(|template| template.pid());
        self.maker.retire(&mut self.reactor, &mut self.sources);
        self.find_unanswered(dead);
        // Without a new one children are made by exec, and nobody guards them: a worse tree, but a tree.
        let Ok(mut template) = Template::reexec() else { return };
        for (id, child) in &self.children {
            if let Some(process) = &child.process {
                template.guard(id.0, process, child.kill_after);
            }
        }
        let _ = self.maker.set(template, &mut self.reactor, &mut self.sources);
    }

    /// Takes the template into service that was made when the actor was still one thread.
    pub(crate) fn set_template(&mut self, template: Template) -> io::Result<()> {
        self.maker.set(template, &mut self.reactor, &mut self.sources)
    }
}

fn exec_actor(
    id: ActorId,
    order: &Order,
    channel: OwnedFd,
    stdio: [Option<OwnedFd>; 3],
) -> io::Result<Process> {
    let mut command = Command::new("/proc/self/exe");
    command.title = Some(OsString::from(&order.name));
    command.env(ACTOR_VARIABLE, format!("{:x}", id.0));
    command.channel = Some(channel);
    command.stdio = stdio;
    command.actor = true;
    spawn(command)
}

fn exec_command(
    program: OsString,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    own_group: bool,
    stdio: [Option<OwnedFd>; 3],
) -> io::Result<Process> {
    let mut command = Command::new(program);
    command.args = args;
    for (name, value) in envs {
        command.env(name, value);
    }
    command.stdio = stdio;
    command.own_group = own_group;
    command.actor = false;
    spawn(command)
}

fn spawn(command: Command) -> io::Result<Process> {
    exec::spawn(command).map_err(|error| io::Error::from_raw_os_error(error.errno))
}
