//! The two searches that promise something, with a rule taken out: every small tree, and the seeds of the swarm.
//!
//! The rule: they search the very worlds of which the guarantee and the seeds speak, and stop at the first that breaks a
//! promise. A search that finds nothing where something is promises nothing where it finds nothing.

use alloc::vec::Vec;
use core::fmt;

use crate::sim::catalog::{Hang, Reach};
use crate::sim::choices::Choices;
use crate::sim::run::run;
use crate::sim::scenario::{Nets, Scenario};
use crate::sim::search::{Find, explore, mixed, shapes};

/// What every search over all trees comes to while a rule is taken out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Claim {
    /// What the search of every small tree found, with the net away that hides it.
    pub every_tree: Option<Find>,
    /// Different states that it met, in smaller trees and with fewer deviations too.
    pub states: u64,
    /// What the first seed was that found something, and what it found.
    pub roam: Option<(u64, Find)>,
}

impl Claim {
    /// Actors, deviations and seeds up to which a hang is sought.
    pub const WITHIN: (usize, usize, u64) = (3, 2, 20_000);

    /// Searches without the rule against a hang, which `broken` takes out, and without the net that hides it.
    pub fn of(hang: &Hang, broken: impl Fn(Scenario) -> Scenario) -> Self {
        Self::within(Self::WITHIN, hang.reach.nets(), broken)
    }

    /// Searches trees of at most so many actors for a run with at most so many deviations, with these nets if any, and so
    /// many seeds.
    pub fn within(
        (actors, most, seeds): (usize, usize, u64),
        nets: Option<Nets>,
        broken: impl Fn(Scenario) -> Scenario,
    ) -> Self {
        let world = |parents| broken(Scenario::of(parents).wild()).with_nets(nets.unwrap_or(Nets::ALL));
        let (every_tree, states) = match nets {
            Some(_) => every_tree(actors, most, world),
            None => (None, 0),
        };
        let found = |seed| {
            let scenario = broken(mixed(seed));
            let report = run(&scenario, Choices::seed(seed));
            Find::of_run(scenario, report).map(|find| (seed, find))
        };
        Self { every_tree, states, roam: (0..seeds).find_map(found) }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.every_tree {
            Some(Find { scenario, trace, violation }) => {
                let (actors, k) = (scenario.nodes(), trace.deviations());
                write!(f, "{} of {actors} actors, k = {k}, {} states", violation.promise, self.states)?;
            }
            None => f.write_str("no tree shows it")?,
        }
        match &self.roam {
            Some((seed, find)) => write!(f, "; seed {seed}: {}", find.violation.promise),
            None => f.write_str("; no seed shows it"),
        }
    }
}

impl Reach {
    /// Gives the nets with which the search of every small tree must find the hang, if there are any.
    #[must_use]
    pub fn nets(self) -> Option<Nets> {
        match self {
            Self::Whole => Some(Nets::ALL),
            Self::Without(away) => {
                Nets::ONE_AWAY.iter().find(|(name, _)| *name == away).map(|(_, nets)| *nets)
            }
            Self::Own(_) => None,
        }
    }
}

/// Searches trees of one actor, then of more, with no deviation and then with more, for the first that breaks a promise; counts
/// the states that it met.
fn every_tree(actors: usize, most: usize, world: impl Fn(Vec<usize>) -> Scenario) -> (Option<Find>, u64) {
    let mut states = 0;
    for deviations in 0..=most {
        for parents in (1..=actors).flat_map(shapes) {
            let scenario = world(parents);
            let sum = explore(&scenario, deviations);
            states += sum.states;
            if let Some(found) = sum.found {
                return (Some(Find::new(scenario, found)), states);
            }
        }
    }
    (None, states)
}
