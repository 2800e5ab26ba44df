//! What must hold, after every step and at the end of a run.
//!
//! The rule: an oracle looks from outside, at the surface of a machine and at the model around it, and objects by the
//! number of the invariant that is broken. It changes nothing.
//!
//! | file | has |
//! |---|---|
//! | `promise` | what may be broken, by name and number |
//! | `heard` | what each actor was given so far |
//! | `acts` | what an actor may not do |
//! | `rungs` | in which order the rungs come, and to whom |
//! | `fall` | that a teardown only falls |
//! | `rest` | who need not end, since nobody asked |
//! | `calls` | what must hold of calls |
//! | `end` | what must hold when nothing can happen any more |
//! | `ledger` | that no error is lost |

mod acts;
mod calls;
mod end;
mod fall;
mod heard;
mod ledger;
mod promise;
mod rest;
mod rungs;

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use acts::{check_found, check_heard, check_look, check_turn};
use calls::{Calls, answered_with};
pub(super) use end::end;
pub(super) use heard::is_answered;
use heard::{Heard, hear};
pub use promise::{Number, Promise};

use crate::sim::copy::copied;
use crate::sim::scenario::{Conduct, Scenario, Slip};
use crate::sim::state::recode;
use crate::sim::world::{Actor, World, id, place};
use crate::{ActorId, Child, End, Event, Input, Instant, Life, Machine, Message, Output, Payload, Refused};

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Violation {
    /// What is broken.
    pub promise: Promise,
    /// What happened.
    pub text: String,
    /// When.
    pub at: Instant,
}

impl Violation {
    pub(super) fn new(promise: Promise, text: &str, at: Instant) -> Self {
        Self { promise, text: text.into(), at }
    }

    pub(super) fn told(promise: Promise, at: Instant, text: fmt::Arguments<'_>) -> Self {
        Self { promise, text: format!("{text}"), at }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { promise, text, at } = self;
        match promise.number() {
            Number::None => write!(f, "{promise}: {text}"),
            number => write!(f, "{promise}: {text} (breaks {number} at {at})"),
        }
    }
}

/// What the oracles remember of a run.
#[derive(Debug)]
pub(super) struct Oracle {
    pub(super) healthy: bool,
    /// Whose driver is held up for a while: nobody's bound knows of that.
    pub(super) pauses: Vec<bool>,
    /// Who was stopped before it was ready: it has less time than it may need, and so has all below it.
    pub(super) rushed: Vec<bool>,
    pub(super) heard: Vec<Heard>,
    pub(super) began: Vec<Option<Instant>>,
    /// How long actors got no turn, together: nobody's bound knows of that.
    pub(super) idle: Duration,
    /// Where each failure of a script happened; its payload is its index.
    pub(super) failures: Vec<usize>,
    /// Who was given each failure last.
    pub(super) carriers: Vec<usize>,
    /// Errors that a scope counted and did not keep.
    pub(super) dropped: u32,
    /// The largest part of its bound that an actor's teardown has taken, in parts per thousand.
    pub(super) fullest: u64,
    pub(super) calls: Calls,
}

copied!(Oracle: healthy, pauses, rushed, heard, began, idle, failures, carriers, dropped, fullest, calls);

/// Payloads of failures begin here; below are the results.
const FAILURES: u32 = 1000;

impl Oracle {
    pub(super) fn new(scenario: &Scenario, conducts: &[Conduct]) -> Self {
        Self {
            healthy: scenario.nets.tasks && conducts.iter().all(|conduct| conduct.script().is_benign()),
            pauses: conducts.iter().map(|conduct| conduct.script().pauses()).collect(),
            rushed: conducts.iter().map(|_| false).collect(),
            heard: conducts.iter().map(|_| Heard::default()).collect(),
            began: conducts.iter().map(|_| None).collect(),
            idle: Duration::ZERO,
            failures: Vec::new(),
            carriers: Vec::new(),
            dropped: 0,
            fullest: 0,
            calls: Calls::new(conducts),
        }
    }

    pub(super) fn new_failure(&mut self, node: usize) -> Payload {
        self.failures.push(node);
        self.carriers.push(node);
        Payload(FAILURES + self.failures.len() as u32 - 1)
    }
}

