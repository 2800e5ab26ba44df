//! The users' code of actors that call each other: who calls its child, who serves that, who dies of it.
//!
//! The rule: a user hears what its shell tells it and answers by asks and facts of the public surface, a little later.

use core::time::Duration;

use super::body::Calling;
use super::choices::Source;
use super::deeds::Then;
use super::event::Event;
use super::oracle::Violation;
use super::script::NURSERY;
use super::verb::Verb;
use super::world::{World, id};
use crate::{
    ActorId, Answer, Callee, Child, ContextId, End, Input, Link, NameId, On, Output, Payload, ScopeId, Side,
    Wait, Why,
};

/// What every actor that serves exposes.
const ENDPOINT: NameId = NameId(1);
/// The bytes of arguments, items and results: what travels does not matter here.
const BYTES: Payload = Payload(0);

/// Gives the scope of the body that serves a call.
const fn body_of(context: ContextId) -> ScopeId {
    ScopeId(NURSERY.0 + context.number)
}

/// Gives the call that a body serves, if a scope is that of one.
pub(super) fn served_in(scope: ScopeId) -> Option<ContextId> {
    let number = scope.0.checked_sub(NURSERY.0).filter(|number| *number > 0)?;
    Some(ContextId::callee(Link::Parent, number))
}

impl World<'_> {
    /// Exposes the endpoint of one who serves.
    pub(super) fn expose(&mut self, node: usize) -> Result<(), Violation> {
        self.give(node, Input::Expose { endpoint: ENDPOINT })?.ok();
        Ok(())
    }

    /// Lets a user hear what the shell has for it, if that is about a call.
    pub(super) fn pass_on(&mut self, node: usize, output: Output) {
        let slow = match output {
            Output::Offer { .. } => true,
            Output::Report(crate::Event::Up(_) | crate::Event::Gone(_))
            | Output::Begun { .. }
            | Output::Credited { .. }
            | Output::Ended { .. } => false,
            Output::CancelBody { scope, .. } | Output::Closed { scope, .. } if served_in(scope).is_some() => {
                false
            }
            _ => return,
        };
        let script = self.conducts[node].script();
        if !script.has(Verb::Call) && !script.has(Verb::OnCall) {
            return;
        }
        let what = format_args!("{}'s code takes up a call after", id(node));
        let after = if slow { self.pick(Source::Script, &[0, 1, 40], what) } else { Duration::ZERO };
        self.at(self.now.after(after), Event::Said { node, output });
    }

    /// A user has heard something of a call.
    pub(super) fn talk(&mut self, node: usize, output: Output) -> Result<(), Violation> {
        match output {
            Output::Report(crate::Event::Up(child) | crate::Event::Gone(child)) => {
                self.hear_of_callee(node, child)?;
            }
            Output::Offer { context, .. } => self.serve(node, context)?,
            Output::Begun { context, .. } => {
                self.give(node, Input::OpenStream { context, window: 1, lossy: false })?.ok();
            }
            Output::Credited { context, .. } => {
                self.give(node, Input::Push { context, payload: BYTES })?.ok();
                if context.side == Side::Callee {
                    self.give(node, Input::Leave { scope: body_of(context) })?.ok();
                }
            }
            Output::CancelBody { scope, .. } if self.scenario.nets.tasks => {
                self.give(node, Input::Leave { scope })?.ok();
            }
            Output::Closed { scope, end, .. } => self.give_answer(node, scope, end)?,
            Output::Ended { context, .. } if context.side == Side::Caller => self.hear_answer(node)?,
            _ => {}
        }
        Ok(())
    }

    /// Calls the first child once that is up, and then waits for what it answers; if there is none, or if the script is at
    /// a call already, it goes on.
    pub(super) fn call_first(&mut self, node: usize, next: u8) -> Result<Then, Violation> {
        let first = self.scenario.children(node).next().map(id);
        let Some(actor) = self.actors[node].as_mut() else { return Ok(Then::Waits) };
        let known = first.and_then(|first| actor.machine.state().children.get(&first));
        match (known.map(|child| child.phase), first) {
            (Some(phase), Some(child)) if actor.body.calling == Calling::No => {
                actor.body.calling = Calling::Soon(next);
                let to_come =
                    matches!(phase, Child::Starting | Child::Early | Child::Booting | Child::Withdrawn);
                if to_come { Ok(Then::Waits) } else { self.call(node, child, next) }
            }
            _ => Ok(Then::GoesOn),
        }
    }

    /// Hears that a child is up, or gone. Whoever was to call it does, or can't any more.
    fn hear_of_callee(&mut self, node: usize, child: ActorId) -> Result<(), Violation> {
        let is_first = self.scenario.children(node).next().map(id) == Some(child);
        match self.body(node).map(|body| body.calling) {
            Some(Calling::Soon(next)) if is_first => match self.call(node, child, next)? {
                Then::GoesOn => self.go_on(node, next),
                Then::Waits | Then::IsHeldUp => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn call(&mut self, node: usize, child: ActorId, next: u8) -> Result<Then, Violation> {
        let Some(actor) = self.actors[node].as_ref() else { return Ok(Then::Waits) };
        let context = ContextId::caller(Link::Child(child), actor.machine.state().last_call + 1);
        let (scope, linked, endpoint) = (ScopeId::ROOT, false, ENDPOINT);
        let call = Input::Call { context, scope, linked, endpoint, payload: BYTES, deadline: None };
        let called = self.give(node, call)?.is_ok();
        if let Some(body) = self.body(node) {
            body.calling = if called { Calling::Now(next) } else { Calling::No };
        }
        Ok(if called { Then::Waits } else { Then::GoesOn })
    }

    fn serve(&mut self, node: usize, context: ContextId) -> Result<(), Violation> {
        let scope = body_of(context);
        if self.give(node, Input::Accept { context, scope, parent: ScopeId::ROOT })?.is_err() {
            return Ok(());
        }
        self.react(node, Verb::OnCall)
    }

    /// Begins to answer its caller.
    pub(super) fn give_stream(&mut self, node: usize) -> Result<(), Violation> {
        let Some(context) = self.served(node) else { return Ok(()) };
        self.give(node, Input::Begin { context, payload: BYTES })?.ok();
        self.give(node, Input::OpenStream { context, window: 1, lossy: false })?.ok();
        Ok(())
    }

    /// Gives the call that an actor serves and has not begun to answer.
    pub(super) fn served(&self, node: usize) -> Option<ContextId> {
        let waits = self.actors[node].iter().flat_map(|actor| actor.machine.waits());
        let mut served = waits.filter(|wait| wait.why == Why::Callee(Callee::Serving));
        served.find_map(|wait| match wait.on {
            On::Context(context) if context.link == Link::Parent => Some(context),
            _ => None,
        })
    }

    fn give_answer(&mut self, node: usize, scope: ScopeId, end: End) -> Result<(), Violation> {
        let Some(context) = served_in(scope) else { return Ok(()) };
        let answer = match end {
            End::Cancelled(cause) => Answer::Cancelled(cause),
            _ => Answer::Returned(BYTES),
        };
        self.give(node, Input::Finished { context, answer })?.ok();
        Ok(())
    }

    /// Whoever waited for the answer goes on.
    fn hear_answer(&mut self, node: usize) -> Result<(), Violation> {
        match self.body(node).map(|body| core::mem::replace(&mut body.calling, Calling::No)) {
            Some(Calling::Now(next)) => self.go_on(node, next),
            _ => Ok(()),
        }
    }

    /// Gives the actor at the far end of a call that one waits for.
    pub(super) fn called_by(&self, wait: &Wait) -> Option<usize> {
        match wait.on {
            On::Context(ContextId { link: Link::Child(child), side: Side::Caller, .. }) => {
                Some(super::world::place(child))
            }
            _ => None,
        }
    }

    /// Tells whether a call is waited for that the far end, alive and well, has forgotten.
    pub(super) fn is_thrown_away(&self, wait: &Wait) -> bool {
        let Some(actor) = self.called_by(wait).and_then(|far| self.actors[far].as_ref()) else {
            return false;
        };
        let serves = |wait: Wait| matches!(wait.on, On::Context(ContextId { link: Link::Parent, .. }));
        self.kernel.at(actor.pid).is_alive() && !actor.machine.waits().any(serves)
    }
}
