//! Calls, from either end: how they begin, how they are cancelled, how they end.
//!
//! What the far end says stands in `words`, the items of a stream in `streams`.

use alloc::vec::Vec;
use core::time::Duration;

use super::Step;
use crate::context::{CalleeRecord, CallerRecord};
use crate::deadlines::Timer;
use crate::flow::Flow;
use crate::state::Member;
use crate::{
    Answer, Callee, CalleeChange, Caller, CallerChange, Cause, ContextId, Defect, Ending, Error, Event,
    Instant, Kind, Link, Message, NameId, Output, Payload, Reason, ScopeId, Side, Stray, Word,
};

/// By so much the far end of a call may be the first to see its deadline: it counts what was left, and loops round.
const ROUNDED: Duration = Duration::from_millis(1);

impl Step<'_> {
    pub(super) fn expose(&mut self, endpoint: NameId) {
        self.state.endpoints.insert(endpoint);
    }

    pub(super) fn conceal(&mut self, endpoint: NameId) {
        self.state.endpoints.remove(&endpoint);
        let none = self.failure(Kind::NoEndpoint);
        for context in self.offers(|call| call.endpoint == endpoint) {
            if self.change_callee(context, CalleeChange::Finished) {
                self.end_callee(context, none);
            }
        }
    }

    /// Lists those calls that nobody has taken up.
    fn offers(&self, which: impl Fn(&CalleeRecord) -> bool) -> Vec<ContextId> {
        let offered = self.state.callees.iter();
        let offered = offered.filter(|(_, call)| call.phase == Callee::Offered && which(call));
        offered.map(|(context, _)| *context).collect()
    }

    pub(super) fn call(
        &mut self,
        context: ContextId,
        scope: ScopeId,
        linked: bool,
        word: (NameId, Payload),
        deadline: Option<Instant>,
    ) {
        let (endpoint, payload) = word;
        let of_scope = self.deadline_of(scope).map(|(deadline, _)| deadline);
        let deadline = deadline.into_iter().chain(of_scope).min();
        let (now, phase) = (self.state.now, Caller::Calling);
        let record = CallerRecord { phase, scope, linked, since: now, cause: None, flow: Flow::IDLE };
        self.state.last_call = context.number;
        self.state.callers.insert(context, record);
        self.state.members.insert((scope, Member::Context(context)));
        self.state.deadlines.set(Timer::Call(context), deadline);
        let left = deadline.map(|deadline| deadline.since(now));
        self.say(context, Word::Call { endpoint, left, payload });
    }

    /// Gives the earliest deadline of a scope and those around it, up to a shield, and whose it is: the outermost's.
    fn deadline_of(&self, scope: ScopeId) -> Option<(Instant, ScopeId)> {
        let (mut least, mut next) = (None, Some(scope));
        while let Some((id, record)) = next.and_then(|scope| self.state.scopes.get_key_value(&scope)) {
            least = least.into_iter().chain(record.deadline.map(|deadline| (deadline, *id))).min();
            next = record.parent.filter(|_| !record.shield);
        }
        least
    }

    pub(super) fn accept(&mut self, context: ContextId, scope: ScopeId, parent: ScopeId) {
        let Some(record) = self.state.callees.get_mut(&context) else {
            return;
        };
        let Some(next) = record.phase.next(CalleeChange::Accepted) else {
            return;
        };
        record.phase = next;
        record.scopes = Some((parent, scope));
        let deadline = record.deadline;
        self.state.members.insert((parent, Member::Context(context)));
        self.open_scope(scope, parent, false, deadline);
        self.serve(scope);
        // What the body calls in turn has no more time than this; what fires is the call's own timer.
        self.state.deadlines.set(Timer::Scope(scope), None);
    }

    pub(super) fn begin_context(&mut self, context: ContextId, payload: Payload) {
        if self.change_callee(context, CalleeChange::Begun) {
            self.say(context, Word::Begun(payload));
        }
    }

    /// Cancels a context from this side. The first cause wins.
    pub(super) fn cancel_context(&mut self, context: ContextId, cause: Cause) {
        match context.side {
            Side::Caller => self.cancel_call(context, cause),
            Side::Callee => self.cancel_body(context, cause),
        }
    }

    fn cancel_call(&mut self, context: ContextId, cause: Cause) {
        let Some(call) = self.state.callers.get_mut(&context) else {
            return;
        };
        let Some(next) = call.phase.next(CallerChange::Cancelled) else {
            return;
        };
        call.phase = next;
        call.cause = Some(cause);
        let until = self.state.now.after(self.state.limits.times.ack);
        self.state.deadlines.set(Timer::Call(context), Some(until));
        self.say(context, Word::Cancel(cause));
    }

    /// Cancels the body of a call, or the call that has no body yet.
    pub(super) fn cancel_body(&mut self, context: ContextId, cause: Cause) {
        if !self.change_callee(context, CalleeChange::Cancelled) {
            return;
        }
        let Some(call) = self.state.callees.get_mut(&context) else {
            return;
        };
        call.cause = Some(cause);
        let scopes = call.scopes;
        self.state.deadlines.set(Timer::Call(context), None);
        match scopes {
            Some((_, body)) => self.spread(body, cause),
            None => self.end_callee(context, Answer::Cancelled(cause)),
        }
    }

    /// The actor serves no call that nobody has taken up: it is ending. Who is cancelled says by whom. Who has ended by itself
    /// was not, and says nothing: its callers hear by the end of the channel that it is gone, as those who come later do.
    pub(super) fn decline_offers(&mut self) {
        let cause = self.state.cause;
        for context in self.offers(|_| true) {
            match cause {
                Some(cause) => self.cancel_body(context, cause),
                None => self.withdraw(context),
            }
        }
    }

    fn withdraw(&mut self, context: ContextId) {
        if self.change_callee(context, CalleeChange::Finished) {
            self.forget_callee(context);
        }
    }

    /// A call's time is over: the whole of it, or the time for what should follow its cancellation. The deadline is the
    /// caller's, on whichever side it passes first. Whoever gave the call that time waits no longer; its scope still does,
    /// until it ends or is given up.
    pub(super) fn call_over(&mut self, context: ContextId, at: Instant) {
        if context.side == Side::Callee {
            let canceller = self.state.far(context.link);
            return self.cancel_body(context, Cause { canceller, reason: Reason::Deadline });
        }
        let Some(call) = self.state.callers.get(&context) else {
            return;
        };
        if call.phase.next(CallerChange::Expired).is_some() {
            return self.end_caller(context, CallerChange::Expired, Ending::Unanswered);
        }
        // A scope whose time it is tells its body so.
        let of_scope = self.deadline_of(call.scope).is_some_and(|(deadline, _)| deadline <= at);
        if !call.linked && !of_scope {
            self.emit(Output::Overdue { context });
        }
        self.cancel_call(context, self.cause(Reason::Deadline));
    }

    /// What the body of a call ended with goes to its caller, or into the account of what nobody could be told.
    pub(super) fn finished(&mut self, context: ContextId, answer: Answer) {
        // Without a body there is nothing to return, only why there is none.
        let bodiless = self.state.callees.get(&context).is_some_and(|call| call.scopes.is_none());
        let misses_body = bodiless && !matches!(answer, Answer::Failed(_));
        if misses_body || !self.change_callee(context, CalleeChange::Finished) {
            self.stray(Stray::Context(context));
            return self.waste(Word::Answer(answer));
        }
        let first = self.state.callees.get(&context).and_then(|call| call.cause);
        let answer = match (answer, first) {
            (Answer::Cancelled(_), Some(first)) => Answer::Cancelled(first),
            (answer, _) => answer,
        };
        self.end_callee(context, answer);
    }

    pub(super) fn context_failed(&mut self, context: ContextId, error: Error) {
        if self.state.callees.get(&context).is_some_and(|call| call.scopes.is_some()) {
            self.say(context, Word::Error(error));
        } else {
            self.stray(Stray::Context(context));
            self.waste(Word::Error(error));
        }
    }

    /// Ends a call at its caller: told, or raised where it belongs, and never both.
    pub(super) fn end_caller(&mut self, context: ContextId, change: CallerChange, ending: Ending) {
        let Some(call) = self.state.callers.get(&context) else {
            return;
        };
        let (phase, scope, linked) = (call.phase, call.scope, call.linked);
        if phase.next(change).is_none() {
            return;
        }
        // A call whose time was over before its end came is as good as cancelled, though no tick has said so yet.
        let due = self.state.deadlines.at(Timer::Call(context));
        let late = due.is_some_and(|at| at <= self.state.now);
        let cancelled = matches!(phase, Caller::Cancelling | Caller::Acked);
        let timed_out = !cancelled && self.is_over(due, &ending);
        let over = if timed_out { self.bound_of_call(context, scope) } else { None };
        if timed_out && over.is_none() && !linked {
            self.emit(Output::Overdue { context });
        }
        self.state.callers.remove(&context);
        self.state.deadlines.forget(Timer::Call(context));
        self.state.members.remove(&(scope, Member::Context(context)));
        self.room.loosen(scope);
        let raised = self.raised_by(context.link, late || cancelled, &ending).filter(|_| linked);
        let raised = raised.filter(|error| !self.is_collateral(scope, error));
        let Some(error) = raised else {
            self.emit(Output::Ended { context, ending });
            return over.map_or((), |bound| self.time_is_over(bound));
        };
        // The error stands in the scope; whoever waits for the answer is cancelled by it like the rest of the scope.
        let cause = Cause { canceller: error.origin, reason: Reason::Failure };
        self.emit(Output::Ended { context, ending: Ending::Answered(Answer::Cancelled(cause)) });
        self.failed(scope, error);
    }

    /// Gives the scope whose deadline a call has, if it has none of its own.
    fn bound_of_call(&self, context: ContextId, scope: ScopeId) -> Option<ScopeId> {
        let (deadline, bound) = self.deadline_of(scope)?;
        (self.state.deadlines.at(Timer::Call(context)) == Some(deadline)).then_some(bound)
    }

    /// Tells whether a call ended by its time, be it that the far end was the first to see it. Another deadline of this actor may
    /// have ended it, too.
    fn is_over(&self, due: Option<Instant>, ending: &Ending) -> bool {
        let is_due = |early| due.is_some_and(|at| at <= self.state.now.after(early));
        let is_ours = |cause| cause == self.cause(Reason::Deadline);
        match *ending {
            Ending::Answered(Answer::Cancelled(cause)) => {
                is_due(Duration::ZERO) || is_ours(cause) && is_due(ROUNDED)
            }
            Ending::Lost(_) => is_due(Duration::ZERO),
            Ending::Answered(Answer::Returned(_) | Answer::Failed(_)) | Ending::Unanswered => false,
        }
    }

    /// A scope's deadline has passed, as the far end of a call has said before the tick: what the tick would do is done.
    fn time_is_over(&mut self, bound: ScopeId) {
        let is_body =
            |(_, call): &(&ContextId, &CalleeRecord)| call.scopes.is_some_and(|(_, body)| body == bound);
        match self.state.callees.iter().find(is_body).map(|(context, _)| *context) {
            Some(served) => self.call_over(served, self.state.now),
            None => self.cancel_scope(bound, self.cause(Reason::Deadline)),
        }
    }

    /// Tells what error an ending is: a cancellation that was asked for here is none, one from elsewhere is.
    fn raised_by(&self, link: Link, asked: bool, ending: &Ending) -> Option<Error> {
        let far = self.state.far(link);
        let error = |kind| Error::new(kind, far, Payload::default());
        match *ending {
            Ending::Answered(Answer::Failed(error)) => Some(error),
            Ending::Unanswered => Some(error(Kind::Unanswered)),
            Ending::Answered(Answer::Cancelled(cause)) if !asked && cause.canceller != self.state.me => {
                Some(Error::cancelled(far, cause))
            }
            Ending::Lost(exit) if !asked => Some(error(Kind::PeerLost(exit))),
            // A deadline of this side's that the far end was the first to see is its own, too.
            Ending::Answered(_) | Ending::Lost(_) => None,
        }
    }

    /// Ends a call at the one who serves it, and tells the caller if it can still hear.
    pub(super) fn end_callee(&mut self, context: ContextId, answer: Answer) {
        let Some(call) = self.forget_callee(context) else {
            return;
        };
        if !(call.flow.is_full() && self.state.has(Defect::TerminalInDataBuffer)) {
            self.say(context, Word::Answer(answer));
        }
    }

    fn forget_callee(&mut self, context: ContextId) -> Option<CalleeRecord> {
        let call = self.state.callees.remove(&context)?;
        self.state.deadlines.forget(Timer::Call(context));
        match call.scopes {
            Some((parent, _)) => {
                self.state.members.remove(&(parent, Member::Context(context)));
                self.room.loosen(parent);
            }
            None => self.emit(Output::Withdrawn { context }),
        }
        Some(call)
    }

    /// The actor goes on without the calls that its tasks were at: they end with its process.
    pub(super) fn abandon_contexts(&mut self) {
        let cause = self.state.cause.unwrap_or_else(|| self.cause(Reason::Asked));
        let callers: Vec<_> = self.state.callers.keys().copied().collect();
        for context in callers {
            self.cancel_call(context, cause);
            self.end_caller(context, CallerChange::Expired, Ending::Unanswered);
        }
        let callees: Vec<_> =
            self.state.callees.iter().map(|(context, call)| (*context, call.cause)).collect();
        for (context, first) in callees {
            if self.change_callee(context, CalleeChange::Expired) {
                self.end_callee(context, Answer::Cancelled(first.unwrap_or(cause)));
            }
        }
    }

    /// The far end of a channel is gone, and with it all that was under way on it: no call outlives its peer, and each ends so.
    pub(super) fn end_link(&mut self, link: Link, ending: Ending) {
        if self.state.has(Defect::PeerLossUnlinked) {
            return;
        }
        let (first, last) = (ContextId::caller(link, 0), ContextId::callee(link, u64::MAX));
        let callers: Vec<_> = self.state.callers.range(first..=last).map(|(context, _)| *context).collect();
        for context in callers {
            self.end_caller(context, CallerChange::Lost, ending);
        }
        let callees: Vec<_> = self.state.callees.range(first..=last).map(|(context, _)| *context).collect();
        for context in callees {
            self.lose_caller(context);
        }
        self.state.served.remove(&link);
        self.state.told_to_end.remove(&link);
    }

    fn lose_caller(&mut self, context: ContextId) {
        let cause = self.cause(Reason::PeerLost);
        if !self.change_callee(context, CalleeChange::Lost) {
            return;
        }
        self.state.deadlines.set(Timer::Call(context), None);
        let Some(call) = self.state.callees.get_mut(&context) else {
            return;
        };
        let cause = *call.cause.get_or_insert(cause);
        match call.scopes {
            Some((_, body)) => self.spread(body, cause),
            None => self.end_callee(context, Answer::Cancelled(cause)),
        }
    }

    /// Applies a row of the callee's table, if there is one.
    pub(super) fn change_callee(&mut self, context: ContextId, change: CalleeChange) -> bool {
        let Some(call) = self.state.callees.get_mut(&context) else {
            return false;
        };
        let Some(next) = call.phase.next(change) else {
            return false;
        };
        call.phase = next;
        true
    }

    /// Says a word to the far end of a context, if it can hear.
    pub(super) fn say(&mut self, context: ContextId, word: Word) {
        self.say_by_and_by(context, word, false);
    }

    /// Says a word that may wait for company on its way.
    pub(super) fn say_by_and_by(&mut self, context: ContextId, word: Word, may_wait: bool) {
        if self.state.is_open(context.link) {
            let message = Message::Context { number: context.number, side: context.side, word };
            self.emit(Output::Send { link: context.link, message, may_wait });
        } else {
            self.waste(word);
        }
    }

    /// Drops a word that nobody hears. An error among them is counted aloud.
    pub(super) fn waste(&mut self, word: Word) {
        if matches!(word, Word::Error(_) | Word::Answer(Answer::Failed(_))) {
            self.state.tally.errors = self.state.tally.errors.saturating_add(1);
            self.state.tally.lost = self.state.tally.lost.saturating_add(1);
            self.report(Event::Undelivered(1));
        }
        self.discard_word(word);
    }

    /// Drops the bytes that belong to a word.
    pub(super) fn discard_word(&mut self, mut word: Word) {
        if let Some(payload) = word.payload_mut() {
            self.discard(*payload);
        }
    }
}
