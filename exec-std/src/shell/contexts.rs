//! Contexts in the shell: what comes for them, at the slots of their users or for the threads that serve.

use std::sync::Arc;

use windrow_core::{Answer, ContextId, Ending, Link, NameId, Output, Payload};

use super::Shell;
use super::reactor::Reactor;
use crate::board::News;
use crate::endpoint::Exposed;
use crate::servers::Offer;
use crate::slot::Over;

impl<R: Reactor> Shell<R> {
    /// Does what an output about a context says.
    pub(super) fn perform_talk(&mut self, output: Output) {
        match output {
            Output::Offer { context, endpoint, payload } => self.offer(context, endpoint, payload),
            Output::Withdrawn { context } => self.withdraw(context),
            Output::Begun { context, payload } => {
                let bytes = self.payloads.take(payload);
                self.slots.write(context, |talk| talk.begun = Some(bytes));
            }
            Output::Item { context, payload } => {
                let bytes = self.payloads.take(payload);
                self.slots.write(context, |talk| talk.items.push(&bytes));
                self.payloads.recycle(bytes);
            }
            Output::DropOldest { context } => self.slots.write(context, |talk| {
                talk.dropped += u64::from(talk.items.pop().is_some());
            }),
            Output::Credited { context, items } => {
                self.slots.write(context, |talk| talk.credit = talk.credit.saturating_add(items));
                // The far end may have taken all that left before.
                self.channels.let_leave(context.link);
            }
            Output::StreamEnded { context } => self.slots.write(context, |talk| talk.ended = true),
            Output::ContextError { context, error } => {
                let text = self.payloads.take(error.payload);
                let failure = self.failure(error, text);
                let room = self.machine.limits().errors;
                self.slots.write(context, |talk| talk.fail(failure, room));
            }
            Output::Overdue { context } => {
                self.slots.write(context, |talk| talk.over = Some(Over::TimedOut));
            }
            Output::Ended { context, ending } => self.end_talk(context, ending),
            Output::Discard(payload) => {
                let bytes = self.payloads.take(payload);
                self.payloads.recycle(bytes);
            }
            _ => {}
        }
    }

    fn offer(&mut self, context: ContextId, endpoint: NameId, payload: Payload) {
        let args = self.payloads.take_with_room(payload);
        if let Some(Exposed { handler, .. }) = self.exposed.get(&endpoint) {
            let handler = Arc::clone(handler);
            return self.servers.offer(Offer { context, handler, args });
        }
        self.board.write(|facts| {
            facts.offered.entry(endpoint).or_default().put(context, args);
            facts.tell(News::Offered(endpoint));
        });
    }

    fn withdraw(&self, context: ContextId) {
        self.servers.withdraw(context);
        for offered in self.board.look().offered.values_mut() {
            offered.withdraw(context);
        }
    }

    fn end_talk(&mut self, context: ContextId, ending: Ending) {
        let over = match ending {
            Ending::Answered(Answer::Returned(payload)) => {
                Over::Returned(self.payloads.take_with_room(payload))
            }
            Ending::Answered(Answer::Failed(error)) => {
                let text = self.payloads.take(error.payload);
                Over::Failed(Box::new(self.failure(error, text)))
            }
            Ending::Answered(Answer::Cancelled(cause)) => Over::Cancelled(cause),
            Ending::Lost(exit) => Over::Lost(exit),
            _ => Over::Unanswered,
        };
        self.slots.write(context, |talk| {
            // Whoever takes the answer must leave the reader of the stream its end.
            talk.ended |= matches!(over, Over::Returned(_));
            // Whoever was let go of before stays so.
            talk.over.get_or_insert(over);
        });
        self.slots.close(context);
    }

    /// Tells users whether a channel's send buffer is so long that they should wait before they add to it.
    pub(super) fn is_congested(&mut self, link: Link) -> bool {
        let Some(channel) = self.channels.get(link) else { return false };
        let congested = channel.is_congested();
        if congested {
            self.board.look().congested.insert(link);
        }
        congested
    }

    pub(super) fn uncongest(&self, link: Link) {
        self.board.write(|facts| {
            if facts.congested.remove(&link) {
                facts.tell(News::Room(link));
            }
        });
    }
}
