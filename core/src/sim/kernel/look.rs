//! A shell's look around: what it adopted and is dead, what a dead child left, who is a stranger.
//!
//! The rule: one look finds all that is there, however many deaths led to it.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::processes::{Pid, Process, Vital, What};
use crate::sim::event::Event;
use crate::sim::scenario::Slip;
use crate::sim::world::{World, place};
use crate::{ActorId, Defect, Input, Signal};

impl World<'_> {
    /// Looks: collects what was adopted and is dead, answers the sweeps under way, and kills strangers if asked to.
    pub(crate) fn look(&mut self, node: usize) {
        let Some(me) = self.pids[node] else { return };
        let sweeps: Vec<ActorId> =
            self.actors[node].iter().flat_map(|actor| actor.sweeps.keys().copied()).collect();
        let most = if self.scenario.slip == Some(Slip::OneByOne) { 1 } else { usize::MAX };
        let dead: Vec<Pid> = self.zombies(me, self.has(Defect::ReapRace)).take(most).collect();
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

    /// Takes from what came while an actor had no turn all that its shell will not look at.
    pub(crate) fn oversleep(&mut self, node: usize) -> VecDeque<Event> {
        let mut unread = VecDeque::new();
        if self.scenario.slip == Some(Slip::Overslept) {
            let is_readable = |event: &Event| match event {
                Event::Fact { fact, .. } => matches!(fact, Input::Received { .. } | Input::LinkLost { .. }),
                event => matches!(event, Event::Line { .. } | Event::Drain { .. }),
            };
            let came = core::mem::take(&mut self.mailboxes[node]);
            (unread, self.mailboxes[node]) = came.into_iter().partition(is_readable);
        }
        unread
    }

    /// Lists what was adopted and is dead, or all that is.
    pub(crate) fn zombies(&self, me: Pid, all: bool) -> impl Iterator<Item = Pid> {
        let dead = |(_, process): &(Pid, &Process)| matches!(process.vital, Vital::Zombie(_));
        let dead = self.kernel.children_of(me).filter(dead).map(|(pid, _)| pid);
        dead.filter(move |pid| all || self.kernel.is_stranger(*pid))
    }

    fn is_from(&self, pid: Pid, child: ActorId) -> bool {
        self.pids[place(child)].is_some_and(|origin| self.kernel.descends(pid, origin))
    }

    fn answer_sweep(&mut self, node: usize, me: Pid, child: ActorId) {
        let Some(origin) = self.pids[place(child)] else { return };
        let alive: BTreeSet<Pid> =
            self.leavings(me, origin).into_iter().filter(|pid| self.kernel.at(*pid).is_alive()).collect();
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
        let unlooked = self.scenario.slip == Some(Slip::Unlooked);
        let owed = self.is_owed(node) || unlooked;
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
}
