//! Why a tree does not end: the chain of waits in words, to the wait whose answer can never come.
//!
//! The rule: it follows what the machines themselves say they wait for, from the root down, and looks at the model only
//! to say why the last of them is in vain.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::sink::{is_never, sink_of};
use crate::sim::event::Event;
use crate::sim::kernel::{Block, What};
use crate::sim::oracle::{Promise, is_answered};
use crate::sim::world::{World, id, place};
use crate::{ActorId, Child, Input, Instant, Life, Link, Message, On, Until, Wait};

/// What a chain of waits ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the catalog's list")]
pub enum Sink {
    /// Those in the chain wait for each other.
    Cycle,
    /// The answer came before it was awaited.
    LostWake,
    /// A deadline passed and nothing came of it.
    SwallowedDeadline,
    /// A deadline was over while who should answer was on its way.
    ShortDeadline,
    /// Who should answer could have at once, and has not.
    HeldBack,
    /// A wait in teardown has no deadline.
    NoDeadline,
    /// A shield hides what would end the wait.
    ShieldWithoutEscape,
    /// Nothing but the environment could answer, and it does not.
    SilentEnvironment,
    /// Who should answer is dead.
    DeadResolver,
}

/// The chain of waits of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// Each wait in words, the first one first.
    pub chain: Vec<String>,
    /// The actors in the chain.
    pub actors: Vec<ActorId>,
    /// What it ends in.
    pub sink: Sink,
    /// Why the last wait is in vain.
    pub because: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.chain.iter().enumerate() {
            writeln!(f, "  {}{line}", if index == 0 { "" } else { "and " })?;
        }
        write!(f, "  {:?}: {}", self.sink, self.because)
    }
}

/// Says why a world stands still, or runs on the spot, or what was waited for when it broke a promise.
pub(crate) fn explain(world: &World<'_>, broken: Promise) -> Option<Explanation> {
    // Whoever is asked again, nobody waits for what was not to be; and nobody waits where nothing was run.
    if matches!(broken, Promise::AskedAgain | Promise::BadScenario) {
        return None;
    }
    let spins = if broken == Promise::Livelock { spin(world) } else { None };
    let told = spins.or_else(|| follow(world))?;
    if broken != Promise::Escalation {
        return Some(told);
    }
    let held = || told.actors.iter().find_map(|child| held_back(world, *child));
    match held().or_else(|| too_soon(world, &told)) {
        Some((sink, because)) => Some(Explanation { sink, because, ..told }),
        None => Some(told),
    }
}

/// Says how long an actor that is hurried has known that it is to end, if it never acknowledged that, though it runs and
/// has a channel: whatever it waits for itself, it need not for that.
fn held_back(world: &World<'_>, child: ActorId) -> Option<(Sink, String)> {
    let (node, ack) = (place(child), Input::Received { link: Link::Child(child), message: Message::Ack });
    let is_ack = |event: &Event| matches!(event, Event::Fact { fact, .. } if *fact == ack);
    let wire = world.wires[node];
    let linked = wire.parent_end && wire.child_end && !wire.severed && !wire.broken;
    let runs = world.pids[node].is_some_and(|pid| world.kernel.at(pid).runs());
    let said = world.oracle.heard[node].ack || world.agenda.iter().any(|(_, event)| is_ack(event));
    let (since, _) = (world.oracle.began[node]?, is_hurried(world, child)?);
    let held = linked && runs && !said && since < world.now;
    let text = || format!("{child} took its cancel {:?} ago, and holds back its ack", world.now.since(since));
    held.then(|| (Sink::HeldBack, text()))
}

/// Gives by whom an actor is hurried, and since when it was to end, if it is.
fn is_hurried(world: &World<'_>, child: ActorId) -> Option<(ActorId, Instant)> {
    let above = world.scenario.parent(place(child))?;
    let record = world.actors[above].as_ref()?.machine.state().children.get(&child)?;
    let hurries = matches!(record.phase, Child::Stopping | Child::Killing);
    Some((id(above), record.ladder?.began)).filter(|_| hurries)
}

/// Says how little time somebody was given that is on its way out, if all in the chain work: then no code is to blame, also
/// where the chain goes on below who is hurried.
fn too_soon(world: &World<'_>, told: &Explanation) -> Option<(Sink, String)> {
    let last = place(*told.actors.last()?);
    let runs = world.pids[last].is_some_and(|pid| world.kernel.at(pid).runs());
    let blamed = told.sink == Sink::SilentEnvironment && runs;
    told.actors.iter().rev().filter(|_| blamed).find_map(|child| hurried(world, *child))
}

/// Says how little time an actor was given by its parent, if that hurries it before its bound.
fn hurried(world: &World<'_>, child: ActorId) -> Option<(Sink, String)> {
    let (above, began) = is_hurried(world, child)?;
    let given = world.now.since(began);
    let bound = world.actors[place(child)].as_ref()?.machine.teardown_bound();
    let text = || {
        format!("{above} hurries {child} {given:?} after it began to end it, and {child} may take {bound:?}")
    };
    (given < bound).then(|| (Sink::ShortDeadline, text()))
}

/// Names what happens again and again in a world that runs on the spot: it is what would happen next.
fn spin(world: &World<'_>) -> Option<Explanation> {
    let (_, event) = world.agenda.iter().next()?;
    let Event::Drain { node, of } = *event else { return None };
    let (me, writer) = (id(node), id(of));
    let dead = world.pids[of].is_none_or(|pid| !world.kernel.at(pid).is_alive());
    let (sink, because) = if dead {
        (Sink::DeadResolver, format!("{writer} is dead: its output can be read for ever, and gives nothing"))
    } else {
        (Sink::SilentEnvironment, format!("{writer} is alive and writes nothing"))
    };
    let chain =
        alloc::vec![format!("{me} waits for more of the output of {writer}, and reads it again and again")];
    Some(Explanation { chain, actors: alloc::vec![me], sink, because })
}

