//! What a search tells of its find: its story for people, and the run itself for programs.
//!
//! The rule: what is printed is enough to have the same run again. It is the shortest that breaks the same promise.

use std::fmt;

use serde::Serialize;
use windrow_core::sim::{Diagnosis, Find, Scenario, Trace};

use super::say;

/// A find, as it is told.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    /// What is broken, by the number of which invariant, and what happened.
    promise: String,
    breaks: String,
    what: String,
    /// The seed of a random run, for `windrow sim --roam`; its choices are still more than these.
    pub(super) seed: Option<u64>,
    /// The parent of each actor but a1, from a2 on.
    tree: Vec<String>,
    /// Which nets were away.
    without: Vec<&'static str>,
    /// The choices, source by source, up to the last that is not the default; and those in words.
    choices: Trace,
    deviations: Vec<String>,
    /// What the chain of waits ends in, if anybody waits.
    sink: Option<String>,
    /// What would have saved it.
    cures: Vec<Vec<String>>,
    /// The shortest run itself, as `windrow sim --find` and `serde` take it.
    pub(super) run: Option<Find>,
    #[serde(skip)]
    story: Diagnosis,
}

impl Told {
    /// Tells of a find, if its world shows it, or says why not; `seed` is given if it is that of a random run.
    pub(super) fn of_find(find: &Find, seed: Option<u64>) -> Option<Self> {
        let story = find.diagnose().map_err(|why| say(format_args!("{}: {why}", find.violation))).ok()?;
        Some(Self::of_story(&find.scenario, story, seed))
    }

    /// Tells what was found out already of a run in this world; `seed` as above.
    pub(super) fn of_story(scenario: &Scenario, story: Diagnosis, seed: Option<u64>) -> Self {
        let broken = story.report.violation.as_ref();
        let run =
            broken.map(|broken| Find::new(scenario.clone(), (broken.clone(), story.report.trace.clone())));
        let actor = |parent: &usize| format!("a{}", parent + 1);
        let words = |cures: &Vec<_>| cures.iter().map(ToString::to_string).collect();
        Self {
            promise: broken.map(|broken| broken.promise.to_string()).unwrap_or_default(),
            breaks: broken.map(|broken| broken.promise.number().to_string()).unwrap_or_default(),
            what: broken.map(|broken| broken.text.clone()).unwrap_or_default(),
            seed,
            tree: scenario.parents.iter().map(actor).collect(),
            without: scenario.nets.away().collect(),
            choices: story.report.trace.clone(),
            deviations: story.deviations.clone(),
            sink: story.report.explanation.as_ref().map(|told| format!("{:?}", told.sink)),
            cures: story.cures.iter().map(words).collect(),
            run,
            story,
        }
    }
}

/// The timeline of the find, and all that is told of it.
impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.story.report.timeline, self.story)
    }
}
