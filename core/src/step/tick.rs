//! What a deadline does. A fired deadline always makes a transition.

use alloc::vec::Vec;
use core::time::Duration;

use super::Step;
use crate::deadlines::Timer;
use crate::{
    ActorId, Child, ChildChange, Defect, Event, Instant, Kind, Life, LifeChange, Payload, Reason, Role,
    Signal, TaskChange,
};

impl Step<'_> {
    /// Fires every deadline that was due by then, the earliest first.
    pub(super) fn tick(&mut self, heard: Instant) {
        while let Some((at, timer)) = self.state.deadlines.take_due(heard) {
            self.late = self.late.max(self.state.now.since(at));
            match timer {
                Timer::Child(id) => self.rung_over(id, heard),
                Timer::Scope(scope) => self.cancel_scope(scope, self.cause(Reason::Deadline)),
                Timer::Tasks => self.tasks_over(at),
                Timer::Shields => self.break_shields(),
                Timer::Life => self.life_over(),
                Timer::Status => self.describe_no_more(),
                Timer::Call(context) => self.call_over(context, at),
                Timer::Peer(id) => self.peer_over(id),
                Timer::Question(question) => self.question_over(question),
            }
        }
        self.late = Duration::ZERO;
    }

    fn rung_over(&mut self, id: ActorId, heard: Instant) {
        let Some(child) = self.state.children.get(&id) else {
            return;
        };
        let phase = child.phase;
        if phase == Child::Asked && self.state.has(Defect::AckTimeoutSwallowed) {
            return;
        }
        // 0 is that nobody could look: who looked and found none would not be waited for.
        let leavings = child.leavings;
        let why = child.why_not_up(&self.state.limits);
        // Who looks late, or was told to hurry, finds two rungs due: too little time skips one, never SIGKILL.
        let asked = matches!(phase, Child::Asked | Child::Acked | Child::Parting);
        let late = child.role != Role::Thread && child.ladder.is_some_and(|ladder| ladder.kill_at <= heard);
        let change = if asked && late { ChildChange::Condemned } else { ChildChange::Expired };
        let next = phase.next(child.spare(change));
        self.spend(id);
        if phase <= Child::Booting {
            self.plan(id, None);
        } else if phase == Child::Sweeping {
            self.purged(id);
        } else if next != Some(Child::Unanswered) {
            self.state.tally.escalations = self.state.tally.escalations.saturating_add(1);
            if next == Some(Child::Stopping) {
                self.report(Event::Escalated(id, Signal::Term));
            } else if next == Some(Child::Killing) {
                self.report(Event::Escalated(id, Signal::Kill));
            }
        }
        self.change(id, change);
        if phase <= Child::Booting {
            self.blame(id, why);
        } else if phase == Child::Purging {
            // Those that are still there when the actor ends are counted then, as strangers.
            self.report(Event::Escaped(id, leavings));
            self.blame(id, Kind::Escaped(leavings));
        }
    }

    /// What a dead child left behind is killed now. That is told as an escalation of its own, if there was a grace that ran out:
    /// where SIGKILL was due when the child died, it is the end of the same one.
    fn purged(&mut self, id: ActorId) {
        let Some(child) = self.state.children.get(&id) else { return };
        let (rung, leavings) = (child.rung, child.leavings);
        if rung.until() > Some(rung.since()) {
            self.state.tally.escalations = self.state.tally.escalations.saturating_add(1);
            self.report(Event::Purged(id, leavings));
        }
    }

    /// Adds up what the rungs that were taken for a child have cost.
    fn spend(&mut self, id: ActorId) {
        if let Some(child) = self.state.children.get_mut(&id)
            && let (Some(ladder), Some(until)) = (child.ladder, child.rung.until())
        {
            child.spent = child.spent.max(until.since(ladder.began));
        }
    }

    /// Whoever looks late lets them have some time, once: they may have been stopped with it.
    fn tasks_over(&mut self, at: Instant) {
        let given = self.given();
        if at <= self.state.flush_at() && given > self.state.now {
            self.state.deadlines.set(Timer::Tasks, Some(given));
        } else {
            self.abandon_tasks();
        }
    }

    /// The actor goes on without its tasks: they end with its process, and are named.
    fn abandon_tasks(&mut self) {
        let spent = match self.state.began {
            Some(began) => self.state.flush_at().since(began),
            None => Duration::ZERO,
        };
        self.state.tally.spent = self.state.tally.spent.max(spent);
        let tasks: Vec<_> = self.state.tasks.keys().copied().collect();
        for task in tasks {
            let Some(record) = self.state.tasks.get_mut(&task) else {
                continue;
            };
            let Some(next) = record.phase.next(TaskChange::Expired) else {
                continue;
            };
            record.phase = next;
            self.report(Event::Abandoned(task));
            self.task_ended(task, Payload::default());
        }
        self.state.abandoned = true;
        self.break_shields();
        self.abandon_contexts();
        let scopes: Vec<_> = self.state.scopes.keys().copied().collect();
        for scope in scopes {
            self.leave(scope);
        }
    }

    fn life_over(&mut self) {
        let change = match self.state.life {
            Life::Booting => return self.boot_over(),
            Life::ShieldBroken => LifeChange::Cleared,
            Life::Flushing => {
                self.count_undelivered();
                LifeChange::Flushed
            }
            Life::Exiting => LifeChange::Released,
            Life::Running | Life::Cancelling | Life::Ended => return,
        };
        self.live(change);
    }

    /// A child whose parent never sends a spec has no parent.
    fn boot_over(&mut self) {
        let bound = self.state.limits.times.bound(0);
        self.cancel_actor(self.cause(Reason::Deadline), bound);
    }
}
