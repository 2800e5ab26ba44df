//! Why a wait is in vain: what the model knows of who should answer, at the end of a chain.
//!
//! The rule: what it says of somebody, dead, collected, told or not, was looked up, and each such text is true in the
//! moment of which it tells.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::chain::{Sink, choose};
use crate::sim::kernel::{File, Pid, Vital, What, name};
use crate::sim::oracle::is_answered;
use crate::sim::world::{World, id, place};
use crate::{ActorId, Defect, Instant, Life, Link, On, Signal, Until, Wait, Why};

/// A sink, and in words why it is one.
type End = (Sink, String);

/// Says why a wait is in vain, if it is one at which the chain ends.
pub(super) fn sink_of(world: &World<'_>, node: usize, wait: &Wait) -> Option<End> {
    let me = id(node);
    if is_answered(&world.oracle.heard, node, wait.on, wait.why) {
        return Some((Sink::LostWake, format!("{me} was given the answer already, and did not keep it")));
    }
    if is_swallowed(world, node, wait) {
        return Some((Sink::SwallowedDeadline, format!("its deadline has passed, and {me} did nothing")));
    }
    match wait.on {
        On::Child(child) => child_sink(world, node, wait, child),
        On::Link(Link::Parent) => parent_sink(world, node, wait),
        On::Link(Link::Peer(peer)) => {
            let sink = if is_never(wait.until) { Sink::NoDeadline } else { Sink::SilentEnvironment };
            Some((sink, format!("peer {peer} of {me} need not ever read")))
        }
        On::Task(_) if world.is_writing(node) => None,
        On::Task(_) | On::Scope(_) => Some(code_sink(world, node)),
        On::Context(_) => Some(call_sink(world, node, wait)),
        On::Strangers => Some(silent(format!("what {me} killed at its end does not die"))),
        On::Guardian => Some(silent(format!("the guardian of {me} does not end"))),
        On::Link(_) | On::Question(_) => Some(silent(format!("nobody answers {me}"))),
    }
}

fn silent(because: String) -> End {
    (Sink::SilentEnvironment, because)
}

/// Says why nothing comes of a child.
fn child_sink(world: &World<'_>, node: usize, wait: &Wait, child: ActorId) -> Option<End> {
    let me = id(node);
    let teardown = world.life(node).is_some_and(Life::is_teardown);
    if teardown && wait.until == Until::Running(None) {
        return Some((Sink::NoDeadline, format!("{me} ends, and has not asked {child} to")));
    }
    let Some(pid) = world.pids[place(child)] else {
        let late = if teardown { format!("{me} ends, and waits for a start: ") } else { String::new() };
        return Some(silent(format!("{late}{child} has no process yet")));
    };
    match world.kernel.at(pid).vital {
        Vital::Reaped => {
            Some((Sink::LostWake, format!("{child} was collected already, and nobody will hear of it again")))
        }
        Vital::Zombie(_) | Vital::Lost => Some(dead_sink(world, node, child, pid)),
        Vital::Alive if world.kernel.at(pid).block.is_some() => None,
        Vital::Alive if world.actors[place(child)].is_none() => {
            Some(silent(command_words(world, pid, child, me)))
        }
        Vital::Alive if world.life(place(child)) == Some(Life::Ended) => {
            Some(silent(format!("{child} has ended and its process has not")))
        }
        Vital::Alive => None,
    }
}

/// Says why a command goes on.
fn command_words(world: &World<'_>, pid: Pid, child: ActorId, parent: ActorId) -> String {
    if !world.kernel.at(pid).ignores(Signal::Int) {
        return format!("{child} is a command and goes on");
    }
    let untold = world.has(Defect::SigintIgnoredInherited);
    let untold = if untold { format!(", and {parent} was not told") } else { String::new() };
    format!("{child} is a command that ignores SIGINT{untold}")
}

