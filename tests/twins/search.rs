//! The one of the simulator's runs that a real run is like, looked for.
//!
//! The rule: two runs are alike up to the first choice in which they differ. So where a run says what the real one did
//! not say, only those that choose otherwise before that are looked at: those first that said most of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use windrow_core::sim::{Choice, Choices, Scenario, record};

use super::account::{Account, by_place};
use super::scenes;
use crate::harness::Bed;

/// In how many of the simulator's runs a real run is looked for.
const RUNS: usize = 2_000;

/// A run to be looked at: an earlier one up to one choice, which is made otherwise. The greater one comes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    /// How many lines the earlier run said that the real one did.
    followed: usize,
    deviations: Reverse<usize>,
    /// The place of the choice: the later ones have less to answer for.
    at: usize,
    taken: Reverse<u32>,
    /// What the earlier run chose.
    made: Rc<[u32]>,
}

impl Way {
    fn prefix(&self) -> Vec<u32> {
        self.made.iter().take(self.at).copied().chain([self.taken.0]).collect()
    }
}

/// Looks for a run that says what a real one said. If there is none, gives the account of the one that comes nearest.
pub(super) fn search(scenario: &Scenario, real: &Account) -> Result<(), Account> {
    let mut ways = BinaryHeap::new();
    let mut nearest = (0, Account::default());
    let mut way = None;
    for _ in 0..RUNS {
        let report = record(scenario, Choices::prefix(way.as_ref().map(Way::prefix).unwrap_or_default()));
        let followed = real.follow(scenario, &report.records);
        if report.is_clean() && followed.is_whole {
            return Ok(());
        }
        if followed.lines > nearest.0 {
            nearest = (followed.lines, Account::of(scenario, &by_place(&report.records)));
        }
        let until = followed.until.map_or(report.made.len(), |record| report.chosen[record]);
        let begin = way.map_or(0, |way: Way| way.at + 1);
        ways.extend(others(&report.made[..until], begin, followed.lines));
        way = ways.pop();
        if way.is_none() {
            break;
        }
    }
    Err(nearest.1)
}

/// Lists the runs that are like one up to one of these choices, but for the first few.
fn others(made: &[Choice], begin: usize, followed: usize) -> Vec<Way> {
    let taken: Rc<[u32]> = made.iter().map(|choice| choice.taken).collect();
    let mut ways = Vec::new();
    let mut spent = 0;
    for (at, choice) in made.iter().enumerate() {
        if at >= begin {
            ways.extend((choice.taken + 1..choice.among).map(|other| Way {
                followed,
                deviations: Reverse(spent + 1),
                at,
                taken: Reverse(other),
                made: Rc::clone(&taken),
            }));
        }
        spent += usize::from(choice.taken != 0);
    }
    ways
}

/// A search that does not find what is there is broken.
pub(super) fn every_simulated_run_is_found_again(_: &Bed) {
    for name in ["spawns_later", "row_38_dies_before_it_speaks", "a_channel_breaks"] {
        let scenario = scenes::scenario(name);
        for seed in 0..20 {
            let report = record(&scenario, Choices::seed(seed));
            let told = Account::of(&scenario, &by_place(&report.records));
            assert!(report.is_clean() && search(&scenario, &told).is_ok(), "{name}, seed {seed}");
        }
    }
}
