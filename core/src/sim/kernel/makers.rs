//! Who makes processes: an actor's template, which forks the children, guards them, and may die over it.
//!
//! The rule: an actor that has no children has no template. It makes one child after the other, and what is taken back
//! before its turn is not made. A dead one is replaced when its actor hears of the death, and what it had not answered has
//! failed. When the actor is dead, its template stops the children and ends with the last.

use alloc::vec::Vec;
use core::time::Duration;

use super::processes::{Block, Pid, What};
use crate::sim::choices::Source;
use crate::sim::event::Event;
use crate::sim::scenario::{Script, Slip, Verb};
use crate::sim::world::{World, id, place};
use crate::{ActorId, Config, Defect, Exit, Input, Instant, Signal};

/// The errno of a spawn that fails.
const EAGAIN: i32 = 11;
/// And of one that was taken back.
const ECANCELED: i32 = 125;

/// How long a template takes at the least from one child to the next.
const TURN: Duration = Duration::from_micros(1);

impl World<'_> {
    /// Makes the template of an actor that is to have children.
    pub(crate) fn make_template(&mut self, node: usize) {
        if self.scenario.children(node).next().is_none() {
            return;
        }
        let Some(pid) = self.actors[node].as_ref().map(|actor| actor.pid) else { return };
        let template = self.fork(pid, What::Template(node), true);
        if let Some(actor) = self.actors[node].as_mut() {
            actor.template = Some(template);
        }
    }

    /// Orders a child's process: the channel is there at once, the process after a while. What can't even be asked for is
    /// answered before anything else happens.
    pub(crate) fn order(&mut self, node: usize, child: ActorId) -> Option<Input> {
        let child = place(child);
        // Who makes it is busy with what was ordered before.
        let free = self.waiting_orders(node).last().filter(|_| self.is_forked(child));
        let begin = free.map_or(self.now, |(when, _)| when.after(TURN));
        self.open_wire(child);
        self.spoil(node);
        self.orders[child] = self.actors[node].as_ref().and_then(|actor| actor.template);
        let after =
            self.pick(Source::Start, &[1, 0, 10, 30], format_args!("the start of {} takes", id(child)));
        if self.conducts[child].script().has(Verb::NoStart) {
            self.wires[child].child_end = false;
            self.orders[child] = None;
            let fact = Input::NotStarted { child: id(child), errno: EAGAIN };
            if after.is_zero() {
                return Some(fact);
            }
            self.at(self.now.after(after), Event::Fact { node, fact });
        } else {
            self.at(begin.after(after), Event::Exec { node: child });
        }
        None
    }

    /// Lists the actors that a template is to make for this one, and when each will be made.
    pub(crate) fn waiting_orders(&self, node: usize) -> impl Iterator<Item = (Instant, usize)> + '_ {
        self.agenda.iter().filter_map(move |(when, event)| match event {
            Event::Exec { node: child }
                if self.scenario.parent(*child) == Some(node) && self.is_forked(*child) =>
            {
                Some((when, *child))
            }
            _ => None,
        })
    }

    /// Tells whether it is the template that makes an actor: no command, and no thread.
    pub(crate) fn is_forked(&self, node: usize) -> bool {
        !self.conducts[node].script().is_command() && !self.is_thread_at(node)
    }

    /// Takes an order back. It is answered when the template is done with the one before, unless that is the one.
    pub(crate) fn recall(&mut self, node: usize, child: ActorId) {
        let Some((when, first)) = self.waiting_orders(node).next() else { return };
        let recalled = place(child);
        let waits = self.waiting_orders(node).any(|(_, waiting)| waiting == recalled);
        let runs = self.orders[recalled].is_some_and(|template| self.kernel.at(template).runs());
        let slips = self.scenario.slip == Some(Slip::NoRecall);
        if first == recalled || !waits || !runs || slips {
            return;
        }
        self.agenda.drop_where(|event| matches!(event, Event::Exec { node } if *node == recalled));
        self.orders[recalled] = None;
        let fact = Input::NotStarted { child, errno: ECANCELED };
        self.at(when, Event::Fact { node, fact });
    }

    /// A first template that is to fail does so over the first order.
    fn spoil(&mut self, node: usize) {
        let Some(actor) = self.actors[node].as_mut() else { return };
        let first = !core::mem::replace(&mut actor.ordered, true);
        let Some(template) = actor.template.filter(|_| first) else { return };
        let script = self.conducts[node].script();
        if script.has(Verb::TemplateStops) {
            self.kernel.at_mut(template).stopped = true;
        } else if script.has(Verb::TemplateDies) {
            let what = format_args!("the template of {} dies after", id(node));
            let after = self.pick(Source::Start, &[1, 0, 5, 30], what);
            self.at(self.now.after(after), Event::Death { pid: template, exit: Exit::Signal(9) });
        }
    }

    /// Makes a child's process, unless its actor, or who was asked to fork it, can't.
    pub(crate) fn exec(&mut self, node: usize) {
        let Some(parent) = self.scenario.parent(node) else { return };
        let script = *self.conducts[node].script();
        let template = self.orders[node].filter(|template| self.kernel.at(*template).runs());
        let Some(maker) = self.pids[parent].filter(|pid| self.kernel.at(*pid).is_alive()) else {
            return;
        };
        if template.is_none() && !script.is_command() {
            return;
        }
        let what = if script.is_command() { What::Command(node) } else { What::Actor(node) };
        let pid = self.fork(maker, what, true);
        self.prelude(parent, node, pid);
        self.pids[node] = Some(pid);
        self.timeline.note(self.now, "kernel", format_args!("process {pid} is made for {}", id(node)));
        self.answer_order(parent, node, pid, template);
        if script.is_command() {
            return self.exec_command(node, pid, &script);
        }
        let mut config = Config::child(id(node));
        config.defects = self.scenario.defects;
        self.seat(node, pid, config);
        match () {
            () if script.has(Verb::Mute) => {}
            () if script.has(Verb::DieInBoot) => {
                self.at(self.now, Event::Death { pid, exit: Exit::Signal(11) });
            }
            () if script.has(Verb::SlowBoot) => {
                let slow = self.scenario.limits.boot / 2;
                self.at(self.now.after(slow), Event::Begin { node });
            }
            () => {
                let what = format_args!("the boot of {} takes", id(node));
                let after = self.pick(Source::Start, &[1, 0, 10, 30], what);
                self.at(self.now.after(after), Event::Begin { node });
            }
        }
    }

    /// What a child does before anything else: it closes what is not its own, and resets its dispositions.
    fn prelude(&mut self, parent: usize, node: usize, pid: Pid) {
        if !self.has(Defect::SigintIgnoredInherited) {
            self.kernel.at_mut(pid).ignored = 0;
        }
        if self.has(Defect::InheritedFds) {
            self.kernel.at_mut(pid).copies = self.files_of(parent);
        }
        let speaks = !self.conducts[node].script().is_command();
        if speaks && self.has(Defect::ForkWithThreads) && self.choose(Source::Start, 2) == 1 {
            self.name_choice(format_args!("{} is forked while a thread holds a lock", id(node)));
            self.kernel.at_mut(pid).block = Some(Block::Lock);
        }
    }

    /// Answers an order, unless its template dies over it: then the child is there, and nobody is told. A command is not
    /// made by the template.
    fn answer_order(&mut self, parent: usize, node: usize, pid: Pid, template: Option<Pid>) {
        if let Some(template) = template
            && self.conducts[parent].script().has(Verb::TemplateDies)
            && !self.conducts[node].script().is_command()
            && self.choose(Source::Start, 2) == 1
        {
            self.name_choice(format_args!(
                "the template of {} dies before it tells of {}",
                id(parent),
                id(node)
            ));
            self.kernel.at_mut(pid).unclaimed = true;
            return self.die(template, Exit::Signal(9));
        }
        self.orders[node] = None;
        let what = format_args!("the news of the start of {} takes", id(node));
        let heard = self.pick(Source::Start, &[0, 1, 10, 30], what);
        self.tell_started(parent, node, pid, self.now.after(heard));
    }

    fn exec_command(&mut self, node: usize, pid: Pid, script: &Script) {
        for (verb, signal) in [(Verb::IgnoreInt, Signal::Int), (Verb::IgnoreTerm, Signal::Term)] {
            if script.has(verb) {
                self.kernel.at_mut(pid).ignore(signal);
            }
        }
        self.run_command(node, 0);
    }

    /// An actor hears that its template is dead: it was let go, or what it had not answered has failed.
    pub(crate) fn lose_template(&mut self, node: usize) {
        let Some(actor) = self.actors[node].as_mut() else { return };
        let Some(template) = actor.template.take() else { return };
        let released = actor.released;
        // Who else should collect it?
        let _ = self.collect(template);
        if released {
            return self.at(self.now, Event::Fact { node, fact: Input::Released });
        }
        let scenario = self.scenario;
        for child in scenario.children(node) {
            if self.orders[child].is_some() && !self.conducts[child].script().is_command() {
                self.find_unanswered(node, child);
            }
        }
        self.make_template(node);
    }

    /// What a dead template had not answered it has done or not. A child that lives has its channel open, and is taken over.
    fn find_unanswered(&mut self, node: usize, child: usize) {
        self.orders[child] = None;
        let made = self.pids[child];
        if let Some(pid) = made.filter(|pid| self.kernel.at(*pid).is_alive()) {
            self.kernel.at_mut(pid).unclaimed = false;
            return self.tell_started(node, child, pid, self.now);
        }
        // One that died half made is collected by the way.
        let _ = made.map(|pid| self.collect(pid));
        let fact = Input::NotStarted { child: id(child), errno: EAGAIN };
        self.at(self.now, Event::Fact { node, fact });
    }

    fn tell_started(&mut self, node: usize, child: usize, pid: Pid, heard: Instant) {
        self.told[child] = heard;
        let fact = Input::Started { child: id(child), stamp: self.kernel.stamp(pid) };
        self.at(heard, Event::Fact { node, fact });
    }

    /// Tells whether a template owes an answer: then an unknown child may be the one that it is about to tell of.
    pub(super) fn is_owed(&self, node: usize) -> bool {
        self.scenario.children(node).any(|child| self.orders[child].is_some())
    }

    /// Kills a template that does not answer.
    pub(crate) fn kill_template(&mut self, node: usize) {
        if let Some(template) = self.actors[node].as_ref().and_then(|actor| actor.template) {
            self.deliver(template, Signal::Kill, None);
        }
    }

    /// Lets the template go: it ends, unless it is stopped, which may be for longer than anybody waits.
    pub(crate) fn release(&mut self, node: usize) {
        let Some(actor) = self.actors[node].as_mut() else { return };
        actor.released = true;
        let Some(template) = actor.template else {
            return self.at(self.now, Event::Fact { node, fact: Input::Released });
        };
        if self.choose(Source::Exit, 2) == 1 {
            self.name_choice(format_args!("the template of {} is stopped", id(node)));
            self.kernel.at_mut(template).stopped = true;
            self.timeline.note(self.now, "kernel", format_args!("the template of {} is stopped", id(node)));
        }
        if self.kernel.at(template).runs() {
            let after = self.latency(format_args!("the end of {}'s template", id(node)));
            self.at(self.now.after(after), Event::Death { pid: template, exit: Exit::Code(0) });
        }
    }

    /// An actor is dead: its template stops the children at once, and kills them later.
    pub(super) fn guard(&mut self, node: usize, pid: Pid) {
        let Some(template) = self.running_template(node) else { return };
        let wards = if self.has_guardians() { self.wards(pid) } else { Vec::new() };
        for ward in wards {
            let (What::Actor(child) | What::Command(child)) = self.kernel.at(ward).what else { continue };
            self.deliver(ward, Signal::Term, None);
            self.at(self.now.after(self.patience[child]), Event::Guard { pid: ward, template });
        }
        self.dismiss(pid);
    }

    /// Gives an actor's template, if that executes anything.
    fn running_template(&self, node: usize) -> Option<Pid> {
        let template = self.actors[node].as_ref().and_then(|actor| actor.template);
        template.filter(|template| self.kernel.at(*template).runs())
    }

    /// Tells whether templates guard whom a dead actor leaves.
    fn has_guardians(&self) -> bool {
        self.scenario.nets.guardian && !self.has(Defect::SubtreeNotKilled)
    }

    /// Lists whom an actor's template guards.
    pub(crate) fn wards(&self, actor: Pid) -> Vec<Pid> {
        self.kernel
            .all()
            .filter(|(_, process)| process.maker == actor && process.is_alive() && !process.unclaimed)
            .filter(|(_, process)| matches!(process.what, What::Actor(_) | What::Command(_)))
            .map(|(pid, _)| pid)
            .collect()
    }

    /// A dead actor's template ends when nobody is left that it guards.
    pub(super) fn dismiss(&mut self, actor: Pid) {
        let What::Actor(node) = self.kernel.at(actor).what else { return };
        let Some(template) = self.running_template(node) else { return };
        let guards = self.has_guardians() && !self.wards(actor).is_empty();
        if !self.kernel.at(actor).is_alive() && !guards {
            let after = self.latency(format_args!("the end of {}'s template", id(node)));
            self.at(self.now.after(after), Event::Death { pid: template, exit: Exit::Code(0) });
        }
    }
}
