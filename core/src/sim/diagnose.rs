//! All that is told of a violation, on one screen: who waits for whom and why in vain, the shortest way there, the step
//! from which on it was bound to happen, and what would have saved it.
//!
//! The rule: what it claims was run. From the moments of the shortest run it goes on as the fair schedule does, once as
//! they are and once with a [`Cure`].

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::choices::{Choice, Choices, Source};
use super::cure::Cure;
use super::run::{Report, record};
use super::scenario::Scenario;
use super::shrink::shrink_within;
use super::timeline::Timeline;
use super::world::{Turn, World, id};
use crate::Instant;

/// Runs that the shortest way may take.
const SHRINKING: u32 = 150;
/// Cures that are named at the most.
const CURES: usize = 3;

/// All that is told of a violation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The shortest run that breaks the same promise, with its timeline.
    pub report: Report,
    /// What goes otherwise in it than in the fair schedule, in words.
    pub deviations: Vec<String>,
    /// From where on no fair end was left.
    pub doom: Doom,
    /// What would have saved it after that: each is one thing, or a few of one kind; the gentlest comes first.
    pub cures: Vec<Vec<Cure>>,
    /// How many runs this took.
    pub runs: u32,
}

/// The first step after which the fair schedule does not end any more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Doom {
    /// The step, counted from 1; 0 is before the beginning.
    pub step: u32,
    /// When it is.
    pub at: Instant,
    /// What happens in it.
    pub what: String,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(violation) = &self.report.violation {
            writeln!(f, "{violation}")?;
        }
        if let Some(explanation) = &self.report.explanation {
            writeln!(f, "{explanation}")?;
        }
        match self.deviations.as_slice() {
            [] => writeln!(f, "The fair schedule leads there by itself.")?,
            some => writeln!(f, "The shortest way there: {}.", some.join("; "))?,
        }
        let Doom { step, at, what } = &self.doom;
        match step {
            0 => writeln!(f, "Doomed from the beginning.")?,
            _ => writeln!(f, "Doomed from step {step} on ({at}): {what}")?,
        }
        let words = |cures: &[Cure]| cures.iter().map(Cure::to_string).collect::<Vec<_>>().join(" and ");
        match self.cures.as_slice() {
            [] if is_stuck(&self.report) => write!(f, "Nothing put in from outside would have saved it."),
            [] => write!(f, "Nobody is stuck: what is wrong is done, not left undone."),
            [best, rest @ ..] => {
                write!(f, "What would have saved it: {}", words(best))?;
                rest.iter().try_for_each(|cures| write!(f, "; or {}", words(cures)))
            }
        }
    }
}

/// Finds out all that can be told of a violation.
#[must_use]
pub fn diagnose(scenario: &Scenario, report: &Report) -> Diagnosis {
    let (short, mut runs) = shrink_within(scenario, report, SHRINKING);
    let report = record(scenario, Choices::replay(short.trace));
    let moments = Moments::of(scenario, &report);
    let (doom, cures) = moments.judge(is_stuck(&report), &mut runs);
    Diagnosis { deviations: moments.deviations, report, doom, cures, runs: runs + 2 }
}

/// One run, moment by moment.
struct Moments<'a> {
    /// The world whenever the clock has jumped, and as nothing could happen any more.
    worlds: Vec<World<'a>>,
    deviations: Vec<String>,
}

impl<'a> Moments<'a> {
    fn of(scenario: &'a Scenario, report: &Report) -> Self {
        let mut world = World::new(scenario, Choices::replay(report.trace.clone()), Timeline::default());
        let mut deviations = conducts(&world);
        let mut told = 0;
        let mut worlds = alloc::vec![world.clone()];
        loop {
            let turn = world.turn();
            let is_told = |choice: &&Choice| choice.taken != 0 && choice.source != Source::Conduct;
            for choice in world.choices.made()[told..].iter().filter(is_told) {
                let (among, taken) = (choice.among, choice.taken);
                deviations.push(format!("{:?} {taken} of {among} at {}", choice.source, world.now));
            }
            told = world.choices.made().len();
            match turn {
                Ok(Turn::Step) => {}
                Ok(Turn::Jump) => worlds.push(world.clone()),
                Ok(Turn::End) => {
                    worlds.push(world);
                    break;
                }
                Err(_) => break,
            }
        }
        Self { worlds, deviations }
    }

    /// Finds the step that dooms, and what helps after it.
    fn judge(&self, stuck: bool, runs: &mut u32) -> (Doom, Vec<Vec<Cure>>) {
        // Once doomed, always doomed: the fair schedule goes on from each moment through the later ones.
        let doomed = self.worlds.partition_point(|world| {
            *runs += 1;
            ends_well(world)
        });
        let doom = match doomed.checked_sub(1).and_then(|before| self.worlds.get(before)) {
            Some(world) => step_of_doom(world, runs),
            None => Doom { step: 0, at: self.worlds[0].now, what: String::new() },
        };
        (doom, if stuck { self.cures(doomed, runs) } else { Vec::new() })
    }

    /// Tries what could be done at the last moment, then ever earlier, but not before the doom.
    fn cures(&self, doomed: usize, runs: &mut u32) -> Vec<Vec<Cure>> {
        let mut back = 1;
        while let Some(at) = self.worlds.len().checked_sub(back).filter(|at| *at >= doomed) {
            let cures = self.worlds[at].cures(CURES, runs);
            if !cures.is_empty() {
                return cures;
            }
            back *= 2;
        }
        Vec::new()
    }
}

/// Tells whether somebody waited for what did not come; else nobody needs help, and who helps only hides what is wrong.
fn is_stuck(report: &Report) -> bool {
    report.violation.as_ref().is_some_and(|violation| violation.promise.is_stuck())
}

/// Names the conducts that were chosen and are not the default.
fn conducts(world: &World<'_>) -> Vec<String> {
    let is_free = |node: &usize| world.scenario.fixed.iter().all(|(fixed, _)| fixed != node);
    let chosen = world.choices.made().iter().filter(|choice| choice.source == Source::Conduct);
    (0..world.conducts.len())
        .filter(is_free)
        .zip(chosen)
        .filter(|(_, choice)| choice.taken != 0)
        .map(|(node, _)| format!("{} is {:?}", id(node), world.conducts[node]))
        .collect()
}

/// Tells whether the fair schedule ends well from here.
fn ends_well(world: &World<'_>) -> bool {
    let mut world = world.clone();
    world.choices = Choices::prefix(Vec::new());
    world.run().is_ok()
}

/// Goes step by step from a moment from which a fair end is left, to the step after which none is.
fn step_of_doom(world: &World<'_>, runs: &mut u32) -> Doom {
    let mut world = world.clone();
    loop {
        world.timeline = Timeline::told();
        let turn = world.turn();
        let (step, at) = (world.steps, world.now);
        let (told, _) = world.timeline.take();
        let what =
            told.lines().next().and_then(|line| line.trim().split_once("  ")).map_or("", |(_, what)| what);
        let doom = Doom { step, at, what: what.into() };
        *runs += 1;
        if turn != Ok(Turn::Step) || !ends_well(&world) {
            return doom;
        }
    }
}
