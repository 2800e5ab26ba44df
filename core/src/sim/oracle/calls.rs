//! What must hold of calls, seen from outside: whom everybody learns as canceller, how long a nested call may take, that
//! each item comes once and in order.
//!
//! The rule: an oracle believes no machine what it says of a call; it remembers what went in at one end, and compares what
//! comes out there and at the other.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};

use serde::Serialize;

use super::promise::Promise;
use super::{Before, Oracle, Violation};
use crate::sim::scenario::Conduct;
use crate::sim::user::is_served;
use crate::sim::world::{World, id};
use crate::{
    ActorId, Answer, Cause, ContextId, Ending, Error, Event, Input, Instant, Kind, Link, Message, Output,
    Payload, Reason, ScopeId, Side, Word,
};

/// What was heard of a call where it is served.
#[derive(Clone, Copy, Debug, Serialize)]
struct Served {
    /// By when its caller wants the answer.
    until: Option<Instant>,
    /// By whom it was cancelled first.
    cause: Option<Cause>,
}

/// What the oracles remember of the calls of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Calls {
    /// Whether anybody calls, or is called by, somebody: else nothing is remembered.
    pub(crate) is_kept: bool,
    /// A connection was broken in the middle: what was on its way is lost, and nobody counts it.
    pub(crate) cut: bool,
    served: BTreeMap<(usize, ContextId), Served>,
    /// How many items came of each call to its caller.
    items: BTreeMap<(usize, ContextId), u32>,
    /// The scope of each call, while the body reads what comes.
    read: BTreeMap<(usize, ContextId), ScopeId>,
    /// By whom each actor was cancelled first.
    causes: BTreeMap<usize, Cause>,
    /// Who has asked for any cancellation.
    askers: BTreeSet<ActorId>,
    /// The failures that were a call's answer.
    failures: BTreeSet<u32>,
    /// Those of them that a user was told of, who takes them upon itself.
    told: BTreeSet<u32>,
}

impl Calls {
    pub(super) fn new(conducts: &[Conduct]) -> Self {
        Self { is_kept: conducts.iter().any(|conduct| conduct.script().talks()), ..Self::default() }
    }

    /// Tells whether a failure was the answer to a call.
    pub(super) fn is_answer(&self, payload: Payload) -> bool {
        self.failures.contains(&payload.0)
    }

    /// Tells whether a user was told of a failure.
    pub(super) fn is_told(&self, payload: Payload) -> bool {
        self.told.contains(&payload.0)
    }

    /// Gives who cancelled a call first where it is served, or its actor, if that was before.
    fn cause_of(&self, node: usize, context: ContextId) -> Option<Cause> {
        self.served.get(&(node, context)).and_then(|call| call.cause)
    }
}

impl Oracle {
    /// Makes a failure that is the answer to a call.
    pub(crate) fn new_call_failure(&mut self, node: usize) -> Payload {
        let payload = self.new_failure(node);
        self.calls.failures.insert(payload.0);
        payload
    }
}

/// Asks what looks at one step of somebody who calls, or is called.
pub(super) fn check(
    world: &mut World<'_>,
    node: usize,
    before: &Before<'_>,
    outputs: &[Output],
) -> Result<(), Violation> {
    if !world.oracle.calls.is_kept {
        return Ok(());
    }
    hear(world, node, before.input);
    let mut outputs = outputs.iter();
    outputs.try_for_each(|output| check_output(world, node, before.input, output))?;
    if let (Input::LinkLost { .. } | Input::Exited { .. }, Some(actor)) = (*before.input, &world.actors[node])
    {
        let callees = &actor.machine.state().callees;
        world.oracle.calls.served.retain(|(at, call), _| *at != node || callees.contains_key(call));
    }
    Ok(())
}

