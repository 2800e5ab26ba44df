//! The rungs of each child's ladder, and the ack that spares it the signals: in which order they come, and when.
//!
//! The rule: each is taken once, and no lower signal after it; none by a tick before its time; nobody is given up without the
//! last, and nobody left out who is to end. What a dead child left has a ladder of its own, of which nothing is said here.

use super::heard::{ASKED, KILLED, STOPPED};
use super::promise::Promise;
use super::{Before, Oracle, Violation};
use crate::sim::world::{World, id, place};
use crate::{ActorId, Cause, Event, Exit, Input, Link, Machine, Message, Output, Reason, Signal};

/// Asks what looks at the rungs and the ack of one step.
pub(super) fn check(
    world: &mut World<'_>,
    node: usize,
    before: &Before<'_>,
    outputs: &[Output],
) -> Result<(), Violation> {
    for (at, output) in outputs.iter().enumerate() {
        match *output {
            Output::Signal { child, signal } => check_rung(world, node, before, child, signal)?,
            Output::Send { link: Link::Child(child), message: Message::Cancel { .. }, .. } => {
                check_ask(world, node, child)?;
            }
            Output::Report(Event::Unkillable(child)) => check_last(world, node, child)?,
            Output::Send { link: Link::Parent, message: Message::Ack, .. } => {
                check_ack(world, node, before, &outputs[..at])?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// 25, 26: a living child is sent each signal once, none after a higher one, and none before its time.
fn check_rung(
    world: &mut World<'_>,
    node: usize,
    before: &Before<'_>,
    child: ActorId,
    signal: Signal,
) -> Result<(), Violation> {
    let rung = match signal {
        Signal::Term => STOPPED,
        Signal::Kill => KILLED,
        _ => ASKED,
    };
    let heard = &mut world.oracle.heard[place(child)];
    if heard.exited {
        return Ok(());
    }
    let taken = heard.rungs;
    heard.rungs |= rung;
    let (promise, which) = match () {
        () if taken >= rung => (Promise::RungOrder, "is no higher rung than the last"),
        () if *before.input == Input::Tick && !before.due => (Promise::EarlyRung, "comes before its time"),
        () => return Ok(()),
    };
    let text = format_args!("{signal:?} from {} to {child} {which}", id(node));
    Err(Violation::told(promise, world.now, text))
}

/// 15: whoever is to end is asked once.
fn check_ask(world: &mut World<'_>, node: usize, child: ActorId) -> Result<(), Violation> {
    if !core::mem::replace(&mut world.oracle.heard[place(child)].asked, true) {
        return Ok(());
    }
    let text = format_args!("{} asks {child} to end, and has before", id(node));
    Err(Violation::told(Promise::AskedAgain, world.now, text))
}

/// 15: finds a child that tells of its end though nobody has told it to, in a scope that was cancelled while it was alive.
pub(super) fn left_out(oracle: &Oracle, machine: &Machine, input: &Input) -> Option<ActorId> {
    let (Input::Exited { child, .. }
    | Input::Received { link: Link::Child(child), message: Message::Bye(_) }) = *input
    else {
        return None;
    };
    let heard = oracle.heard[place(child)];
    let was_told = heard.asked || heard.rungs != 0;
    if was_told || !heard.started || heard.parted || heard.exited {
        return None;
    }
    let state = machine.state();
    let scope = state.scopes.get(&state.children.get(&child)?.scope)?;
    scope.phase.is_cancelled().then_some(child)
}

/// 15: a child that ends by itself was told to, if it was to; one that somebody else has stopped does not.
pub(super) fn check_left_out(world: &World<'_>, child: ActorId) -> Result<(), Violation> {
    let of_signal = |cause: Cause| matches!(cause.reason, Reason::Signal(_));
    let actor = world.actors[place(child)].as_ref();
    let cancelled = actor.and_then(|actor| actor.machine.state().cause).is_some_and(of_signal);
    let exit = world.pids[place(child)].and_then(|pid| world.kernel.at(pid).exit());
    if cancelled || matches!(exit, Some(Exit::Signal(_) | Exit::Unknown)) {
        return Ok(());
    }
    let text = format_args!("{child} ends by itself: it was to, and nobody has told it");
    Err(Violation::told(Promise::Unreached, world.now, text))
}

/// 25: nobody is given up alive who was not killed.
fn check_last(world: &World<'_>, node: usize, child: ActorId) -> Result<(), Violation> {
    let heard = world.oracle.heard[place(child)];
    if !heard.started || heard.exited || heard.rungs & KILLED != 0 {
        return Ok(());
    }
    let text = format_args!("{} gives up {child}, and has not killed it", id(node));
    Err(Violation::told(Promise::RungOrder, world.now, text))
}

/// 18: who acknowledges a cancel is cancelled already.
fn check_ack(world: &World<'_>, node: usize, before: &Before<'_>, said: &[Output]) -> Result<(), Violation> {
    let is_cancel = |output: &Output| matches!(output, Output::Report(Event::Cancelling(_)));
    if before.life.is_teardown() || said.iter().any(is_cancel) {
        return Ok(());
    }
    let text = format_args!("{} acknowledges a cancel, and goes on", id(node));
    Err(Violation::told(Promise::FalseAck, world.now, text))
}
