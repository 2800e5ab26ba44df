//! `windrow hunt`: searches for a tree that does not end as it should, on all cores.
//!
//! First every run of small trees with few deviations from the fair schedule, then random runs of larger ones. With a
//! rule taken out, the hang that follows must be found, by both: that is how the searches are tested.

use std::io::{self, Write};
use std::time::Duration;

use crate::core::sim::{
    Choices, Diagnosis, Exploration, Hang, Plan, Report, Scenario, Trial, diagnose, roam, run,
};
use clap::Args;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::cores::share_out;
use super::{Refusal, hangs, say, sim};

/// Seeds that one task runs.
const BLOCK: u64 = 64;

#[derive(Args, Debug)]
#[command(after_help = EXITS)]
pub(crate) struct Hunt {
    /// Take out the rule against this hang, or against each in turn (`all`), and find it. Needs a build with
    /// `--features defects`.
    #[arg(long, value_name = "NAME|all")]
    defect: Option<String>,
    /// Search every tree of at most so many actors.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(0..=9), conflicts_with = "defect")]
    actors: u8,
    /// Search this tree too: children of each actor × generations below the root.
    #[arg(long, value_name = "BxD", value_parser = sim::tree, conflicts_with = "defect")]
    tree: Option<(usize, usize)>,
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
  1  something was found; with --defect that is as it should be
  2  bad arguments, or a rule that this build can't take out";

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

/// What became of one rule that was taken out.
#[derive(Debug, Serialize)]
struct Catch {
    defect: &'static str,
    found: bool,
    /// The first of the searches that found it, and how many runs it took.
    search: &'static str,
    runs: u64,
    /// The shortest trace that any search found.
    trace: usize,
    /// What the exhaustive search needed, if it found it.
    states: Option<u64>,
    /// From how many seeds the random search found it, and what it needed.
    seeds: usize,
    runs_median: u64,
    runs_max: u64,
}

impl Catch {
    fn of(trial: &Trial) -> Self {
        let (runs_median, runs_max) = trial.runs();
        let (search, runs) = match trial.exhaustive.found {
            Some(_) => ("exhaustive", trial.exhaustive.runs),
            None => ("random", runs_median),
        };
        Self {
            defect: trial.defect.name(),
            found: trial.is_found(),
            search,
            runs,
            trace: trial.shortest().unwrap_or(0),
            states: trial.exhaustive.found.as_ref().map(|_| trial.exhaustive.states),
            seeds: trial.seeds(),
            runs_median,
            runs_max,
        }
    }
}

impl Hunt {
    /// Searches, and tells what it came to.
    pub(crate) fn run(&self) -> Result<u8, Refusal> {
        let bag = match self.defect.as_deref() {
            None => self.whole(),
            Some("all") => {
                hangs::demand("all")?;
                self.broken(crate::core::sim::HANGS)
            }
            Some(name) => {
                let hang = hangs::named(name)?;
                hangs::demand(name)?;
                self.broken(std::slice::from_ref(hang))
            }
        };
        self.tell(&bag).map_err(|error| Refusal::new("nobody takes the result", 2).because(error))?;
        Ok(u8::from(bag.violations > 0))
    }

    /// Searches with all rules in their places.
    fn whole(&self) -> Bag {
        let mut bag = Bag::default();
        let mut told = Vec::new();
        let k = usize::from(self.k);
        let mut plans = Vec::new();
        if self.actors > 0 {
            plans.push(Plan::every_tree(usize::from(self.actors), k));
        }
        if let Some((breadth, depth)) = self.tree {
            plans.push(Plan::one_tree(Scenario::tree(breadth, depth).parents, k));
        }
        for plan in &plans {
            let sum = explore(plan, &mut bag);
            say(format_args!("{}", plan.guarantee(&sum)));
            told.push(plan.guarantee(&sum));
            if bag.violations > 0 {
                break;
            }
        }
        if bag.violations == 0 && self.seeds > 0 {
            let sentence = random(self.seeds, &mut bag);
            say(format_args!("{sentence}"));
            told.push(sentence);
        }
        bag.guarantee = told.join("; ");
        bag
    }

