//! `windrow hunt`: searches for a tree that does not end as it should, on all cores.
//!
//! First every run of small trees with few deviations from the fair schedule, then random runs of larger ones. With a
//! rule taken out, the hang that follows must be found: that is how the searches are tested.

use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use serde::Serialize;
use windrow_core::sim::{Choices, Diagnosis, Exploration, HANGS, Nets, Plan, diagnose, roam, run};

use super::cores::share_out;
use super::outputs::print_result;
use super::trials::{Catch, Trials, in_every_tree, in_their_worlds, without_each};
use super::{Refusal, hangs, say, sim};

/// Seeds that one task runs.
const BLOCK: u64 = 64;
/// Actors of the trees that are searched unless something else is asked for.
const ACTORS: u8 = 4;

#[derive(Args, Debug)]
#[command(after_help = format!("{EXITS}\n\nEvery rule taken out in turn:\n  {} all", hangs::BUILD))]
pub(crate) struct Hunt {
    /// Take out the rule against this hang, or against each in turn (`all`), and find it: in its own world, or with
    /// --actors in every tree of at most so many. Needs a build with `--features defects`.
    #[arg(long, value_name = "NAME|all")]
    defect: Option<String>,
    /// Search every tree of at most so many actors; 4 unless a rule is taken out.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    actors: Option<u8>,
    /// Search this tree too: children of each actor × generations below the root.
    #[arg(long, value_name = "BxD", value_parser = sim::tree, conflicts_with = "defect")]
    tree: Option<(usize, usize)>,
    /// Take away a net that catches what others let through, or each in turn (`each`): `eof`, `exits`, `pdeathsig`,
    /// `guardian`, `user`, `tasks`. With a rule taken out, `each` tells what its hang is seen as without each.
    #[arg(long, value_name = "NET|each", value_parser = nets)]
    without: Option<Away>,
    /// How many deviations from the fair schedule a run of these may have.
    #[arg(short, default_value_t = 2)]
    k: u8,
    /// How many random runs follow: seed by seed another tree of 3 to 15 actors, other faults, another net away.
    #[arg(long, default_value_t = 20_000)]
    seeds: u64,
    /// Print one JSON object on one line of standard output at the end, and nothing else.
    #[arg(long)]
    json: bool,
}

const EXITS: &str = "\
Exit status:
  0  nothing was found
  1  something was found; with --defect every hang whose rule was taken out, which is as it should be
  2  bad arguments, or a rule that this build can't take out
  3  with --defect: one of these hangs was not found, so it is the search that is broken";

/// The exit status of a hunt that has missed a hang whose rule was out.
const MISSED: u8 = 3;

