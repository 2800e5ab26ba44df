//! One run of a scenario, and what is left of it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::choices::{Choice, Choices, Trace};
use super::explain::{Explanation, explain};
use super::oracle::Violation;
use super::scenario::Scenario;
use super::timeline::Timeline;
use super::world::World;
use crate::trace;
use crate::{Instant, Machine, Outcome, Record};

/// What a run came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// What was broken, if anything was.
    pub violation: Option<Violation>,
    /// Who waited for whom when it broke.
    pub explanation: Option<Explanation>,
    /// How the root ended.
    pub outcome: Option<Outcome>,
    /// How many steps the machines made.
    pub steps: u32,
    /// When the run ended, in virtual time.
    pub ended: Instant,
    /// The choices, source by source.
    pub trace: Trace,
    /// The choices, in order.
    pub made: Vec<Choice>,
    /// A hash of every output of every machine, with its time.
    pub hash: u64,
    /// The longest teardown of an actor, in thousandths of its bound.
    pub fullest: u64,
    /// Every input and output, a line each; empty unless it was asked for.
    pub timeline: String,
    /// Every machine as it began, in the order in which they did; empty unless it was asked for.
    pub machines: Vec<Machine>,
    /// What every machine took and said, in order; empty unless it was asked for.
    pub records: Vec<Record>,
    /// How many choices were made before each of them.
    pub chosen: Vec<usize>,
}

impl Report {
    /// Tells whether no oracle objected.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violation.is_none()
    }

    /// Gives what each actor would have left had it kept a trace, as it is seen when the run ends: what
    /// [explains](crate::trace::Tree) and draws the traces of real trees does so with these. Nothing of a run that was not
    /// [recorded](record). What broke a promise is no longer in it.
    ///
    /// ```
    /// use windrow_core::sim::{Choices, Conduct, Scenario, record};
    /// use windrow_core::trace::Tree;
    ///
    /// let scenario = Scenario::tree(2, 1).with(1, Conduct::Wedge);
    /// let report = record(&scenario, Choices::seed(1));
    /// let tree = Tree::all(report.traces()).swap_remove(0);
    /// let fall = &tree.falls()[0];
    /// assert!(tree.tell(fall, tree.first()).contains("SIGKILL"));
    /// ```
    #[must_use]
    pub fn traces(&self) -> Vec<trace::Trace> {
        let begun = |start: &Machine| (start.actor(), (start.clone(), Vec::new()));
        let mut actors: BTreeMap<_, _> = self.machines.iter().map(begun).collect();
        for record in &self.records {
            if let Some((_, records)) = actors.get_mut(&record.actor) {
                records.push(record.clone());
            }
        }
        let trace = |(start, records)| trace::Trace::of(start, records, self.ended);
        actors.into_values().map(trace).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.timeline)?;
        match &self.violation {
            Some(violation) => writeln!(f, "{violation}")?,
            None => writeln!(f, "clean: {} steps until {}", self.steps, self.ended)?,
        }
        if let Some(explanation) = &self.explanation {
            writeln!(f, "{explanation}")?;
        }
        write!(f, "{} of the choices are not the default", self.trace.deviations())
    }
}

/// Runs a scenario with all oracles on.
#[must_use]
pub fn run(scenario: &Scenario, choices: Choices) -> Report {
    report(World::new(scenario, choices, Timeline::hashed()))
}

/// Runs a scenario and keeps its timeline and its records.
#[must_use]
pub fn record(scenario: &Scenario, choices: Choices) -> Report {
    report(World::new(scenario, choices, Timeline::told()))
}

fn report(mut world: World<'_>) -> Report {
    let violation = world.run().err();
    let explanation = violation.as_ref().and_then(|violation| explain(&world, violation.promise));
    let (timeline, machines, kept) = world.timeline.take();
    let (chosen, records) = kept.into_iter().unzip();
    Report {
        violation,
        explanation,
        outcome: world.actors[0].as_ref().and_then(|root| root.outcome),
        steps: world.steps,
        ended: world.now,
        trace: world.choices.trace(),
        made: world.choices.made().to_vec(),
        hash: world.timeline.take_hash(),
        fullest: world.oracle.fullest,
        timeline,
        machines,
        records,
        chosen,
    }
}
