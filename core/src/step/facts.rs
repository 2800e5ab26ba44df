//! What a fact does: of tasks, of processes, of this process. A fact is always taken; one that fits nothing is a stray.

use super::Step;
use crate::state::Member;
use crate::{
    ActorId, Census, Child, ChildChange, Defect, Ending, Error, Event, Exit, Instant, Kind, Life, LifeChange,
    Payload, Reason, Role, Signal, Stamp, Stray, TaskChange, TaskId,
};

impl Step<'_> {
    pub(super) fn task_ended(&mut self, task: TaskId, payload: Payload) {
        let Some(record) = self.state.tasks.get_mut(&task) else {
            return self.stray(Stray::Task(task));
        };
        let Some(next) = record.phase.next(TaskChange::Ended) else {
            return self.stray(Stray::Task(task));
        };
        record.phase = next;
        let scope = record.scope;
        self.state.tasks.remove(&task);
        self.state.members.remove(&(scope, Member::Task(task)));
        self.room.loosen(scope);
        if task == TaskId::MAIN {
            self.state.result = payload;
            self.check_ready();
        }
    }

    pub(super) fn started(&mut self, id: ActorId, stamp: Stamp) {
        let Some(child) = self.state.children.get_mut(&id) else {
            return self.stray(Stray::Child(id));
        };
        if child.started || child.phase.next(ChildChange::Started).is_none() {
            return self.stray(Stray::Child(id));
        }
        child.started = true;
        child.stamp = stamp;
        let name = child.name;
        let withdrawn = matches!(child.phase, Child::Withdrawn | Child::Unanswered);
        let parted = child.parted;
        let thread = child.role == Role::Thread;
        let hears = child.role.speaks() && child.channel < crate::Channel::Drained;
        self.state.tally.actors = self.state.tally.actors.saturating_add(1);
        self.census(Census { actor: id, parent: self.state.me, stamp, came: true, name });
        // A withdrawn child may run user code by now: it is asked like any other, behind its spec, unless it is done. A thread
        // is put on the ladder as if it were up, for there is no other way.
        let rung = self.first_rung(id);
        let asked = parted || (hears && rung == ChildChange::Cancelled);
        let change = if withdrawn && asked {
            ChildChange::Cancelled
        } else if withdrawn && thread && rung == ChildChange::Hurried {
            ChildChange::Hurried
        } else {
            ChildChange::Started
        };
        self.change(id, change);
    }

    pub(super) fn not_started(&mut self, id: ActorId, errno: i32) {
        let Some(child) = self.state.children.get(&id) else {
            return self.stray(Stray::Child(id));
        };
        if child.started || child.phase.next(ChildChange::NotStarted).is_none() {
            return self.stray(Stray::Child(id));
        }
        let (scope, explained) =
            (child.scope, child.blamed || child.phase.is_settled() || child.ladder.is_some());
        // Who is gone is not reached by what its failure cancels: there is no spawn left to recall.
        self.change(id, ChildChange::NotStarted);
        if !explained {
            self.failed(scope, Error::new(Kind::NotStarted(errno), id, Payload::default()));
        }
    }

    /// The end of a child: an error, unless it said so itself, or was asked for, or is a command's success.
    pub(super) fn exited(&mut self, id: ActorId, exit: Exit) {
        let Some(child) = self.state.children.get_mut(&id) else {
            return self.stray(Stray::Child(id));
        };
        let from = child.phase;
        if !child.started || child.exited || from.next(ChildChange::Exited).is_none() {
            return self.stray(Stray::Child(id));
        }
        if from == Child::Booting && self.state.defects.has(Defect::BootDeathUnseen) {
            return;
        }
        child.exited = true;
        let ready = child.ready;
        let cancelled = child.ladder.is_some_and(|ladder| ladder.cause.is_some());
        let succeeded = child.role == Role::Command && exit.is_success();
        let explained = child.parted || cancelled || succeeded || from == Child::Unkillable;
        self.report(Event::Exited(id, exit));
        self.change(id, ChildChange::Exited);
        if !explained {
            self.blame(id, if ready { Kind::Died(exit) } else { Kind::BootDied(exit) });
        }
        self.end_link(crate::Link::Child(id), Ending::Lost(Some(exit)));
    }

    pub(super) fn ignored(&mut self, id: ActorId, signal: Signal) {
        let Some(child) = self.state.children.get(&id) else {
            return self.stray(Stray::Child(id));
        };
        match (child.phase, signal) {
            (Child::Acked, Signal::Int) | (Child::Stopping, Signal::Term) => {
                self.change(id, ChildChange::Shrugged);
            }
            _ => self.stray(Stray::Child(id)),
        }
    }

    pub(super) fn swept(&mut self, id: ActorId, alive: u32, fresh: u32, reaped: u32) {
        let Some(child) = self.state.children.get_mut(&id) else {
            return self.stray(Stray::Child(id));
        };
        child.leavings = alive;
        let phase = child.phase;
        self.state.tally.actors = self.state.tally.actors.saturating_add(reaped);
        self.state.tally.reaped = self.state.tally.reaped.saturating_add(reaped);
        if !matches!(phase, Child::Sweeping | Child::Purging) {
            return;
        }
        if alive == 0 {
            self.change(id, ChildChange::Emptied);
        } else if fresh > 0 {
            self.signal(id, if phase == Child::Sweeping { Signal::Term } else { Signal::Kill });
        }
    }

    pub(super) fn reaped(&mut self, id: ActorId) {
        let exited = self.state.children.get(&id).is_some_and(|child| child.exited);
        if !exited || !self.change(id, ChildChange::Reaped) {
            self.stray(Stray::Child(id));
        }
    }

    /// Who surfaces after the last words, as what a child left that was given up and died then, is told of in the outcome. Where
    /// nobody could look until then, that was told, and one was reckoned with.
    pub(super) fn cleared(&mut self, alive: u32) {
        if self.state.life < Life::ShieldBroken {
            // Nobody has asked yet, and who comes until then was not seen.
            return self.stray(Stray::Own);
        }
        let counted = self.state.strangers.replace(alive).unwrap_or(0);
        if matches!(self.state.life, Life::Flushing | Life::Exiting) {
            self.state.tally.left = self.state.tally.left.saturating_sub(counted).saturating_add(alive);
            if alive > counted {
                self.report(Event::StrangersLeft(alive));
            }
        }
    }

    pub(super) fn released(&mut self) {
        if !self.live(LifeChange::Released) {
            self.stray(Stray::Own);
        }
    }

    /// The user's first signal cancels, the second leaves no time but for SIGKILL, the third none at all.
    ///
    /// SIGTERM at an actor that has a parent is not the user's: it comes from the ladder, from a guardian or from the
    /// kernel when the parent dies, and each of those may come on top of another. It cancels, and is not counted.
    pub(super) fn signalled(&mut self, signal: Signal) {
        let cause = self.cause(Reason::Signal(signal.number()));
        let times = self.state.limits.times;
        let bound = times.bound(self.state.levels);
        if signal == Signal::Term && self.state.parent.is_some() {
            return self.cancel_actor(cause, bound);
        }
        if self.is_repeat(signal) {
            return;
        }
        self.state.actions.push((signal, self.state.now));
        match self.state.actions.len() {
            1 => self.cancel_actor(cause, bound),
            2 => self.cancel_actor(cause, times.kill.saturating_add(times.flush)),
            _ => {
                self.live(LifeChange::Forced);
            }
        }
    }

    /// One action counts once. It may come on two ways: to a process and to its group, or by a relay as well. The later
    /// one is then no more than a message behind the first, so the same signal again within `hop` is the same action. And
    /// whoever ends a session sends SIGTERM and SIGHUP, one after the other: within `hop` of the first action every signal is
    /// a part of it. What comes later comes on top of it, and each kind counts.
    fn is_repeat(&self, signal: Signal) -> bool {
        let (now, hop) = (self.state.now, self.state.limits.times.hop);
        let recent = |at: Instant| now < at.after(hop);
        let actions = &self.state.actions;
        actions.first().is_some_and(|(_, at)| recent(*at))
            || actions.iter().any(|(known, at)| *known == signal && recent(*at))
    }
}