/// What is compared with the state after a step.
#[derive(Debug)]
pub(super) struct Before<'i> {
    pub(super) input: &'i Input,
    pub(super) life: Life,
    /// Its rank, once its teardown has begun.
    pub(super) rank: Option<(u8, u64)>,
    pub(super) due: bool,
    /// What was awaited of the child of which it tells, in a teardown.
    pub(super) phase: Option<Child>,
    /// A wait whose time is over though what it waits for is here already.
    stale: Option<String>,
    /// Who ends, and was to, and has not been told so.
    left_out: Option<ActorId>,
}

impl<'i> Before<'i> {
    pub(super) fn of(oracle: &Oracle, actor: &Actor, now: Instant, input: &'i Input) -> Self {
        let machine = &actor.machine;
        let due = *input == Input::Tick && machine.poll_timeout().is_some_and(|when| when <= now);
        let stale = due.then(|| stale_wait(oracle, machine, now)).flatten();
        let life = machine.life();
        let ends = life.is_teardown() && life != Life::Ended;
        let phase = if ends { fall::awaited(machine, input) } else { None };
        let rank = ends.then(|| actor.rank.unwrap_or_else(|| machine.rank()));
        let left_out = rungs::left_out(oracle, machine, input);
        Self { input, life, rank, due, phase, stale, left_out }
    }

    /// Objects before the timer fires, so that the waits are still those of the moment.
    pub(super) fn check(&self, now: Instant) -> Result<(), Violation> {
        self.stale.as_ref().map_or(Ok(()), |text| Err(Violation::new(Promise::StaleTimer, text, now)))
    }
}

/// Asks what looks at the world as it was before a step.
pub(super) fn check_before(world: &World<'_>, node: usize, before: &Before<'_>) -> Result<(), Violation> {
    acts::check_patience(world, node, before)?;
    before.left_out.map_or(Ok(()), |child| rungs::check_left_out(world, child))
}

/// Finds a wait that is over by now though its answer was given to this very machine.
fn stale_wait(oracle: &Oracle, machine: &Machine, now: Instant) -> Option<String> {
    let due = machine.waits().filter(|wait| wait.until.at().is_some_and(|when| when <= now));
    for wait in due {
        if is_answered(&oracle.heard, place(machine.actor()), wait.on, wait.why) {
            return Some(format!("the timer fires, and the answer is here already: {wait}"));
        }
    }
    None
}

/// Asks every oracle that looks at one step.
pub(super) fn after(
    world: &mut World<'_>,
    node: usize,
    before: &Before<'_>,
    refused: Result<(), Refused>,
    outputs: &[Output],
) -> Result<(), Violation> {
    hear(&mut world.oracle.heard, node, before.input);
    world.oracle.carry(node, before.input);
    check_machine(world, node)?;
    acts::check(world, node, before, outputs)?;
    fall::check(world, node, before, refused, outputs)?;
    calls::check(world, node, before, outputs)?;
    check_late(world, node)?;
    for output in outputs {
        if let Output::Report(Event::Unkillable(child) | Event::Leaked(child) | Event::Escaped(child, _)) =
            output
        {
            world.oracle.heard[place(*child)].given_up = true;
        }
    }
    for output in outputs {
        acts::check_output(world, node, output)?;
    }
    Ok(())
}

/// Invariants that the machine sees of itself, and what is left in it at its end.
fn check_machine(world: &mut World<'_>, node: usize) -> Result<(), Violation> {
    let now = world.now;
    let Some(actor) = world.actors[node].as_mut() else { return Ok(()) };
    if let Some((number, text)) = actor.machine.broken_invariant() {
        return Err(Violation::told(Promise::Machine(number), now, format_args!("{}: {text}", id(node))));
    }
    if actor.machine.life() == Life::Ended {
        let waits = actor.machine.waits().count();
        let forced = actor.outcome.is_some_and(|outcome| outcome.end == End::Forced);
        if actor.machine.poll_timeout().is_some() || (waits > 0 && !forced && world.signals < 3) {
            let text = format_args!("{} has ended and has {waits} waits", id(node));
            return Err(Violation::told(Promise::LeftOver, now, text));
        }
    }
    Ok(())
}

