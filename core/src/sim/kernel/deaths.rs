//! Deaths: who hears of one, and who is left.
//!
//! The rule: everybody hears of a death in their own way: the parent by its exit, the far ends of its channels by their
//! end, its children by PDEATHSIG and the guardian, the adopter by its next look. One wake-up may stand for several deaths,
//! so whoever is woken looks for all.

use alloc::vec::Vec;

use super::processes::{Block, INIT, Pid, Process, Vital, What};
use crate::sim::choices::Source;
use crate::sim::event::Event;
use crate::sim::scenario::{Slip, Verb};
use crate::sim::world::{World, id};
use crate::{Defect, Exit, Input, Instant, Signal};

impl World<'_> {
    pub(crate) fn die(&mut self, pid: Pid, exit: Exit) {
        if !self.kernel.at(pid).is_alive() {
            return;
        }
        let what = self.kernel.at(pid).what;
        self.timeline.note(self.now, "kernel", format_args!("process {pid} ({what:?}) dies: {exit}"));
        let (adopter, mut orphans) = self.kernel.die(pid, exit);
        orphans.retain(|orphan| !self.ends_with_its_process(*orphan, exit));
        self.snatch(pid);
        if self.scenario.nets.pdeathsig {
            for orphan in &orphans {
                if matches!(self.kernel.at(*orphan).what, What::Actor(_) | What::Command(_)) {
                    self.deliver(*orphan, Signal::Term, None);
                }
            }
        }
        match what {
            What::Actor(node) => {
                self.bury(node, pid);
                self.tell_exit(node, pid);
            }
            What::Command(node) => {
                self.wires[node].child_end = false;
                self.output_ends(node);
                self.tell_exit(node, pid);
            }
            What::Template(node) => {
                let after = self.latency(format_args!("the news of the death of {}'s template", id(node)));
                self.at(self.now.after(after), Event::TemplateGone { node });
            }
            What::Init | What::Leaving => {}
        }
        self.drop_copies(pid);
        self.dismiss(self.kernel.at(pid).maker);
        self.wake_waiters(pid);
        let parent = self.kernel.at(pid).parent;
        let heirs = [Some(parent), Some(adopter).filter(|adopter| *adopter != parent)];
        for heir in heirs.into_iter().flatten() {
            if let What::Actor(node) = self.kernel.at(heir).what {
                self.rouse(node);
            }
        }
    }

    /// Whoever is in a `waitpid` for a dead process goes on.
    fn wake_waiters(&mut self, pid: Pid) {
        if !self.has(Defect::BlockingWait) {
            return;
        }
        let waits = |process: &Process| process.block == Some(Block::Exit(pid));
        let woken: Vec<Pid> = self.kernel.all().filter(|(_, p)| waits(p)).map(|(pid, _)| pid).collect();
        for waiter in woken {
            if let What::Actor(node) = self.kernel.at(waiter).what {
                self.unblock(node);
            }
        }
    }

    /// Ends a thread of a process that is dead: it dies with that, and nobody collects it. Tells whether it is one.
    fn ends_with_its_process(&mut self, pid: Pid, exit: Exit) -> bool {
        let is_thread = self.is_thread(pid);
        if is_thread {
            self.kernel.at_mut(pid).stuck = false;
            self.die(pid, exit);
            self.kernel.at_mut(pid).vital = Vital::Reaped;
        }
        is_thread
    }

    /// Tells whether what the kernel has as a process is a thread of the one that made it.
    fn is_thread(&self, pid: Pid) -> bool {
        matches!(self.kernel.at(pid).what, What::Actor(node) if self.is_thread_at(node))
    }

    /// Tells whether the actor at a place is a thread.
    pub(crate) fn is_thread_at(&self, node: usize) -> bool {
        self.conducts[node].script().has(Verb::Thread)
    }

    /// Lists the threads of a process.
    pub(super) fn threads_of(&self, pid: Pid) -> Vec<Pid> {
        let made = self.kernel.all().filter(|(_, process)| process.maker == pid).map(|(made, _)| made);
        made.filter(|made| self.is_thread(*made)).collect()
    }

    /// An actor's channels end with it, and its guardian stops what it left.
    fn bury(&mut self, node: usize, pid: Pid) {
        let children: Vec<usize> = self.scenario.children(node).collect();
        if self.scenario.nets.eof {
            self.end(node, false);
            for child in &children {
                self.end(*child, true);
            }
        }
        self.close_lines(node);
        self.output_ends(node);
        self.outputs_break(node);
        self.guard(node, pid);
    }

    /// Some code collects every child that its process makes, before the shell can.
    fn snatch(&mut self, pid: Pid) {
        let parent = self.kernel.at(pid).parent;
        let What::Actor(node) = self.kernel.at(parent).what else { return };
        let is_child = matches!(self.kernel.at(pid).what, What::Actor(_) | What::Command(_));
        if self.conducts[node].script().has(Verb::Collect)
            && is_child
            && self.kernel.at(parent).runs()
            && !self.kernel.is_stranger(pid)
        {
            self.timeline.note(self.now, "script", format_args!("{}: collects process {pid}", id(node)));
            self.kernel.at_mut(pid).vital = Vital::Lost;
        }
    }

    /// The parent hears of an exit after all that was said, and not before it heard of the start.
    fn tell_exit(&mut self, node: usize, pid: Pid) {
        let Some(parent) = self.scenario.parent(node) else { return };
        let other = self.pids[parent] != Some(self.kernel.at(pid).parent);
        if other || self.kernel.at(pid).unclaimed || !self.scenario.nets.exits {
            return;
        }
        let is_exit = |event: &Event| match event {
            Event::Fact { node, fact: Input::Exited { .. } } => *node == parent,
            _ => false,
        };
        if self.is_to_come(parent, is_exit) && self.choose(Source::Latency, 2) == 1 {
            self.name_choice(format_args!("the news of the death of {} comes with another's", id(node)));
            self.kernel.at_mut(pid).unsaid = true;
            return;
        }
        let after = self.latency(format_args!("the news of the death of {}", id(node)));
        self.give_exit(parent, pid, self.now.after(after));
    }

    fn give_exit(&mut self, parent: usize, pid: Pid, when: Instant) {
        let process = self.kernel.at(pid);
        let (What::Actor(node) | What::Command(node), Some(exit)) = (process.what, process.exit()) else {
            return;
        };
        let made_up = self.scenario.slip == Some(Slip::MadeUp) && exit == Exit::Unknown;
        let exit = if made_up { Exit::Code(0) } else { exit };
        let when = when.max(self.told[node]).max(self.wires[node].up);
        self.at(when, Event::Fact { node: parent, fact: Input::Exited { child: id(node), exit } });
    }

    /// Who is woken by one exit finds all that no other wake-up will come for.
    pub(crate) fn find_exits(&mut self, node: usize) {
        if self.scenario.slip == Some(Slip::OneByOne) {
            return;
        }
        let found: Vec<Pid> = self.unsaid(node).collect();
        for pid in found {
            self.kernel.at_mut(pid).unsaid = false;
            self.give_exit(node, pid, self.now);
        }
    }

    /// Lists the children of an actor that are dead, and for which nobody wakes it.
    pub(crate) fn unsaid(&self, node: usize) -> impl Iterator<Item = Pid> {
        let is_child = move |process: &Process| self.pids[node] == Some(process.parent);
        let unsaid = self.kernel.all().filter(move |(_, process)| process.unsaid && is_child(process));
        unsaid.map(|(pid, _)| pid).filter(|pid| !self.kernel.is_stranger(*pid))
    }

    /// Wakes a shell for a look around, unless it is to be woken anyway.
    pub(crate) fn rouse(&mut self, node: usize) {
        if !self.is_to_come(node, |event| matches!(event, Event::Look { node: of } if *of == node)) {
            self.at(self.now, Event::Look { node });
        }
    }

    /// Tells whether something of a kind is on its way to an actor, or waits until it looks.
    fn is_to_come(&self, node: usize, is: impl Fn(&Event) -> bool) -> bool {
        let coming = self.agenda.iter().map(|(_, event)| event);
        self.mailboxes[node].iter().chain(coming).any(is)
    }

    /// Lists what is alive, but for a process that not even SIGKILL ends and what stands below it: no fair kernel has one.
    pub(crate) fn living(&self) -> Vec<Pid> {
        self.kernel
            .all()
            .filter(|(_, process)| process.is_alive())
            .map(|(pid, _)| pid)
            .filter(|pid| !self.is_out_of_reach(*pid))
            .collect()
    }

    /// Tells whether the root is not above a process any more.
    pub(crate) fn is_adrift(&self, pid: Pid) -> bool {
        let parent = |pid: &Pid| Some(self.kernel.at(*pid).parent).filter(|parent| *parent != INIT);
        core::iter::successors(Some(pid), parent).last() != self.pids[0]
    }

    pub(crate) fn is_out_of_reach(&self, pid: Pid) -> bool {
        core::iter::successors(Some(pid), |pid| Some(self.kernel.at(*pid).maker))
            .take_while(|pid| *pid != INIT)
            .any(|pid| self.kernel.at(pid).stuck)
    }
}