/// The nets that are taken away, one at a time.
#[derive(Clone, Debug)]
struct Away(Vec<(&'static str, Nets)>);

/// Reads the name of a net, or of each.
fn nets(name: &str) -> Result<Away, String> {
    let away: Vec<_> = Nets::ONE_AWAY.into_iter().filter(|(net, _)| name == "each" || *net == name).collect();
    match away.as_slice() {
        [] => Err(String::from("one of eof, exits, pdeathsig, guardian, user, tasks, or each")),
        _ => Ok(Away(away)),
    }
}

/// What a hunt came to.
#[derive(Debug, Default, Serialize)]
struct Bag {
    violations: u64,
    states: u64,
    runs: u64,
    guarantee: String,
    defects: Vec<Catch>,
    #[serde(skip)]
    story: Option<Diagnosis>,
    #[serde(skip)]
    table: String,
}

impl Hunt {
    /// Searches, and tells what it came to.
    pub(crate) fn run(&self) -> Result<u8, Refusal> {
        let Some(name) = self.defect.as_deref() else {
            if self.actors == Some(0) && self.tree.is_none() && self.seeds == 0 {
                return Err(Refusal::new("with no tree and no seed there is nothing to search", 2)
                    .hint("give --actors, --tree or --seeds more"));
            }
            let bag = self.whole();
            self.tell(&bag)?;
            return Ok(u8::from(bag.violations > 0));
        };
        let sought = if name == "all" { HANGS } else { slice::from_ref(hangs::named(name)?) };
        hangs::demand(name)?;
        let k = usize::from(self.k);
        let trials = match (self.actors, self.away()) {
            (None, [(_, Nets::ALL)]) => in_their_worlds(sought, k, self.seeds),
            (actors, [(_, nets)]) => {
                in_every_tree(sought, (usize::from(actors.unwrap_or(ACTORS)), k, self.seeds), *nets)
            }
            (None, _) => without_each(sought, k),
            (Some(_), _) => {
                return Err(Refusal::new("every tree is searched with one net away at a time", 2)
                    .hint("name the net"));
            }
        };
        let bag = Bag::of(trials);
        self.tell(&bag)?;
        Ok(if bag.defects.iter().all(|catch| catch.found) { 1 } else { MISSED })
    }

    /// Gives what is away: each net that was named, or none.
    fn away(&self) -> &[(&'static str, Nets)] {
        self.without.as_ref().map_or(&[("", Nets::ALL)], |away| &away.0)
    }

    /// Lists what is to be searched with all rules in their places.
    fn plans(&self) -> Vec<Plan> {
        let (actors, k) = (usize::from(self.actors.unwrap_or(ACTORS)), usize::from(self.k));
        let trees = (actors > 0).then(|| Plan::every_tree(actors, k));
        let tree = self.tree.map(|(breadth, depth)| Plan::one_tree(breadth, depth, k));
        let talk = (actors > 0).then(|| Plan::talk(k));
        let plans: Vec<Plan> = trees.into_iter().chain(tree).chain(talk).collect();
        let without = |away: &(&'static str, Nets)| {
            let net = *away;
            plans
                .clone()
                .into_iter()
                .map(move |plan| if net.1 == Nets::ALL { plan } else { plan.without(net) })
        };
        self.away().iter().flat_map(without).collect()
    }

    /// Searches with all rules in their places.
    fn whole(&self) -> Bag {
        let mut bag = Bag::default();
        let plans = self.plans();
        let mut told = Vec::new();
        for (plan, sum) in plans.iter().zip(explore(&plans, &mut bag)) {
            told.push(plan.guarantee(&sum));
        }
        if !plans.is_empty() {
            told.push(Plan::deviations());
        }
        if bag.violations == 0 && self.seeds > 0 {
            told.push(random(self.seeds, &mut bag));
        }
        told.iter().for_each(|sentence| say(format_args!("{sentence}")));
        bag.guarantee = told.join("; ");
        bag
    }

    fn tell(&self, bag: &Bag) -> Result<(), Refusal> {
        if self.json {
            let line = serde_json::to_string(bag)
                .map_err(|error| Refusal::new("the result can't be written", 2).because(error))?;
            return print_result(&format!("{line}\n"));
        }
        if let Some(story) = &bag.story {
            print_result(&format!("{}{story}\n\n", story.report.timeline))?;
        }
        if bag.table.is_empty() {
            return print_result(&format!("{}\n", bag.guarantee));
        }
        // Nothing but the table, which is kept as it is printed.
        print_result(&bag.table)?;
        say(format_args!("{}", bag.guarantee));
        Ok(())
    }
}

impl Bag {
    fn of(trials: Trials) -> Self {
        let (found, sought) = (trials.found(), trials.catches.len());
        Self {
            violations: found as u64,
            states: trials.states,
            runs: trials.runs,
            guarantee: format!("{found} of {sought} hangs found with their rule taken out"),
            defects: trials.catches,
            story: trials.story,
            table: trials.table,
        }
    }
}

/// Searches the pieces of all plans, and sums up each plan's. The largest trees come first, so that no core is left over
/// with one at the end.
fn explore(plans: &[Plan], bag: &mut Bag) -> Vec<Exploration> {
    let mut pieces = Vec::new();
    for (index, plan) in plans.iter().enumerate() {
        pieces.extend(plan.pieces.iter().map(|piece| (index, piece)));
    }
    pieces.sort_by_key(|(_, piece)| std::cmp::Reverse(piece.scenario.nodes()));
    let states = AtomicU64::new(0);
    let count = |met: u64| {
        states.fetch_add(met, Ordering::Relaxed);
    };
    let show =
        |done: usize| format!("{done} of {} trees, {} states", pieces.len(), states.load(Ordering::Relaxed));
    let parts =
        share_out(pieces.len(), |index| pieces[index].1.explore(count), |part| part.found.is_some(), show);
    let mut sums = vec![Exploration::default(); plans.len()];
    for (part, (plan, piece)) in parts.into_iter().zip(&pieces) {
        if let Some((_, trace)) = &part.found {
            bag.violations += 1;
            let report = run(&piece.scenario, Choices::replay(trace.clone()));
            bag.story = Some(diagnose(&piece.scenario, &report));
        }
        bag.states += part.states;
        bag.runs += part.runs;
        sums[*plan].add(part);
    }
    sums
}

/// Runs the first `seeds` seeds, up to the smallest that breaks a promise.
fn random(seeds: u64, bag: &mut Bag) -> String {
    let blocks = usize::try_from(seeds.div_ceil(BLOCK)).unwrap_or(usize::MAX);
    let steps = AtomicU64::new(0);
    let block = |index: usize| {
        let first = index as u64 * BLOCK;
        let mut runs = (first..seeds.min(first + BLOCK)).map(|seed| (seed, roam(seed)));
        runs.find(|(_, (_, report))| {
            steps.fetch_add(report.steps.into(), Ordering::Relaxed);
            !report.is_clean()
        })
    };
    let show = |done: usize| format!("{} of {seeds} seeds", done as u64 * BLOCK);
    match share_out(blocks, block, Option::is_some, show).into_iter().flatten().next() {
        Some((seed, (scenario, report))) => {
            bag.violations += 1;
            bag.runs += seed + 1;
            bag.story = Some(diagnose(&scenario, &report));
            format!("random runs of trees of 3 to 15 actors: seed {seed} is the first that breaks a promise")
        }
        None => {
            bag.runs += seeds;
            let steps = steps.into_inner();
            format!("{seeds} random runs of trees of 3 to 15 actors: {steps} steps, 0 violations")
        }
    }
}
