//! The books at the end of a run: every failure of a script is in exactly one report, or counted aloud, and a healthy
//! tree's tally is exact.

use super::Violation;
use super::promise::Promise;
use crate::sim::kernel::What;
use crate::sim::scenario::Verb;
use crate::sim::world::{World, id, place};
use crate::{End, Error, Kind, Reason, Tally};

pub(super) fn check(world: &World<'_>) -> Result<(), Violation> {
    let Some(outcome) = world.actors[0].as_ref().and_then(|root| root.outcome) else {
        return Ok(());
    };
    if outcome.end == End::Forced {
        return Ok(());
    }
    check_errors(world, &outcome.tally)?;
    check_doubles(world)?;
    check_collateral(world)?;
    let told = world.scenario.nets.exits;
    if told && world.oracle.is_healthy() && world.signals < 2 {
        check_tally(world, &outcome.tally)
    } else {
        Ok(())
    }
}

fn check_errors(world: &World<'_>, tally: &Tally) -> Result<(), Violation> {
    let mut missing = 0_u32;
    let mut first = None;
    for ((node, payload), carrier) in world.oracle.failures().zip(&world.oracle.carriers) {
        let reports = world.reported.iter().filter(|error| error.payload == payload).count()
            + usize::from(world.oracle.calls.is_told(payload));
        if reports > 1 {
            let text = format_args!("an error of {} is in {reports} reports", id(node));
            return Err(Violation::told(Promise::DoubleError, world.now, text));
        }
        let arrives = match world.oracle.calls.is_answer(payload) {
            true => all_spoke(world) && !world.oracle.calls.cut,
            false => has_a_way(world, node),
        };
        if reports == 0 && arrives {
            missing += 1;
            first.get_or_insert((node, *carrier));
        }
    }
    let counted = tally.lost.saturating_add(world.oracle.dropped);
    match first {
        Some((node, carrier)) if missing > counted => {
            let text = format_args!(
                "an error of {} is in no report, and {} had it last; {missing} are missing, {counted} counted",
                id(node),
                id(carrier)
            );
            Err(Violation::told(Promise::LostError, world.now, text))
        }
        _ => Ok(()),
    }
}

/// Tells whether everybody from an actor up to the root could say their last words.
fn has_a_way(world: &World<'_>, node: usize) -> bool {
    let mut at = node;
    loop {
        let spoke = world.actors[at].as_ref().is_some_and(|actor| actor.outcome.is_some());
        let unclaimed = world.pids[at].is_some_and(|pid| world.kernel.at(pid).unclaimed);
        let unheard = unclaimed || super::acts::is_thread_given_up(world, at);
        let script = world.conducts[at].script();
        let is_cut = [Verb::LoseLink, Verb::HalfOpen, Verb::Babble].iter().any(|verb| script.has(*verb));
        if !spoke || unheard || is_cut {
            return false;
        }
        match world.scenario.parent(at) {
            Some(parent) => at = parent,
            None => return true,
        }
    }
}

/// Tells whether everybody could say their last words: an answer to a call may take any way.
fn all_spoke(world: &World<'_>) -> bool {
    let began = (0..world.actors.len()).filter(|node| world.actors[*node].is_some());
    began.into_iter().all(|node| has_a_way(world, node))
}

/// What machines make of a child's end is told once too.
fn check_doubles(world: &World<'_>) -> Result<(), Violation> {
    for (index, error) in world.reported.iter().enumerate() {
        let same = |other: &&Error| {
            (other.kind, other.origin, other.payload) == (error.kind, error.origin, error.payload)
        };
        let is_single = !super::calls::is_of_a_call(error.kind);
        if is_single && world.reported[..index].iter().any(|other| same(&other)) {
            let text = format_args!("{} {} is in two reports", error.origin, error.kind);
            return Err(Violation::told(Promise::DoubleError, world.now, text));
        }
    }
    Ok(())
}

/// 40: where the user was the first to cancel, it is no error that it reached somebody before those who called that one, be it that
/// this one had ended by then: it has said why. Whoever is in a shield goes on, and may miss that one.
fn check_collateral(world: &World<'_>) -> Result<(), Violation> {
    let cause = world.actors[0].as_ref().and_then(|root| root.machine.state().cause);
    let Some(cause) = cause.filter(|cause| matches!(cause.reason, Reason::Signal(_))) else { return Ok(()) };
    if world.conducts.iter().any(|conduct| conduct.script().has(Verb::Shield)) {
        return Ok(());
    }
    let is_collateral = |error: &&Error| match error.kind {
        Kind::Cancelled(reason) => reason == cause.reason && error.canceller == Some(cause.canceller),
        Kind::PeerLost(None) => {
            let outcome = world.actors[place(error.origin)].as_ref().and_then(|actor| actor.outcome);
            !world.oracle.calls.cut && outcome.is_some_and(|outcome| outcome.end == End::Cancelled(cause))
        }
        _ => false,
    };
    match world.reported.iter().find(is_collateral) {
        Some(error) => {
            let text =
                format_args!("the user has cancelled all, and is told that {} {}", error.origin, error.kind);
            Err(Violation::told(Promise::Collateral, world.now, text))
        }
        None => Ok(()),
    }
}

fn check_tally(world: &World<'_>, tally: &Tally) -> Result<(), Violation> {
    let counts = |what| matches!(what, What::Actor(_) | What::Command(_));
    let started = world.kernel.all().filter(|(_, process)| counts(process.what)).count().saturating_sub(1);
    let exact = tally.actors as usize == started
        && tally.reaped as usize == started
        && tally.left == 0
        && tally.escalations == 0
        && tally.errors as usize
            == world.reported.len() + tally.lost as usize + world.oracle.dropped as usize;
    if exact {
        return Ok(());
    }
    let text = format_args!(
        "{started} were started and {} errors reported, the tally says {tally:?}",
        world.reported.len()
    );
    Err(Violation::told(Promise::Tally, world.now, text))
}
