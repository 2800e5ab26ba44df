//! `windrow hunt`: searches for a tree that does not end as it should, on all cores.
//!
//! First every run of small trees with few deviations from the fair schedule, then random runs of larger ones. With a
//! rule taken out, the hang that follows must be found: that is how the searches are tested.

use std::path::PathBuf;
use std::slice;

use clap::Args;
use serde::Serialize;
use windrow_core::sim::{HANGS, Nets, Plan, Scenario};

use super::outputs::{json_line, print_result};
use super::searches::{Seeds, explore};
use super::stop::Stop;
use super::told::Told;
use super::trials::{Catch, Trials, in_every_tree, in_their_worlds, in_their_worlds_without, without_each};
use super::{Refusal, hangs, kept, say, sim};
use crate::lines::in_shell;

/// Actors of the trees that are searched unless something else is asked for.
const ACTORS: u8 = 4;
/// Random runs that follow unless something else is asked for.
const SEEDS: u64 = 20_000;

#[derive(Args, Debug)]
#[command(after_help = format!("{EXITS}\n\nEvery rule taken out in turn:\n  {} hunt --defect all", hangs::BUILD))]
pub(crate) struct Hunt {
    /// Take out the rule against this hang, or against each in turn (`all`), and find it: in its own world, or with
    /// --actors in every tree of at most so many. Needs a build with `--features defects`.
    #[arg(long, value_name = "NAME|all")]
    defect: Option<String>,
    /// Search every tree of at most so many actors, 0 to 9; 4 unless a rule is taken out. With 1 or more, and every rule in its
    /// place, calls between 3 actors are searched as well.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    actors: Option<u8>,
    /// Search this tree too: children of each actor × generations below the root.
    #[arg(long, value_name = "BxD", value_parser = sim::tree, conflicts_with = "defect")]
    tree: Option<(usize, usize)>,
    /// Search the scenario in this file in place of all trees, each run of it and then random ones: one line of JSON, as `scenario`
    /// in what `windrow sim --json` prints, of which all may be left out that is as for a root alone.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["defect", "actors", "tree", "without"])]
    scenario: Option<PathBuf>,
    /// Take away a net that catches what others let through, or each in turn (`each`): `eof`, `exits`, `pdeathsig`,
    /// `guardian`, `user`, `tasks`. With a rule taken out its own world is searched so, unless --actors is given, and `each`
    /// tells what its hang is seen as without each. No random runs follow: those take nets away by themselves.
    #[arg(long, value_name = "NET|each", value_parser = nets)]
    without: Option<Away>,
    /// How many deviations from the fair schedule a run of these may have, 0 to 8: each more takes many times as long.
    #[arg(short, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=8))]
    k: u8,
    /// How many random runs follow: seed by seed another tree of 3 to 15 actors, other faults, another net away. 20000
    /// unless a net is taken away.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed of these; where one night ended, the next can begin.
    #[arg(long, value_name = "SEED", default_value_t = 0, conflicts_with = "defect")]
    from: u64,
    /// Keep what is found in this file, which is not there yet: `windrow sim --find FILE` runs it again. Of one find alone.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// Print one JSON object on one line of standard output at the end, and on standard error no more than what went wrong:
    /// `violations`, `states`, `runs`, `guarantee`, `stopped`, `defects` and `find` (or null), whose `run` --keep keeps.
    #[arg(long)]
    json: bool,
}

const EXITS: &str = "\
Exit status:
  0  nothing was found, and nothing had to be
  1  something was found; with --defect every hang whose rule was taken out, which is as it should be
  2  bad arguments, or a rule that this build can't take out
  3  with --defect: a hang was not found that this search has to find, so it is the search that is broken
  128 + n  signal n stopped it, and the next would have ended it at once: without --defect what was searched by then is told";

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
pub(super) struct Bag {
    pub(super) violations: u64,
    pub(super) states: u64,
    pub(super) runs: u64,
    /// What may be said now, a sentence for each search.
    guarantee: Vec<String>,
    defects: Vec<Catch>,
    /// What was found with all rules in their places.
    pub(super) find: Option<Told>,
    /// A signal ended the search.
    stopped: bool,
    #[serde(skip)]
    table: String,
}

impl Hunt {
    /// Searches, and tells what it came to.
    pub(crate) fn run(&self) -> Result<u8, Refusal> {
        let seeds = self.seeds()?;
        self.check_keep()?;
        let Some(name) = self.defect.as_deref() else {
            if self.actors == Some(0) && self.tree.is_none() && seeds == 0 {
                return Err(Refusal::new("with no tree and no seed there is nothing to search", 2)
                    .hint("give --actors, --tree or --seeds more"));
            }
            if self.from > 0 && seeds == 0 {
                return Err(Refusal::new("--from is the first seed of random runs, and there are none", 2)
                    .hint("give --seeds, and no --without"));
            }
            if self.from.checked_add(seeds.saturating_sub(1)).is_none() {
                return Err(Refusal::new("--from and --seeds lead beyond the last seed", 2)
                    .because(format!("that is {}", u64::MAX))
                    .hint("give either less"));
            }
            let own = self.scenario.as_deref().map(kept::scenario).transpose()?;
            let stop = Stop::new();
            let bag = self.whole(&stop, seeds, own.as_ref());
            let stopped = stop.over();
            self.keep(&bag)?;
            self.tell(&bag)?;
            return Ok(if bag.violations > 0 { 1 } else { stopped.unwrap_or(0) });
        };
        let sought = if name == "all" { HANGS } else { slice::from_ref(hangs::named(name)?) };
        hangs::demand(name)?;
        let k = usize::from(self.k);
        let trials = match (self.actors, self.away()) {
            (None, [(_, Nets::ALL)]) => in_their_worlds(sought, k, seeds),
            (None, [net]) => in_their_worlds_without(sought, k, *net),
            (Some(actors), [(_, nets)]) => in_every_tree(sought, (usize::from(actors), k, seeds), *nets),
            (None, _) => without_each(sought, k),
            (Some(_), _) => {
                return Err(Refusal::new("every tree is searched with one net away at a time", 2)
                    .hint("name the net"));
            }
        };
        let bag = Bag::of(trials);
        self.keep(&bag)?;
        self.tell(&bag)?;
        let is_missed = |catch: &Catch| !catch.found && catch.hidden.is_none();
        Ok(if bag.defects.iter().any(is_missed) { MISSED } else { u8::from(bag.violations > 0) })
    }

