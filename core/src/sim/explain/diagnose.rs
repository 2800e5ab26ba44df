//! All that is told of a violation, on one screen: who waits for whom and why in vain, the shortest way there, the step
//! from which on it was bound to happen, and what would have saved it.
//!
//! The rule: what it claims was run. From the moments of the shortest run it goes on as the fair schedule does, once as
//! they are and once with a [`Cure`].

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::cure::{Cure, in_words};
use super::doom::{Doom, Moments};
use super::shrink::shrink_within;
use crate::sim::choices::{Choices, Source};
use crate::sim::oracle::{Promise, Violation};
use crate::sim::run::{Report, record};
use crate::sim::scenario::{BadScenario, Scenario};
use crate::sim::world::{World, id};

/// Runs that the shortest way may take.
const SHRINKING: u32 = 150;

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
            0 => writeln!(f, "Doomed from the beginning, under the fair schedule.")?,
            _ => writeln!(f, "Doomed from step {step} on ({at}), under the fair schedule: {what}")?,
        }
        match self.cures.as_slice() {
            [] if self.is_stuck() => write!(f, "Nothing put in from outside would have saved it."),
            [only] if matches!(only.as_slice(), [Cure::Kill(root)] if *root == id(0)) => {
                write!(f, "Nothing put in from outside would have saved it but the end of {}.", id(0))
            }
            [] => write!(f, "Nobody is stuck: what is wrong is done, not left undone."),
            [best, rest @ ..] => {
                write!(f, "What would have saved it: {}", in_words(best))?;
                rest.iter().try_for_each(|cures| write!(f, "; or {}", in_words(cures)))
            }
        }
    }
}

/// Why there is nothing to tell of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undiagnosed {
    /// It breaks no promise.
    Clean,
    /// It breaks one, and the same choices do not in this scenario: it is a run of another.
    NotShown(Violation),
    /// It is none: the scenario asks for what can't be.
    BadScenario(BadScenario),
}

impl fmt::Display for Undiagnosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("this run breaks no promise: there is nothing to diagnose"),
            Self::NotShown(broken) => write!(
                f,
                "this scenario does not show what the run broke ({broken}): give the scenario that the run is of, with the \
                 same nets and defects"
            ),
            Self::BadScenario(bad) => write!(f, "{}: {bad}", Promise::BadScenario),
        }
    }
}

impl core::error::Error for Undiagnosed {}

/// Finds out all that can be told of a violation, by running its choices in its scenario again.
///
/// # Errors
/// The run breaks no promise, or not in this scenario.
pub fn diagnose(scenario: &Scenario, report: &Report) -> Result<Diagnosis, Undiagnosed> {
    scenario.check().map_err(Undiagnosed::BadScenario)?;
    let Some(broken) = &report.violation else { return Err(Undiagnosed::Clean) };
    let (short, mut runs) = shrink_within(scenario, report, SHRINKING);
    let report = record(scenario, Choices::replay(short.trace));
    let promise = broken.promise;
    if report.violation.as_ref().is_none_or(|again| again.promise != promise) {
        return Err(Undiagnosed::NotShown(broken.clone()));
    }
    let moments = Moments::of(scenario, &report);
    let deviations = deviations(moments.last());
    let culprit = report.explanation.as_ref().and_then(|told| told.actors.last().copied());
    let (doom, cures) = moments.judge(promise, culprit, &mut runs);
    Ok(Diagnosis { deviations, report, doom, cures, runs: runs + 2 })
}

impl Diagnosis {
    fn is_stuck(&self) -> bool {
        self.report.violation.as_ref().is_some_and(|violation| Promise::is_stuck(violation.promise))
    }
}

/// Says in words what was chosen and is not the default, in the order in which it was.
fn deviations(world: &World<'_>) -> Vec<String> {
    let made = world.choices.made().iter().enumerate();
    let chosen = made.filter(|(_, choice)| choice.taken != 0 && choice.source != Source::Conduct);
    let told = chosen.map(|(index, choice)| {
        let unnamed = || format!("{:?} {} of {}", choice.source, choice.taken, choice.among);
        world.timeline.label(index).map_or_else(unnamed, String::from)
    });
    conducts(world).into_iter().chain(told).collect()
}

/// Names the conducts that were chosen and are not the default.
fn conducts(world: &World<'_>) -> Vec<String> {
    let is_free = |node: &usize| world.scenario.fixed.iter().all(|(fixed, _)| fixed != node);
    let chosen = world.choices.made().iter().filter(|choice| choice.source == Source::Conduct);
    (0..world.conducts.len())
        .filter(is_free)
        .zip(chosen)
        .filter(|(_, choice)| choice.taken != 0)
        .map(|(node, choice)| format!("{} is {:?}", id(node), world.scenario.menu[choice.taken as usize]))
        .collect()
}
