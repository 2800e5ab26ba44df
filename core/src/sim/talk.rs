//! The users' code of actors that call each other: who calls its child, who serves that, who dies of it.
//!
//! The rule: a user hears what its shell tells it and answers by asks and facts of the public surface, a little later.

use core::time::Duration;

use super::body::Calling;
use super::choices::Source;
use super::event::Event;
use super::oracle::Violation;
use super::verb::Verb;
use super::world::{World, id};
use crate::{Answer, Child, ContextId, End, Input, Link, NameId, On, Output, Payload, ScopeId, Wait};

/// What every actor that serves exposes.
const ENDPOINT: NameId = NameId(1);
/// The scope of the body that serves a call.
pub(super) const BODY: ScopeId = ScopeId(2);
/// The only call that somebody serves.
const CALLED: ContextId = ContextId::callee(Link::Parent, 1);
/// The bytes of arguments, items and results: what travels does not matter here.
const BYTES: Payload = Payload(0);

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
            Output::Report(crate::Event::Up(_))
            | Output::Begun { .. }
            | Output::Credited { .. }
            | Output::Ended { .. } => false,
            Output::CancelBody { scope, .. } | Output::Closed { scope, .. } if scope == BODY => false,
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
            Output::Report(crate::Event::Up(child)) => {
                self.call(node, ContextId::caller(Link::Child(child), 1))?
            }
            Output::Offer { context, .. } => self.serve(node, context)?,
            Output::Begun { context, .. } => {
                self.give(node, Input::OpenStream { context, window: 1, lossy: false })?.ok();
            }
            Output::Credited { context, .. } => {
                self.give(node, Input::Push { context, payload: BYTES })?.ok();
                self.give(node, Input::Leave { scope: BODY })?.ok();
            }
            Output::CancelBody { scope, .. } if self.scenario.nets.tasks => {
                self.give(node, Input::Leave { scope })?.ok();
            }
            Output::Closed { end, .. } => self.give_answer(node, end)?,
            Output::Ended { .. } => self.hear_answer(node)?,
            _ => {}
        }
        Ok(())
    }

    /// Waits for the first child to be up, and then for what it answers.
    pub(super) fn await_callee(&mut self, node: usize) -> Result<(), Violation> {
        let first = self.scenario.children(node).next().map(id);
        let state = self.actors[node].as_ref().map(|actor| actor.machine.state());
        let record = state.zip(first).and_then(|(state, first)| state.children.get(&first));
        let up = record.filter(|record| record.phase == Child::Up).and(first);
        if let Some(body) = self.body(node) {
            body.calling = Calling::Soon;
        }
        up.map_or(Ok(()), |child| self.call(node, ContextId::caller(Link::Child(child), 1)))
    }

    fn call(&mut self, node: usize, context: ContextId) -> Result<(), Violation> {
        let first = self.scenario.children(node).next().map(id);
        let calling = self.body(node).map(|body| body.calling);
        if calling != Some(Calling::Soon) || first.map(Link::Child) != Some(context.link) {
            return Ok(());
        }
        let (scope, linked, endpoint) = (ScopeId::ROOT, false, ENDPOINT);
        let call = Input::Call { context, scope, linked, endpoint, payload: BYTES, deadline: None };
        let called = self.give(node, call)?.is_ok();
        if let Some(body) = self.body(node) {
            body.calling = if called { Calling::Now } else { Calling::No };
        }
        Ok(())
    }

    fn serve(&mut self, node: usize, context: ContextId) -> Result<(), Violation> {
        if self.give(node, Input::Accept { context, scope: BODY, parent: ScopeId::ROOT })?.is_err() {
            return Ok(());
        }
        self.react(node, Verb::OnCall)
    }

    /// Begins to answer its only caller.
    pub(super) fn give_stream(&mut self, node: usize) -> Result<(), Violation> {
        self.give(node, Input::Begin { context: CALLED, payload: BYTES })?.ok();
        self.give(node, Input::OpenStream { context: CALLED, window: 1, lossy: false })?.ok();
        Ok(())
    }

    fn give_answer(&mut self, node: usize, end: End) -> Result<(), Violation> {
        let answer = match end {
            End::Cancelled(cause) => Answer::Cancelled(cause),
            _ => Answer::Returned(BYTES),
        };
        self.give(node, Input::Finished { context: CALLED, answer })?.ok();
        Ok(())
    }

    /// Whoever waited for the answer goes on.
    fn hear_answer(&mut self, node: usize) -> Result<(), Violation> {
        if let Some(body) = self.body(node) {
            body.calling = Calling::No;
        }
        self.react(node, Verb::Call)
    }

    /// Gives the actor at the far end of a call that one waits for.
    pub(super) fn called_by(&self, wait: &Wait) -> Option<usize> {
        match wait.on {
            On::Context(ContextId { link: Link::Child(child), side: crate::Side::Caller, .. }) => {
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
