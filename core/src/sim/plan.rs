//! An exhaustive search over many trees, cut into pieces that whoever has threads may share out.
//!
//! The rule: the pieces and their order follow from what is asked alone, so the counts are the same on one core and on
//! many; and what is promised at the end is what was visited, no more.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::explore::{Exploration, explore, shapes};
use super::scenario::{Conduct, Scenario};

/// Trees with more actors than this are searched in parts.
const WHOLE: usize = 5;
/// In so many: each part repeats some of what others saw, and counts it again. With two that is a twentieth.
const PARTS: usize = 2;

/// One piece of a [`Plan`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Piece {
    /// The world.
    pub scenario: Scenario,
    deviations: usize,
    part: usize,
    parts: usize,
}

impl Piece {
    /// Searches the piece.
    #[must_use]
    pub fn explore(&self) -> Exploration {
        explore(&self.scenario, self.deviations, self.part, self.parts)
    }
}

/// What is to be searched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The pieces, the largest trees last.
    pub pieces: Vec<Piece>,
    trees: String,
    deviations: usize,
}

impl Plan {
    /// Plans every tree of at most so many actors, with all that can go wrong in it.
    #[must_use]
    pub fn every_tree(actors: usize, deviations: usize) -> Self {
        let trees: Vec<_> = (1..=actors).flat_map(shapes).collect();
        let words = match trees.len() {
            1 => String::from("the tree of one actor"),
            count => format!("all {count} shapes of trees of at most {actors} actors"),
        };
        Self::new(trees.into_iter().map(wild).collect(), deviations, words)
    }

    /// Plans one tree, with all that can go wrong in it.
    #[must_use]
    pub fn one_tree(parents: Vec<usize>, deviations: usize) -> Self {
        let words = format!("one tree of {} actors", parents.len() + 1);
        Self::new([wild(parents)].into(), deviations, words)
    }

    fn new(scenarios: Vec<Scenario>, deviations: usize, trees: String) -> Self {
        let cut = |scenario: Scenario| {
            let parts = if scenario.nodes() > WHOLE && deviations > 1 { PARTS } else { 1 };
            (0..parts).map(move |part| Piece { scenario: scenario.clone(), deviations, part, parts })
        };
        Self { pieces: scenarios.into_iter().flat_map(cut).collect(), trees, deviations }
    }

    /// Says what is known once every piece was searched.
    #[must_use]
    pub fn guarantee(&self, sum: &Exploration) -> String {
        let (trees, deviations) = (&self.trees, self.deviations);
        let Exploration { states, runs, cut, .. } = sum;
        let known = match &sum.found {
            None => "0 violations",
            Some(_) => "the search ended at the first violation",
        };
        format!(
            "{trees}, every run with at most {deviations} deviations from the fair schedule: {states} states, {runs} runs \
             to their end and {cut} into a state that was seen: {known}"
        )
    }
}

/// A tree in which each actor may behave in every way, and everything may go wrong at any moment.
fn wild(parents: Vec<usize>) -> Scenario {
    let mut scenario = Scenario::of(parents).menu(&Conduct::all());
    scenario.disturbed = true;
    scenario
}
