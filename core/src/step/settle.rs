//! The couplings between the sub-machines, applied to a fixed point: when scopes close, and when life goes on.

use alloc::vec::Vec;

use super::Step;
use crate::deadlines::{Deadlines, Timer};
use crate::scope::ScopeRecord;
use crate::{
    Channel, Defect, End, Error, Event, Life, LifeChange, Link, Message, Outcome, Output, Payload,
    ScopeChange, ScopeId, TaskId,
};

impl Step<'_> {
    /// Closes what can close, inner scopes first, then moves the actor's life on, until nothing moves.
    pub(super) fn settle(&mut self) {
        let loosened = !self.room.is_settled();
        loop {
            while let Some(scope) = self.room.next_loosened() {
                self.close_scope(scope);
            }
            let Some(change) = self.due_change() else {
                break;
            };
            if !self.live(change) {
                break;
            }
        }
        if loosened {
            self.disarm();
        }
        self.take_turns();
    }

    /// Takes back the deadlines of tasks and shields that are no more: a resolved wait's timer never fires.
    fn disarm(&mut self) {
        let armed = |timer| self.state.deadlines.at(timer).is_some();
        let resolved = armed(Timer::Tasks) && !self.has_users();
        let shielded = |scope: &ScopeRecord| scope.shield && !scope.phase.is_cancelled();
        let broken = armed(Timer::Shields) && !self.state.scopes.values().any(shielded);
        if resolved {
            self.state.deadlines.set(Timer::Tasks, None);
        }
        if broken {
            self.state.deadlines.set(Timer::Shields, None);
        }
    }

    /// Closes a scope that its body has left and that holds nothing any more.
    fn close_scope(&mut self, scope: ScopeId) {
        let empty = self.state.members_of(scope).next().is_none();
        let Some(record) = self.state.scopes.get_mut(&scope) else {
            return;
        };
        let Some(next) = record.phase.next(ScopeChange::Emptied).filter(|_| empty) else {
            return;
        };
        record.phase = next;
        if scope == ScopeId::ROOT {
            return;
        }
        let parent = record.parent;
        self.state.deadlines.forget(Timer::Scope(scope));
        if self.state.abandoned {
            self.hand_up(scope, parent);
        } else {
            self.hand_over(scope);
        }
        let served = self.state.scopes.remove(&scope).is_some_and(|scope| scope.served);
        self.state.bodies = self.state.bodies.saturating_sub(usize::from(served));
        if let Some(parent) = parent {
            self.state.members.remove(&(parent, crate::state::Member::Scope(scope)));
            self.room.loosen(parent);
        }
    }

    /// Hands a scope's errors to the scope around it, for its owner was given up.
    fn hand_up(&mut self, scope: ScopeId, parent: Option<ScopeId>) {
        let Some(record) = self.state.scopes.get_mut(&scope) else {
            return;
        };
        let (errors, lost) = (core::mem::take(&mut record.errors), record.lost);
        let room = usize::from(self.state.limits.errors);
        let Some(parent) = parent.and_then(|parent| self.state.scopes.get_mut(&parent)) else {
            return;
        };
        let mut errors = errors.into_iter();
        parent.errors.extend(errors.by_ref().take(room.saturating_sub(parent.errors.len())));
        let over = u32::try_from(errors.len()).unwrap_or(u32::MAX);
        parent.lost = parent.lost.saturating_add(lost).saturating_add(over);
        for error in errors {
            self.discard(error.payload);
        }
    }

    /// Hands a scope's errors to its owner, then says how it ended.
    fn hand_over(&mut self, scope: ScopeId) {
        let Some(record) = self.state.scopes.get_mut(&scope) else {
            return;
        };
        let (mut errors, lost, cause) = (core::mem::take(&mut record.errors), record.lost, record.cause);
        if cause.is_some() && self.state.defects.has(Defect::FirstErrorMasked) {
            errors.clear();
        }
        let end = match (errors.is_empty(), cause) {
            (false, _) => End::Failed,
            (true, Some(cause)) => End::Cancelled(cause),
            (true, None) => End::Well,
        };
        if scope != ScopeId::ROOT {
            // Whoever owns the scope handles them or fails them again, and then they are counted again.
            let handed = u32::try_from(errors.len()).unwrap_or(u32::MAX);
            self.state.tally.errors = self.state.tally.errors.saturating_sub(handed);
        }
        for error in errors {
            self.emit(Output::Raise { scope, error });
        }
        self.emit(Output::Closed { scope, end, lost });
    }

    /// Says which change of life has become due by the state of the others.
    fn due_change(&self) -> Option<LifeChange> {
        let parent_gone = matches!(self.state.parent, None | Some(Channel::Closed));
        match self.state.life {
            Life::Running | Life::Cancelling => {
                let closed = self.state.root_is_closed();
                let held = self.state.has(Defect::ParentShieldKept) && !parent_gone;
                (closed && !held).then_some(LifeChange::Finished)
            }
            Life::ShieldBroken => (self.state.peers.is_empty() && self.state.strangers == Some(0))
                .then_some(LifeChange::Cleared),
            Life::Flushing => {
                let stays = self.state.has(Defect::TeardownStepSkipsRest)
                    && self.state.deadlines.at(Timer::Life).is_none();
                (!self.state.parent_is_open() && !stays).then_some(LifeChange::Flushed)
            }
            Life::Booting | Life::Exiting | Life::Ended => None,
        }
    }

    /// Applies a row of the life's table, if there is one, and does what entering the new state takes.
    pub(super) fn live(&mut self, change: LifeChange) -> bool {
        let Some(next) = self.state.life.next(change) else {
            return false;
        };
        self.state.life = next;
        self.state.since = self.state.now;
        match next {
            Life::Booting => {}
            Life::Running => self.enter_running(),
            Life::Cancelling => {
                self.state.began = Some(self.state.now);
                self.state.deadlines.set(Timer::Life, None);
                self.end_questions();
            }
            Life::ShieldBroken => self.enter_shield_broken(),
            Life::Flushing => self.enter_flushing(),
            Life::Exiting => {
                self.arm_life();
                self.emit(Output::Release);
            }
            Life::Ended => self.enter_ended(change),
        }
        true
    }

    /// Sets the deadline of the present state of life.
    pub(super) fn arm_life(&mut self) {
        self.state.deadlines.set(Timer::Life, self.state.life_until().at());
    }

    /// The spec is there: user code may start.
    pub(super) fn specified(&mut self) {
        self.live(LifeChange::Specified);
    }

    fn enter_running(&mut self) {
        self.state.deadlines.set(Timer::Life, None);
        if self.state.parent.is_some() && !self.state.deferred {
            self.send(Link::Parent, Message::Ready);
        }
        self.start_task(TaskId::MAIN, ScopeId::ROOT);
        self.state.result = Payload::default();
        self.emit(Output::Run);
    }

    /// From here on nothing is awaited from the parent. Peers and strangers have until shortly before the deadline.
    fn enter_shield_broken(&mut self) {
        let (now, times) = (self.state.now, self.state.limits.times);
        self.state.began.get_or_insert(now);
        let rest = times.kill.saturating_add(times.flush).min(times.bound(self.state.levels));
        self.state.deadline = self.state.deadline.min(now.after(rest));
        self.arm_life();
        if self.state.has(Defect::CancelInline) && self.state.cause.is_some() && self.state.parent_is_open() {
            self.send(Link::Parent, Message::Ack);
        }
        self.state.deadlines.set(Timer::Tasks, None);
        self.state.deadlines.set(Timer::Shields, None);
        self.decline_offers();
        self.end_questions();
        self.part_from_peers();
        self.emit(Output::Clear);
    }

    /// The last words: every error, the result, and what the subtree came to.
    fn enter_flushing(&mut self) {
        self.arm_life();
        // Whoever could never look does not know that nobody is left, and reckons with one.
        let seen = self.state.strangers.unwrap_or(0);
        let left = *self.state.strangers.get_or_insert(1);
        if left > 0 {
            self.state.tally.left = self.state.tally.left.saturating_add(left);
            self.report(Event::StrangersLeft(seen));
        }
        self.leave_peers();
        self.count_self();
        if self.state.parent_is_open() {
            self.say_last_words();
        } else if self.state.parent.is_some() {
            self.bury_errors();
        }
    }

    fn say_last_words(&mut self) {
        // What was told is kept: by it the actor's end is a failure.
        let mut count = 0;
        while let Some(error) = self.root_error(count) {
            self.send(Link::Parent, Message::Error(error));
            count = count.saturating_add(1);
        }
        if count == 0 && self.state.cause.is_none() {
            self.send(Link::Parent, Message::Result(self.state.result));
        }
        self.send(Link::Parent, Message::Bye(self.state.tally));
        self.emit(Output::Flush { link: Link::Parent });
    }

    /// Nobody is left to tell: what can't be delivered is counted aloud.
    fn bury_errors(&mut self) {
        let Some(root) = self.state.scopes.get(&ScopeId::ROOT) else {
            return;
        };
        let payloads: Vec<_> = root.errors.iter().map(|error| error.payload).collect();
        for payload in payloads {
            self.discard(payload);
        }
        self.count_undelivered();
    }

    /// What was to be the last words reaches nobody, or not all of it: it is counted, those that no scope had room for beside it.
    pub(super) fn count_undelivered(&mut self) {
        let Some(root) = self.state.scopes.get(&ScopeId::ROOT) else {
            return;
        };
        let kept = u32::try_from(root.errors.len()).unwrap_or(u32::MAX);
        let all = kept.saturating_add(root.lost);
        self.state.tally.lost = self.state.tally.lost.saturating_add(kept);
        if all > 0 {
            self.report(Event::Undelivered(all));
        }
    }

    /// A childless actor that a cancellation ended, and no error, counts as cancelled. One whose children were never made is
    /// counted by those.
    fn count_self(&mut self) {
        let Some(root) = self.state.scopes.get(&ScopeId::ROOT) else {
            return;
        };
        let tally = &mut self.state.tally;
        tally.lost = tally.lost.saturating_add(root.lost);
        let childless = tally.actors == 0 && tally.cancelled == 0;
        if self.state.cause.is_some() && root.errors.is_empty() && childless && tally.errors == 0 {
            tally.cancelled = tally.cancelled.saturating_add(1);
        }
    }

    fn enter_ended(&mut self, change: LifeChange) {
        self.state.deadlines = Deadlines::default();
        let failed = self.state.tally.errors > 0 && self.root_error(0).is_some();
        if self.state.parent.is_none() && change != LifeChange::Forced {
            self.hand_over(ScopeId::ROOT);
        }
        let end = match (change, failed, self.state.cause) {
            (LifeChange::Forced, ..) => End::Forced,
            (_, true, _) => End::Failed,
            (_, false, Some(cause)) => End::Cancelled(cause),
            (_, false, None) => End::Well,
        };
        let outcome = Outcome {
            end,
            tally: self.state.tally,
            began: self.state.began.unwrap_or(self.state.now),
            bound: self.state.limits.times.bound(self.state.levels),
        };
        self.emit(Output::Done(outcome));
    }

    fn root_error(&self, index: usize) -> Option<Error> {
        self.state.scopes.get(&ScopeId::ROOT)?.errors.get(index).copied()
    }
}
