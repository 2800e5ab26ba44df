//! `windrow hunt --defect`: rules are taken out, and the hangs that follow must be found.
//!
//! The rule: a search that does not find what is there is itself broken, so a hang that is not found is told and counts as
//! a failure of the hunt.

use serde::Serialize;
use windrow_core::sim::{Ablation, Claim, Diagnosis, Hang, Nets, Trial};

use super::cores::share_out;
use super::{hangs, say};

/// What became of one rule that was taken out.
#[derive(Debug, Serialize)]
pub(super) struct Catch {
    pub(super) defect: &'static str,
    pub(super) found: bool,
    /// The first of the searches that found it: `exhaustive` or `swarm`; and how many runs it took, if they were counted.
    search: &'static str,
    runs: Option<u64>,
    /// The shortest trace that any search found.
    trace: Option<usize>,
    /// What the exhaustive search needed, if it found it.
    states: Option<u64>,
    /// From how many seeds the random search found it, and what it needed.
    seeds: usize,
    runs_median: Option<u64>,
    runs_max: Option<u64>,
}

impl Catch {
    fn of_trial(trial: &Trial) -> Self {
        let (runs_median, runs_max) = trial.runs();
        let (search, runs) = match trial.exhaustive.found {
            Some(_) => ("exhaustive", trial.exhaustive.runs),
            None => ("swarm", runs_median),
        };
        Self {
            defect: trial.defect.name(),
            found: trial.is_found(),
            search,
            runs: Some(runs),
            trace: trial.shortest(),
            states: trial.exhaustive.found.as_ref().map(|_| trial.exhaustive.states),
            seeds: trial.seeds(),
            runs_median: Some(runs_median),
            runs_max: Some(runs_max),
        }
    }

    fn of_ablation(ablation: &Ablation) -> Self {
        let seen = ablation.sights.iter().filter_map(|(_, sight)| *sight);
        Self {
            defect: ablation.defect.name(),
            found: ablation.is_seen(),
            search: "exhaustive",
            runs: None,
            trace: seen.map(|sight| sight.deviations).min(),
            states: None,
            seeds: 0,
            runs_median: None,
            runs_max: None,
        }
    }

    fn of_claim(hang: &Hang, claim: &Claim) -> Self {
        let (tree, seed) = (claim.every_tree.as_ref(), claim.roam.as_ref().map(|(seed, _)| *seed));
        Self {
            defect: hang.defect.name(),
            found: tree.is_some() || seed.is_some(),
            search: if tree.is_some() { "exhaustive" } else { "swarm" },
            runs: seed.map(|seed| seed + 1).filter(|_| tree.is_none()),
            trace: tree.map(|find| find.deviations),
            states: tree.map(|find| find.states),
            seeds: seed.iter().count(),
            runs_median: seed.map(|seed| seed + 1),
            runs_max: seed.map(|seed| seed + 1),
        }
    }
}

/// What a hunt with rules taken out came to.
#[derive(Debug, Default)]
pub(super) struct Trials {
    pub(super) catches: Vec<Catch>,
    pub(super) states: u64,
    pub(super) runs: u64,
    pub(super) story: Option<Diagnosis>,
    /// What is told of all of them.
    pub(super) table: String,
}

impl Trials {
    fn add(&mut self, catch: Catch) {
        if !catch.found {
            say(format_args!("{}: NOT FOUND", catch.defect));
        }
        self.catches.push(catch);
    }

    /// Counts the hangs that were found.
    pub(super) fn found(&self) -> usize {
        self.catches.iter().filter(|catch| catch.found).count()
    }
}

/// Searches for each of these hangs in its own world, and as far as the searches over all trees always go.
pub(super) fn in_their_worlds(hangs: &[Hang], k: usize, seeds: u64) -> Trials {
    let seek = |index: usize| {
        let hang: &Hang = &hangs[index];
        Trial::of(hang, |scenario| hangs::break_in(scenario, hang.defect), k, seeds)
    };
    let found = share_out(hangs.len(), seek, |_| false, |done| format!("{done} of {} hangs", hangs.len()));
    let mut trials = Trials::default();
    for trial in &found {
        trials.states += trial.exhaustive.states;
        trials.runs += trial.exhaustive.runs + trial.swarm.iter().map(|catch| catch.runs).sum::<u64>();
        trials.add(Catch::of_trial(trial));
    }
    match found.as_slice() {
        [trial] => trials.story = trial.finds().next().cloned(),
        _ => trials.table = Trial::table(&found),
    }
    trials
}

/// Searches for each of these hangs in every tree of at most so many actors, and in the swarm.
pub(super) fn in_every_tree(hangs: &[Hang], within: (usize, usize, u64), nets: Nets) -> Trials {
    let seek = |index: usize| {
        let hang: &Hang = &hangs[index];
        Claim::within(within, Some(nets), |scenario| hangs::break_in(scenario, hang.defect))
    };
    let found = share_out(hangs.len(), seek, |_| false, |done| format!("{done} of {} hangs", hangs.len()));
    let mut trials = Trials::default();
    for (hang, claim) in hangs.iter().zip(&found) {
        trials.states += claim.every_tree.as_ref().map_or(0, |find| find.states);
        trials.runs += claim.roam.as_ref().map_or(within.2, |(seed, _)| seed + 1);
        trials.table += &format!("{}: {claim}\n", hang.defect.name());
        trials.add(Catch::of_claim(hang, claim));
    }
    trials
}

/// Searches for each of these hangs in its own world, with each net away in turn.
pub(super) fn without_each(hangs: &[Hang], k: usize) -> Trials {
    let seek = |index: usize| {
        let hang: &Hang = &hangs[index];
        Ablation::of(hang, |scenario| hangs::break_in(scenario, hang.defect), k)
    };
    let found = share_out(hangs.len(), seek, |_| false, |done| format!("{done} of {} hangs", hangs.len()));
    let mut trials = Trials { table: Ablation::table(&found), ..Trials::default() };
    found.iter().map(Catch::of_ablation).for_each(|catch| trials.add(catch));
    trials
}
