//! A find of a search: a run that breaks a promise, to be run again by whoever wants to know more.
//!
//! The rule: a world and its choices are the whole run, so nothing else is kept of it.

use serde::{Deserialize, Serialize};

use crate::sim::choices::{Choices, Trace};
use crate::sim::explain::{Diagnosis, Undiagnosed, diagnose};
use crate::sim::oracle::Violation;
use crate::sim::run::{Report, record, run};
use crate::sim::scenario::Scenario;

/// A run that breaks a promise.
///
/// It is kept by whatever format `serde` has: in JSON it is an object that people can read, and `windrow sim --find` runs it again. So
/// does a test of whoever found it, from then on. It means the same to later builds as long as they know all that it speaks of,
/// and as long as what the model leaves open is asked for in the same order; a run that goes another way by then is clean.
///
/// ```
/// use windrow_core::sim::{Choices, Find, Scenario, Slip, run};
///
/// // A shell that says it has collected a child, and has not.
/// let careless = Scenario { slip: Some(Slip::Uncollected), ..Scenario::tree(2, 1) };
/// let report = run(&careless, Choices::seed(1));
/// let find = Find::of_run(careless, report).expect("that is seen");
///
/// let text = serde_json::to_string(&find)?;
/// let read: Find = serde_json::from_str(&text)?;
/// assert_eq!(read.replay().violation, Some(find.violation));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

    /// Runs it again, and keeps the timeline. A world that can't be is told as one: see [`Scenario::check`].
    #[must_use]
    pub fn replay(&self) -> Report {
        record(&self.scenario, Choices::replay(self.trace.clone()))
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
