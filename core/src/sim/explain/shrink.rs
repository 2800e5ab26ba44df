//! The way from a long trace to a short one: deviations are taken out as long as the same oracle objects.
//!
//! The rule: what is left fails by itself, and without any single one of its deviations it does not. Halves go first,
//! as Zeller's delta debugging does it, then smaller and smaller chunks, then one deviation at a time.

use alloc::vec::Vec;

use crate::sim::choices::{Choices, Source, Trace};
use crate::sim::run::{Report, run};
use crate::sim::scenario::Scenario;

/// Runs that shrinking may take at the most.
const BUDGET: u32 = 200;

/// Takes deviations out of a trace as long as the same oracle objects; gives what is left as a run.
#[must_use]
pub fn shrink(scenario: &Scenario, report: &Report) -> Report {
    shrink_within(scenario, report, BUDGET).0
}

/// Shrinks within so many runs, and says how many it took.
#[must_use]
pub fn shrink_within(scenario: &Scenario, report: &Report, budget: u32) -> (Report, u32) {
    let mut shrinker = Shrinker { scenario, best: report.clone(), runs: 0, budget };
    if report.violation.is_some() {
        shrinker.shrink();
    }
    (shrinker.best, shrinker.runs)
}

struct Shrinker<'a> {
    scenario: &'a Scenario,
    best: Report,
    runs: u32,
    budget: u32,
}

impl Shrinker<'_> {
    fn shrink(&mut self) {
        let mut chunk = self.best.trace.deviations();
        while chunk > 0 && self.runs < self.budget {
            // A smaller trace may allow what a larger one did not, so at the end nothing is left that can go.
            if self.pass(chunk) && chunk == 1 {
                continue;
            }
            chunk = (chunk / 2).min(self.best.trace.deviations());
        }
    }

    /// Tries to take out each chunk in turn, from the end, since what comes late often hangs on what comes early.
    fn pass(&mut self, chunk: usize) -> bool {
        let mut went = false;
        let mut end = self.best.trace.deviations();
        while end > 0 && self.runs < self.budget {
            let start = end.saturating_sub(chunk);
            if self.without(start, end) {
                went = true;
                end = start.min(self.best.trace.deviations());
            } else {
                end = start;
            }
        }
        went
    }

    /// Runs without the deviations from `start` to `end`, and keeps that if the same oracle objects to less.
    fn without(&mut self, start: usize, end: usize) -> bool {
        let mut trace = self.best.trace.clone();
        for (source, index) in &deviations(&self.best.trace)[start..end] {
            trace.stream_mut(*source)[*index] = 0;
        }
        let shorter = run(self.scenario, Choices::replay(trace));
        self.runs += 1;
        let verdict = |report: &Report| report.violation.as_ref().map(|found| found.promise);
        let better = verdict(&shorter) == verdict(&self.best)
            && shorter.trace.deviations() < self.best.trace.deviations();
        if better {
            self.best = shorter;
        }
        better
    }
}

/// Lists the choices that are not the default.
fn deviations(trace: &Trace) -> Vec<(Source, usize)> {
    let of = |source: &Source| {
        let source = *source;
        let stream = trace.stream(source).iter().enumerate();
        stream.filter(|(_, taken)| **taken != 0).map(move |(index, _)| (source, index))
    };
    Source::ALL.iter().flat_map(of).collect()
}
