//! What users do on both ends of a context, act by act, and how a body takes its cancellation.

use std::collections::VecDeque;

use windrow_core::{
    ActorId, Answer, Cause, ContextId, Error, Event, Input, Instant, Kind, Link, Output, Payload, Reason,
    Refused, ScopeId,
};

use super::line::{Actor, NURSERY};
use super::phrases::ENDPOINT;

/// One act of a user. It is due once the machine takes it, and dropped once it never will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    /// The call itself: linked or not, within so many milliseconds.
    Call(bool, Option<u64>),
    /// Another call from this one's body, over a channel, with this number.
    Nest(Link, u64),
    /// Waits for the end of that call.
    Join(Link, u64),
    Cancel,
    /// Cancels a child of the actor.
    Doom(ActorId),
    Accept,
    Begin,
    Open(u32, bool),
    Push,
    Take(u32),
    /// Reads to the end.
    Drain,
    End,
    /// Reads no further.
    Unread,
    /// Leaves the scope that it called in, which is its last.
    Leave,
    /// One error before the answer.
    Error,
    Return,
    Fail,
    /// The answer of who was cancelled.
    Yield,
    /// Part of the three above: the scope of the body has closed.
    Finish(Finish),
    /// Never ends.
    Stay,
}

/// What a body ends with, unless its scope has an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Finish {
    Returned,
    Failed,
    Cancelled,
}

/// How a body takes its cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Temper {
    /// It ends as cancelled.
    Yield,
    /// It fails on its way out.
    Fail,
    /// It returns all the same.
    Return,
    /// It does not heed it.
    Stay,
}

/// The acts of one user at one end of a context.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Plan {
    context: ContextId,
    scope: ScopeId,
    pub(crate) body: Option<ScopeId>,
    acts: VecDeque<Act>,
    over: bool,
    /// No further item comes.
    ended: bool,
    closed: bool,
    raised: Option<Error>,
    items: u32,
}

impl Plan {
    pub(crate) fn new(context: ContextId, scope: ScopeId, acts: &[Act]) -> Self {
        let acts = acts.iter().copied().collect();
        Self {
            context,
            scope,
            body: None,
            acts,
            over: false,
            ended: false,
            closed: false,
            raised: None,
            items: 0,
        }
    }

