//! What a hunt searches, shared out over all cores: every run of some trees, and random runs.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use windrow_core::sim::{Choices, Exploration, Find, Plan, Scenario, roam, run};

use super::cores::share_out;
use super::hunt::Bag;
use super::stop::Stop;
use super::told::Told;
use crate::lines::in_shell;

/// Seeds that one task runs.
const BLOCK: u64 = 64;

/// Searches the pieces of all plans, and sums up each plan's. The largest trees come first, so that no core is left over
/// with one at the end.
pub(super) fn explore(stop: &Stop, plans: &[Plan], bag: &mut Bag) -> Vec<Exploration> {
    let mut pieces = Vec::new();
    for (index, plan) in plans.iter().enumerate() {
        pieces.extend(plan.pieces.iter().map(|piece| (index, piece)));
    }
    pieces.sort_by_key(|(_, piece)| std::cmp::Reverse(piece.scenario.nodes()));
    let states = AtomicU64::new(0);
    let goes_on = |met: u64| {
        states.fetch_add(met, Ordering::Relaxed);
        stop.goes_on()
    };
    let show =
        |done: usize| format!("{done} of {} trees, {} states", pieces.len(), states.load(Ordering::Relaxed));
    let search = |index: usize| pieces[index].1.explore(goes_on);
    let parts = share_out(stop, pieces.len(), search, |part| part.found.is_some(), show);
    let mut sums = vec![Exploration::default(); plans.len()];
    if !stop.goes_on() {
        pieces.iter().skip(parts.len()).for_each(|(plan, _)| sums[*plan].stopped = true);
    }
    for (part, (plan, piece)) in parts.into_iter().zip(&pieces) {
        if let Some(found) = &part.found {
            bag.violations += 1;
            bag.find = Told::of_find(&Find::new(piece.scenario.clone(), found.clone()), None);
        }
        bag.states += part.states;
        bag.runs += part.runs;
        sums[*plan].add(part);
    }
    sums
}

/// Random runs, seed by seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seeds<'a> {
    pub(super) from: u64,
    pub(super) count: u64,
    /// Where the scenario was read that all are of. Each draws one without.
    pub(super) of: Option<(&'a Scenario, &'a Path)>,
}

impl Seeds<'_> {
    /// Runs them, up to the smallest that breaks a promise.
    pub(super) fn search(self, stop: &Stop, bag: &mut Bag) -> String {
        let Self { from, count, .. } = self;
        let blocks = usize::try_from(count.div_ceil(BLOCK)).unwrap_or(usize::MAX);
        let steps = AtomicU64::new(0);
        let block = |index: usize| {
            let first = index as u64 * BLOCK;
            let mut runs = (first..count.min(first + BLOCK)).map(|index| (index, from.saturating_add(index)));
            runs.find_map(|(index, seed)| Some((index, seed, self.try_one(seed, &steps)?)))
        };
        let show = |done: usize| format!("{} of {count} seeds", done as u64 * BLOCK);
        let done = share_out(stop, blocks, block, Option::is_some, show);
        let searched = count.min(done.len() as u64 * BLOCK);
        let runs = match self.of {
            None => "random runs of trees of 3 to 15 actors",
            Some(_) => "random runs of that scenario",
        };
        if let Some((index, seed, find)) = done.into_iter().flatten().next() {
            bag.violations += 1;
            bag.runs += index + 1;
            bag.find = Told::of_find(&find, Some(seed));
            let again = match self.of {
                None => format!("--roam {seed}"),
                Some((_, path)) => format!("--scenario {} --seed {seed}", in_shell(path)),
            };
            return format!(
                "{runs}: seed {seed} is the first that breaks a promise; `windrow sim {again}` is that run"
            );
        }
        bag.runs += searched;
        let first = if from == 0 { String::new() } else { format!(", from seed {from} on") };
        let told = format!("{searched} {runs}{first}: {} steps, 0 violations", steps.into_inner());
        if searched == count {
            return told;
        }
        format!("{told}; `--from {}` goes on where this search was stopped", from + searched)
    }

    /// Gives what one seed finds.
    fn try_one(self, seed: u64, steps: &AtomicU64) -> Option<Find> {
        let (scenario, report) = match self.of {
            None => roam(seed),
            Some((own, _)) => (own.clone(), run(own, Choices::seed(seed))),
        };
        steps.fetch_add(report.steps.into(), Ordering::Relaxed);
        Find::of_run(scenario, report)
    }
}
