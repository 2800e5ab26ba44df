//! Signals and deaths: what a signal does to each kind of process, and who hears of a death.
//!
//! The rule: only the living are signalled, and everybody hears of a death in their own way: the parent by its exit, the
//! far ends of its channels by their end, its children by PDEATHSIG and the guardian, the adopter by its next look.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::choices::Source;
use super::event::Event;
use super::kernel::{Block, INIT, Pid, Vital, What};
use super::scenario::Conduct;
use super::spans::Span;
use super::world::{World, id, place};
use crate::{ActorId, Defect, Exit, Input, Link, Signal};

impl World<'_> {
    /// Delivers a signal to one process; `from` hears if it is ignored.
    pub(super) fn deliver(&mut self, pid: Pid, signal: Signal, from: Option<usize>) {
        let process = self.kernel.at(pid);
        if !process.is_alive() || process.dying {
            return;
        }
        let what = process.what;
        self.timeline.note(self.now, "kernel", format_args!("{signal:?} to process {pid} ({what:?})"));
        if signal == Signal::Kill {
            return self.kill(pid);
        }
        let stopped = process.stopped;
        if stopped && !self.goes_on(pid, signal) {
            return;
        }
        match what {
            // A template blocks all signals.
            What::Init | What::Template(_) => {}
            What::Actor(node) if node > 0 && self.has(Defect::SigintDispositionInherited) => {
                self.stray_byte(node);
            }
            What::Actor(node) => {
                let after = self.latency(format_args!("{signal:?} to {}", id(node)));
                let fact = Event::Fact { node, fact: Input::Signalled(signal) };
                if stopped && after.is_zero() {
                    // Whoever goes on looks at its signals before it reads, or after.
                    self.agenda.add_kept(self.now, fact);
                } else {
                    self.at(self.now.after(after), fact);
                }
                if stopped {
                    self.open_mailbox(node);
                    self.at(self.now, Event::Look { node });
                }
            }
            What::Command(node) => self.signal_command(node, pid, signal, from),
            // Every second one of them ignores SIGTERM.
            What::Leaving => {
                if signal == Signal::Term && pid.is_multiple_of(2) {
                    self.dies_of(pid, signal);
                }
            }
        }
    }

    /// SIGTERM comes with SIGCONT, and then all comes that waits. Tells whether a stopped process takes a signal now.
    fn goes_on(&mut self, pid: Pid, signal: Signal) -> bool {
        let process = self.kernel.at_mut(pid);
        if signal != Signal::Term || matches!(process.what, What::Template(_)) {
            process.pending |= 1 << signal.number();
            return false;
        }
        process.stopped = false;
        let pending = core::mem::take(&mut process.pending);
        for held in [Signal::Int, Signal::Hup] {
            if pending & 1 << held.number() != 0 {
                self.deliver(pid, held, None);
            }
        }
        true
    }

    pub(super) fn has(&self, defect: Defect) -> bool {
        self.scenario.defects.has(defect)
    }

    /// A handler of its maker's writes a byte to a number that is another descriptor here: its channel, or none.
    fn stray_byte(&mut self, node: usize) {
        let Some(parent) = self.scenario.parent(node) else { return };
        if self.choose(Source::Exit, 2) == 1 {
            self.name_choice(format_args!("a stray byte hits the channel of {}", id(node)));
            let fact = Input::Garbled { link: Link::Child(id(node)) };
            let after = self.latency(format_args!("the stray byte of {}", id(node)));
            self.at(self.now.after(after), Event::Fact { node: parent, fact });
        }
    }

    fn signal_command(&mut self, node: usize, pid: Pid, signal: Signal, from: Option<usize>) {
        if !self.kernel.at(pid).ignores(signal) {
            return match self.conducts[node] {
                Conduct::CommandDeaf => {}
                Conduct::CommandLogs if signal == Signal::Int => self.write_much(node),
                _ => self.dies_of(pid, signal),
            };
        }
        if self.has(Defect::SigintIgnoredInherited) {
            return;
        }
        if let Some(from) = from.filter(|from| self.scenario.parent(node) == Some(*from)) {
            let fact = Input::Ignored { child: id(node), signal };
            self.at(self.now, Event::Fact { node: from, fact });
        }
    }

    fn dies_of(&mut self, pid: Pid, signal: Signal) {
        let stop = self.scenario.limits.times.stop;
        let after = match self.choose(Source::Exit, 3) {
            0 => Duration::from_millis(1),
            1 => Duration::ZERO,
            _ => stop / 2,
        };
        self.name_choice(format_args!("process {pid} dies of {signal:?} after {}", Span(after)));
        self.at(self.now.after(after), Event::Death { pid, exit: Exit::Signal(signal.number()) });
    }

    /// A killed process executes nothing more, and is a zombie within `kill`, the news of it included.
    fn kill(&mut self, pid: Pid) {
        if self.kernel.at(pid).stuck {
            return;
        }
        self.kernel.at_mut(pid).dying = true;
        let times = self.scenario.limits.times;
        let longest = times.kill.saturating_sub(times.hop * 2 / 5);
        let taken = if self.scenario.slow_kill { 2 } else { self.choose(Source::Exit, 3) };
        let after = match taken {
            0 => Duration::from_millis(1),
            1 => Duration::ZERO,
            _ => longest,
        };
        self.name_choice(format_args!("process {pid} dies of {:?} after {}", Signal::Kill, Span(after)));
        self.at(self.now.after(after), Event::Death { pid, exit: Exit::Signal(9) });
    }

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

    /// Looks: collects what was adopted and is dead, answers the sweeps under way, and kills strangers if asked to.
    pub(super) fn look(&mut self, node: usize) {
        let Some(me) = self.pids[node] else { return };
        let sweeps: Vec<ActorId> =
            self.actors[node].iter().flat_map(|actor| actor.sweeps.keys().copied()).collect();
        let dead: Vec<Pid> = self
            .kernel
            .children_of(me)
            .filter(|(_, process)| matches!(process.vital, Vital::Zombie(_)))
            .map(|(pid, _)| pid)
            .filter(|pid| self.kernel.is_stranger(*pid) || self.has(Defect::ReapRace))
            .collect();
        for pid in dead {
            let owner = sweeps.iter().copied().find(|child| self.is_from(pid, *child));
            if self.collect(pid).is_ok()
                && matches!(self.kernel.at(pid).what, What::Actor(_) | What::Command(_))
                && let Some(actor) = self.actors[node].as_mut()
                && let Some(sweep) = owner.and_then(|child| actor.sweeps.get_mut(&child))
            {
                sweep.1 += 1;
            }
        }
        for child in sweeps {
            self.answer_sweep(node, me, child);
        }
        self.answer_clear(node, me);
    }

    fn is_from(&self, pid: Pid, child: ActorId) -> bool {
        self.pids[place(child)].is_some_and(|origin| self.kernel.descends(pid, origin))
    }

    fn answer_sweep(&mut self, node: usize, me: Pid, child: ActorId) {
        let Some(origin) = self.pids[place(child)] else { return };
        let alive: BTreeSet<Pid> = self
            .kernel
            .leavings(me, origin)
            .into_iter()
            .filter(|pid| self.kernel.at(*pid).is_alive())
            .collect();
        let Some(sweep) = self.actors[node].as_mut().and_then(|actor| actor.sweeps.get_mut(&child)) else {
            return;
        };
        let fresh = alive.difference(&sweep.0).count() as u32;
        let reaped = core::mem::take(&mut sweep.1);
        let left = alive.len() as u32;
        sweep.0 = alive;
        let fact = Input::Swept { child, alive: left, fresh, reaped };
        self.at(self.now, Event::Fact { node, fact });
    }

    /// Strangers: forked or adopted, not a child on record, and not what a child on record left.
    fn answer_clear(&mut self, node: usize, me: Pid) {
        if self.actors[node].as_ref().is_none_or(|actor| actor.cleared.is_none()) {
            return;
        }
        let owed = self.is_owed(node);
        let strangers: BTreeSet<Pid> = self
            .kernel
            .children_of(me)
            .filter(|(_, process)| process.is_alive())
            .map(|(pid, _)| pid)
            .filter(|pid| self.kernel.is_stranger(*pid) && !owed)
            .collect();
        for stranger in &strangers {
            self.deliver(*stranger, Signal::Kill, None);
        }
        if let Some(actor) = self.actors[node].as_mut() {
            actor.cleared = Some(strangers.clone());
        }
        let fact = Input::Cleared { alive: strangers.len() as u32 };
        self.at(self.now, Event::Fact { node, fact });
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