    /// Takes in what the machine says.
    pub(crate) fn hear(&mut self, output: &Output, temper: Temper) {
        match *output {
            Output::Ended { context, .. } if context == self.context => self.over = true,
            Output::StreamEnded { context } if context == self.context => self.ended = true,
            Output::Withdrawn { context } if context == self.context => self.acts.clear(),
            Output::Item { context, .. } if context == self.context => self.items += 1,
            Output::DropOldest { context } if context == self.context => self.items -= 1,
            Output::Raise { scope, error } if Some(scope) == self.body => self.raised = Some(error),
            Output::Closed { scope, .. } if Some(scope) == self.body => self.closed = true,
            Output::CancelBody { scope, .. } if Some(scope) == self.body => {
                let last = match temper {
                    Temper::Yield => Act::Yield,
                    Temper::Fail => Act::Fail,
                    Temper::Return => Act::Return,
                    Temper::Stay => Act::Stay,
                };
                self.acts = VecDeque::from([last]);
            }
            _ => {}
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.acts.is_empty()
    }

    /// Tells whether the next act can be done now, or is to be dropped.
    pub(crate) fn is_due(&self, actor: &Actor) -> bool {
        let Some(act) = self.acts.front() else { return false };
        match *act {
            Act::Stay => false,
            Act::Take(items) => self.over || self.items >= items,
            Act::Drain => self.over || self.ended,
            Act::Finish(_) => self.closed,
            Act::Join(link, number) => {
                let context = ContextId::caller(link, number);
                let over = |o: &Output| matches!(o, Output::Ended { context: c, .. } if *c == context);
                actor.heard.iter().any(over)
            }
            _ => match self.refusal(actor) {
                None | Some(Refused::Cancelled(_)) => true,
                Some(_) => self.over,
            },
        }
    }

    fn refusal(&self, actor: &Actor) -> Option<Refused> {
        let input = self.clone().act_now(actor, Instant(0))?;
        let mut machine = actor.node.machine.clone();
        machine.handle(actor.node.now, input).err()
    }

    /// Does the next act, and gives what the machine is told; nothing if it came too late.
    pub(crate) fn act(&mut self, actor: &Actor, now: Instant) -> Option<Input> {
        let asks =
            !matches!(self.acts.front(), Some(Act::Take(_) | Act::Drain | Act::Finish(_) | Act::Join(..)));
        if asks && self.refusal(actor).is_some() {
            self.acts.pop_front();
            return None;
        }
        self.act_now(actor, now)
    }

    fn act_now(&mut self, actor: &Actor, now: Instant) -> Option<Input> {
        let (context, payload) = (self.context, Payload(100));
        let call = |context, scope, linked, deadline| {
            Some(Input::Call { context, scope, linked, endpoint: ENDPOINT, payload, deadline })
        };
        match self.acts.pop_front()? {
            Act::Call(linked, within) => {
                let deadline = within.map(|millis| Instant(now.0 + millis * 1_000_000));
                call(context, self.scope, linked, deadline)
            }
            Act::Nest(link, number) => {
                call(ContextId::caller(link, number), self.body.unwrap_or(self.scope), true, None)
            }
            Act::Doom(child) => Some(Input::CancelChild { child }),
            Act::Cancel => Some(Input::CancelContext { context }),
            Act::Accept => {
                let last = actor.plans.iter().filter_map(|plan| plan.body).max().unwrap_or(NURSERY);
                let scope = ScopeId(last.0 + 1);
                self.body = Some(scope);
                Some(Input::Accept { context, scope, parent: self.scope })
            }
            Act::Begin => Some(Input::Begin { context, payload }),
            Act::Open(window, lossy) => Some(Input::OpenStream { context, window, lossy }),
            Act::Push => Some(Input::Push { context, payload }),
            Act::Take(items) => {
                self.items = self.items.saturating_sub(items);
                Some(Input::Taken { context, items })
            }
            Act::End => Some(Input::EndStream { context }),
            Act::Unread => Some(Input::Unread { context }),
            Act::Leave => Some(Input::Leave { scope: self.scope }),
            Act::Error => Some(Input::ContextFailed { context, error: error(actor) }),
            Act::Return => self.leave(Finish::Returned),
            Act::Fail => self.leave(Finish::Failed),
            Act::Yield => self.leave(Finish::Cancelled),
            Act::Finish(finish) => Some(Input::Finished { context, answer: self.answer(finish, actor) }),
            Act::Drain => Some(Input::Taken { context, items: core::mem::take(&mut self.items) }),
            Act::Join(..) | Act::Stay => None,
        }
    }

    /// A body leaves its scope first; it answers once that has closed.
    fn leave(&mut self, finish: Finish) -> Option<Input> {
        self.acts = VecDeque::from([Act::Finish(finish)]);
        self.body.map(|scope| Input::Leave { scope })
    }

    fn answer(&self, finish: Finish, actor: &Actor) -> Answer {
        let me = actor.node.machine.actor();
        match (self.raised, finish) {
            (Some(error), _) => Answer::Failed(error),
            (None, Finish::Returned) => Answer::Returned(Payload(101)),
            (None, Finish::Failed) => Answer::Failed(error(actor)),
            (None, Finish::Cancelled) => Answer::Cancelled(Cause { canceller: me, reason: Reason::Deadline }),
        }
    }
}

fn error(actor: &Actor) -> Error {
    let me: ActorId = actor.node.machine.actor();
    Error::new(Kind::Failed, me, Payload(102))
}

/// Tells whether users hear of it.
pub(crate) fn is_for_users(output: &Output) -> bool {
    matches!(
        output,
        Output::Offer { .. }
            | Output::Withdrawn { .. }
            | Output::Begun { .. }
            | Output::Item { .. }
            | Output::DropOldest { .. }
            | Output::StreamEnded { .. }
            | Output::ContextError { .. }
            | Output::Ended { .. }
            | Output::Raise { .. }
            | Output::Closed { .. }
            | Output::CancelBody { .. }
            | Output::Report(Event::Undelivered(_) | Event::Escalated(..) | Event::Purged(..))
    )
}
