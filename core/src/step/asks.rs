//! What an ask needs, and what it does. Every refusal is decided before anything changes.

use alloc::vec::Vec;
use core::time::Duration;

use super::Step;
use crate::deadlines::Timer;
use crate::flow::Flow;
use crate::limits::is_reached;
use crate::scope::ScopeRecord;
use crate::state::{Member, State};
use crate::task::TaskRecord;
use crate::{
    ActorId, Callee, CalleeChange, Caller, Cause, ContextId, Defect, Half, Input, Instant, Life, Limit,
    Limits, Link, NameId, Reason, Refused, Role, Scope, ScopeChange, ScopeId, Side, Spec, Task, TaskId,
    Times,
};

/// Turns an ask down, or lets it through. Facts and the tick always pass.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is asked of a context, and of others, is refused below"
)]
pub(super) fn refuse(state: &State, input: &Input) -> Result<(), Refused> {
    match *input {
        Input::OpenScope { scope, parent, shield, .. } => {
            check_around(state, parent, shield)?;
            check(scope > state.last_scope, Refused::StaleId)?;
            // The scope of a served call has a room of its own.
            let scopes = state.scopes.len().saturating_sub(state.bodies);
            check_room(scopes, Limit::Scopes, state.limits.scopes)
        }
        Input::Leave { scope } => {
            check_known(state, scope)?;
            let left = state.scopes.get(&scope).and_then(|scope| scope.phase.next(ScopeChange::Left));
            check(left.is_some(), Refused::ClosedScope)
        }
        Input::StartTask { task, scope } => {
            check_open(state, scope)?;
            check(task > state.last_task, Refused::StaleId)?;
            check_room(state.tasks.len(), Limit::Tasks, state.limits.tasks)
        }
        Input::Spawn { child, scope, ref spec } => {
            if !state.has(Defect::SpawnAfterCancel) {
                check_open(state, scope)?;
            }
            check_known(state, scope)?;
            check(child > state.last_child && child != state.me, Refused::StaleId)?;
            check_room(state.children.len(), Limit::Children, state.limits.children)?;
            check_fits(state, spec)
        }
        Input::Cancel { scope } => check_known(state, scope),
        Input::CancelChild { child } => {
            check(state.life != Life::Ended, Refused::Ended)?;
            check(child <= state.last_child, Refused::UnknownChild)
        }
        Input::Expose { endpoint } => {
            check(state.life != Life::Ended, Refused::Ended)?;
            check(endpoint != NameId::default(), Refused::Nameless)?;
            match state.endpoints.contains(&endpoint) {
                true => Ok(()),
                false => check_room(state.endpoints.len(), Limit::Endpoints, state.limits.contexts),
            }
        }
        Input::Conceal { .. } => check(state.life != Life::Ended, Refused::Ended),
        Input::Ready => check_alive(state),
        Input::Extend { .. } => check_alive(state).and(check(state.deferred, Refused::Ready)),
        _ => refuse_talk(state, input),
    }
}

/// The same for what is asked of a context.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is asked of others is refused elsewhere")]
fn refuse_talk(state: &State, input: &Input) -> Result<(), Refused> {
    match *input {
        Input::Call { context, scope, .. } => {
            check_open(state, scope)?;
            check(context.side == Side::Caller && context.number > state.last_call, Refused::StaleId)?;
            check(context.link != Link::Parent || !state.is_registrar(), Refused::Parentless)?;
            check(state.can_call(context.link), state.why_closed(context.link))?;
            check_room(state.callers.len(), Limit::Contexts, state.limits.contexts)
        }
        Input::Accept { context, scope, parent } => {
            check_open(state, parent)?;
            check(scope > state.last_scope, Refused::StaleId)?;
            check_callee(state, context, CalleeChange::Accepted)?;
            // One whose call is over, and whose body has not left, keeps its place.
            check_room(state.bodies, Limit::Contexts, state.limits.places())
        }
        Input::Begin { context, .. } => check_callee(state, context, CalleeChange::Begun),
        Input::OpenStream { context, .. } => {
            let flow = check_streams(state, context)?;
            check(!flow.is_opened() && flow.into != Half::Unread, Refused::ClosedStream)
        }
        Input::Push { context, .. } => {
            let flow = check_streams(state, context)?;
            check(flow.out == Half::Open, Refused::ClosedStream)?;
            check(flow.credit > 0, Refused::NoCredit)
        }
        Input::EndStream { context } => {
            let flow = check_streams(state, context)?;
            check(flow.out == Half::Open, Refused::ClosedStream)
        }
        Input::CancelContext { context } => check_context(state, context),
        _ => super::registry::refuse(state, input),
    }
}

pub(super) fn check(holds: bool, refused: Refused) -> Result<(), Refused> {
    if holds { Ok(()) } else { Err(refused) }
}

pub(super) fn check_running(state: &State) -> Result<(), Refused> {
    check(state.life != Life::Ended, Refused::Ended)?;
    check(state.life != Life::Booting, Refused::Booting)
}

fn check_known(state: &State, scope: ScopeId) -> Result<(), Refused> {
    check_running(state)?;
    check(scope <= state.last_scope, Refused::UnknownScope)
}

/// No record is made in a scope that is cancelled, nor after teardown began.
fn check_open(state: &State, scope: ScopeId) -> Result<(), Refused> {
    check_around(state, scope, false)
}