/// Remembers what goes in.
fn hear(world: &mut World<'_>, node: usize, input: &Input) {
    let calls = &mut world.oracle.calls;
    match *input {
        Input::Cancel { .. }
        | Input::CancelChild { .. }
        | Input::CancelActor { .. }
        | Input::CancelContext { .. } => {
            calls.askers.insert(id(node));
        }
        Input::Call { context, scope, .. } => {
            calls.read.insert((node, context), scope);
        }
        Input::Unread { context } => {
            calls.read.remove(&(node, context));
        }
        Input::Leave { scope } => calls.read.retain(|(at, _), of| *at != node || *of != scope),
        Input::Received { link, message: Message::Context { number, side: Side::Caller, word } } => {
            let context = ContextId::callee(link, number);
            match word {
                Word::Call { left, .. } => {
                    let until = left.map(|left| world.now.after(left));
                    // Who is ending answers at once, and names who cancelled it.
                    let cause = calls.causes.get(&node).copied();
                    calls.served.insert((node, context), Served { until, cause });
                }
                Word::Cancel(cause) => calls.cancel((node, context), cause),
                _ => {}
            }
        }
        _ => {}
    }
}

impl Calls {
    /// The first cause wins.
    fn cancel(&mut self, call: (usize, ContextId), cause: Cause) {
        if let Some(served) = self.served.get_mut(&call) {
            served.cause.get_or_insert(cause);
        }
    }

    /// An actor is cancelled, and so is all that it serves.
    fn cancel_actor(&mut self, node: usize, cause: Cause) {
        self.causes.entry(node).or_insert(cause);
        for ((at, _), served) in &mut self.served {
            if *at == node {
                served.cause.get_or_insert(cause);
            }
        }
    }
}

fn check_output(world: &mut World<'_>, node: usize, input: &Input, output: &Output) -> Result<(), Violation> {
    match *output {
        Output::Report(Event::Cancelling(cause)) => {
            check_cause(world, node, input, cause)?;
            world.oracle.calls.cancel_actor(node, cause);
            Ok(())
        }
        Output::CancelBody { scope, cause } if is_served(scope) => {
            let context = world.serving(node).filter(|serving| serving.scope == scope);
            match context.map(|serving| serving.context) {
                Some(context) => check_served(world, node, context, cause),
                None => Ok(()),
            }
        }
        Output::Send { link, message: Message::Context { number, side, word }, .. } => {
            check_word(world, node, ContextId { link, side, number }, word)
        }
        Output::Item { context, payload } if context.side == Side::Caller => {
            let items = world.oracle.calls.items.entry((node, context)).or_default();
            *items += 1;
            if payload.0 + 1 == *items {
                return Ok(());
            }
            let text =
                format_args!("{} is given item {} of {context} as the {items}.", id(node), payload.0 + 1);
            Err(Violation::told(Promise::LostItem, world.now, text))
        }
        Output::Ended { context, ending } if context.side == Side::Caller => {
            check_end(world, node, input, context, ending)
        }
        Output::ContextError { error, .. } => check_told(world, node, error),
        _ => Ok(()),
    }
}

/// 20: who is cancelled learns who asked first, and nobody else is named: not who passed it on.
fn check_cause(world: &World<'_>, node: usize, input: &Input, cause: Cause) -> Result<(), Violation> {
    let passed_on = match *input {
        Input::Received { message: Message::Cancel { cause, .. }, .. } => Some(cause),
        _ => None,
    };
    let asked = cause.reason != Reason::Asked || world.oracle.calls.askers.contains(&cause.canceller);
    if asked && passed_on.is_none_or(|passed| passed == cause) {
        return Ok(());
    }
    let text = format_args!(
        "{} is told that it was cancelled by {}, {}; it was not",
        id(node),
        cause.canceller,
        cause.reason
    );
    Err(Violation::told(Promise::WrongCanceller, world.now, text))
}

/// 20: what is done for a caller is cancelled by whom it was cancelled first, or by its deadline, or by its caller's loss.
fn check_served(
    world: &mut World<'_>,
    node: usize,
    context: ContextId,
    cause: Cause,
) -> Result<(), Violation> {
    let now = world.now;
    let calls = &mut world.oracle.calls;
    let over =
        calls.served.get(&(node, context)).and_then(|call| call.until).is_some_and(|until| until <= now);
    match (calls.cause_of(node, context), cause.reason) {
        (Some(first), _) if first == cause => Ok(()),
        // What failed in it has a cause of its own.
        (_, Reason::Failure) => Ok(()),
        (None, Reason::Deadline) if over => {
            calls.cancel((node, context), cause);
            Ok(())
        }
        (None, Reason::PeerLost) => {
            calls.cancel((node, context), cause);
            Ok(())
        }
        (first, _) => {
            let first = first.map_or_else(|| String::from("nobody"), |first| first.to_string());
            let text =
                format_args!("{} says that {context} was cancelled by {cause}; it was by {first}", id(node));
            Err(Violation::told(Promise::WrongCanceller, now, text))
        }
    }
}