    /// Gives how many random runs follow. Each draws nets of its own, so none can be told which to take away.
    fn seeds(&self) -> Result<u64, Refusal> {
        match (self.seeds, &self.without) {
            (None | Some(0), Some(_)) => Ok(0),
            (Some(_), Some(_)) => {
                Err(Refusal::new("--without is for the searches of every run, and not for random ones", 2)
                    .because("a random run takes a net away, or none, as its seed draws it")
                    .hint("leave out --seeds, or --without"))
            }
            (seeds, None) => Ok(seeds.unwrap_or(SEEDS)),
        }
    }

    /// Gives what is away: each net that was named, or none.
    fn away(&self) -> &[(&'static str, Nets)] {
        self.without.as_ref().map_or(&[("", Nets::ALL)], |away| &away.0)
    }

    /// Lists what is to be searched with all rules in their places.
    fn plans(&self, own: Option<&Scenario>) -> Vec<Plan> {
        let (actors, k) = (usize::from(self.actors.unwrap_or(ACTORS)), usize::from(self.k));
        if let Some(own) = own {
            return vec![Plan::of(own.clone(), k)];
        }
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
    fn whole(&self, stop: &Stop, seeds: u64, own: Option<&Scenario>) -> Bag {
        let mut bag = Bag::default();
        let plans = self.plans(own);
        for (plan, sum) in plans.iter().zip(explore(stop, &plans, &mut bag)) {
            if sum.states > 0 || sum.stopped {
                bag.guarantee.push(plan.guarantee(&sum));
            }
        }
        if !plans.is_empty() && own.is_none() {
            bag.guarantee.push(Plan::deviations());
        }
        if bag.violations == 0 && seeds > 0 && (plans.is_empty() || stop.goes_on()) {
            let seeds = Seeds { from: self.from, count: seeds, of: own.zip(self.scenario.as_deref()) };
            let told = seeds.search(stop, &mut bag);
            bag.guarantee.push(told);
        }
        bag.stopped = !stop.goes_on();
        bag
    }

    /// Refuses a place that takes no find, and searches of which several may come.
    fn check_keep(&self) -> Result<(), Refusal> {
        let Some(path) = &self.keep else { return Ok(()) };
        let several =
            self.defect.as_deref() == Some("all") || (self.defect.is_some() && self.away().len() > 1);
        if several {
            return Err(Refusal::new("--keep keeps one find, and of these there may be many", 2)
                .hint("name one hang and one net; or take `run` of each find in what --json prints"));
        }
        kept::check(path)
    }

    /// Keeps what was found where that is asked for, or says that it can be.
    fn keep(&self, bag: &Bag) -> Result<(), Refusal> {
        let find = bag.only_find().and_then(|told| told.run.as_ref());
        match (&self.keep, find) {
            (Some(path), Some(find)) => {
                kept::keep(path, find)?;
                if !self.json {
                    say(format_args!("`windrow sim --find {}` runs it again", in_shell(path)));
                }
            }
            (None, Some(_)) if !self.json => {
                say(format_args!(
                    "hint: with `--keep FILE` it is kept, to be run again by `windrow sim --find FILE`"
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// Tells each thing once: what was found on standard output, what was not on standard error.
    fn tell(&self, bag: &Bag) -> Result<(), Refusal> {
        for catch in bag.defects.iter().filter(|catch| !catch.found) {
            match &catch.hidden {
                Some(_) if self.json => {}
                Some(reason) => say(format_args!("{}: not found, and need not be: {reason}", catch.defect)),
                None => say(format_args!("{}: NOT FOUND", catch.defect)),
            }
        }
        if self.json {
            return print_result(&json_line(bag)?);
        }
        if let Some(find) = bag.only_find() {
            print_result(&format!("{find}\n\n"))?;
        }
        if let [Catch { defect, seed: Some(seed), .. }] = bag.defects.as_slice() {
            say(format_args!("`windrow sim --roam {seed} --defect {defect}` is a run that shows it"));
        }
        if bag.table.is_empty() {
            return print_result(&format!("{}\n", bag.guarantee.join("\n")));
        }
        // Nothing but the table, which is kept as it is printed.
        print_result(&bag.table)?;
        say(format_args!("{}", bag.guarantee.join("\n")));
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
            guarantee: vec![format!("{found} of {sought} hangs found with their rule taken out")],
            defects: trials.catches,
            find: None,
            stopped: false,
            table: trials.table,
        }
    }

    /// Gives the find, if there is only one to be told of.
    fn only_find(&self) -> Option<&Told> {
        match self.defects.as_slice() {
            [] => self.find.as_ref(),
            [catch] => catch.find.as_ref(),
            _ => None,
        }
    }
}