/// A shield alone is opened in a scope that is cancelled, too: so what is left to do there is done behind one.
fn check_around(state: &State, scope: ScopeId, shield: bool) -> Result<(), Refused> {
    check_known(state, scope)?;
    let record = state.scopes.get(&scope).ok_or(Refused::ClosedScope)?;
    check(shield || !record.phase.is_cancelled(), Refused::Cancelled(record.cause))?;
    check_alive(state)
}

fn check_alive(state: &State) -> Result<(), Refused> {
    check_running(state)?;
    check(!state.life.is_teardown(), Refused::Cancelled(state.cause))
}

/// A child's bound and its ladder must fit into this actor's own bound, and its limits must be such that it takes them.
fn check_fits(state: &State, spec: &Spec) -> Result<(), Refused> {
    let below = state.levels.checked_sub(1).ok_or(Refused::TooDeep)?;
    let levels = levels_of(spec, below);
    check(levels <= below, Refused::TooDeep)?;
    let times = spec.times.unwrap_or(state.limits.times);
    let needed = times.with_ladder(times.bound(levels)).saturating_add(state.limits.times.flush);
    check(needed <= state.limits.times.bound(state.levels), Refused::TooSlow)?;
    match spec.times {
        Some(times) => Limits { times, ..state.limits }.check_at(levels).map_err(Refused::BadTimes),
        None => Ok(()),
    }
}

pub(super) fn levels_of(spec: &Spec, below: u8) -> u8 {
    match spec.role {
        Role::Actor | Role::Thread => spec.levels.unwrap_or(below),
        Role::Command => 0,
    }
}

/// A context that was there once may be cancelled for ever after, also when its channel is forgotten.
fn check_context(state: &State, context: ContextId) -> Result<(), Refused> {
    check(state.life != Life::Ended, Refused::Ended)?;
    let last = match context.side {
        Side::Caller => Some(&state.last_call),
        Side::Callee => state.served.get(&context.link),
    };
    check(last.is_none_or(|last| context.number <= *last), Refused::ClosedContext)
}

fn check_callee(state: &State, context: ContextId, change: CalleeChange) -> Result<(), Refused> {
    let call = state.callees.get(&context).ok_or(Refused::ClosedContext)?;
    if matches!(call.phase, Callee::Cancelling | Callee::Unheard) {
        return Err(Refused::Cancelled(call.cause));
    }
    check(call.phase.next(change).is_some(), Refused::ClosedContext)
}

/// Items pass once both ends have begun, and until one of them is told to end.
fn check_streams(state: &State, context: ContextId) -> Result<Flow, Refused> {
    let (begun, cause) = match context.side {
        Side::Caller => {
            let call = state.callers.get(&context).ok_or(Refused::ClosedContext)?;
            (call.phase == Caller::Running, call.cause)
        }
        Side::Callee => {
            let call = state.callees.get(&context).ok_or(Refused::ClosedContext)?;
            (call.phase == Callee::Begun, call.cause)
        }
    };
    check(cause.is_none(), Refused::Cancelled(cause))?;
    check(begun, Refused::ClosedContext)?;
    state.flow(context).copied().ok_or(Refused::ClosedContext)
}

/// Checks that there may be one more.
pub(super) fn check_room(there: usize, limit: Limit, most: u32) -> Result<(), Refused> {
    check(!is_reached(most, there), Refused::Full { limit, most })
}

impl Step<'_> {
    pub(super) fn open_scope(
        &mut self,
        scope: ScopeId,
        parent: ScopeId,
        shield: bool,
        deadline: Option<Instant>,
    ) {
        let record = ScopeRecord {
            phase: Scope::Open,
            parent: Some(parent),
            served: false,
            shield,
            since: self.state.now,
            deadline,
            cause: None,
            errors: Vec::new(),
            lost: 0,
        };
        self.state.last_scope = scope;
        self.state.scopes.insert(scope, record);
        self.state.members.insert((parent, Member::Scope(scope)));
        self.state.deadlines.set(Timer::Scope(scope), deadline);
    }

    /// Notes that a scope is that of a served call.
    pub(super) fn serve(&mut self, scope: ScopeId) {
        if let Some(record) = self.state.scopes.get_mut(&scope) {
            record.served = true;
            self.state.bodies = self.state.bodies.saturating_add(1);
        }
    }

    pub(super) fn leave(&mut self, scope: ScopeId) {
        let Some(record) = self.state.scopes.get_mut(&scope) else { return };
        if let Some(next) = record.phase.next(ScopeChange::Left) {
            record.phase = next;
            self.room.loosen(scope);
            self.let_go_of_all(scope);
        }
    }

    pub(super) fn start_task(&mut self, task: TaskId, scope: ScopeId) {
        let record = TaskRecord { phase: Task::Running, scope, since: self.state.now };
        self.state.last_task = self.state.last_task.max(task);
        self.state.tasks.insert(task, record);
        self.state.members.insert((scope, Member::Task(task)));
    }

    pub(super) fn cancel(&mut self, scope: ScopeId) {
        self.cancel_scope(scope, self.cause(Reason::Asked));
    }

    pub(super) fn cancel_child(&mut self, child: ActorId) {
        self.begin_ladder(child, Some(self.cause(Reason::Asked)));
    }

    pub(super) fn cause(&self, reason: Reason) -> Cause {
        Cause { canceller: self.state.me, reason }
    }

    /// Gives the span that a child of these levels and times may take for its own teardown.
    pub(super) fn bound_of(&self, times: &Times, levels: u8) -> Duration {
        let flat = self.state.has(Defect::FlatDeadlines);
        times.bound(if flat { 0 } else { levels })
    }
}
