//! What must hold when nothing can happen any more: nobody is alive who should have ended, nobody dead is uncollected, no
//! file is left, and the books agree.
//!
//! The rule: the model has no outer process that sweeps after the root. What the root names as left, it may leave. What
//! a shell is to read, from pipes and connections, it has read, whatever its user does; what it has for its user, an item
//! or an answer, that one may leave.

use alloc::format;

use super::promise::Promise;
use super::{Violation, ledger};
use crate::sim::kernel::{Block, INIT, Pid, Process, Vital, What};
use crate::sim::world::{World, id};

/// Asks every oracle that looks at the end of a run.
pub(crate) fn end(world: &World<'_>) -> Result<(), Violation> {
    world.living().into_iter().try_for_each(|pid| check_living(world, pid))?;
    check_zombies(world)?;
    check_unread(world)?;
    // Nobody is left who would clear away after a dead root, or after what it named as left.
    if !is_told(world) && !is_rootless(world) {
        world.check_directory()?;
    }
    ledger::check(world)
}

/// Says what is wrong with a process that is alive, if anything is.
fn check_living(world: &World<'_>, pid: Pid) -> Result<(), Violation> {
    let process = world.kernel.at(pid);
    let orphan = process.parent == INIT && Some(pid) != world.pids[0];
    let (promise, text) = match process.what {
        What::Init => return Ok(()),
        _ if world.rests(pid) || is_waived(world, pid) => return Ok(()),
        What::Leaving | What::Template(_) if orphan && (is_told(world) || is_rootless(world)) => {
            return Ok(());
        }
        What::Leaving | What::Template(_) => (Promise::LeftBehind, format!("process {pid} is left behind")),
        // Nothing is wrong with it but that it does not look.
        What::Actor(node) if process.block == Some(Block::Code) && world.is_unread(node) => {
            (Promise::Unconsumed, format!("something came for {} and is never looked at", id(node)))
        }
        What::Actor(node) | What::Command(node) => {
            let promise = if orphan { Promise::Orphan } else { Promise::Hang };
            (promise, format!("nothing can happen any more, and {} is alive", id(node)))
        }
    };
    Err(Violation::new(promise, &text, world.now))
}

/// 4: what is dead is collected.
fn check_zombies(world: &World<'_>) -> Result<(), Violation> {
    let is_dead = |process: &Process| matches!(process.vital, Vital::Zombie(_));
    let may_stay = |pid| world.is_out_of_reach(pid) || is_waived(world, pid) || world.rests(pid);
    match world.kernel.all().find(|(pid, process)| is_dead(process) && !may_stay(*pid)) {
        Some((pid, _)) => {
            let text = format_args!("process {pid} is never collected");
            Err(Violation::told(Promise::Zombie, world.now, text))
        }
        None => Ok(()),
    }
}

/// 45: whoever could has read all that came.
fn check_unread(world: &World<'_>) -> Result<(), Violation> {
    let reads = |node: &usize| {
        let alive = world.pids[*node].is_some_and(|pid| world.kernel.at(pid).runs());
        alive && world.actors[*node].as_ref().is_some_and(|actor| actor.begun && actor.outcome.is_none())
    };
    let reader = |of| world.scenario.parent(of).filter(reads);
    if let Some((of, reader)) = world.unread_outputs().find_map(|of| Some((of, reader(of)?))) {
        let text = format_args!("{} never reads what {} has written", id(reader), id(of));
        return Err(Violation::told(Promise::Unconsumed, world.now, text));
    }
    match (0..world.actors.len()).filter(reads).find(|node| world.is_unread(*node)) {
        Some(node) => {
            let text = format_args!("something came for {} and is never looked at", id(node));
            Err(Violation::told(Promise::Unconsumed, world.now, text))
        }
        None => Ok(()),
    }
}

/// Tells whether the root has named something as left.
fn is_told(world: &World<'_>) -> bool {
    let outcome = world.actors[0].as_ref().and_then(|root| root.outcome);
    outcome.is_some_and(|outcome| outcome.tally.left > 0)
}

/// Tells whether the root has died without a word.
fn is_rootless(world: &World<'_>) -> bool {
    world.actors[0].as_ref().is_none_or(|root| root.outcome.is_none())
}

/// Tells whether a process is below what the root has named as left, because the user would not wait, or because its time was
/// over and no guardian sees to what is below.
fn is_waived(world: &World<'_>, pid: Pid) -> bool {
    is_told(world) && (world.signals > 1 || !world.scenario.nets.guardian) && world.is_adrift(pid)
}
