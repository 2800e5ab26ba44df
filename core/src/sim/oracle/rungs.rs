//! The signals of each child's ladder, and the ack that spares it them: in which order they come, and when.
//!
//! The rule: each is sent once, and no lower one after it; none by a tick before its time; nobody is given up without the
//! last. What a dead child left has a ladder of its own, of which nothing is said here.

use super::heard::{ASKED, KILLED, STOPPED};
use super::promise::Promise;
use super::{Before, Violation};
use crate::sim::world::{World, id, place};
use crate::{ActorId, Event, Input, Link, Message, Output, Signal};

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