/// Follows the waits from the root down.
fn follow(world: &World<'_>) -> Option<Explanation> {
    let living = |node: &usize| world.life(*node).is_some_and(|life| life != Life::Ended);
    // Who can only be helped from above stands first: the nearest to the root that is alive.
    let mut node = (0..world.actors.len()).find(living)?;
    let mut chain = Vec::new();
    let mut actors = Vec::new();
    loop {
        if actors.contains(&id(node)) {
            let because = format!("the chain comes back to {}; none of them moves first", id(node));
            return Some(Explanation { chain, actors, sink: Sink::Cycle, because });
        }
        actors.push(id(node));
        if let Some(block) = world.pids[node].and_then(|pid| world.kernel.at(pid).block) {
            chain.push(block_words(world, node, block));
            match follow_block(world, node, block) {
                Ok(next) => node = next,
                Err((sink, because)) => return Some(Explanation { chain, actors, sink, because }),
            }
            continue;
        }
        if let Some(pid) = world.pids[node]
            && !world.kernel.at(pid).runs()
        {
            let how = silence(world, node);
            let sink = if endless_above(world, &actors) { Sink::NoDeadline } else { Sink::SilentEnvironment };
            return Some(Explanation { chain, actors, sink, because: how });
        }
        let waits: Vec<Wait> = world.actors[node].iter().flat_map(|actor| actor.machine.waits()).collect();
        let Some(wait) = choose(world, node, &waits) else {
            let because = format!("{} waits for nothing that could come", id(node));
            return Some(Explanation { chain, actors, sink: Sink::SilentEnvironment, because });
        };
        let full = matches!(wait.on, On::Task(_)) && world.is_writing(node);
        chain.push(format!("{wait}{}", if full { ", which waits for room in its output" } else { "" }));
        if let Some((sink, because)) = sink_of(world, node, &wait) {
            return Some(Explanation { chain, actors, sink, because });
        }
        node = match wait.on {
            On::Child(child) => place(child),
            On::Link(Link::Parent) | On::Task(_) => world.scenario.parent(node)?,
            _ => return None,
        };
    }
}

/// Says what a process that is held up waits for.
fn block_words(world: &World<'_>, node: usize, block: Block) -> String {
    let who = id(node);
    match block {
        Block::Exit(pid) => match world.kernel.at(pid).what {
            What::Actor(of) | What::Command(of) => {
                format!("{who} waits for the exit of {}, in a waitpid", id(of))
            }
            _ => format!("{who} waits for the exit of process {pid}, in a waitpid"),
        },
        Block::Output => format!("{who} waits for room in its output"),
        Block::Lock => format!("{who} waits for a lock, since its fork"),
        Block::Turn => format!("{who} waits for a turn of its loop"),
        Block::Code => format!("{who} waits for its user's code to give the loop a turn"),
    }
}

/// Gives whom a process waits for that is held up, or why nobody will come.
fn follow_block(world: &World<'_>, node: usize, block: Block) -> Result<usize, (Sink, String)> {
    let who = id(node);
    match block {
        Block::Exit(_) => Err((Sink::NoDeadline, format!("no deadline of {who} interrupts a waitpid"))),
        Block::Output => {
            let reader = world.scenario.parent(node).filter(|parent| world.life(*parent).is_some());
            reader.ok_or_else(|| (Sink::DeadResolver, format!("the reader of what {who} writes is dead")))
        }
        Block::Lock => Err((Sink::DeadResolver, format!("the thread that holds it does not exist in {who}"))),
        Block::Turn => Err((Sink::SilentEnvironment, format!("others have the processor that {who} needs"))),
        Block::Code => {
            Err((Sink::SilentEnvironment, format!("only the user's code in {who} could end that")))
        }
    }
}

/// Chooses the wait to follow: one that is in vain by itself, else the one nearest to its end.
pub(super) fn choose(world: &World<'_>, node: usize, waits: &[Wait]) -> Option<Wait> {
    let answered = |wait: &Wait| is_answered(&world.oracle.heard, node, wait.on, wait.why);
    let vain = |wait: &&Wait| answered(wait) || world.is_thrown_away(wait);
    let endless = |wait: &&Wait| wait.until == Until::Running(None) || is_never(wait.until);
    let by_actor = |wait: &&Wait| matches!(wait.on, On::Child(_) | On::Link(_) | On::Context(_));
    waits
        .iter()
        .find(vain)
        .or_else(|| waits.iter().filter(by_actor).find(endless))
        .or_else(|| waits.iter().find(by_actor))
        .or_else(|| waits.first())
        .copied()
}

/// Says why a process executes nothing.
fn silence(world: &World<'_>, node: usize) -> String {
    let who = id(node);
    let Some(process) = world.pids[node].map(|pid| world.kernel.at(pid)) else {
        return format!("{who} has no process");
    };
    if process.stopped {
        format!("{who} is stopped by SIGSTOP")
    } else if process.dying {
        format!("{who} was killed and does not die")
    } else {
        format!("the driver of {who} answers nothing any more ({:?})", world.conducts[node])
    }
}

/// Tells whether somebody above the last of the chain waits for it in teardown without a deadline.
fn endless_above(world: &World<'_>, actors: &[ActorId]) -> bool {
    actors.iter().any(|actor| {
        world.actors[place(*actor)].iter().flat_map(|a| a.machine.waits()).any(|wait| is_never(wait.until))
    })
}
