//! `windrow hunt --defect`: rules are taken out, and the hangs that follow must be found.
//!
//! The rule: a search that does not find what is there is itself broken, so a hang that is not found counts as a failure of
//! the hunt.

use serde::Serialize;
use windrow_core::sim::{Ablation, Claim, Exploration, Find, Hang, Nets, Reach, Scenario, Trial, deepen};

use super::cores::share_out;
use super::hangs;
use super::stop::Stop;
use super::told::Told;

/// What became of one rule that was taken out.
#[derive(Debug, Serialize)]
pub(super) struct Catch {
    pub(super) defect: &'static str,
    pub(super) found: bool,
    /// Why this search need not find it, if it need not.
    pub(super) hidden: Option<String>,
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
    /// What is told of it.
    pub(super) find: Option<Told>,
    /// The first seed of a random run that shows it, for `windrow sim --roam`.
    #[serde(skip)]
    pub(super) seed: Option<u64>,
}

impl Catch {
    fn of_trial(hang: &Hang, trial: &Trial) -> Self {
        let (runs_median, runs_max) = trial.runs();
        let (search, runs) = match trial.exhaustive.found {
            Some(_) => ("exhaustive", trial.exhaustive.runs),
            None => ("swarm", runs_median),
        };
        Self {
            defect: trial.defect.name(),
            found: trial.is_found(),
            hidden: None,
            search,
            runs: Some(runs),
            trace: trial.shortest(),
            states: trial.exhaustive.found.as_ref().map(|_| trial.exhaustive.states),
            seeds: trial.seeds(),
            runs_median: Some(runs_median),
            runs_max: Some(runs_max),
            find: trial.finds().next().map(|story| Told::of_story(&world(hang), story.clone(), None)),
            seed: trial.claim.roam.as_ref().map(|(seed, _)| *seed),
        }
    }

    fn of_ablation(ablation: &Ablation) -> Self {
        let seen = ablation.sights.iter().filter_map(|(_, sight)| *sight);
        Self {
            defect: ablation.defect.name(),
            found: ablation.is_seen(),
            hidden: None,
            search: "exhaustive",
            runs: None,
            trace: seen.map(|sight| sight.deviations).min(),
            states: None,
            seeds: 0,
            runs_median: None,
            runs_max: None,
            find: None,
            seed: None,
        }
    }

    fn of_claim(hang: &Hang, claim: &Claim, within: (Nets, u64)) -> Self {
        let (tree, seed) = (claim.every_tree.as_ref(), claim.roam.as_ref().map(|(seed, _)| *seed));
        Self {
            defect: hang.defect.name(),
            found: tree.is_some() || seed.is_some(),
            hidden: hidden(hang, within),
            search: if tree.is_some() { "exhaustive" } else { "swarm" },
            runs: seed.map(|seed| seed + 1).filter(|_| tree.is_none()),
            trace: tree.map(|find| find.trace.deviations()),
            states: tree.map(|_| claim.states),
            seeds: seed.iter().count(),
            runs_median: seed.map(|seed| seed + 1),
            runs_max: seed.map(|seed| seed + 1),
            find: match (tree, &claim.roam) {
                (Some(find), _) => Told::of_find(find, None),
                (None, Some((seed, find))) => Told::of_find(find, Some(*seed)),
                (None, None) => None,
            },
            seed,
        }
    }

    fn of_exploration(hang: &Hang, net: &str, sum: &Exploration, find: Option<Told>) -> Self {
        let found = sum.found.as_ref();
        Self {
            defect: hang.defect.name(),
            found: found.is_some(),
            hidden: Some(format!("what shows it may hang on `{net}`")),
            search: "exhaustive",
            runs: Some(sum.runs + sum.cut + u64::from(found.is_some())),
            trace: found.map(|(_, trace)| trace.deviations()),
            states: found.map(|_| sum.states),
            seeds: 0,
            runs_median: None,
            runs_max: None,
            find,
            seed: None,
        }
    }
}

/// Gives the world of a hang, with its rule taken out.
fn world(hang: &Hang) -> Scenario {
    hangs::break_in((hang.scenario)(), hang.defect)
}

/// Says why the search of every small tree with these nets, and of so many seeds, need not find a hang, if it need not.
fn hidden(hang: &Hang, (nets, seeds): (Nets, u64)) -> Option<String> {
    let (_, _, enough) = Claim::WITHIN;
    match hang.reach {
        _ if hang.reach.nets() == Some(nets) || seeds >= enough => None,
        Reach::Own(reason) => Some(String::from(reason)),
        Reach::Without(net) => Some(format!("`{net}` hides it")),
        Reach::Whole => Some(String::from("it is promised with all nets in their places")),
    }
}