/// Says why a dead child is still waited for: its parent does not know, or what it left lives on.
fn dead_sink(world: &World<'_>, node: usize, child: ActorId, pid: Pid) -> End {
    let me = id(node);
    if !world.oracle.heard[place(child)].exited {
        return (Sink::DeadResolver, format!("{child} is dead, and {me} was not told"));
    }
    let left = world.pids[node].map(|me| world.kernel.leavings(me, pid)).unwrap_or_default();
    let Some(left) = left.into_iter().find(|left| world.kernel.at(*left).is_alive()) else {
        return silent(format!("{child} is dead, and nobody has collected it yet"));
    };
    let (name, waits) = match world.kernel.at(left).what {
        What::Actor(node) => {
            let waits: Vec<Wait> =
                world.actors[node].iter().flat_map(|actor| actor.machine.waits()).collect();
            (id(node).to_string(), choose(world, node, &waits))
        }
        _ => (name(world, left), None),
    };
    let still = waits.map_or("is alive".into(), |wait| format!("is alive: {wait}"));
    (Sink::DeadResolver, format!("{child} is dead, and {name}, which it left, {still}"))
}

/// Says why a parent's word, or its end of the channel, does not come.
fn parent_sink(world: &World<'_>, node: usize, wait: &Wait) -> Option<End> {
    let (me, parent) = (id(node), world.scenario.parent(node)?);
    if world.life(parent).is_some() {
        return None;
    }
    let parent = id(parent);
    if matches!(wait.why, Why::Life(Life::Running | Life::Cancelling)) {
        let text = format!("{parent}, its parent, is dead, and the shield of {me} hides that");
        return Some((Sink::ShieldWithoutEscape, text));
    }
    Some((Sink::DeadResolver, format!("{parent}, the parent of {me}, is dead")))
}

/// Says who would end the code of an actor's user, and why that does not happen.
fn code_sink(world: &World<'_>, node: usize) -> End {
    let me = id(node);
    let Some(parent) = world.scenario.parent(node).filter(|parent| world.life(*parent).is_none()) else {
        return own_code(world, node);
    };
    let text = format!("only {}, its parent, would cancel {me}, and it is dead", id(parent));
    let copies = world.kernel.all().filter(|(_, process)| process.is_alive());
    let holders: Vec<String> = copies
        .filter(|(_, process)| process.copies.contains(&File::Above(node)))
        .map(|(pid, _)| name(world, pid))
        .collect();
    if holders.is_empty() {
        return (Sink::DeadResolver, text);
    }
    let held = format!("{text}; a copy of its end of their channel is held by {}", holders.join(" and "));
    (Sink::DeadResolver, held)
}

/// Says why a call is not answered.
fn call_sink(world: &World<'_>, node: usize, wait: &Wait) -> End {
    let me = id(node);
    let Some((far, _)) = world.called_by(wait) else { return own_code(world, node) };
    let called = id(far);
    if world.is_thrown_away(wait) {
        return (Sink::LostWake, format!("{called} has answered {me}, and the answer was thrown away"));
    }
    if world.life(far).is_none() {
        return (Sink::DeadResolver, format!("{called} is dead, and its caller {me} was not told"));
    }
    if world.oracle.heard[far].given_up && world.wires[far].parent_end {
        let text = format!("{me} has given {called} up, and keeps its channel to it open");
        return (Sink::SilentEnvironment, text);
    }
    silent(unheard(world, far).unwrap_or_else(|| format!("{called} is alive, and does not answer")))
}

/// Says that an actor's own code is what does not end, and for what that waits, if it is known.
fn own_code(world: &World<'_>, node: usize) -> End {
    let code = || format!("only the user's code in {} could end that", id(node));
    silent(unheard(world, node).unwrap_or_else(code))
}

/// Says of whom an item is waited for by one who is called, if it is.
fn unheard(world: &World<'_>, called: usize) -> Option<String> {
    let context = world.serving(called).filter(|serving| serving.hears.is_some())?.context;
    let (caller, _) = world.across(called, context.link)?;
    Some(format!("{} waits for an item of {}, its caller, and none comes", id(called), id(caller)))
}

pub(super) fn is_never(until: Until) -> bool {
    matches!(until, Until::Teardown(deadline) if deadline.at() == Instant::MAX)
}

/// Tells whether a wait has outlived its deadline, and no timer is there that would end it.
fn is_swallowed(world: &World<'_>, node: usize, wait: &Wait) -> bool {
    let timer = world.actors[node].as_ref().and_then(|actor| actor.machine.poll_timeout());
    let Until::Teardown(deadline) = wait.until else { return false };
    deadline.at() <= world.now && timer.is_none_or(|timer| timer > deadline.at())
}
