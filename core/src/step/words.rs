//! What the far end of a context says, and what that does.
//!
//! A word for a context that is over is dropped: it crossed the end on its way. An error among them is counted aloud, since
//! nobody else will tell of it. A word for a context that never was, or one that breaks the protocol, costs the far end its
//! channel, and nobody else anything.

use core::time::Duration;

use super::Step;
use crate::context::CalleeRecord;
use crate::deadlines::Timer;
use crate::flow::Flow;
use crate::{
    Answer, Callee, CallerChange, Cause, ContextId, Ending, Error, Half, Kind, Link, NameId, Output, Payload,
    Side, Word,
};

impl Step<'_> {
    /// Takes a word that came over an open channel. `side` is the sender's.
    pub(super) fn heard(&mut self, link: Link, number: u64, side: Side, word: Word) {
        let context = ContextId { link, side: side.other(), number };
        if !matches!((side, word), (Side::Caller, Word::Call { .. })) {
            if !self.was_begun(context) {
                self.discard_word(word);
                return self.garbled(link);
            }
            if !self.state.has_context(context) {
                return self.waste(word);
            }
        }
        match (side, word) {
            (Side::Caller, Word::Call { endpoint, left, payload }) => {
                self.called(context, endpoint, left, payload);
            }
            (Side::Caller, Word::Cancel(cause)) => self.cancelled_by_caller(context, cause),
            (Side::Callee, Word::Begun(payload)) => self.begun(context, payload),
            (Side::Callee, Word::Ack) => self.cancel_acked(context),
            (Side::Callee, Word::Error(error)) => self.error_came(context, error),
            (Side::Callee, Word::Answer(answer)) => self.answered(context, answer),
            (_, Word::Item(payload)) => self.item_came(context, payload),
            (_, Word::Credit(items)) => self.credited(context, items),
            (_, Word::End) => self.stream_ended(context),
            (Side::Callee, Word::Call { .. } | Word::Cancel(_))
            | (Side::Caller, Word::Begun(_) | Word::Ack | Word::Error(_) | Word::Answer(_)) => {
                self.discard_word(word);
                self.garbled(link);
            }
        }
    }

    /// Tells whether a context of this number was ever begun by the end that may begin it.
    fn was_begun(&self, context: ContextId) -> bool {
        match context.side {
            Side::Caller => context.number <= self.state.last_call,
            Side::Callee => self.state.served.get(&context.link).is_some_and(|last| context.number <= *last),
        }
    }

    /// A call came. What can't be served is answered at once, and leaves no record.
    fn called(&mut self, context: ContextId, endpoint: NameId, left: Option<Duration>, payload: Payload) {
        if self.was_begun(context) || context.number == 0 {
            self.discard(payload);
            return self.garbled(context.link);
        }
        self.state.served.insert(context.link, context.number);
        if self.state.life.is_teardown() && self.state.cause.is_none() {
            // It has ended by itself: that it is gone is heard by the end of the channel.
            return self.discard(payload);
        }
        let refused = if let Some(cause) = self.state.cause {
            Some(Answer::Cancelled(cause))
        } else if !self.state.endpoints.contains(&endpoint) {
            Some(self.failure(Kind::NoEndpoint))
        } else if self.state.is_full_of_offers(context.link) {
            Some(self.failure(Kind::Busy))
        } else {
            None
        };
        if let Some(answer) = refused {
            self.discard(payload);
            return self.say(context, Word::Answer(answer));
        }
        let now = self.state.now;
        let record = CalleeRecord {
            phase: Callee::Offered,
            endpoint,
            scopes: None,
            since: now,
            deadline: left.map(|left| now.after(left)),
            cause: None,
            flow: Flow::IDLE,
        };
        let deadline = record.deadline;
        self.state.callees.insert(context, record);
        self.state.deadlines.set(Timer::Call(context), deadline);
        self.emit(Output::Offer { context, endpoint, payload });
    }

    pub(super) fn failure(&self, kind: Kind) -> Answer {
        Answer::Failed(Error::new(kind, self.state.me, Payload::default()))
    }

    /// The ack goes out once the cancellation is real; a call without a body has ended by then.
    fn cancelled_by_caller(&mut self, context: ContextId, cause: Cause) {
        self.cancel_body(context, cause);
        if self.state.callees.contains_key(&context) {
            self.say(context, Word::Ack);
        }
    }

    fn begun(&mut self, context: ContextId, payload: Payload) {
        let Some(call) = self.state.callers.get_mut(&context) else {
            return;
        };
        match call.phase.next(CallerChange::Begun) {
            Some(next) => {
                call.phase = next;
                let unwritten = call.flow.out == Half::Ended;
                self.emit(Output::Begun { context, payload });
                if unwritten {
                    self.say(context, Word::End);
                }
            }
            None => self.discard(payload),
        }
    }

    /// From here on the far end has as long as this actor's own teardown may take.
    fn cancel_acked(&mut self, context: ContextId) {
        let bound = self.state.limits.times.bound(self.state.levels);
        let until = self.state.now.after(bound);
        let Some(call) = self.state.callers.get_mut(&context) else {
            return;
        };
        if let Some(next) = call.phase.next(CallerChange::Acknowledged) {
            call.phase = next;
            self.state.deadlines.set(Timer::Call(context), Some(until));
        }
    }

    fn error_came(&mut self, context: ContextId, mut error: Error) {
        let Some(call) = self.state.callers.get(&context) else {
            return;
        };
        let (scope, linked) = (call.scope, call.linked);
        error.path.push(self.state.far(context.link));
        if linked {
            self.failed(scope, error);
        } else {
            self.emit(Output::ContextError { context, error });
        }
    }

    fn answered(&mut self, context: ContextId, mut answer: Answer) {
        if let Answer::Failed(error) = &mut answer {
            error.path.push(self.state.far(context.link));
        }
        self.end_caller(context, CallerChange::Answered, Ending::Answered(answer));
    }
}
