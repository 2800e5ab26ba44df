//! The one of the simulator's runs that a real run is like, looked for.
//!
//! The rule: two runs are alike up to the first choice in which they differ. So where a run says what the real one did
//! not say, only those that choose otherwise before that are looked at: those first that come of one that said most of it.
//! What was chosen after that stays, source by source, or is all forgotten: what brings one actor nearer may stand in another's
//! way, or have nothing to do with it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use windrow_core::sim::{Choice, Choices, Scenario, Source, Trace, record};

use super::account::{Account, Records, by_place};
use super::scenes;
use crate::harness::Bed;

/// In how many of the simulator's runs a real run is looked for.
const RUNS: usize = 6_000;

/// A run to be looked at: an earlier one in which one choice is made otherwise. The greater one comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    /// How many lines the earlier run said that the real one did.
    followed: usize,
    deviations: Reverse<usize>,
    /// The place of the choice: the later ones have less to answer for.
    at: usize,
    taken: Reverse<u32>,
    /// What was chosen after it stays.
    keeps: bool,
    /// Which of the earlier runs.
    run: usize,
}

impl Way {
    fn trace(self, runs: &[Vec<Choice>]) -> Trace {
        let made = &runs[self.run];
        let other = Choice { taken: self.taken.0, ..made[self.at] };
        let rest = if self.keeps { &made[self.at + 1..] } else { &[] };
        let mut trace: Trace = made[..self.at].iter().chain([&other]).chain(rest).copied().collect();
        for source in Source::ALL {
            let stream = trace.stream_mut(*source);
            let length = stream.iter().rposition(|taken| *taken != 0).map_or(0, |last| last + 1);
            stream.truncate(length);
        }
        trace
    }
}

/// Gives a run that says what a real one said, or the account of the one that comes nearest if there is none.
pub(super) fn search(scenario: &Scenario, real: &Account) -> Result<Records, Account> {
    let (mut ways, mut runs) = (BinaryHeap::new(), Vec::new());
    let mut nearest = (0, Account::default());
    let mut known = HashSet::from([Trace::default()]);
    let mut next = Some(Trace::default());
    while let Some(trace) = next.filter(|_| runs.len() < RUNS) {
        let report = record(scenario, Choices::replay(trace));
        let followed = real.follow(scenario, &report.records);
        if report.is_clean() && followed.is_whole {
            return Ok(by_place(&report.records));
        }
        if followed.lines > nearest.0 {
            nearest = (followed.lines, Account::of(scenario, &by_place(&report.records)));
        }
        let until = followed.until.map_or(report.made.len(), |record| report.chosen[record]);
        ways.extend(others(&report.made, until, followed.lines, runs.len()));
        runs.push(report.made);
        let traces = std::iter::from_fn(|| ways.pop()).map(|way: Way| way.trace(&runs));
        next = { traces }.find(|trace| known.insert(trace.clone()));
    }
    Err(nearest.1)
}

/// Lists the runs that are like one but for one of its first choices.
fn others(made: &[Choice], until: usize, followed: usize, run: usize) -> Vec<Way> {
    let mut ways = Vec::new();
    let all = made.iter().filter(|choice| choice.taken != 0).count();
    let mut spent = 0;
    for (at, choice) in made[..until].iter().enumerate() {
        let own = usize::from(choice.taken != 0);
        for other in (0..choice.among).filter(|other| *other != choice.taken) {
            for keeps in [false, true] {
                let kept = if keeps { all - own } else { spent };
                let deviations = Reverse(kept + usize::from(other != 0));
                ways.push(Way { followed, deviations, at, taken: Reverse(other), keeps, run });
            }
        }
        spent += own;
    }
    ways
}

/// A search that does not find what is there is broken.
pub(super) fn every_simulated_run_is_found_again(_: &Bed) {
    for name in [
        "spawns_later",
        "row_38_dies_before_it_speaks",
        "row_1_the_root_exits_without_a_word",
        "a_channel_breaks",
        "a_driver_is_stopped",
    ] {
        let scenario = Scenario { piecemeal: true, ..scenes::scenario(name) };
        for seed in 0..20 {
            let report = record(&scenario, Choices::seed(seed));
            let told = Account::of(&scenario, &by_place(&report.records));
            assert!(report.is_clean(), "{name}, seed {seed}: {report}");
            assert!(search(&scenario, &told).is_ok(), "{name}, seed {seed}");
        }
    }
}
