//! The items of a stream: sent against credit, kept within a window, in order, or let go of where nobody reads them.

use alloc::vec::Vec;

use super::Step;
use crate::flow::{Arrival, Flow, HalfChange};
use crate::state::Member;
use crate::{Caller, ContextId, Defect, Half, Link, Output, Payload, Reason, Scope, ScopeId, Word};

impl Step<'_> {
    pub(super) fn open_stream(&mut self, context: ContextId, window: u32, lossy: bool) {
        let most = self.state.limits.window;
        let Some(flow) = self.state.flow_mut(context) else {
            return;
        };
        flow.window = window.min(most).max(1);
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
        self.give_credit(context, credit);
    }

    fn give_credit(&mut self, context: ContextId, credit: Option<u32>) {
        if let Some(credit) = credit {
            self.say(context, Word::Credit(credit));
        }
    }

    /// Nobody reads a stream any more. Its writer must not wait for that; nor its reader, if the caller never opened it,
    /// for then nobody will write.
    pub(super) fn unread(&mut self, context: ContextId) {
        let most = self.state.limits.window;
        let Some(flow) = self.state.flow_mut(context) else {
            return;
        };
        flow.move_into(HalfChange::Unread);
        let (credit, opened) = (flow.admit(most).or_else(|| flow.let_go()), flow.is_opened());
        self.give_credit(context, credit);
        if !opened {
            self.unwritten(context);
        }
    }

    /// The caller sends no further item. Its far end hears that once it has begun; what that sends ends with its answer.
    fn unwritten(&mut self, context: ContextId) {
        let Some(call) = self.state.callers.get_mut(&context) else {
            return;
        };
        if call.flow.move_out(HalfChange::Ended) && call.phase == Caller::Running {
            self.say(context, Word::End);
        }
    }

    /// The body that called has ended, so nobody reads what the far ends of its scope send, and nobody sends them anything.
    pub(super) fn let_go_of_all(&mut self, scope: ScopeId) {
        let first = (scope, Member::Context(ContextId::caller(Link::Parent, 0)));
        let contexts = self.state.members.range(first..).take_while(|(of, _)| *of == scope);
        let linked = |context: &ContextId| self.state.callers.get(context).is_some_and(|call| call.linked);
        let contexts = contexts.filter_map(|(_, member)| match member {
            Member::Context(context) => Some(*context).filter(linked),
            Member::Scope(_) | Member::Task(_) | Member::Child(_) => None,
        });
        for context in contexts.collect::<Vec<_>>() {
            self.unread(context);
            self.unwritten(context);
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
            Arrival::Unread => {
                let credit = flow.leave(1);
                self.discard(payload);
                self.give_credit(context, credit);
                return self.cancel_unread(context);
            }
            Arrival::Kept => {}
            Arrival::Displaced => self.emit(Output::DropOldest { context }),
        }
        self.emit(Output::Item { context, payload });
        self.credit_if_lossy(context);
    }

    /// The writer of a lossy stream never waits for its reader.
    fn credit_if_lossy(&mut self, context: ContextId) {
        let credit = self.state.flow_mut(context).filter(|flow| flow.lossy).and_then(|flow| flow.leave(1));
        self.give_credit(context, credit);
    }

    /// Nobody waits for anything of a call whose body has ended; one that still sends might do so for ever.
    fn cancel_unread(&mut self, context: ContextId) {
        let call = self.state.callers.get(&context).filter(|call| call.linked && call.scope != ScopeId::ROOT);
        let scope = call.and_then(|call| self.state.scopes.get(&call.scope));
        if scope.is_some_and(|scope| scope.phase == Scope::Joining) {
            self.cancel_context(context, self.cause(Reason::Asked));
        }
    }

    /// The far end says that it has room. If it lies, its own channel overflows.
    pub(super) fn credited(&mut self, context: ContextId, items: u32) {
        let most = self.state.limits.window;
        let Some(flow) = self.state.flow_mut(context) else {
            return;
        };
        flow.earn(items);
        let credit = flow.admit(most);
        self.emit(Output::Credited { context, items });
        self.give_credit(context, credit);
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
