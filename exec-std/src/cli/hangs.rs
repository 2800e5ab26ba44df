//! `windrow hangs`: the hangs that the simulator searches for, a line each.

use std::fmt::Write;

use windrow_core::sim::{HANGS, Hang, Reach, Scenario};
use windrow_core::{Defect, Place};

use super::Refusal;
use super::outputs::print_result;
use crate::lines::in_shell;

/// What takes a rule out is compiled in on demand alone.
pub(crate) const BUILD: &str = "cargo run --release -p windrow-std --features defects --bin windrow --";

/// Prints the catalog: name, where the rule stands, which search over all trees finds the hang, what the searches say of it,
/// and the rule that keeps it away.
pub(crate) fn list() -> Result<u8, Refusal> {
    let mut list = String::new();
    let width = HANGS.iter().map(|hang| hang.defect.name().len()).max().unwrap_or(0);
    for Hang { defect, promise, sink, rule, reach, .. } in HANGS {
        let name = defect.name();
        let place = match defect.place() {
            Place::Machine => "machine",
            Place::Shell => "shell",
            Place::Both => "both",
        };
        let found = match reach {
            Reach::Whole => String::from("in every tree"),
            Reach::Without(net) => format!("in every tree without `{net}`"),
            Reach::Own(_) => String::from("in a world of its own"),
        };
        let sink = sink.map_or(String::new(), |sink| format!(", {sink:?}"));
        let _ = writeln!(
            list,
            "{name:width$}  {place:7}  found {found:28}  {promise} ({}){sink}; rule: {rule}",
            promise.number()
        );
    }
    print_result(&list).map(|()| 0)
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
