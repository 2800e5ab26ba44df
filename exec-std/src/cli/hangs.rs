//! `windrow hangs`: the hangs that the simulator searches for, a line each.

use clap::Args;
use serde::Serialize;
use windrow_core::sim::{HANGS, Hang, Reach, Scenario};
use windrow_core::{Defect, Place};

use super::Refusal;
use super::outputs::{json_line, print_result};
use crate::lines::in_shell;

/// What takes a rule out is compiled in on demand alone.
pub(crate) const BUILD: &str = "cargo run --release -p windrow-std --features defects --bin windrow --";

#[derive(Args, Debug)]
pub(crate) struct Hangs {
    /// One of them alone.
    name: Option<String>,
    /// Print a JSON object for each, a line each: `name`, `place` of its rule, `found` (which search over all trees finds it),
    /// `unless` (the net that hides it, or null), `world` (why it needs one of its own, or null), `promise`, `breaks` (the number
    /// of the invariant), `sink` (or null) and `rule`.
    #[arg(long)]
    json: bool,
}

/// A hang, as programs read it.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    place: &'static str,
    found: &'static str,
    unless: Option<&'static str>,
    world: Option<&'static str>,
    promise: String,
    breaks: String,
    sink: Option<String>,
    rule: &'static str,
}

impl Hangs {
    /// Prints the catalog.
    pub(crate) fn run(&self) -> Result<u8, Refusal> {
        let listed = match &self.name {
            Some(name) => std::slice::from_ref(named(name)?),
            None => HANGS,
        };
        let width = listed.iter().map(|hang| hang.defect.name().len()).max().unwrap_or(0);
        let mut list = String::new();
        for row in listed.iter().map(Row::of) {
            list += &if self.json { json_line(&row)? } else { row.line(width) };
        }
        print_result(&list).map(|()| 0)
    }
}

impl Row {
    fn of(hang: &Hang) -> Self {
        let Hang { defect, promise, sink, rule, reach, .. } = *hang;
        let place = match defect.place() {
            Place::Machine => "machine",
            Place::Shell => "shell",
            Place::Both => "both",
        };
        let (found, unless, world) = match reach {
            Reach::Whole => ("in every tree", None, None),
            Reach::Without(net) => ("in every tree", Some(net), None),
            Reach::Own(why) => ("in a world of its own", None, Some(why)),
        };
        let sink = sink.map(|sink| format!("{sink:?}"));
        let (promise, breaks) = (promise.to_string(), promise.number().to_string());
        Self { name: defect.name(), place, found, unless, world, promise, breaks, sink, rule }
    }

    /// Tells of it in a line, its name that wide: where the rule stands, which search over all trees finds the hang, what the
    /// searches say of it, and the rule that keeps it away.
    fn line(&self, width: usize) -> String {
        let Self { name, place, promise, breaks, rule, .. } = self;
        let found =
            self.found.to_owned() + &self.unless.map_or(String::new(), |net| format!(" without `{net}`"));
        let sink = self.sink.as_ref().map_or(String::new(), |sink| format!(", {sink}"));
        format!("{name:width$}  {place:7}  found {found:28}  {promise} ({breaks}){sink}; rule: {rule}\n")
    }
}

/// Finds a hang by its name.
pub(crate) fn named(name: &str) -> Result<&'static Hang, Refusal> {
    Hang::named(name).ok_or_else(|| {
        Refusal::new(format!("there is no hang `{name}`"), 2).hint("`windrow hangs` lists them")
    })
}

/// Takes the rule against a hang out of a world, if this is a build in which rules can be.
pub(crate) fn break_in(scenario: Scenario, defect: Defect) -> Scenario {
    #[cfg(feature = "defects")]
    let scenario = scenario.defect(defect);
    #[cfg(not(feature = "defects"))]
    let _ = defect;
    scenario
}

/// Refuses what needs a build in which rules can be taken out, if this is none.
pub(crate) fn demand(name: &str) -> Result<(), Refusal> {
    if cfg!(feature = "defects") {
        return Ok(());
    }
    let asked: Vec<_> = std::env::args_os().skip(1).map(|word| in_shell(word.as_ref())).collect();
    Err(Refusal::new(format!("the rule against `{name}` can't be taken out"), 2)
        .because("this program was built without the feature `defects`")
        .hint(format!("{BUILD} {}", asked.join(" "))))
}
