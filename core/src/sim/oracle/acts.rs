//! What an actor may not do, seen from outside: hurry the healthy, spawn when it ends, collect too early, end too early.
//!
//! The rule: it looks at one step's outputs and at the model around, and objects by the number of the invariant.

use super::promise::Promise;
use super::{Before, Violation};
use crate::sim::kernel::{Pid, Process, What, name};
use crate::sim::scenario::Verb;
use crate::sim::world::{World, id, place};
use crate::{ActorId, Child, End, Event, Input, Life, Link, Message, On, Output, Signal, Wait, Why};

/// Asks what looks at a step as a whole.
pub(super) fn check(
    world: &mut World<'_>,
    node: usize,
    before: &Before<'_>,
    outputs: &[Output],
) -> Result<(), Violation> {
    super::rungs::check(world, node, before, outputs)?;
    check_status(world, node, before)?;
    check_boot_death(world, node, before, outputs)?;
    check_boot(world, node, before, outputs)?;
    check_spawn(world, node, before, outputs)
}

/// 12: whoever looks around finds all that is dead.
pub(crate) fn check_look(world: &World<'_>, node: usize) -> Result<(), Violation> {
    let left = world.pids[node].and_then(|me| world.zombies(me, false).next());
    check_found(world, node, left)
}

/// 12: one wake-up may stand for several deaths, and whoever is woken finds all of them.
pub(crate) fn check_found(world: &World<'_>, node: usize, left: Option<Pid>) -> Result<(), Violation> {
    left.map_or(Ok(()), |left| {
        let text = format_args!("{} was woken by a death, and did not find process {left}", id(node));
        Err(Violation::told(Promise::MissedExit, world.now, text))
    })
}

/// 11: a parent is told how its child ended, and of a status that is lost no more than that.
fn check_status(world: &World<'_>, node: usize, before: &Before<'_>) -> Result<(), Violation> {
    let Input::Exited { child, exit } = *before.input else { return Ok(()) };
    match world.pids[place(child)].and_then(|pid| world.kernel.at(pid).exit()) {
        Some(ended) if ended != exit => {
            let text = format_args!("{} is told of {child}: {exit}, and it was {ended}", id(node));
            Err(Violation::told(Promise::MadeUp, world.now, text))
        }
        _ => Ok(()),
    }
}

/// 34: a death is reported with its status as soon as it is told of, and so is one before the handshake.
fn check_boot_death(
    world: &World<'_>,
    node: usize,
    before: &Before<'_>,
    outputs: &[Output],
) -> Result<(), Violation> {
    let Input::Exited { child, exit } = *before.input else { return Ok(()) };
    let told = outputs.contains(&Output::Report(Event::Exited(child, exit)));
    if told || !world.oracle.heard[place(child)].started {
        return Ok(());
    }
    let text = format_args!("{} is told of the death of {child} ({exit}), and does not see it", id(node));
    Err(Violation::told(Promise::UnseenDeath, world.now, text))
}

/// 31: no healthy child outlives its boot time.
fn check_boot(
    world: &World<'_>,
    node: usize,
    before: &Before<'_>,
    outputs: &[Output],
) -> Result<(), Violation> {
    if *before.input != Input::Tick {
        return Ok(());
    }
    let nearly = world.scenario.limits.boot * 3 / 4;
    for output in outputs {
        if let Output::Signal { child, signal: Signal::Term } = output
            && world.oracle.heard[place(*child)].started
            && !world.oracle.heard[place(*child)].ready
            && world.conducts[place(*child)].script().answers()
            && !world.conducts[place(*child)].script().has(Verb::SlowStart)
            && world.now.since(world.told[place(*child)]) >= nearly
            && is_healthy(world, *child)
        {
            let text =
                format_args!("{} has waited for {child} all its boot time, and nothing is wrong", id(node));
            return Err(Violation::told(Promise::Escalation, world.now, text));
        }
    }
    Ok(())
}

/// 8: nothing is spawned once teardown began.
fn check_spawn(
    world: &World<'_>,
    node: usize,
    before: &Before<'_>,
    outputs: &[Output],
) -> Result<(), Violation> {
    let spawn = outputs.iter().find(|output| matches!(output, Output::Spawn { .. }));
    if spawn.is_none() || !before.life.is_teardown() {
        return Ok(());
    }
    let text = format_args!("{} spawns a child in its teardown", id(node));
    Err(Violation::told(Promise::LateSpawn, world.now, text))
}

