//! Deaths: who hears of one, and who is left.
//!
//! The rule: everybody hears of a death in their own way: the parent by its exit, the far ends of its channels by their
//! end, its children by PDEATHSIG and the guardian, the adopter by its next look.

use alloc::vec::Vec;

use super::event::Event;
use super::kernel::{Block, INIT, Pid, What};
use super::world::{World, id};
use crate::{Defect, Exit, Input, Signal};

impl World<'_> {
    pub(super) fn die(&mut self, pid: Pid, exit: Exit) {
        if !self.kernel.at(pid).is_alive() {
            return;
        }
        let what = self.kernel.at(pid).what;
        self.timeline.note(self.now, "kernel", format_args!("process {pid} ({what:?}) dies: {exit}"));
        let (adopter, orphans) = self.kernel.die(pid, exit);
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
                self.tell_exit(node, pid, exit);
            }
            What::Command(node) => {
                self.wires[node].child_end = false;
                self.output_ends(node);
                self.tell_exit(node, pid, exit);
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
                self.at(self.now, Event::Look { node });
            }
        }
    }

    /// Whoever is in a `waitpid` for a dead process goes on.
    fn wake_waiters(&mut self, pid: Pid) {
        if !self.has(Defect::BlockingWait) {
            return;
        }
        let waits = |process: &super::kernel::Process| process.block == Some(Block::Exit(pid));
        let woken: Vec<Pid> = self.kernel.all().filter(|(_, p)| waits(p)).map(|(pid, _)| pid).collect();
        for waiter in woken {
            if let What::Actor(node) = self.kernel.at(waiter).what {
                self.unblock(node);
            }
        }
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
        self.output_ends(node);
        self.outputs_break(node);
        self.guard(node, pid);
    }

    /// The parent hears of an exit after all that was said, and not before it heard of the start.
    fn tell_exit(&mut self, node: usize, pid: Pid, exit: Exit) {
        let Some(parent) = self.scenario.parent(node) else { return };
        let other = self.pids[parent] != Some(self.kernel.at(pid).parent);
        if other || self.kernel.at(pid).unclaimed || !self.scenario.nets.exits {
            return;
        }
        let after = self.latency(format_args!("the news of the death of {}", id(node)));
        let when = self.now.after(after).max(self.told[node]).max(self.wires[node].up);
        self.at(when, Event::Fact { node: parent, fact: Input::Exited { child: id(node), exit } });
    }

    /// Lists what is alive, but for a process that not even SIGKILL ends and what stands below it: no fair kernel has one.
    pub(super) fn living(&self) -> Vec<Pid> {
        self.kernel
            .all()
            .filter(|(_, process)| process.is_alive())
            .map(|(pid, _)| pid)
            .filter(|pid| !self.is_out_of_reach(*pid))
            .collect()
    }

    /// Tells whether the root is not above a process any more.
    pub(super) fn is_adrift(&self, pid: Pid) -> bool {
        let parent = |pid: &Pid| Some(self.kernel.at(*pid).parent).filter(|parent| *parent != INIT);
        core::iter::successors(Some(pid), parent).last() != self.pids[0]
    }

    pub(super) fn is_out_of_reach(&self, pid: Pid) -> bool {
        core::iter::successors(Some(pid), |pid| Some(self.kernel.at(*pid).maker))
            .take_while(|pid| *pid != INIT)
            .any(|pid| self.kernel.at(pid).stuck)
    }
}
