//! The moments of one run: from which of them on no fair end is left, and what would have saved it after that.
//!
//! The rule: how somebody behaves is open until it shows, in what it does or in how it is made. A moment is doomed if the
//! fair schedule does not end well from there, though all that is still open then is as by default.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::cure::Cure;
use crate::sim::begin::draw_conduct;
use crate::sim::choices::Choices;
use crate::sim::event::Event;
use crate::sim::oracle::Promise;
use crate::sim::run::Report;
use crate::sim::scenario::{Scenario, Verb};
use crate::sim::timeline::Timeline;
use crate::sim::user::{Cue, Stage};
use crate::sim::world::{Turn, World, id};
use crate::{ActorId, Instant, Life};

/// Stands in a line of a timeline between who takes a step and what it takes.
const STEP: &str = " <- ";
/// Cures that are named at the most.
const CURES: usize = 3;

/// The first step after which the fair schedule does not end any more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Doom {
    /// The step, counted from 1; 0 is before the beginning. Of several that a script takes at once, the last.
    pub step: u32,
    /// When it is.
    pub at: Instant,
    /// What happens in it, and in those at once before it.
    pub what: String,
}

/// One run, moment by moment.
pub(super) struct Moments<'a> {
    /// The world whenever the clock has jumped, and as nothing could happen any more.
    worlds: Vec<World<'a>>,
    /// The world at its end, or as a promise had been broken.
    last: World<'a>,
}

impl<'a> Moments<'a> {
    /// Runs again.
    pub(super) fn of(scenario: &'a Scenario, report: &Report) -> Self {
        let mut world = World::new(scenario, Choices::replay(report.trace.clone()), Timeline::labelled());
        let mut worlds = alloc::vec![world.clone()];
        loop {
            match world.turn() {
                Ok(Turn::Step) => {}
                Ok(Turn::Jump) => worlds.push(world.clone()),
                Ok(Turn::End) => {
                    worlds.push(world.clone());
                    break;
                }
                Err(_) => break,
            }
        }
        Self { worlds, last: world }
    }

    /// Gives the world as it was when the run was over.
    pub(super) fn last(&self) -> &World<'a> {
        &self.last
    }

    /// Finds the step that dooms, and what helps after it.
    pub(super) fn judge(
        &self,
        broken: Promise,
        culprit: Option<ActorId>,
        runs: &mut u32,
    ) -> (Doom, Vec<Vec<Cure>>) {
        // A doomed moment may be followed by one that is not: what is chosen in between may save it.
        let fair = self.worlds.iter().rposition(|world| {
            if self.goes_on_fairly(world) {
                return false;
            }
            *runs += 1;
            ends_well(world)
        });
        let doom = match fair {
            Some(last) => step_of_doom(&self.worlds[last], runs),
            None => Doom { step: 0, at: self.worlds[0].now, what: String::new() },
        };
        let doomed = fair.map_or(0, |last| last + 1);
        if broken != Promise::Escalation && !broken.is_stuck() {
            return (doom, Vec::new());
        }
        let found = self.cures(doomed, broken, runs);
        (doom, self.with_culprit(found, broken, culprit, runs))
    }

    /// Tells whether the run itself is what the fair schedule makes of a moment: nothing is left open, and nothing that was
    /// chosen later is not the default. How that ends is known.
    fn goes_on_fairly(&self, world: &World<'_>) -> bool {
        let later = self.last.choices.made().iter().skip(world.choices.made().len());
        let is_open = |node| is_open(world, node);
        later.clone().all(|choice| choice.taken == 0) && !(0..world.conducts.len()).any(is_open)
    }

    /// Tries what could be done at the last moment, then ever earlier, but not before the doom; if nothing helps, the end of
    /// the root.
    fn cures(&self, doomed: usize, broken: Promise, runs: &mut u32) -> Vec<Vec<Cure>> {
        let mut back = 1;
        while let Some(at) = self.worlds.len().checked_sub(back).filter(|at| *at >= doomed) {
            let cures = self.worlds[at].cures(CURES, broken, runs);
            if !cures.is_empty() {
                return cures;
            }
            back *= 2;
        }
        self.worlds.last().and_then(|world| world.end_of_root(broken, runs)).into_iter().collect()
    }

    /// Puts first what helps if it is done to whom the explanation names, unless something gentler does: that somebody else dies
    /// of it is no better advice.
    fn with_culprit(
        &self,
        found: Vec<Vec<Cure>>,
        broken: Promise,
        culprit: Option<ActorId>,
        runs: &mut u32,
    ) -> Vec<Vec<Cure>> {
        let is_named = found.iter().flatten().any(|cure| cure.whom() == culprit);
        let Some(culprit) = culprit.filter(|culprit| *culprit != id(0) && !is_named) else { return found };
        let gentlest = found.iter().flatten().map(Cure::rudeness).min();
        let named = self.last.cures_of(culprit, broken, gentlest, runs);
        let is_other = |other: &Cure| named.iter().all(|cure| cure.rudeness() != other.rudeness());
        let others = found.into_iter().filter(|cures| cures.iter().all(is_other));
        named.iter().map(|cure| alloc::vec![*cure]).chain(others).take(CURES).collect()
    }
}

