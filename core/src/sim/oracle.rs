//! What must hold, after every step and at the end of a run.
//!
//! The rule: an oracle looks from outside, at the surface of a machine and at the model around it, and objects by the
//! number of the invariant that is broken. It changes nothing.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use super::kernel::{Vital, What};
use super::scenario::Conduct;
use super::world::{World, id, place};
use crate::{
    Child, End, Event, Input, Instant, Life, Link, Machine, Message, On, Output, Payload, Refused, Signal,
    Why,
};

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Which oracle objects.
    pub oracle: &'static str,
    /// The invariant that is broken, by its number; `T` is termination, `R` the rank, `B` the bound.
    pub number: &'static str,
    /// What happened.
    pub text: String,
    /// When.
    pub at: Instant,
}

impl Violation {
    pub(super) fn new(oracle: &'static str, number: &'static str, text: &str, at: Instant) -> Self {
        Self { oracle, number, text: text.into(), at }
    }

    pub(super) fn told(
        oracle: &'static str,
        number: &'static str,
        at: Instant,
        text: fmt::Arguments<'_>,
    ) -> Self {
        Self { oracle, number, text: format!("{text}"), at }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (breaks {} at {})", self.oracle, self.text, self.number, self.at)
    }
}

/// What a parent was given of one child so far.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "one for each fact that a timer may guard")]
pub(super) struct Heard {
    pub(super) started: bool,
    pub(super) ready: bool,
    pub(super) ack: bool,
    pub(super) exited: bool,
    pub(super) reaped: bool,
    /// The actor's own: its spec, its flush, its guardian.
    pub(super) spec: bool,
    pub(super) flushed: bool,
    pub(super) released: bool,
}

/// What the oracles remember of a run.
#[derive(Clone, Debug)]
pub(super) struct Oracle {
    healthy: bool,
    pub(super) heard: Vec<Heard>,
    began: Vec<Option<Instant>>,
    /// Where each failure of a script happened; its payload is its index.
    failures: Vec<usize>,
    /// Errors that a scope counted and did not keep.
    pub(super) dropped: u32,
    pub(super) hash: Fnv,
    /// The longest teardown of an actor, in parts per thousand of its bound.
    pub(super) fullest: u64,
}

/// Payloads of failures begin here; below are the results.
const FAILURES: u32 = 1000;

impl Oracle {
    pub(super) fn new(conducts: &[Conduct]) -> Self {
        Self {
            healthy: conducts.iter().all(|conduct| conduct.is_benign()),
            heard: conducts.iter().map(|_| Heard::default()).collect(),
            began: conducts.iter().map(|_| None).collect(),
            failures: Vec::new(),
            dropped: 0,
            hash: Fnv::default(),
            fullest: 0,
        }
    }

    pub(super) fn new_failure(&mut self, node: usize) -> Payload {
        self.failures.push(node);
        Payload(FAILURES + self.failures.len() as u32 - 1)
    }
}

/// What is compared with the state after a step.
#[derive(Debug)]
pub(super) struct Before {
    input: Input,
    life: Life,
    rank: (u8, u64),
    due: bool,
    /// A wait whose time is over though what it waits for is here already.
    stale: Option<String>,
}

impl Before {
    pub(super) fn of(oracle: &Oracle, machine: &Machine, now: Instant, input: Input) -> Self {
        let due = input == Input::Tick && machine.poll_timeout().is_some_and(|when| when <= now);
        let stale = due.then(|| stale_wait(oracle, machine, now)).flatten();
        Self { input, life: machine.life(), rank: machine.rank(), due, stale }
    }
}

/// Finds a wait that is over by now though its answer was given to this very machine.
fn stale_wait(oracle: &Oracle, machine: &Machine, now: Instant) -> Option<String> {
    let due = machine.waits().filter(|wait| wait.until.at().is_some_and(|when| when <= now));
    for wait in due {
        if is_answered(oracle, place(machine.actor()), wait.on, wait.why) {
            return Some(format!("the timer fires, and the answer is here already: {wait}"));
        }
    }
    None
}

/// Tells whether an actor was given what it waits for.
pub(super) fn is_answered(oracle: &Oracle, node: usize, on: On, why: Why) -> bool {
    match (on, why) {
        (On::Child(child), Why::Child(phase)) => {
            let heard = oracle.heard[place(child)];
            match phase {
                Child::Starting | Child::Early | Child::Withdrawn => heard.started,
                Child::Booting => heard.ready || heard.exited,
                Child::Asked => heard.ack || heard.exited,
                Child::Up | Child::Acked | Child::Parting | Child::Stopping | Child::Killing => heard.exited,
                Child::Reaping => heard.reaped,
                Child::Sweeping | Child::Purging | Child::Unkillable | Child::Gone => false,
            }
        }
        (_, Why::Life(Life::Booting)) => oracle.heard[node].spec,
        (_, Why::Life(Life::Flushing)) => oracle.heard[node].flushed,
        (_, Why::Life(Life::Exiting)) => oracle.heard[node].released,
        _ => false,
    }
}

