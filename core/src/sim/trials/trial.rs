//! One hang sought with its rule taken out, by both searches: what each of them needed, as a row of a table.
//!
//! The rule: it comes out the same every time and in every build, so the table can stand in the repository and be compared.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

use super::claim::Claim;
use crate::Defect;
use crate::sim::catalog::{Hang, Reach};
use crate::sim::choices::Choices;
use crate::sim::explain::{Diagnosis, diagnose};
use crate::sim::run::run;
use crate::sim::scenario::Scenario;
use crate::sim::search::{Exploration, Find, deepen, swarm};

/// What one search for a hang came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Catch {
    /// Different states that it met; the random search counts none.
    pub states: u64,
    /// Runs that it took, that of the find included.
    pub runs: u64,
    /// What is told of its find.
    pub found: Option<Diagnosis>,
}

/// What all searches for one hang came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Trial {
    /// What takes the rule out.
    pub defect: Defect,
    /// How many deviations the exhaustive search allowed in the end.
    pub deviations: usize,
    /// The search of every run with ever more deviations.
    pub exhaustive: Catch,
    /// The random search, seed by seed.
    pub swarm: Vec<Catch>,
    /// What the searches over all trees came to.
    pub claim: Claim,
    reach: Reach,
}

impl Trial {
    /// The seeds from each of which the random search must find every hang; each stands for a whole sequence of runs.
    pub const SEEDS: [u64; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

    /// Searches without the rule against a hang, which `broken` takes out: in its own world every run with at most so many
    /// deviations, and from each seed so many runs; and over all trees.
    pub fn of(hang: &Hang, broken: impl Fn(Scenario) -> Scenario, most: usize, runs: u64) -> Self {
        let scenario = &broken((hang.scenario)());
        let (deviations, sum) = deepen(scenario, most);
        let Exploration { states, runs: ended, cut, found, .. } = sum;
        let report = found.map(|(_, trace)| run(scenario, Choices::replay(trace)));
        let runs_of = ended + cut + u64::from(report.is_some());
        let exhaustive = Catch {
            states,
            runs: runs_of,
            found: report.and_then(|report| diagnose(scenario, &report).ok()),
        };
        let from = |seed: &u64| {
            let found = swarm(scenario, *seed, runs);
            Catch {
                states: 0,
                runs: found.runs,
                found: found.report.and_then(|report| diagnose(scenario, &report).ok()),
            }
        };
        let swarm = Self::SEEDS.iter().map(from).collect();
        let claim = Claim::of(hang, broken);
        Self { defect: hang.defect, deviations, exhaustive, swarm, claim, reach: hang.reach }
    }

    /// Tells whether every search found it that can: in its own world the exhaustive one, or the random one from every
    /// seed; of those over all trees at least one, and that of every tree if no more than one net hides it.
    #[must_use]
    pub fn is_found(&self) -> bool {
        let in_its_own = self.exhaustive.found.is_some() || self.seeds() == self.swarm.len();
        let in_all = self.claim.every_tree.is_some() || matches!(self.reach, Reach::Own(_));
        in_its_own && in_all && (self.claim.roam.is_some() || self.claim.every_tree.is_some())
    }

    /// Counts the seeds from which it was found.
    #[must_use]
    pub fn seeds(&self) -> usize {
        self.swarm.iter().filter(|catch| catch.found.is_some()).count()
    }

    /// Gives the median and the maximum of the random runs until it was found.
    #[must_use]
    pub fn runs(&self) -> (u64, u64) {
        let mut runs: Vec<_> = self.swarm.iter().map(|catch| catch.runs).collect();
        runs.sort_unstable();
        (runs.get(runs.len() / 2).copied().unwrap_or(0), runs.last().copied().unwrap_or(0))
    }

    /// Lists what is told of each find, that of the exhaustive search first.
    pub fn finds(&self) -> impl Iterator<Item = &Diagnosis> {
        core::iter::once(&self.exhaustive).chain(&self.swarm).filter_map(|catch| catch.found.as_ref())
    }

    /// Gives the length of the shortest trace that shows it.
    #[must_use]
    pub fn shortest(&self) -> Option<usize> {
        self.finds().map(|told| told.deviations.len()).min()
    }

    /// Gives the table of these trials, as Markdown.
    #[must_use]
    pub fn table(trials: &[Self]) -> String {
        let mut text = String::from(HEAD);
        let _ = writeln!(text, "Seeds: {:?}.\n", Self::SEEDS);
        text.push_str(COLUMNS);
        text.extend(trials.iter().map(Self::row));
        text
    }

    fn row(&self) -> String {
        let length = |told: Option<usize>| told.map_or("–".into(), |length| length.to_string());
        let Catch { states, found, .. } = &self.exhaustive;
        let within = match found {
            Some(_) => format!("yes, k = {}", self.deviations),
            None => format!("no, k = {}", self.deviations),
        };
        let trace = length(found.as_ref().map(|told| told.deviations.len()));
        let (median, max) = self.runs();
        let random = self.swarm.iter().flat_map(|catch| &catch.found);
        let shortest = length(random.map(|told| told.deviations.len()).min());
        format!(
            "| `{}` | {within} | {states} | {trace} | {} of {} | {median} | {max} | {shortest} | {} | {} | {} |\n",
            self.defect.name(),
            self.seeds(),
            self.swarm.len(),
            self.explained(),
            self.every_tree(),
            self.roaming(),
        )
    }

    /// Tells what the search of every small tree came to, and for which reason if it came to nothing.
    fn every_tree(&self) -> String {
        let away = match self.reach {
            Reach::Whole => String::new(),
            Reach::Without(net) => format!(" without `{net}`"),
            Reach::Own(reason) => return format!("none: {reason}"),
        };
        match &self.claim.every_tree {
            Some(Find { scenario, trace, violation }) => {
                let (actors, k, states) = (scenario.nodes(), trace.deviations(), self.claim.states);
                format!("{} of {actors}, k = {k}{away}, {states} states", violation.promise)
            }
            None => format!("NOT FOUND{away}"),
        }
    }

    fn roaming(&self) -> String {
        match &self.claim.roam {
            Some((seed, find)) => format!("seed {seed}: {}", find.violation.promise),
            None => "NOT FOUND".into(),
        }
    }

    /// Gives what its finds are told as: the sink, and who waits in each of the chains.
    fn explained(&self) -> String {
        let told: BTreeSet<_> = self.finds().map(explained).collect();
        told.into_iter().collect::<Vec<_>>().join("; ")
    }
}

fn explained(told: &Diagnosis) -> String {
    match &told.report.explanation {
        Some(explanation) => {
            let actors: Vec<_> = explanation.actors.iter().map(ToString::to_string).collect();
            format!("{:?}: {}", explanation.sink, actors.join(", "))
        }
        None => "nobody waits".into(),
    }
}

const HEAD: &str = "\
# What each search needs to find each hang

`windrow hunt --defect all`, built with `--features defects`, prints this; `UPDATE=1 cargo test -p windrow-core` writes it.
Each hang is sought in its world of the catalog with its rule taken out, from an empty start. The exhaustive search follows
every run with at most k deviations from the fair schedule, k from 0 on, each state once; its states are those until the hang
was found, smaller k included. The random search begins with each of ten seeds, and a seed stands for a whole sequence of
runs. A trace is what is left when nothing more can be taken out: its length is its number of choices that are not the
default. *Explained as* says in what the chain of waits ends, and who waits in it; where siblings may both be in it, each.

The last two columns are of the searches that promise something. *Every tree* follows every run of every tree of at most 3
actors with at most 2 deviations, small ones first, in the world of the guarantee: every actor may behave in every way, and
anything may happen between two moments. It says what was broken, by how many actors, and with which net away if one hides
it. *Swarm* says which of the seeds of the random runs is the first that breaks a promise, and which.

";

const COLUMNS: &str = "\
| hang | exhaustive | states | trace | random, seeds | runs, median | runs, max | trace | explained as | every tree | swarm |
|---|---|--:|--:|---|--:|--:|--:|---|---|---|
";