/// 46: a machine that outlives a moment goes on from its decoded encoding.
pub(super) fn check_codes(world: &mut World<'_>) -> Result<(), Violation> {
    let torn = world.scenario.slip == Some(Slip::Torn);
    for actor in world.actors.iter_mut().flatten().filter(|actor| actor.moved) {
        actor.moved = false;
        let machine = Arc::make_mut(&mut actor.machine);
        let same = match &mut world.codes {
            Some(codes) => codes.check(machine).map(|print| actor.print = Some(print)).is_some(),
            None => recode::check(machine, &mut actor.checked, &mut world.bytes, torn),
        };
        if !same {
            let text = format_args!("{}'s state", actor.machine.actor());
            return Err(Violation::told(Promise::RoundTrip, world.now, text));
        }
    }
    Ok(())
}

/// An actor's own teardown, as long as its driver works, is over within its bound.
fn check_late(world: &mut World<'_>, node: usize) -> Result<(), Violation> {
    let now = world.now;
    let Some(actor) = world.actors[node].as_ref() else { return Ok(()) };
    if !actor.machine.life().is_teardown() || world.oracle.pauses[node] {
        return Ok(());
    }
    let began = *world.oracle.began[node].get_or_insert(now);
    let (taken, bound) = (now.since(began), actor.machine.teardown_bound());
    world.oracle.fill(taken, bound);
    // Twice: who looks late gives time to others, as much as it is late at the most.
    if taken > bound.saturating_add(world.oracle.idle.saturating_mul(2)) {
        let text = format_args!("{} is {taken:?} in its teardown, bound {bound:?}", id(node));
        return Err(Violation::told(Promise::Late, now, text));
    }
    Ok(())
}

impl Oracle {
    /// Tells whether nobody misbehaves and nobody was stopped before it was ready: then no rung is taken.
    pub(super) fn is_healthy(&self) -> bool {
        self.healthy && !self.rushed.contains(&true)
    }

    /// Remembers the largest part of its bound that a teardown has taken.
    fn fill(&mut self, taken: Duration, bound: Duration) {
        let (thousandfold, bound) = (taken.as_nanos() * 1000, bound.as_nanos().max(1));
        // A division costs more than all the rest here, and most steps take no time.
        if thousandfold >= u128::from(self.fullest + 1) * bound {
            self.fullest = (thousandfold / bound) as u64;
        }
    }

    /// Remembers who was given a failure of a script last.
    fn carry(&mut self, node: usize, input: &Input) {
        let relayed = match input {
            Input::Received { message: Message::Error(error), .. } => Some(*error),
            _ => answered_with(input),
        };
        if let Some(error) = relayed
            && let Some(index) = error.payload.0.checked_sub(FAILURES)
            && let Some(carrier) = self.carriers.get_mut(index as usize)
        {
            *carrier = node;
        }
    }

    /// Lists the failures of scripts: where, and under which number.
    pub(super) fn failures(&self) -> impl Iterator<Item = (usize, Payload)> + '_ {
        self.failures.iter().enumerate().map(|(index, node)| (*node, Payload(FAILURES + index as u32)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    use super::check_machine;
    use crate::sim::choices::Choices;
    use crate::sim::oracle::Promise;
    use crate::sim::scenario::Scenario;
    use crate::sim::timeline::Timeline;
    use crate::sim::world::World;

    /// No search brings a machine there: in a test it stops itself.
    #[test]
    fn what_a_machine_sees_of_itself_is_asked() {
        let scenario = Scenario::of(Vec::new());
        let mut world = World::new(&scenario, Choices::prefix(Vec::new()), Timeline::default());
        assert_eq!(check_machine(&mut world, 0), Ok(()));
        world
            .actors
            .iter_mut()
            .flatten()
            .for_each(|actor| Arc::make_mut(&mut actor.machine).state_mut().under_way = 1);
        let broken = check_machine(&mut world, 0).map_err(|broken| broken.promise);
        assert_eq!(broken, Err(Promise::Machine(43)));
    }
}
