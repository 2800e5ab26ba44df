//! A find of a search: a run that breaks a promise, to be run again by whoever wants to know more.
//!
//! The rule: a world and its choices are the whole run, so nothing else is kept of it.

use crate::sim::choices::{Choices, Trace};
use crate::sim::explain::{Diagnosis, Undiagnosed, diagnose};
use crate::sim::oracle::Violation;
use crate::sim::run::{Report, run};
use crate::sim::scenario::Scenario;

/// A run that breaks a promise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Find {
    /// The world.
    pub scenario: Scenario,
    /// The choices that lead there.
    pub trace: Trace,
    /// What was broken.
    pub violation: Violation,
}

impl Find {
    /// Keeps what an exhaustive search found in a world.
    #[must_use]
    pub fn new(scenario: Scenario, (violation, trace): (Violation, Trace)) -> Self {
        Self { scenario, trace, violation }
    }

    /// Keeps a run, if it broke a promise.
    #[must_use]
    pub fn of_run(scenario: Scenario, report: Report) -> Option<Self> {
        let violation = report.violation?;
        Some(Self { scenario, trace: report.trace, violation })
    }

    /// Finds out all that can be told of it.
    ///
    /// # Errors
    /// The choices do not break that promise in this world.
    pub fn diagnose(&self) -> Result<Diagnosis, Undiagnosed> {
        let again = run(&self.scenario, Choices::replay(self.trace.clone()));
        match diagnose(&self.scenario, &again) {
            Err(Undiagnosed::Clean) => Err(Undiagnosed::NotShown(self.violation.clone())),
            told => told,
        }
    }
}