/// What a hunt with rules taken out came to.
#[derive(Debug, Default)]
pub(super) struct Trials {
    pub(super) catches: Vec<Catch>,
    pub(super) states: u64,
    pub(super) runs: u64,
    /// What is told of all of them.
    pub(super) table: String,
}

impl Trials {
    /// Counts the hangs that were found.
    pub(super) fn found(&self) -> usize {
        self.catches.iter().filter(|catch| catch.found).count()
    }
}

/// Seeks each of these hangs, by its index. Nothing can be told of some of them, so a signal ends this as any program.
fn each<R: Send>(hangs: &[Hang], seek: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let show = |done| format!("{done} of {} hangs", hangs.len());
    share_out(&Stop::deaf(), hangs.len(), seek, |_| false, show)
}

/// Searches for each of these hangs in its own world, and as far as the searches over all trees always go.
pub(super) fn in_their_worlds(hangs: &[Hang], k: usize, seeds: u64) -> Trials {
    let seek = |index: usize| {
        let hang: &Hang = &hangs[index];
        Trial::of(hang, |scenario| hangs::break_in(scenario, hang.defect), k, seeds)
    };
    let found = each(hangs, seek);
    let mut trials = Trials::default();
    for (hang, trial) in hangs.iter().zip(&found) {
        trials.states += trial.exhaustive.states;
        trials.runs += trial.exhaustive.runs + trial.swarm.iter().map(|catch| catch.runs).sum::<u64>();
        trials.catches.push(Catch::of_trial(hang, trial));
    }
    if found.len() > 1 {
        trials.table = Trial::table(&found);
    }
    trials
}

/// Searches for each of these hangs in every tree of at most so many actors, and in the swarm.
pub(super) fn in_every_tree(hangs: &[Hang], within: (usize, usize, u64), nets: Nets) -> Trials {
    let seek = |index: usize| {
        let hang: &Hang = &hangs[index];
        let claim = Claim::within(within, Some(nets), |scenario| hangs::break_in(scenario, hang.defect));
        (Catch::of_claim(hang, &claim, (nets, within.2)), claim)
    };
    let found = each(hangs, seek);
    let mut trials = Trials::default();
    for (catch, claim) in found {
        trials.states += claim.states;
        trials.runs += claim.roam.as_ref().map_or(within.2, |(seed, _)| seed + 1);
        trials.table += &format!("{}: {claim}\n", catch.defect);
        trials.catches.push(catch);
    }
    trials
}

/// Searches for each of these hangs in its own world, with one net away besides those that are.
pub(super) fn in_their_worlds_without(hangs: &[Hang], k: usize, (net, nets): (&str, Nets)) -> Trials {
    let seek = |index: usize| {
        let own = world(&hangs[index]);
        let scenario = Scenario { nets: own.nets.and(nets), ..own };
        let (deviations, sum) = deepen(&scenario, k);
        let find = sum.found.clone().map(|found| Find::new(scenario, found));
        (deviations, sum, find.and_then(|find| Told::of_find(&find, None)))
    };
    let found = each(hangs, seek);
    let mut trials = Trials::default();
    for (hang, (deviations, sum, find)) in hangs.iter().zip(found) {
        let name = hang.defect.name();
        let seen =
            sum.found.as_ref().map_or("not seen".into(), |(violation, _)| violation.promise.to_string());
        let states = sum.states;
        trials.table += &format!("{name} without `{net}`: {seen}, k = {deviations}, {states} states\n");
        trials.states += states;
        trials.runs += sum.runs + sum.cut + u64::from(sum.found.is_some());
        trials.catches.push(Catch::of_exploration(hang, net, &sum, find));
    }
    trials
}

/// Searches for each of these hangs in its own world, with each net away in turn.
pub(super) fn without_each(hangs: &[Hang], k: usize) -> Trials {
    let seek = |index: usize| {
        let hang: &Hang = &hangs[index];
        Ablation::of(hang, |scenario| hangs::break_in(scenario, hang.defect), k)
    };
    let found = each(hangs, seek);
    let mut trials = Trials { table: Ablation::table(&found), ..Trials::default() };
    found.iter().map(Catch::of_ablation).for_each(|catch| trials.catches.push(catch));
    trials
}
