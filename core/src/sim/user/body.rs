//! The main task of each actor: where it is in its script, and what it hears.
//!
//! The rule: a body that does not handle a group fails it upwards, error by error, before it ends.

use alloc::vec::Vec;
use core::time::Duration;

use serde::Serialize;

use super::{Cue, HELPER, NURSERY};
use crate::sim::choices::Source;
use crate::sim::copy::copied;
use crate::sim::event::Event;
use crate::sim::oracle::Violation;
use crate::sim::scenario::{Conduct, Verb};
use crate::sim::spans::Span;
use crate::sim::world::{Actor, World, id};
use crate::{ContextId, Error, Input, ScopeId, TaskId};

/// Where a script is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Idle,
    Working,
    /// It is at what it does when it is cancelled.
    Heeding,
    Writing,
    Joining,
    Over,
}

/// Whether one of the two things that a script may be at, its own and what it does for a caller, waits for somebody else; and
/// where it goes on after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Calling {
    No,
    /// It waits for the one whom it is to call, or to cancel.
    Soon(u8),
    /// It waits for the answer; with a scope, that of the call alone.
    Now(u8, ContextId, Option<ScopeId>),
    /// It has left the scope of its call, and waits until nothing of that is left.
    Leaving(u8, ScopeId),
}

impl Calling {
    /// Tells whether it waits for that and for nothing else.
    pub(super) fn is_bound(self) -> bool {
        matches!(self, Self::Now(..) | Self::Leaving(..))
    }
}

/// The call that a script serves: one at a time, and the others wait.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Serving {
    pub(crate) context: ContextId,
    /// The scope of what it does for it.
    pub(crate) scope: ScopeId,
    /// What failed in that: its caller is to hear of it.
    pub(crate) owed: Vec<Error>,
    /// How many items it is still to send, and has sent.
    pub(crate) left: u16,
    pub(crate) sent: u16,
    /// It says so when it has sent all of them.
    pub(crate) streams: bool,
    /// It waits for an item, and goes on there.
    pub(crate) hears: Option<u8>,
    /// How many items came that it has not taken.
    pub(crate) came: u16,
    /// It has done what it can, and will answer.
    pub(crate) over: bool,
    /// It was cancelled while it waited for somebody else's answer, and could not hear that.
    pub(crate) missed: bool,
}

/// The main task of one actor.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) conduct: Conduct,
    pub(crate) stage: Stage,
    /// Of the script itself, and of what it does for a caller.
    pub(crate) calling: [Calling; 2],
    /// What failed in the call that either is at.
    pub(crate) owed: [Vec<Error>; 2],
    pub(crate) serving: Option<Serving>,
    /// It was cancelled while it could not hear that.
    pub(crate) missed: bool,
    pub(crate) nursery: Option<ScopeId>,
    pub(crate) held: Vec<Error>,
}

copied!(Body: conduct, stage, calling, owed, serving, missed, nursery, held);

impl Body {
    pub(crate) fn new(conduct: Conduct) -> Self {
        Self {
            conduct,
            stage: Stage::Idle,
            calling: [Calling::No; 2],
            owed: [Vec::new(), Vec::new()],
            serving: None,
            missed: false,
            nursery: None,
            held: Vec::new(),
        }
    }
}

impl World<'_> {
    /// Gives the actor at a place, unless it has ended or died: then it decides nothing any more.
    pub(crate) fn deciding(&self, node: usize) -> Option<&Actor> {
        let actor = self.actors[node].as_ref();
        actor.filter(|actor| self.kernel.at(actor.pid).is_alive() && actor.outcome.is_none())
    }

    pub(crate) fn body(&mut self, node: usize) -> Option<&mut Body> {
        self.actors[node].as_mut().map(|actor| &mut actor.body)
    }

    pub(super) fn set_stage(&mut self, node: usize, stage: Stage) {
        if let Some(body) = self.body(node) {
            body.stage = stage;
        }
    }

    /// Fails the nursery's errors upwards, then returns.
    pub(super) fn relay(&mut self, node: usize) -> Result<(), Violation> {
        let Some(body) = self.body(node) else { return Ok(()) };
        if body.stage != Stage::Joining {
            return Ok(());
        }
        body.stage = Stage::Over;
        for error in core::mem::take(&mut body.held) {
            self.give(node, Input::Failed { scope: ScopeId::ROOT, error })?.ok();
        }
        self.end_task(node, TaskId::MAIN)
    }

    /// Hears that a task is cancelled.
    pub(crate) fn cancel_task(&mut self, node: usize, task: TaskId) {
        if !self.scenario.nets.tasks {
            return;
        }
        if task == HELPER {
            self.at(self.now, Event::Cue { node, cue: Cue::HelperCancelled });
        } else if self.body(node).is_some_and(|body| body.nursery.is_none()) {
            self.cancel_body(node);
        }
    }

    /// The body hears that it is cancelled: from its nursery, or from its task if it has none.
    pub(crate) fn cancel_body(&mut self, node: usize) {
        let own = self.scenario.limits.times.own;
        let after = match self.conducts[node].script().on_cancel() {
            Some(Verb::Ignore) => return,
            _ if !self.scenario.nets.tasks => return,
            Some(Verb::Tarry) => own * 9 / 10,
            _ => match self.choose(Source::Script, 3) {
                0 => Duration::ZERO,
                1 => own / 10,
                _ => own / 2,
            },
        };
        self.name_choice(format_args!("{} honours its cancel after {}", id(node), Span(after)));
        self.at(self.now.after(after), Event::Cue { node, cue: Cue::Cancelled });
    }

    /// Hears an error of the nursery.
    pub(crate) fn raise(&mut self, node: usize, scope: ScopeId, error: Error) {
        if scope == ScopeId::ROOT {
            self.reported.push(error);
        } else if let Some(body) = self.body(node) {
            let of = |calling: &Calling| matches!(calling, Calling::Leaving(_, call) if *call == scope);
            match (body.calling.iter().position(of), &mut body.serving) {
                (Some(strand), _) => body.owed[strand].push(error),
                (None, Some(serving)) if serving.scope == scope => serving.owed.push(error),
                _ => body.held.push(error),
            }
        }
    }

    /// Hears that a scope is closed.
    pub(crate) fn closed(&mut self, node: usize, scope: ScopeId, lost: u32) {
        if scope != ScopeId::ROOT {
            self.oracle.dropped += lost;
        }
        if scope == NURSERY {
            let after =
                self.pick(Source::Script, &[0, 1, 40], format_args!("{} hands errors on after", id(node)));
            self.at(self.now.after(after), Event::Cue { node, cue: Cue::Relay });
        }
    }

    /// Hears that nobody listens to its tasks any more: what a body holds by then, it has taken upon itself.
    pub(crate) fn abandon(&mut self, node: usize) {
        let Some(body) = self.body(node) else { return };
        body.stage = Stage::Over;
        let owed = body.serving.take().map_or(0, |serving| serving.owed.len());
        let called: usize = body.owed.iter_mut().map(|owed| core::mem::take(owed).len()).sum();
        let held = core::mem::take(&mut body.held).len() + owed + called;
        self.oracle.dropped += u32::try_from(held).unwrap_or(u32::MAX);
    }
}
