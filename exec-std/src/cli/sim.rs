//! `windrow sim`: one run of the simulator, its timeline as text.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use windrow_core::sim::{Choices, Conduct, Find, Report, Scenario, Source, diagnose, mixed, record};
use windrow_core::{ActorId, LEVELS_MAX};

use super::outputs::{json_line, print_result, say};
use super::{Refusal, dump, hangs, kept, told};
use crate::dump::save_all;

/// Actors in a tree that is simulated, at the most.
const ACTORS_MAX: u64 = 1000;

#[derive(Args, Debug)]
#[command(after_help = format!("Names for --faults:\n  {}", names()))]
pub(crate) struct Sim {
    /// Which run: the same seed always gives the same one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which random run of `windrow hunt`: its seed draws the tree, the faults and the nets too.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seed", "tree", "faults"])]
    roam: Option<u64>,
    /// The tree: children of each actor × generations below the root. A hang has a tree of its own.
    #[arg(long, value_name = "BxD", value_parser = tree)]
    tree: Option<(usize, usize)>,
    /// How actors may behave: `none`, `benign`, `all`, or names such as `wedge,exit-hard`.
    #[arg(long, value_name = "NAMES")]
    faults: Option<String>,
    /// Take a rule out, by the name of its hang. Needs a build with `--features defects`.
    #[arg(long, value_name = "NAME")]
    defect: Option<String>,
    /// Which run: what a search has found, as `windrow hunt --keep FILE` keeps it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "roam", "tree", "faults", "defect"])]
    find: Option<PathBuf>,
    /// Which world: the scenario in this file, as `windrow hunt --scenario` takes it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["roam", "tree", "faults", "find"])]
    scenario: Option<PathBuf>,
    /// Keep a trace of each actor in this directory, as `windrow run --trace` does: `windrow explain` says who waits for whom when
    /// the run ends, and `windrow replay --chrome` draws it.
    #[arg(long, value_name = "DIR")]
    trace: Option<PathBuf>,
    /// Print one JSON object on one line in place of the timeline: `steps`, `ended_ms`, `violation` (or null), `scenario`,
    /// `timeline` (its lines), and `find` as in `windrow hunt --json` (or null).
    #[arg(long)]
    json: bool,
}

/// A run as programs read it.
#[derive(Debug, Serialize)]
struct Told<'a> {
    steps: u32,
    ended_ms: f64,
    violation: Option<String>,
    scenario: &'a Scenario,
    timeline: Vec<&'a str>,
    /// The shortest run that breaks the same promise.
    find: Option<told::Told>,
}

impl Sim {
    /// Runs, prints the timeline, and what is wrong if anything is.
    pub(crate) fn run(&self) -> Result<u8, Refusal> {
        let find = self.find.as_deref().map(kept::read).transpose()?;
        let (scenario, report) = match &find {
            Some(find) => (find.scenario.clone(), find.replay()),
            None => {
                let scenario = self.scenario()?;
                let report = record(&scenario, Choices::seed(self.roam.unwrap_or(self.seed)));
                (scenario, report)
            }
        };
        if let Some(dir) = &self.trace {
            dump::into(dir, |dir| save_all(traces(&report), dir))?;
        }
        print_result(&if self.json { self.object(&scenario, &report)? } else { text(&scenario, &report) })?;
        if let Some(find) = &find {
            compare(find, &report);
        }
        if self.faults.is_some() && scenario.menu.len() > 1 {
            say(format_args!("{}", self.drawn(&scenario, &report)));
        }
        if let (Some(name), true) = (&self.defect, report.is_clean()) {
            say(format_args!(
                "hint: this run does not need that rule: `windrow hunt --defect {name}` finds one"
            ));
        }
        Ok(u8::from(!report.is_clean()))
    }

    /// Tells of a run in one line, for programs.
    fn object(&self, scenario: &Scenario, report: &Report) -> Result<String, Refusal> {
        let story = diagnose(scenario, report).ok();
        let told = Told {
            steps: report.steps,
            ended_ms: Duration::from_nanos(report.ended.0).as_secs_f64() * 1e3,
            violation: report.violation.as_ref().map(ToString::to_string),
            scenario,
            timeline: report.timeline.lines().collect(),
            find: story.map(|story| told::Told::of_story(scenario, story, self.roam)),
        };
        json_line(&told)
    }

    /// Says who was drawn to behave otherwise than the fair default, and how.
    fn drawn(&self, scenario: &Scenario, report: &Report) -> String {
        let is_free = |node: &usize| scenario.fixed.iter().all(|(fixed, _)| fixed != node);
        let drawn = report.made.iter().filter(|choice| choice.source == Source::Conduct);
        let drawn = (0..scenario.nodes()).filter(is_free).zip(drawn).filter(|(_, choice)| choice.taken > 0);
        let faults: Vec<_> = drawn
            .filter_map(|(node, choice)| Some((node, scenario.menu.get(choice.taken as usize)?)))
            .map(|(node, conduct)| format!("a{} {}", node + 1, kebab(*conduct)))
            .collect();
        if faults.is_empty() {
            return format!("faults: seed {} draws none: try another --seed", self.seed);
        }
        format!("faults: seed {} draws {}; who can't behave so serves", self.seed, faults.join(", "))
    }