/// Asks what looks at a word that is said.
fn check_word(world: &mut World<'_>, node: usize, context: ContextId, word: Word) -> Result<(), Violation> {
    match word {
        Word::Call { left, .. } => check_nested(world, node, context, left.map(|left| world.now.after(left))),
        Word::Answer(answer) => {
            if let Answer::Cancelled(cause) = answer {
                check_served(world, node, context, cause)?;
            }
            world.oracle.calls.served.remove(&(node, context));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// 27: what is called for a caller has no more time than that one gave.
fn check_nested(
    world: &World<'_>,
    node: usize,
    context: ContextId,
    until: Option<Instant>,
) -> Result<(), Violation> {
    let is_nested = world.calls_for_a_caller(node, context);
    let Some(served) = world.serving(node).filter(|_| is_nested) else { return Ok(()) };
    let most = world.oracle.calls.served.get(&(node, served.context)).and_then(|call| call.until);
    // Who stood still when its own time was over gives none at all.
    let most = most.map(|most| most.max(world.now));
    if most.is_none_or(|most| until.is_some_and(|until| until <= most)) {
        return Ok(());
    }
    let text = format_args!("{} gives {context} more time than it has for {}", id(node), served.context);
    Err(Violation::told(Promise::LongCall, world.now, text))
}

/// A caller hears how its call ended: with all items before its answer, while somebody reads them, and with the canceller whom
/// the other end named.
fn check_end(
    world: &mut World<'_>,
    node: usize,
    input: &Input,
    context: ContextId,
    ending: Ending,
) -> Result<(), Violation> {
    let calls = &mut world.oracle.calls;
    let items = calls.items.remove(&(node, context)).unwrap_or(0);
    let read = calls.read.remove(&(node, context)).is_some();
    let said = match *input {
        Input::Received { message: Message::Context { word: Word::Answer(answer), .. }, .. } => Some(answer),
        _ => None,
    };
    match (ending, said) {
        (Ending::Answered(Answer::Returned(sent)), _) if read && sent.0 > items => {
            let text =
                format_args!("{} was given {items} items of {context}, and {} were sent", id(node), sent.0);
            Err(Violation::told(Promise::LostItem, world.now, text))
        }
        (Ending::Answered(Answer::Cancelled(told)), Some(Answer::Cancelled(cause)))
            if told != cause && told.reason != Reason::Failure =>
        {
            let text =
                format_args!("{} is told {told:?} of {context}, and the other end said {cause:?}", id(node));
            Err(Violation::told(Promise::WrongCanceller, world.now, text))
        }
        (Ending::Answered(Answer::Failed(error)), _) => check_told(world, node, error),
        _ => Ok(()),
    }
}

/// 39: a failure that a user is told of is told once.
fn check_told(world: &mut World<'_>, node: usize, error: Error) -> Result<(), Violation> {
    if error.kind != Kind::Failed || world.oracle.calls.told.insert(error.payload.0) {
        return Ok(());
    }
    let text = format_args!("an error of {} is told to {} again", error.origin, id(node));
    Err(Violation::told(Promise::DoubleError, world.now, text))
}

/// Gives the errors that are made anew for each call that ends so: two of them may look the same.
pub(super) fn is_of_a_call(kind: Kind) -> bool {
    matches!(kind, Kind::Cancelled(_) | Kind::PeerLost(_) | Kind::Unanswered | Kind::NoEndpoint | Kind::Busy)
}

/// Gives the errors that a message carries, if it is the answer to a call.
pub(super) fn answered_with(input: &Input) -> Option<Error> {
    match input {
        Input::Received {
            link: Link::Parent | Link::Child(_) | Link::Peer(_),
            message: Message::Context { word: Word::Error(error) | Word::Answer(Answer::Failed(error)), .. },
        } => Some(*error),
        _ => None,
    }
}
