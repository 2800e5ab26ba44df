//! The search that runs from the start each time, with one seed after the other.

use crate::sim::choices::Choices;
use crate::sim::run::{Report, run};
use crate::sim::scenario::Scenario;

/// What a search came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// How many runs there were.
    pub runs: u64,
    /// How many steps they had together.
    pub steps: u64,
    /// The fullest teardown, in thousandths of its bound.
    pub fullest: u64,
    /// The first run that broke a promise.
    pub report: Option<Report>,
}

impl Found {
    fn nothing() -> Self {
        Self { runs: 0, steps: 0, fullest: 0, report: None }
    }

    /// Counts a run, and tells whether the search is over.
    fn take(&mut self, report: Report) -> bool {
        self.runs += 1;
        self.steps += u64::from(report.steps);
        self.fullest = self.fullest.max(report.fullest);
        let over = !report.is_clean();
        if over {
            self.report = Some(report);
        }
        over
    }
}

/// Runs `count` random runs; the seed of each follows from the first.
#[must_use]
pub fn swarm(scenario: &Scenario, seed: u64, count: u64) -> Found {
    let mut found = Found::nothing();
    for index in 0..count {
        let seed = seed.wrapping_mul(0x9E37_79B9).wrapping_add(index);
        if found.take(run(scenario, Choices::seed(seed))) {
            break;
        }
    }
    found
}
