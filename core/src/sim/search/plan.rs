//! An exhaustive search over many trees, a piece each, that whoever has threads may share out.
//!
//! The rule: the pieces follow from what is asked alone, and no two have a state in common, so the counts are the same on
//! one core and on many; and what is promised at the end is what was visited, no more.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::explore::{Exploration, explore_while, shapes};
use crate::sim::catalog::worlds;
use crate::sim::scenario::{Conduct, Nets, Scenario};

/// One piece of a [`Plan`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Piece {
    /// The world.
    pub scenario: Scenario,
    deviations: usize,
}

impl Piece {
    /// Searches the piece for as long as `goes_on`, which hears now and then how many more states were met.
    #[must_use]
    pub fn explore(&self, goes_on: impl Fn(u64) -> bool) -> Exploration {
        explore_while(&self.scenario, self.deviations, &goes_on)
    }
}

/// What is to be searched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The pieces, a tree each.
    pub pieces: Vec<Piece>,
    trees: String,
    deviations: usize,
    /// The nets that are away.
    away: Vec<&'static str>,
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
        Self::new(trees, deviations, words)
    }

    /// Plans one tree, with all that can go wrong in it: so many children of each actor, and generations below the root.
    #[must_use]
    pub fn one_tree(breadth: usize, depth: usize, deviations: usize) -> Self {
        let parents = Scenario::tree(breadth, depth).parents;
        let words = format!("the tree of {breadth}×{depth}, which are {} actors", parents.len() + 1);
        Self::new([parents].into(), deviations, words)
    }

    /// Plans the worlds of talk, with a user at any time and all that can go wrong between two moments: a caller, whom it
    /// calls, and whom that one calls for it; and two who call each other, of whom a third cancels one.
    #[must_use]
    pub fn talk(deviations: usize) -> Self {
        let wild = |scenario| Scenario { disturbed: true, absent: true, ..scenario };
        let piece = |scenario| Piece { scenario: wild(scenario), deviations };
        let pieces = [worlds::nested_calls(), worlds::cancelled_by_a_third()];
        let trees =
            "calls of 3 actors, nested, and of 3 under a root, crossed and cancelled by a third".into();
        Self { pieces: pieces.map(piece).into(), trees, deviations, away: Vec::new() }
    }

    /// Plans one scenario, with what it leaves open.
    #[must_use]
    pub fn of(scenario: Scenario, deviations: usize) -> Self {
        let (away, actors) = (scenario.nets.away().collect(), scenario.nodes());
        let trees = format!("a scenario of {actors} actor{}", if actors == 1 { "" } else { "s" });
        Self { pieces: [Piece { scenario, deviations }].into(), trees, deviations, away }
    }

    fn new(trees: Vec<Vec<usize>>, deviations: usize, words: String) -> Self {
        let piece = |parents| Piece { scenario: Scenario::of(parents).wild(), deviations };
        Self { pieces: trees.into_iter().map(piece).collect(), trees: words, deviations, away: Vec::new() }
    }

    /// Plans the same without one of the nets.
    #[must_use]
    pub fn without(mut self, (away, nets): (&'static str, Nets)) -> Self {
        for piece in &mut self.pieces {
            piece.scenario = piece.scenario.clone().with_nets(nets);
        }
        self.away = [away].into();
        self
    }

    /// Says what is known once every piece was searched.
    #[must_use]
    pub fn guarantee(&self, sum: &Exploration) -> String {
        let (trees, deviations) = (&self.trees, self.deviations);
        let Exploration { states, runs, cut, .. } = sum;
        let known = match &sum.found {
            None if sum.stopped => "0 violations until the search was stopped",
            None => "0 violations",
            Some(_) => "the search ended at the first violation",
        };
        let nets = match &self.away[..] {
            [] => "all nets in place".into(),
            [away] => format!("the net `{away}` away"),
            several => format!("the nets `{}` away", several.join("`, `")),
        };
        format!(
            "{trees}, {nets}, every run with at most {deviations} deviations from the fair schedule: {states} states, no two \
             the same, {runs} runs to their end and {cut} into a state that was seen: {known}"
        )
    }

    /// Says what all plans leave open.
    #[must_use]
    pub fn deviations() -> String {
        let ways = Conduct::all().len();
        format!(
            "a deviation is an actor that behaves in another of {ways} ways, another time at which the user cancels, or that \
             it never does, another span of a start, a message or a death, another order of what comes at one time, or one \
             thing between two moments: a cancel before the user's own, which is then the second signal and the last, a \
             connection of two who are no family that breaks, a late turn or an early tick of an actor, an error of one at \
             work, or the death, the silence or the lost channel of a process that behaves well until then, but of the root \
             its death alone, if there are guardians; what misbehaves meets with no death, silence or loss besides"
        )
    }
}