/// Asks every oracle that looks at one step.
pub(super) fn after(
    world: &mut World<'_>,
    node: usize,
    before: &Before,
    refused: Result<(), Refused>,
    outputs: &[Output],
) -> Result<(), Violation> {
    let now = world.now;
    for output in outputs {
        (now, node, output).hash(&mut world.oracle.hash);
    }
    hear(world, node, &before.input);
    if let Some(text) = &before.stale {
        return Err(Violation::new("stale timer", "32", text, now));
    }
    check_machine(world, node)?;
    check_rank(world, node, before, refused, outputs)?;
    check_late(world, node)?;
    for output in outputs {
        check_output(world, node, output)?;
    }
    Ok(())
}

fn hear(world: &mut World<'_>, node: usize, input: &Input) {
    let heard = &mut world.oracle.heard;
    match input {
        Input::Started { child, .. } => heard[place(*child)].started = true,
        Input::Exited { child, .. } => heard[place(*child)].exited = true,
        Input::Reaped { child } => heard[place(*child)].reaped = true,
        Input::Received { link: Link::Child(child), message: Message::Ready } => {
            heard[place(*child)].ready = true;
        }
        Input::Received { link: Link::Child(child), message: Message::Ack } => {
            heard[place(*child)].ack = true;
        }
        Input::Received { link: Link::Parent, message: Message::Spec { .. } } => heard[node].spec = true,
        Input::Flushed { .. } => heard[node].flushed = true,
        Input::Released => heard[node].released = true,
        _ => {}
    }
}

/// Invariants that the machine sees of itself, and 46: it goes on from its decoded encoding.
fn check_machine(world: &mut World<'_>, node: usize) -> Result<(), Violation> {
    let now = world.now;
    let Some(actor) = world.actors[node].as_mut() else { return Ok(()) };
    if let Some(text) = actor.machine.broken_invariant() {
        return Err(Violation::told("machine", "29", now, format_args!("{}: {text}", id(node))));
    }
    let bytes = actor.machine.encode();
    match Machine::decode(&bytes) {
        Ok(decoded) if decoded.encode() == bytes => actor.machine = decoded,
        Ok(_) | Err(_) => {
            return Err(Violation::told("round trip", "46", now, format_args!("{}'s state", id(node))));
        }
    }
    if actor.machine.life() == Life::Ended {
        let waits = actor.machine.waits().count();
        let forced = actor.outcome.is_some_and(|outcome| outcome.end == End::Forced);
        if actor.machine.poll_timeout().is_some() || (waits > 0 && !forced && world.signals < 3) {
            let text = format_args!("{} has ended and has {waits} waits", id(node));
            return Err(Violation::told("left over", "43", now, text));
        }
    }
    Ok(())
}

fn check_rank(
    world: &World<'_>,
    node: usize,
    before: &Before,
    refused: Result<(), Refused>,
    outputs: &[Output],
) -> Result<(), Violation> {
    let Some(actor) = world.actors[node].as_ref() else { return Ok(()) };
    if !before.life.is_teardown() || before.life == Life::Ended || refused.is_err() {
        return Ok(());
    }
    let rank = actor.machine.rank();
    let stutters = outputs
        .iter()
        .any(|output| matches!(output, Output::Report(Event::Stray(_)) | Output::DescribedAll { .. }));
    let gives_up = matches!(
        before.input,
        Input::Started { child, .. } | Input::Exited { child, .. }
            if actor.machine.waits().all(|wait| wait.on != On::Child(child))
    );
    let lowers = before.due
        || matches!(
            before.input,
            Input::Started { .. }
                | Input::NotStarted { .. }
                | Input::Exited { .. }
                | Input::Reaped { .. }
                | Input::Released
                | Input::TaskEnded { .. }
                | Input::Leave { .. }
                | Input::Flushed { .. }
        );
    if rank > before.rank || (rank == before.rank && lowers && !stutters && !gives_up) {
        let text = format_args!(
            "{} is {:?}; {:?} takes its rank from {:?} to {rank:?}",
            id(node),
            before.life,
            before.input,
            before.rank
        );
        return Err(Violation::told("rank", "R", world.now, text));
    }
    Ok(())
}