    /// Searches for each of these hangs with its rule taken out, in every way there is.
    fn broken(&self, hangs: &[Hang]) -> Bag {
        let mut bag = Bag::default();
        let search = |index: usize| seek(&hangs[index], usize::from(self.k), self.seeds);
        let found =
            share_out(hangs.len(), search, |_| false, |done, _| format!("{done} of {} hangs", hangs.len()));
        let mut explained = Vec::new();
        let mut trials = Vec::new();
        for (trial, spans) in found {
            let catch = Catch::of(&trial);
            bag.states += trial.exhaustive.states;
            bag.runs += trial.exhaustive.runs + trial.swarm.iter().map(|catch| catch.runs).sum::<u64>();
            bag.violations += u64::from(catch.found);
            if !catch.found {
                say(format_args!("{}: NOT FOUND", catch.defect));
            }
            bag.defects.push(catch);
            explained.extend(spans);
            trials.push(trial);
        }
        explained.sort_unstable();
        if let (Some((median, _)), Some((most, slowest))) =
            (explained.get(explained.len() / 2), explained.last())
        {
            let finds = explained.len();
            say(format_args!(
                "{finds} finds explained, each in {median:.1?} (median), one of {slowest} in {most:.1?}"
            ));
        }
        match trials.as_slice() {
            [trial] => bag.story = trial.finds().next().cloned(),
            _ => bag.table = Trial::table(&trials),
        }
        bag.guarantee =
            format!("{} of {} hangs found with their rule taken out", bag.violations, hangs.len());
        bag
    }

    fn tell(&self, bag: &Bag) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(bag)?)?;
        } else {
            if let Some(story) = &bag.story {
                writeln!(out, "{}{story}\n", story.report.timeline)?;
            }
            match bag.table.as_str() {
                "" => writeln!(out, "{}", bag.guarantee)?,
                // Nothing but the table, which is kept as it is printed.
                table => {
                    write!(out, "{table}")?;
                    say(format_args!("{}", bag.guarantee));
                }
            }
        }
        out.flush()
    }
}

/// Searches the pieces of a plan.
fn explore(plan: &Plan, bag: &mut Bag) -> Exploration {
    let pieces = plan.pieces.len();
    let (mut states, mut runs) = (0, 0);
    let show = |done: usize, part: &Exploration| {
        states += part.states;
        runs += part.runs;
        format!("{done} of {pieces} pieces, {states} states, {runs} runs")
    };
    let parts = share_out(pieces, |index| plan.pieces[index].explore(), |part| part.found.is_some(), show);
    let mut sum = Exploration::default();
    for (part, piece) in parts.into_iter().zip(&plan.pieces) {
        if let Some((_, trace)) = &part.found {
            bag.violations += 1;
            let report = run(&piece.scenario, Choices::replay(trace.clone()));
            bag.story = Some(diagnose(&piece.scenario, &report));
        }
        sum.add(part);
    }
    bag.states += sum.states;
    bag.runs += sum.runs;
    sum
}

/// Runs the first `seeds` seeds, up to the smallest that breaks a promise.
fn random(seeds: u64, bag: &mut Bag) -> String {
    let blocks = usize::try_from(seeds.div_ceil(BLOCK)).unwrap_or(usize::MAX);
    let block = |index: usize| {
        let first = index as u64 * BLOCK;
        let seeds = first..seeds.min(first + BLOCK);
        seeds.map(|seed| (seed, roam(seed))).find(|(_, (_, report))| !report.is_clean())
    };
    type Found = Option<(u64, (Scenario, Report))>;
    let show = |done: usize, _: &Found| format!("{} of {seeds} seeds", done as u64 * BLOCK);
    match share_out(blocks, block, Option::is_some, show).into_iter().flatten().next() {
        Some((seed, (scenario, report))) => {
            bag.violations += 1;
            bag.runs += seed + 1;
            bag.story = Some(diagnose(&scenario, &report));
            format!("random runs of trees of 3 to 15 actors: seed {seed} is the first that breaks a promise")
        }
        None => {
            bag.runs += seeds;
            format!("{seeds} random runs of trees of 3 to 15 actors: 0 violations")
        }
    }
}

/// How long the explanation of a find took, and of which hang.
type Explained = (Duration, &'static str);

/// Seeks one hang with its rule taken out, and says how long its finds took to explain.
fn seek(hang: &Hang, k: usize, seeds: u64) -> (Trial, Vec<Explained>) {
    let mut explained = Vec::new();
    let trial = Trial::of(hang.defect, &broken(hang), k, seeds, |scenario, report| {
        let began = on_cpu();
        let told = diagnose(scenario, report);
        explained.push((on_cpu().saturating_sub(began), hang.defect.name()));
        told
    });
    (trial, explained)
}

/// Gives for how long this thread has had a processor: what others take is not counted.
fn on_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(feature = "defects")]
fn broken(hang: &Hang) -> Scenario {
    hang.broken()
}

/// A build without defects has refused before.
#[cfg(not(feature = "defects"))]
fn broken(hang: &Hang) -> Scenario {
    (hang.scenario)()
}