    fn scenario(&self) -> Result<Scenario, Refusal> {
        let hang = match &self.defect {
            Some(name) => Some(hangs::named(name)?),
            None => None,
        };
        let own = self.scenario.as_deref().map(kept::scenario).transpose()?;
        let mut scenario = match (own, hang, self.tree, self.roam) {
            (Some(own), ..) => own,
            (None, _, _, Some(seed)) => mixed(seed),
            (None, Some(hang), None, None) => (hang.scenario)(),
            (None, _, tree, None) => {
                let (breadth, depth) = tree.unwrap_or((2, 2));
                Scenario::tree(breadth, depth)
            }
        };
        if let Some(names) = &self.faults {
            scenario = scenario.menu(&conducts(names)?);
        }
        if let Some(hang) = hang {
            hangs::demand(hang.defect.name())?;
            scenario = hangs::break_in(scenario, hang.defect);
        }
        Ok(scenario)
    }
}

/// Tells of a run for people: its timeline, and what is wrong if anything is.
fn text(scenario: &Scenario, report: &Report) -> String {
    let told = match diagnose(scenario, report) {
        _ if report.is_clean() => format!("clean: {} steps until {}", report.steps, report.ended),
        Ok(told) => told.to_string(),
        Err(why) => why.to_string(),
    };
    format!("{}{told}\n", report.timeline)
}

/// Lists the bytes of the traces that the actors of a run would have left.
fn traces(report: &Report) -> impl Iterator<Item = (ActorId, bool, Vec<u8>)> {
    report.traces().into_iter().map(|trace| {
        let mut bytes = Vec::new();
        trace.write(&mut bytes);
        (trace.actor(), false, bytes)
    })
}

/// Says so if a run that was found once shows something else by now.
fn compare(find: &Find, report: &Report) {
    let then = &find.violation;
    match &report.violation {
        None => {
            say(format_args!("what was found is not broken any more: {then}"));
            let unmade = unmade(find, report);
            if unmade > 0 {
                let kept = find.trace.deviations();
                say(format_args!(
                    "but {unmade} of its {kept} choices that are not the default were not made: this is another run"
                ));
            }
        }
        Some(now) if now.promise != then.promise => {
            say(format_args!("something else is broken than what was found: {then}"));
        }
        Some(_) => {}
    }
}

/// Counts the choices of a find that its world asked for in no such place, or not out of so many.
fn unmade(find: &Find, report: &Report) -> usize {
    let of = |source: &Source| {
        let (kept, made) = (find.trace.stream(*source), report.trace.stream(*source));
        let is_unmade = |(place, taken): &(usize, &u32)| **taken != 0 && made.get(*place) != Some(*taken);
        kept.iter().enumerate().filter(is_unmade).count()
    };
    Source::ALL.iter().map(of).sum()
}

/// Reads a tree: `2x3`.
pub(crate) fn tree(text: &str) -> Result<(usize, usize), String> {
    let parts = text
        .split_once(['x', '×'])
        .and_then(|(breadth, depth)| Some((breadth.parse::<u32>().ok()?, depth.parse::<u32>().ok()?)));
    let Some((breadth, depth)) = parts else {
        return Err(String::from("two whole numbers: write it as 2x3"));
    };
    if breadth == 0 || depth == 0 {
        return Err(String::from("at least 1 child and 1 generation"));
    }
    let actors = |depth| {
        (0..=depth).fold(0_u64, |sum, level| sum.saturating_add(u64::from(breadth).saturating_pow(level)))
    };
    if depth > u32::from(LEVELS_MAX) || actors(depth) > ACTORS_MAX {
        return Err(format!("at most {LEVELS_MAX} generations and {ACTORS_MAX} actors"));
    }
    Ok((breadth as usize, depth as usize))
}

/// Reads the ways to behave.
fn conducts(names: &str) -> Result<Vec<Conduct>, Refusal> {
    match names.trim() {
        "none" => Ok(Vec::new()),
        "benign" => Ok(Conduct::BENIGN.to_vec()),
        "all" => Ok(Conduct::all()),
        names => names.split(',').map(str::trim).map(conduct).collect(),
    }
}

fn conduct(name: &str) -> Result<Conduct, Refusal> {
    if name.is_empty() {
        return Err(Refusal::new("a name is missing in --faults", 2));
    }
    Conduct::all().into_iter().find(|conduct| kebab(*conduct) == name).ok_or_else(|| {
        Refusal::new(format!("no actor behaves like `{name}`"), 2)
            .hint(format!("`none`, `benign` or `all` alone, or some of {}", names()))
    })
}

/// Lists the names of all ways to behave.
fn names() -> String {
    Conduct::all().into_iter().map(kebab).collect::<Vec<_>>().join(", ")
}

/// Gives the name of a conduct as it is written on the command line.
fn kebab(conduct: Conduct) -> String {
    let mut name = String::new();
    for letter in format!("{conduct:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::{conducts, tree};

    #[test]
    fn a_tree_that_cannot_be_is_refused_at_once() {
        assert_eq!(tree("2x3"), Ok((2, 3)));
        for text in ["1x4294967295", "4294967295x4294967295", "1000x3"] {
            assert!(tree(text).is_err_and(|told| told.starts_with("at most ")), "{text}");
        }
        for text in ["0x1", "1x0"] {
            assert_eq!(tree(text), Err(String::from("at least 1 child and 1 generation")), "{text}");
        }
        assert_eq!(tree("-1x2"), Err(String::from("two whole numbers: write it as 2x3")));
    }

    #[test]
    fn names_may_stand_apart_and_those_of_many_stand_alone() {
        assert_eq!(conducts("wedge, exit-hard").map(|some| some.len()).ok(), Some(2));
        assert!(conducts(" all ").is_ok());
        let hint = conducts("none,all").err().and_then(|refused| refused.hint);
        assert!(hint.is_some_and(|hint| hint.starts_with("`none`, `benign` or `all` alone, ")));
    }
}