/// An actor's own teardown, as long as its driver works, is over within its bound.
fn check_late(world: &mut World<'_>, node: usize) -> Result<(), Violation> {
    let now = world.now;
    let Some(actor) = world.actors[node].as_ref() else { return Ok(()) };
    if !actor.machine.life().is_teardown() || world.conducts[node] == Conduct::Stopped {
        return Ok(());
    }
    let began = *world.oracle.began[node].get_or_insert(now);
    let (taken, bound) = (now.since(began), actor.machine.teardown_bound());
    let share = taken.as_nanos() * 1000 / bound.as_nanos().max(1);
    world.oracle.fullest = world.oracle.fullest.max(share as u64);
    if taken > bound {
        let text = format_args!("{} is {taken:?} in its teardown, bound {bound:?}", id(node));
        return Err(Violation::told("late", "B", now, text));
    }
    Ok(())
}

fn check_output(world: &World<'_>, node: usize, output: &Output) -> Result<(), Violation> {
    let now = world.now;
    match output {
        Output::Report(Event::Escalated(child, Signal::Term)) if is_healthy(world, *child) => {
            let text = format_args!("{} loses patience with {child}, whose driver works", id(node));
            Err(Violation::told("escalation", "31", now, text))
        }
        Output::Signal { child, signal: signal @ (Signal::Term | Signal::Kill) }
            if world.oracle.healthy
                && is_healthy(world, *child)
                && world.oracle.heard[place(*child)].ready =>
        {
            let text = format_args!("{} sends {signal:?} to {child} in a healthy tree", id(node));
            Err(Violation::told("escalation", "31", now, text))
        }
        Output::Done(outcome) if outcome.end != End::Forced => check_done(world, node),
        _ => Ok(()),
    }
}

/// Tells whether an actor answers in time, and nobody has taken its time away.
fn is_healthy(world: &World<'_>, child: crate::ActorId) -> bool {
    let node = place(child);
    let wire = world.wires[node];
    let runs = world.pids[node].is_some_and(|pid| world.kernel.at(pid).runs());
    let running = world.life(node).is_some_and(|life| life != Life::Ended);
    let shielded = world.conducts.contains(&Conduct::Shield);
    world.conducts[node].answers()
        && runs
        && running
        && !shielded
        && world.signals < 2
        && wire.parent_end
        && wire.child_end
}

/// 7: an actor that ends by itself has collected every child that is not given up by name.
fn check_done(world: &World<'_>, node: usize) -> Result<(), Violation> {
    let Some(me) = world.pids[node] else { return Ok(()) };
    for (pid, process) in world.kernel.children_of(me) {
        let ours = process.maker == me && process.what != What::Leaving;
        if ours && !process.stuck && !process.dying {
            let text = format_args!("{} ends before process {pid} ({:?}) is collected", id(node), process.what);
            return Err(Violation::told("early end", "7", world.now, text));
        }
    }
    Ok(())
}

/// Asks every oracle that looks at the end of a run.
pub(super) fn end(world: &World<'_>) -> Result<(), Violation> {
    let now = world.now;
    let rootless = world.actors[0].as_ref().is_none_or(|actor| actor.outcome.is_none());
    for pid in world.living() {
        let process = world.kernel.at(pid);
        let orphan = process.parent == super::kernel::INIT && Some(pid) != world.pids[0];
        match process.what {
            What::Init => {}
            What::Leaving if rootless && orphan => {}
            What::Leaving => {
                let text = format_args!("process {pid} is left behind");
                return Err(Violation::told("left behind", "10", now, text));
            }
            What::Actor(node) | What::Command(node) => {
                let (oracle, number) = if orphan { ("orphan", "10") } else { ("hang", "T") };
                let text = format_args!("nothing can happen any more, and {} is alive", id(node));
                return Err(Violation::told(oracle, number, now, text));
            }
        }
    }
    if let Some((pid, _)) = world.kernel.all().find(|(_, p)| matches!(p.vital, Vital::Zombie(_))) {
        return Err(Violation::told("zombie", "4", now, format_args!("process {pid} is never collected")));
    }
    super::ledger::check(world)
}

impl Oracle {
    pub(super) fn is_healthy(&self) -> bool {
        self.healthy
    }

    /// Lists the failures of scripts: where, and under which number.
    pub(super) fn failures(&self) -> impl Iterator<Item = (usize, Payload)> + '_ {
        self.failures.iter().enumerate().map(|(index, node)| (*node, Payload(FAILURES + index as u32)))
    }
}

/// Fowler, Noll and Vo's hash, so that a run is one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
}
