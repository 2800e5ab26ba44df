//! The two searches that promise something, with a rule taken out: every small tree, and the seeds of the swarm.
//!
//! The rule: they search the very worlds of which the guarantee and the seeds speak, and stop at the first that breaks a
//! promise. A search that finds nothing where something is promises nothing where it finds nothing.

use alloc::vec::Vec;
use core::fmt;

use super::catalog::{Hang, Reach};
use super::choices::Choices;
use super::explore::{explore, shapes};
use super::mixed::mixed;
use super::nets::Nets;
use super::oracle::Violation;
use super::run::run;
use super::scenario::Scenario;

/// What every search over all trees comes to while a rule is taken out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Claim {
    /// What the search of every small tree found, with the net away that hides it.
    pub every_tree: Option<Find>,
    /// What the first seed was that found something, and what it found.
    pub roam: Option<(u64, Violation)>,
}

/// A find in one of all trees.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Find {
    /// The tree, by the parent of each actor but the first.
    pub parents: Vec<usize>,
    /// How many deviations it took.
    pub deviations: usize,
    /// Different states that were met before, in smaller trees and with fewer deviations too.
    pub states: u64,
    /// What was broken.
    pub violation: Violation,
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
        let every_tree = nets.and_then(|_| every_tree(actors, most, world));
        let found =
            |seed| run(&broken(mixed(seed)), Choices::seed(seed)).violation.map(|found| (seed, found));
        Self { every_tree, roam: (0..seeds).find_map(found) }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.every_tree {
            Some(Find { parents, deviations, states, violation }) => {
                let actors = parents.len() + 1;
                write!(f, "{} of {actors} actors, k = {deviations}, {states} states", violation.promise)?;
            }
            None => f.write_str("no tree shows it")?,
        }
        match &self.roam {
            Some((seed, violation)) => write!(f, "; seed {seed}: {}", violation.promise),
            None => f.write_str("; no seed shows it"),
        }
    }
}

impl Reach {
    /// Gives the nets in whose place every small tree shows the hang, if any do.
    fn nets(self) -> Option<Nets> {
        match self {
            Self::Whole => Some(Nets::ALL),
            Self::Without(away) => {
                Nets::ONE_AWAY.iter().find(|(name, _)| *name == away).map(|(_, nets)| *nets)
            }
            Self::Own(_) => None,
        }
    }
}

/// Searches trees of one actor, then of more, with no deviation and then with more, for the first that breaks a promise.
fn every_tree(actors: usize, most: usize, world: impl Fn(Vec<usize>) -> Scenario) -> Option<Find> {
    let mut states = 0;
    for deviations in 0..=most {
        for parents in (1..=actors).flat_map(shapes) {
            let sum = explore(&world(parents.clone()), deviations);
            states += sum.states;
            if let Some((violation, _)) = sum.found {
                return Some(Find { parents, deviations, states, violation });
            }
        }
    }
    None
}
