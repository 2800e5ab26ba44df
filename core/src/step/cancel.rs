//! What a cancellation reaches: a scope, what stands in it, and so on down to the shields.

use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

use super::Step;
use crate::deadlines::Timer;
use crate::scope::ScopeRecord;
use crate::state::Member;
use crate::{
    Cause, Defect, Error, Event, Instant, Life, LifeChange, Output, Reason, Scope, ScopeChange, ScopeId,
    Stray, TaskChange, TaskId,
};

impl Step<'_> {
    /// Cancels a scope. To cancel the actor's own scope is to cancel the actor.
    pub(super) fn cancel_scope(&mut self, scope: ScopeId, cause: Cause) {
        if scope == ScopeId::ROOT {
            let bound = self.state.limits.times.bound(self.state.levels);
            self.cancel_actor(cause, bound);
        } else {
            self.spread(scope, cause);
        }
    }

    /// Begins the actor's teardown, or shortens its deadline to `left` from now.
    pub(super) fn cancel_actor(&mut self, cause: Cause, left: Duration) {
        let now = self.state.now;
        let bound = self.state.limits.times.bound(self.state.levels);
        let deadline = self.state.deadline.min(now.after(left.min(bound)));
        if !self.live(LifeChange::Cancelled) {
            self.tighten(deadline);
            return;
        }
        self.state.cause = Some(cause);
        self.state.deadline = deadline;
        self.arm_own(true);
        self.report(Event::Cancelling(cause));
        self.spread(ScopeId::ROOT, cause);
        self.cancel_queued(cause);
        self.decline_offers();
        self.replan_all();
    }

    /// Moves the actor's own deadline nearer, and with it all that follows from it.
    pub(super) fn tighten(&mut self, deadline: Instant) {
        if deadline >= self.state.deadline || !self.state.life.is_teardown() {
            return;
        }
        // Time that a late look has given to the tasks is not taken back.
        let planned = self.state.may_give();
        self.state.deadline = deadline;
        self.arm_own(planned);
        self.replan_all();
    }

    /// Sets the deadlines of tasks, shields and the present state of life by the actor's own deadline.
    fn arm_own(&mut self, tasks: bool) {
        let times = self.state.limits.times;
        let flush_at = self.state.flush_at();
        if tasks && self.has_users() {
            self.state.deadlines.set(Timer::Tasks, Some(flush_at));
        }
        if self.state.scopes.values().any(|scope| scope.shield && !scope.phase.is_cancelled()) {
            let shields_at = flush_at.before(times.kill).before(times.stop);
            self.state.deadlines.set(Timer::Shields, Some(shields_at));
        }
        if self.state.life.is_teardown() {
            self.arm_life();
        }
    }

    /// Tells whether user code is still at work here, or waited for.
    pub(super) fn has_users(&self) -> bool {
        !self.state.tasks.is_empty()
            || self.state.scopes.len() > 1
            || !self.state.callers.is_empty()
            || !self.state.callees.is_empty()
    }

    /// Cancels a scope and what stands in it, in id order, with an explicit stack. A shield stops it. Children that have no time
    /// are killed when all is cancelled: what their end is for others that are cancelled is no error of theirs.
    pub(super) fn spread(&mut self, scope: ScopeId, cause: Cause) {
        self.spread_all([scope], cause);
    }

    /// Cancels every scope that a shield has kept from the actor's cancellation: there is no more time for it.
    pub(super) fn break_shields(&mut self) {
        let cause = self.state.cause.unwrap_or_else(|| self.cause(Reason::Asked));
        let open = |(_, scope): &(&ScopeId, &ScopeRecord)| !scope.phase.is_cancelled();
        let shielded: Vec<_> = self.state.scopes.iter().filter(open).map(|(id, _)| *id).collect();
        self.spread_all(shielded, cause);
    }

    fn spread_all(&mut self, scopes: impl IntoIterator<Item = ScopeId>, cause: Cause) {
        let inner = mem::replace(&mut self.reaches, true);
        for scope in scopes {
            self.cancel_all_in(scope, cause);
        }
        // Whom a kill makes fail is cancelled here, and killed by the outermost: the stack stays as deep.
        if inner {
            return;
        }
        let mut killed = 0;
        while let Some((child, cause)) = self.room.condemned.get(killed).copied() {
            self.begin_ladder(child, Some(cause));
            killed = killed.saturating_add(1);
        }
        self.room.condemned.clear();
        self.reaches = false;
    }

    fn cancel_all_in(&mut self, scope: ScopeId, cause: Cause) {
        let mut told = scope == ScopeId::ROOT;
        let mut stack = mem::take(&mut self.room.scopes);
        stack.push(scope);
        while let Some(scope) = stack.pop() {
            if !self.cancel_one(scope, cause) {
                continue;
            }
            let mut members = mem::take(&mut self.room.members);
            members.extend(self.state.members_of(scope));
            if !told && members.iter().any(|member| matches!(member, Member::Child(_))) {
                told = true;
                self.report(Event::Cascading(scope, cause));
            }
            for member in members.iter().rev() {
                if let Member::Scope(inner) = member
                    && self.state.scopes.get(inner).is_some_and(|inner| !inner.shield)
                {
                    stack.push(*inner);
                }
            }
            for member in members.drain(..) {
                match member {
                    Member::Scope(_) => {}
                    Member::Task(task) => self.cancel_task(task, cause),
                    Member::Child(child) if self.has_no_time(child) => {
                        self.room.condemned.push((child, cause))
                    }
                    Member::Child(child) => self.begin_ladder(child, Some(cause)),
                    Member::Context(context) => self.cancel_context(context, cause),
                }
            }
            self.room.members = members;
        }
        self.room.scopes = stack;
    }

    /// Cancels a scope, and not what stands in it. Tells whether it was not cancelled yet.
    fn cancel_one(&mut self, scope: ScopeId, cause: Cause) -> bool {
        let Some(record) = self.state.scopes.get_mut(&scope) else {
            return false;
        };
        let Some(next) = record.phase.next(ScopeChange::Cancelled) else {
            return false;
        };
        let has_body = record.phase == Scope::Open;
        record.phase = next;
        record.cause = Some(cause);
        record.deadline = None;
        self.state.deadlines.set(Timer::Scope(scope), None);
        self.room.loosen(scope);
        if has_body {
            self.emit(Output::CancelBody { scope, cause });
        }
        true
    }

    fn cancel_task(&mut self, task: TaskId, cause: Cause) {
        let Some(record) = self.state.tasks.get_mut(&task) else {
            return;
        };
        if let Some(next) = record.phase.next(TaskChange::Cancelled) {
            record.phase = next;
            self.emit(Output::CancelTask { task, cause });
        }
    }

    /// Takes an error from this actor's user code, from a child's end or from the far end of a context.
    pub(super) fn failed(&mut self, scope: ScopeId, mut error: Error) {
        if self.is_collateral(scope, &error) {
            return self.discard(error.payload);
        }
        self.state.tally.errors = self.state.tally.errors.saturating_add(1);
        if error.canceller.is_none() {
            error.canceller =
                self.state.scopes.get(&scope).and_then(|s| s.cause).map(|cause| cause.canceller);
        }
        self.record(scope, error);
    }

    /// Tells whether an error says of a cancellation what is known: it is here already, and reached somebody else first; or an
    /// error of it is.
    pub(super) fn is_collateral(&self, scope: ScopeId, error: &Error) -> bool {
        let Some(record) = self.state.scopes.get(&scope) else {
            return false;
        };
        if self.state.has(Defect::CollateralRaised) {
            return false;
        }
        record.cause.is_some_and(|cause| error.is_of(cause))
            || record.errors.iter().any(|known| known.is_of_the_same(error))
    }

    /// Keeps an error in a scope, or counts it, and cancels the scope.
    pub(super) fn record(&mut self, scope: ScopeId, error: Error) {
        if matches!(self.state.life, Life::Flushing | Life::Exiting) {
            // All is said by now.
            self.state.tally.lost = self.state.tally.lost.saturating_add(1);
            self.discard(error.payload);
            return self.report(Event::Undelivered(1));
        }
        let room = usize::from(self.state.limits.errors);
        let Some(record) = self.state.scopes.get_mut(&scope) else {
            self.state.tally.lost = self.state.tally.lost.saturating_add(1);
            self.discard(error.payload);
            return self.stray(Stray::Scope(scope));
        };
        if record.errors.len() < room {
            record.errors.push(error);
        } else {
            record.lost = record.lost.saturating_add(1);
            self.discard(error.payload);
        }
        self.cancel_scope(scope, Cause { canceller: error.origin, reason: Reason::Failure });
    }
}
