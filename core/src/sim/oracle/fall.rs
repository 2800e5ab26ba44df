//! That every step of a teardown brings it nearer to its end.
//!
//! The rule: the rank never rises, and only what is listed here may leave it as it is. What is not listed lowers it.

use super::promise::Promise;
use super::{Before, Violation};
use crate::sim::world::{World, id};
use crate::{ActorId, Child, Event, Input, Link, Machine, Message, On, Output, Refused, Why};

/// R: a step of a teardown brings it nearer to its end, unless it is one of the few that may stutter.
pub(super) fn check(
    world: &mut World<'_>,
    node: usize,
    before: &Before<'_>,
    refused: Result<(), Refused>,
    outputs: &[Output],
) -> Result<(), Violation> {
    let Some(actor) = world.actors[node].as_mut() else { return Ok(()) };
    let Some(was) = before.rank.filter(|_| refused.is_ok()) else { return Ok(()) };
    let rank = *actor.rank.insert(actor.machine.rank());
    let stutters = outputs
        .iter()
        .any(|output| matches!(output, Output::Report(Event::Stray(_)) | Output::DescribedAll { .. }));
    let gives_up = || {
        matches!(
            *before.input,
            Input::Started { child, .. } | Input::Exited { child, .. }
                if actor.machine.waits().all(|wait| wait.on != On::Child(child))
        )
    };
    if rank > was || (rank == was && !stutters && !gives_up() && !may_stutter(before)) {
        let text = format_args!(
            "{} is {:?}; {:?} takes its rank from {was:?} to {rank:?}",
            id(node),
            before.life,
            before.input
        );
        return Err(Violation::told(Promise::Rank, world.now, text));
    }
    Ok(())
}

/// Tells whether a step may leave the rank of a teardown as it is: who says again what is known, or tells of what nobody
/// waits for, brings no end nearer. Every other step does.
fn may_stutter(before: &Before<'_>) -> bool {
    match *before.input {
        // Before its time.
        Input::Tick => !before.due,
        // Repeats, which may shorten a deadline.
        Input::Signalled(_) | Input::Cancel { .. } | Input::CancelChild { .. } => true,
        Input::Received { message: Message::Cancel { .. }, .. } | Input::CancelActor { .. } => true,
        // Adopted processes, and another look at them.
        Input::Cleared { .. } | Input::Received { message: Message::Census(_), .. } => true,
        Input::Swept { alive, .. } => {
            alive > 0 || !matches!(before.phase, Some(Child::Sweeping | Child::Purging))
        }
        // Words that nobody waits for any more, and who is not let in.
        Input::Received { message: Message::Ready, .. } => before.phase != Some(Child::Booting),
        Input::Received { message: Message::Ack, .. } => before.phase != Some(Child::Asked),
        Input::Received { message: Message::Extend { .. }, .. } => true,
        Input::PeerJoined { .. } | Input::PeerShown { .. } => true,
        // Data.
        Input::Failed { .. } | Input::StatusAsked | Input::Expose { .. } | Input::ContextFailed { .. } => {
            true
        }
        Input::Begin { .. } | Input::OpenStream { .. } | Input::Push { .. } | Input::EndStream { .. } => true,
        Input::Taken { .. } | Input::CancelContext { .. } | Input::Conceal { .. } => true,
        Input::Unregister { .. } | Input::Forget { .. } | Input::Stale { .. } => true,
        Input::Received { message, .. } if is_of_names(message) => true,
        Input::Received { message: Message::Error(_) | Message::Status(_), .. } => true,
        Input::Received { message: Message::Ask(_) | Message::Result(_), .. } => true,
        Input::Received { message: Message::Context { .. }, .. } => true,
        _ => false,
    }
}

/// Tells whether a message is a question about names, or an answer to one: data, too.
fn is_of_names(message: Message) -> bool {
    let asks = matches!(
        message,
        Message::Register { .. }
            | Message::Unregister { .. }
            | Message::Find { .. }
            | Message::List { .. }
            | Message::Forget { .. }
            | Message::Stale { .. }
    );
    asks || matches!(message, Message::Registered { .. } | Message::Found { .. } | Message::NotFound { .. })
}

/// Says what is awaited of the child of which an input tells, if nothing may be.
pub(super) fn awaited(machine: &Machine, input: &Input) -> Option<Child> {
    let child = teller(input)?;
    machine.waits().find_map(|wait| match (wait.on, wait.why) {
        (On::Child(of), Why::Child(phase)) if of == child => Some(phase),
        _ => None,
    })
}

/// Gives the child of which an input tells that may come when nobody waits for it any more.
fn teller(input: &Input) -> Option<ActorId> {
    match *input {
        Input::Swept { child, .. } => Some(child),
        Input::Received { link: Link::Child(child), message: Message::Ready | Message::Ack } => Some(child),
        _ => None,
    }
}