/// Tells whether the fair schedule ends well from here.
fn ends_well(world: &World<'_>) -> bool {
    let mut world = world.clone();
    world.choices = Choices::prefix(Vec::new());
    for node in 0..world.conducts.len() {
        if is_open(&world, node) {
            let conduct = draw_conduct(world.scenario, &mut Choices::prefix(Vec::new()), node);
            world.conducts[node] = conduct;
            world.body(node).into_iter().for_each(|body| body.conduct = conduct);
        }
    }
    world.run().is_ok()
}

/// Tells whether it has not shown yet how somebody behaves.
fn is_open(world: &World<'_>, node: usize) -> bool {
    let conduct = world.conducts[node];
    let default = draw_conduct(world.scenario, &mut Choices::prefix(Vec::new()), node);
    if conduct == default || world.scenario.fixed.iter().any(|(fixed, _)| *fixed == node) {
        return false;
    }
    let script = conduct.script();
    let Some(actor) = &world.actors[node] else {
        // An order says what is to be made.
        let ordered = world.pids[node].is_some() || world.wires[node].parent_end;
        let same = script.role() == default.script().role() && !script.has(Verb::NoStart);
        return !ordered || (world.pids[node].is_none() && same);
    };
    let runs = world.life(node).is_some_and(|life| life <= Life::Running);
    let to_work = world
        .agenda
        .iter()
        .any(|(_, event)| matches!(event, Event::Cue { node: at, cue: Cue::Work(_) } if *at == node));
    let any = |verbs: &[Verb]| verbs.iter().any(|verb| script.has(*verb));
    match actor.body.stage {
        _ if any(&[Verb::Mute, Verb::DieInBoot]) => false,
        Stage::Idle => true,
        _ if any(&[Verb::Peer, Verb::PeerStays, Verb::Spawn]) => false,
        _ if script.has(Verb::OnDone) => actor.outcome.is_none(),
        _ if script.has(Verb::Work) => to_work,
        _ => any(&[Verb::OnCancel, Verb::OnAck]) && runs,
    }
}

/// Goes step by step from a moment from which a fair end is left, to the step after which none is.
fn step_of_doom(world: &World<'_>, runs: &mut u32) -> Doom {
    let mut world = world.clone();
    loop {
        world.timeline = Timeline::told();
        let turn = world.turn();
        let (step, at) = (world.steps, world.now);
        let (told, ..) = world.timeline.take();
        let doom = Doom { step, at, what: in_words(&told) };
        *runs += 1;
        if turn != Ok(Turn::Step) || !ends_well(&world) {
            return doom;
        }
    }
}

/// Says what happens in a turn: its first line, and if that is the first of several steps of one script, each by its name.
fn in_words(told: &str) -> String {
    let mut lines = told.lines().filter_map(|line| line.trim().split_once("  ")).map(|(_, what)| what);
    let first = lines.next().unwrap_or_default();
    let Some((actor, _)) = first.split_once(STEP) else { return first.into() };
    let steps = core::iter::once(first).chain(lines).filter_map(|line| line.split_once(STEP));
    let names: Vec<&str> = steps.map(|(_, input)| input.split(' ').next().unwrap_or_default()).collect();
    if names.len() > 1 { format!("{actor}{STEP}{}", names.join(", ")) } else { first.into() }
}