/// 8: whoever makes one child after the other does not turn to one that was taken back.
pub(crate) fn check_turn(world: &World<'_>, made: usize) -> Result<(), Violation> {
    let Some(node) = world.scenario.parent(made) else { return Ok(()) };
    let Some((_, next)) = world.waiting_orders(node).next() else { return Ok(()) };
    let serves = world.orders[next].is_some_and(|template| world.kernel.at(template).runs());
    if !serves || !world.is_forked(made) {
        return Ok(());
    }
    let waits = world.actors[node].iter().flat_map(|actor| actor.machine.waits());
    let next = id(next);
    let mut of_next = waits.filter(|wait| wait.on == On::Child(next));
    if of_next.any(|wait| wait.why == Why::Child(Child::Withdrawn)) {
        let text = format_args!("the template of {} turns to {next}, which is to be no more", id(node));
        return Err(Violation::told(Promise::LateSpawn, world.now, text));
    }
    Ok(())
}

/// What a careless shell made of its machine's words names nobody whom there is not.
pub(crate) fn check_heard(world: &World<'_>, node: usize, outputs: &[Output]) -> Result<(), Violation> {
    let named = |output: &Output| match *output {
        Output::Spawn { child, .. }
        | Output::Unanswered { child }
        | Output::Recall { child }
        | Output::Signal { child, .. }
        | Output::Sweep { child }
        | Output::Reap { child }
        | Output::Send { link: Link::Child(child), .. }
        | Output::Flush { link: Link::Child(child) }
        | Output::Close { link: Link::Child(child) }
        | Output::Report(
            Event::Unkillable(child)
            | Event::Leaked(child)
            | Event::Escaped(child, _)
            | Event::Escalated(child, _)
            | Event::Purged(child, _),
        ) => Some(child),
        _ => None,
    };
    match outputs.iter().filter_map(named).find(|child| place(*child) >= world.actors.len()) {
        Some(nobody) => {
            let text = format_args!("the shell of {} does something to {nobody}, who is nobody", id(node));
            Err(Violation::told(Promise::NoTarget, world.now, text))
        }
        None => Ok(()),
    }
}

/// Asks what looks at one output.
pub(super) fn check_output(world: &mut World<'_>, node: usize, output: &Output) -> Result<(), Violation> {
    let now = world.now;
    match output {
        Output::Report(Event::Escalated(child, Signal::Term)) if is_healthy(world, *child) => {
            let text = format_args!("{} loses patience with {child}, which is healthy", id(node));
            Err(Violation::told(Promise::Escalation, now, text))
        }
        Output::Report(Event::Escalated(child, Signal::Kill) | Event::Purged(child, _))
            if is_on_its_way_out(world, *child) =>
        {
            let text = format_args!("{} kills {child}, which is on its way out", id(node));
            Err(Violation::told(Promise::Escalation, now, text))
        }
        Output::Signal { child, signal: signal @ (Signal::Term | Signal::Kill) }
            if is_on_its_way_out(world, *child) =>
        {
            let text = format_args!("{} sends {signal:?} to {child} in a healthy tree", id(node));
            Err(Violation::told(Promise::Escalation, now, text))
        }
        Output::Report(Event::Unkillable(child)) if world.pids[place(*child)].is_none() => {
            let text = format_args!("{} gives up {child}, which never was", id(node));
            Err(Violation::told(Promise::MadeUp, now, text))
        }
        Output::Signal { child, signal: Signal::Term | Signal::Kill } => {
            world.oracle.rushed[place(*child)] |= !world.oracle.heard[place(*child)].ready;
            Ok(())
        }
        // Who gets no turn plans from when it was to, and says so later: that is taken from those below.
        Output::Send { link: Link::Child(child), message: Message::Cancel { left, .. }, .. } => {
            let bound = world.actors[place(*child)].as_ref().map(|actor| actor.machine.teardown_bound());
            let late = world.oracle.pauses[node] && bound.is_some_and(|bound| *left < bound);
            world.oracle.rushed[place(*child)] |= late;
            Ok(())
        }
        Output::Reap { child } => check_reap(world, node, *child),
        Output::Send { link: Link::Parent, message: Message::Error(_), .. } => {
            world.oracle.heard[node].failed = true;
            Ok(())
        }
        Output::Done(outcome) if outcome.end != End::Forced => {
            if world.oracle.heard[node].failed && outcome.end != End::Failed {
                let text = format_args!("{} told of an error, and ends with {:?}", id(node), outcome.end);
                return Err(Violation::told(Promise::MaskedError, world.now, text));
            }
            check_done(world, node)
        }
        _ => Ok(()),
    }
}

/// Tells whether a child that was up answers in time, in a tree of which nobody misbehaves: it ends by itself.
fn is_on_its_way_out(world: &World<'_>, child: ActorId) -> bool {
    world.oracle.healthy && is_healthy(world, child) && world.oracle.heard[place(child)].ready
}

