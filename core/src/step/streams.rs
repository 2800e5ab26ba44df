//! The items of a stream: sent against credit, kept within a window, in order.

use super::Step;
use crate::flow::{Arrival, Flow, HalfChange};
use crate::{ContextId, Defect, Half, Output, Payload, Word};

impl Step<'_> {
    pub(super) fn open_stream(&mut self, context: ContextId, window: u32, lossy: bool) {
        let most = self.state.limits.window;
        let Some(flow) = self.state.flow_mut(context) else {
            return;
        };
        flow.window = window.clamp(1, most);
        flow.lossy = lossy;
        flow.move_out(HalfChange::Opened);
        flow.move_into(HalfChange::Opened);
        let window = flow.window;
        self.say(context, Word::Credit(window));
    }

    pub(super) fn push(&mut self, context: ContextId, payload: Payload) {
        let Some(flow) = self.state.flow_mut(context) else {
            return;
        };
        let may_wait = flow.spend();
        self.say_by_and_by(context, Word::Item(payload), may_wait);
    }

    pub(super) fn end_stream(&mut self, context: ContextId) {
        let Some(flow) = self.state.flow_mut(context) else {
            return;
        };
        flow.move_out(HalfChange::Ended);
        if !(flow.is_full() && self.state.has(Defect::TerminalInDataBuffer)) {
            self.say(context, Word::End);
        }
    }

    /// The user took items: the far end may send as many more, once that is worth a message.
    pub(super) fn taken(&mut self, context: ContextId, items: u32) {
        let credit = self.state.flow_mut(context).and_then(|flow| flow.take(items));
        if let Some(credit) = credit {
            self.say(context, Word::Credit(credit));
        }
    }

    pub(super) fn item_came(&mut self, context: ContextId, payload: Payload) {
        let Some(flow) = self.state.flow_mut(context) else {
            return;
        };
        match flow.arrive() {
            Arrival::Unasked => {
                self.discard(payload);
                return self.garbled(context.link);
            }
            Arrival::Kept => {}
            Arrival::Displaced => self.emit(Output::DropOldest { context }),
        }
        self.emit(Output::Item { context, payload });
        self.credit_if_lossy(context);
    }

    /// The writer of a lossy stream never waits for its reader.
    fn credit_if_lossy(&mut self, context: ContextId) {
        let due = self.state.flow_mut(context).filter(|flow| flow.lossy).and_then(|flow| flow.leave(1));
        if let Some(credit) = due {
            self.say(context, Word::Credit(credit));
        }
    }

    /// The far end says that it has room. If it lies, its own channel overflows.
    pub(super) fn credited(&mut self, context: ContextId, items: u32) {
        let Some(flow) = self.state.flow_mut(context) else {
            return;
        };
        flow.earn(items);
        self.emit(Output::Credited { context, items });
    }

    pub(super) fn stream_ended(&mut self, context: ContextId) {
        let Some(flow) = self.state.flow_mut(context) else {
            return;
        };
        if flow.move_into(HalfChange::Ended) {
            self.emit(Output::StreamEnded { context });
        }
    }
}

impl Flow {
    fn move_out(&mut self, change: HalfChange) -> bool {
        move_half(&mut self.out, change)
    }

    fn move_into(&mut self, change: HalfChange) -> bool {
        move_half(&mut self.into, change)
    }
}

fn move_half(half: &mut Half, change: HalfChange) -> bool {
    match half.next(change) {
        Some(next) => {
            *half = next;
            true
        }
        None => false,
    }
}
