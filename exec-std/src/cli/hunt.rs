//! `windrow hunt`: searches for a tree that does not end as it should, on all cores.
//!
//! First every run of small trees with few deviations from the fair schedule, then random runs of larger ones. With a
//! rule taken out, the hang that follows must be found: that is how the searches are tested.

use std::io::{self, Write};

use crate::core::sim::{Choices, Diagnosis, Exploration, Hang, Plan, Report, Scenario, diagnose, roam, run};
use clap::Args;
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
}

/// What became of one rule that was taken out.
#[derive(Debug, Serialize)]
struct Catch {
    defect: &'static str,
    found: bool,
    search: &'static str,
    runs: u64,
    trace: usize,
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

    /// Searches for each of these hangs with its rule taken out: ever more deviations, then seed by seed.
    fn broken(&self, hangs: &[Hang]) -> Bag {
        let mut bag = Bag::default();
        let search = |index: usize| seek(&hangs[index], usize::from(self.k), self.seeds);
        let found =
            share_out(hangs.len(), search, |_| false, |done, _| format!("{done} of {} hangs", hangs.len()));
        for (catch, states, diagnosis) in found {
            bag.states += states;
            bag.runs += catch.runs;
            bag.violations += u64::from(catch.found);
            let Catch { defect, found, search, runs, trace } = &catch;
            let found = if *found { "found" } else { "NOT FOUND" };
            say(format_args!("{defect}: {found} by {search} search after {runs} runs, {trace} deviations"));
            bag.story = bag.story.or(diagnosis).filter(|_| hangs.len() == 1);
            bag.defects.push(catch);
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
            writeln!(out, "{}", bag.guarantee)?;
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

/// Seeks one hang with its rule taken out.
fn seek(hang: &Hang, k: usize, seeds: u64) -> (Catch, u64, Option<Diagnosis>) {
    let defect = hang.defect.name();
    let mut catch = Catch { defect, found: false, search: "exhaustive", runs: 0, trace: 0 };
    let mut states = 0;
    let scenario = broken(hang);
    for deviations in 0..=k {
        let sum = crate::core::sim::explore(&scenario, deviations, 0, 1);
        states += sum.states;
        catch.runs += sum.runs + sum.cut + u64::from(sum.found.is_some());
        if let Some((_, trace)) = sum.found {
            let diagnosis = diagnose(&scenario, &run(&scenario, Choices::replay(trace)));
            catch.found = true;
            catch.trace = diagnosis.deviations.len();
            return (catch, states, Some(diagnosis));
        }
    }
    catch.search = "random";
    let found = crate::core::sim::swarm(&scenario, 1, seeds);
    catch.runs += found.runs;
    let diagnosis = found.report.map(|report| diagnose(&scenario, &report));
    if let Some(diagnosis) = &diagnosis {
        catch.found = true;
        catch.trace = diagnosis.deviations.len();
    }
    (catch, states, diagnosis)
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
