//! The users' code of actors that are called: what they do for a caller, and what they answer.
//!
//! The rule: an actor serves one call at a time, and what it does for that stands in a scope of its own, which the caller's
//! cancel, its loss and its deadline reach; so what is called on the way has no more time than that.

use super::NURSERY;
use super::body::{Body, Calling, Serving};
use super::talk::{BYTES, ENDPOINT};
use crate::sim::event::Event;
use crate::sim::kernel::Then;
use crate::sim::oracle::Violation;
use crate::sim::scenario::Verb;
use crate::sim::world::{World, id};
use crate::{Answer, Callee, ContextId, End, Error, Half, Input, Kind, Output, Payload, ScopeId, Side};

/// Tells whether a scope is that of what is done for a caller.
pub(crate) fn is_served(scope: ScopeId) -> bool {
    scope > NURSERY
}

impl World<'_> {
    /// Exposes the endpoint of one who serves.
    pub(super) fn expose(&mut self, node: usize) -> Result<(), Violation> {
        self.give(node, Input::Expose { endpoint: ENDPOINT })?.ok();
        Ok(())
    }

    pub(crate) fn serving(&self, node: usize) -> Option<&Serving> {
        self.actors[node].as_ref().and_then(|actor| actor.body.serving.as_ref())
    }

    fn serving_mut(&mut self, node: usize) -> Option<&mut Serving> {
        self.body(node).and_then(|body| body.serving.as_mut())
    }

    /// Takes up the first call that waits, unless it serves one.
    pub(super) fn serve_next(&mut self, node: usize) -> Result<(), Violation> {
        let Some(actor) = self.actors[node].as_ref().filter(|actor| actor.body.serving.is_none()) else {
            return Ok(());
        };
        let state = actor.machine.state();
        let scope = ScopeId(state.last_scope.max(NURSERY).0 + 1);
        let mut offers = state.callees.iter().filter(|(_, call)| call.phase == Callee::Offered);
        let Some(context) = offers.next().map(|(context, _)| *context) else { return Ok(()) };
        if self.give(node, Input::Accept { context, scope, parent: ScopeId::ROOT })?.is_err() {
            return Ok(());
        }
        let serving = Serving {
            context,
            scope,
            owed: alloc::vec![],
            left: 0,
            sent: 0,
            streams: false,
            hears: None,
            came: 0,
            over: false,
            missed: false,
        };
        if let Some(body) = self.body(node) {
            (body.serving, body.calling[1]) = (Some(serving), Calling::No);
        }
        self.react(node, Verb::OnCall)
    }

    /// Begins to answer its caller, with so many items. A call that is answered already, or is over, has its answer.
    pub(super) fn begin_to_answer(&mut self, node: usize, many: u16, streams: bool) -> Result<(), Violation> {
        let phase = self.phase_of_call(node);
        let Some(serving @ Serving { left: 0, sent: 0, .. }) = self.serving_mut(node) else { return Ok(()) };
        if let Some(Callee::Serving | Callee::Begun) = phase {
            (serving.left, serving.streams) = (many, streams);
        }
        // Who has heard its caller before may have room already.
        if phase == Some(Callee::Begun) { self.send_items(node) } else { self.begin_to_talk(node) }
    }

    /// Opens its end of the stream, if it serves a call and has not begun to answer.
    fn begin_to_talk(&mut self, node: usize) -> Result<(), Violation> {
        let serves = self.phase_of_call(node) == Some(Callee::Serving);
        let Some(Serving { context, .. }) = self.serving(node).filter(|_| serves) else { return Ok(()) };
        let context = *context;
        self.give(node, Input::Begin { context, payload: BYTES })?.ok();
        self.give(node, Input::OpenStream { context, window: 1, lossy: false })?.ok();
        Ok(())
    }

    /// Gives where the call is that an actor serves.
    fn phase_of_call(&self, node: usize) -> Option<Callee> {
        let context = self.serving(node)?.context;
        Some(self.actors[node].as_ref()?.machine.state().callees.get(&context)?.phase)
    }

    /// Waits for an item of its caller. Who is not called has none.
    pub(super) fn hear(&mut self, node: usize, next: u8) -> Result<Then, Violation> {
        if !self.script(node).serves(next) {
            return Ok(Then::GoesOn);
        }
        self.begin_to_talk(node)?;
        if let Some(serving) = self.serving_mut(node) {
            serving.hears = Some(next);
        }
        self.hear_on(node).map(|()| Then::Waits)
    }

    /// An item of its caller has come.
    pub(super) fn hear_item(&mut self, node: usize, context: ContextId) -> Result<(), Violation> {
        let hears = self.script(node).has(Verb::Hear);
        let is_this = |serving: &&mut Serving| hears && serving.context == context;
        let Some(serving) = self.serving_mut(node).filter(is_this) else { return Ok(()) };
        serving.came += 1;
        self.hear_on(node)
    }

    /// Goes on, if it waits for an item, and one is there or none will come.
    pub(super) fn hear_on(&mut self, node: usize) -> Result<(), Violation> {
        let is_last = self.has_heard_all(node);
        let Some(Serving { context, hears, came, over: false, .. }) = self.serving_mut(node) else {
            return Ok(());
        };
        let (context, is_here) = (*context, *came > 0);
        let Some(next) = hears.take_if(|_| is_here || is_last) else { return Ok(()) };
        *came = came.saturating_sub(1);
        if is_here {
            self.give(node, Input::Taken { context, items: 1 })?.ok();
        }
        self.go_on(node, next)
    }

    /// Tells whether nothing will come of the caller that is served, and nothing is on its way to the code that serves it.
    fn has_heard_all(&self, node: usize) -> bool {
        let Some(of) = self.serving(node).map(|serving| serving.context) else { return false };
        let state = self.actors[node].as_ref().map(|actor| actor.machine.state());
        let call = state.and_then(|state| state.callees.get(&of));
        let is_item = |event: &Event| match event {
            Event::Said { node: at, output: Output::Item { context, .. } } => *at == node && *context == of,
            _ => false,
        };
        let is_over = call.is_some_and(|call| call.flow.into == Half::Ended);
        is_over && !self.agenda.iter().any(|(_, event)| is_item(event))
    }

    /// Sends items as long as there is room for them; after the last it lets go of its end of the stream, and returns.
    pub(super) fn send_items(&mut self, node: usize) -> Result<(), Violation> {
        while let Some(Serving { context, left: 1.., sent, .. }) = self.serving(node) {
            let push = Input::Push { context: *context, payload: Payload((*sent).into()) };
            if self.give(node, push)?.is_err() {
                return Ok(());
            }
            if let Some(serving) = self.serving_mut(node) {
                (serving.left, serving.sent) = (serving.left - 1, serving.sent + 1);
            }
        }
        match self.serving(node) {
            Some(Serving { sent: 1.., over: false, context, streams, .. }) => {
                let (context, streams) = (*context, *streams);
                if streams {
                    self.give(node, Input::EndStream { context })?.ok();
                }
                self.give(node, Input::Unread { context })?.ok();
                self.end_call(node, false)
            }
            _ => Ok(()),
        }
    }

    /// Ends what it does for its caller, well or with a failure: that is its scope's, which hands it over when it is closed.
    pub(super) fn end_call(&mut self, node: usize, fails: bool) -> Result<(), Violation> {
        let Some(Serving { over: false, scope, context, sent, .. }) = self.serving(node) else {
            return Ok(());
        };
        let (scope, context, opened) = (*scope, *context, self.script(node).has(Verb::Hear) && *sent == 0);
        if opened && self.phase_of_call(node) == Some(Callee::Begun) {
            self.give(node, Input::Unread { context })?.ok();
        }
        if let Some(serving) = self.serving_mut(node) {
            serving.over = true;
        }
        if fails {
            let error = Error::new(Kind::Failed, id(node), self.oracle.new_call_failure(node));
            self.give(node, Input::Failed { scope, error })?.ok();
        }
        self.give(node, Input::Leave { scope })?.ok();
        Ok(())
    }

    /// What it does for a caller is cancelled: it ends, unless it ignores that; once what it waits for itself is over.
    pub(super) fn heed_caller(&mut self, node: usize, scope: ScopeId) -> Result<(), Violation> {
        let is_this = self.serving(node).is_some_and(|serving| serving.scope == scope);
        if !is_this || !self.heeds_callers(node) {
            return Ok(());
        }
        let is_bound = self.body(node).is_some_and(|body| body.calling[1].is_bound());
        match self.serving_mut(node).filter(|_| is_bound) {
            Some(serving) => serving.missed = true,
            None => self.end_call(node, false)?,
        }
        Ok(())
    }

    pub(super) fn heeds_callers(&self, node: usize) -> bool {
        self.scenario.nets.tasks && self.script(node).on_cancel() != Some(Verb::Ignore)
    }

    /// All that it did for a caller is over: that one is told what failed of it, or its result, and the next has its turn.
    pub(super) fn give_answer(&mut self, node: usize, scope: ScopeId, end: End) -> Result<(), Violation> {
        let ends = |body: &mut Body| body.serving.take_if(|serving| serving.scope == scope);
        let Some(mut serving) = self.body(node).and_then(ends) else { return Ok(()) };
        let context = serving.context;
        let last = serving.owed.pop();
        for error in serving.owed {
            self.give(node, Input::ContextFailed { context, error })?.ok();
        }
        let answer = match (last, end) {
            (Some(error), _) => Answer::Failed(error),
            (None, End::Cancelled(cause)) => Answer::Cancelled(cause),
            (None, _) => Answer::Returned(Payload(serving.sent.into())),
        };
        if let Some(body) = self.body(node) {
            body.calling[1] = Calling::No;
        }
        self.give(node, Input::Finished { context, answer })?.ok();
        self.serve_next(node)
    }

    /// Tells whether a wait for a call may last: who is to answer is at it, or one of the two stands still.
    pub(crate) fn may_talk(&self, node: usize, context: ContextId) -> bool {
        let far = self.far_end(node, context);
        if far.is_some_and(|(far, _)| self.deciding(far).is_none()) {
            return false;
        }
        let silent = far.is_some_and(|(far, _)| self.is_silent(far));
        let served = match (context.side, far) {
            (Side::Callee, far) => self.serves(node, context, far.map(|(caller, _)| caller)),
            (Side::Caller, Some((callee, there))) => self.serves(callee, there, Some(node)),
            (Side::Caller, None) => false,
        };
        silent || served
    }

    /// Tells whether an actor is at what it does for a caller, or before that for another one.
    fn serves(&self, node: usize, context: ContextId, caller: Option<usize>) -> bool {
        let known =
            self.actors[node].as_ref().map(|actor| actor.machine.state().callees.contains_key(&context));
        if known != Some(true) {
            return false;
        }
        let takes = |caller: usize| self.script(caller).reads().is_some() && self.heeds_callers(caller);
        match self.serving(node) {
            None => false,
            Some(serving) if serving.context != context => !serving.over,
            // It has room for the item that it waits for, and only a caller of few words sends none.
            Some(Serving { hears: Some(_), over: false, .. }) => {
                caller.is_none_or(|caller| self.is_silent(caller) || self.script(caller).has(Verb::Quiet))
            }
            // An item that there is room for is sent at once, and room is made by who takes items.
            Some(Serving { left: 1.., over: false, .. }) => {
                caller.is_none_or(|caller| self.is_silent(caller) || !takes(caller))
            }
            Some(serving) => !serving.over,
        }
    }
}