/// Tells whether an actor answers in time, and nobody has taken its time away.
fn is_healthy(world: &World<'_>, child: ActorId) -> bool {
    let node = place(child);
    let wire = world.wires[node];
    let sound = |process: &Process| process.is_sound() && !process.stopped;
    let runs = world.pids[node].is_some_and(|pid| sound(world.kernel.at(pid)));
    let script = world.conducts[node].script();
    let pauses = world.scenario.parent(node).is_some_and(|parent| world.oracle.pauses[parent]);
    let able = script.answers() || (script.is_command() && script.is_benign() && !pauses);
    let ended = world.life(node) == Some(Life::Ended);
    let linked = script.is_command() || (wire.parent_end && wire.child_end);
    let shielded = world.conducts.iter().any(|conduct| conduct.script().has(Verb::Shield));
    let rushed = core::iter::successors(Some(node), |node| world.scenario.parent(*node))
        .any(|above| world.oracle.rushed[above]);
    able && !rushed && runs && !ended && !shielded && world.signals < 2 && linked
}

/// 31: no task is given up that only waits for its output to be read. Asked before the timer fires.
pub(super) fn check_patience(world: &World<'_>, node: usize, before: &Before<'_>) -> Result<(), Violation> {
    if !before.due || !is_kept_waiting(world, node) {
        return Ok(());
    }
    let waits = world.actors[node].iter().flat_map(|actor| actor.machine.waits());
    let over = |wait: &Wait| wait.until.at().is_some_and(|when| when <= world.now);
    match waits.filter(over).find(|wait| matches!(wait.on, On::Task(_))) {
        Some(wait) => {
            let text = format_args!("nobody reads what a task writes, and its time is over: {wait}");
            Err(Violation::told(Promise::Escalation, world.now, text))
        }
        None => Ok(()),
    }
}

/// Tells whether a task that loses no time elsewhere can't end because its actor's parent, whose driver works, does not
/// read what it writes.
fn is_kept_waiting(world: &World<'_>, node: usize) -> bool {
    let parent = world.scenario.parent(node).filter(|parent| !world.oracle.pauses[*parent]);
    let parent = parent.and_then(|parent| world.pids[parent]);
    world.is_writing(node)
        && world.conducts[node].script().is_benign()
        && is_healthy(world, id(node))
        && parent.is_some_and(|parent| world.kernel.at(parent).runs())
}

/// 10: a dead child without a last word is collected when nothing that it left is alive, or what is was given up by name.
fn check_reap(world: &World<'_>, node: usize, child: ActorId) -> Result<(), Violation> {
    let heard = world.oracle.heard[place(child)];
    let (Some(me), Some(pid)) = (world.pids[node], world.pids[place(child)]) else { return Ok(()) };
    if heard.parted || heard.given_up {
        return Ok(());
    }
    match world.kernel.leavings(me, pid).into_iter().find(|left| world.kernel.at(*left).is_alive()) {
        Some(left) => {
            let left = name(world, left);
            let text = format_args!("{} collects {child} while {left}, which it left, lives", id(node));
            Err(Violation::told(Promise::Unswept, world.now, text))
        }
        None => Ok(()),
    }
}

/// Tells whether an actor is a thread that was given up by name: it goes on, and nobody hears it any more.
pub(super) fn is_thread_given_up(world: &World<'_>, node: usize) -> bool {
    world.is_thread_at(node) && world.oracle.heard[node].given_up
}

/// 5, 7: an actor that ends by itself has closed its channels and collected every child that is not given up by name.
fn check_done(world: &World<'_>, node: usize) -> Result<(), Violation> {
    let Some(me) = world.pids[node] else { return Ok(()) };
    for child in world.scenario.children(node) {
        if world.wires[child].parent_end && !world.conducts[child].script().is_command() {
            let text = format_args!("{} ends, and its channel to {} is still open", id(node), id(child));
            return Err(Violation::told(Promise::OpenChannel, world.now, text));
        }
    }
    for (pid, process) in world.kernel.children_of(me) {
        let ours = !world.kernel.is_stranger(pid);
        let (What::Actor(child) | What::Command(child)) = process.what else { continue };
        // What is dead is given up by whoever was not told of it; and a thread, which nobody can kill, is given up alive.
        let heard = world.oracle.heard[child];
        let unseen = heard.given_up && !heard.exited && !process.is_alive();
        let given_up = unseen || is_thread_given_up(world, child);
        if ours && !process.stuck && !process.dying && !given_up {
            let text =
                format_args!("{} ends before process {pid} ({:?}) is collected", id(node), process.what);
            return Err(Violation::told(Promise::EarlyEnd, world.now, text));
        }
    }
    Ok(())
}
