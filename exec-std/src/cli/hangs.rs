//! `windrow hangs`: the hangs that the simulator searches for, a line each.

use std::io::{self, Write};

use crate::core::Defect;
use crate::core::sim::Hang;

use super::Refusal;

/// What takes a rule out is compiled in on demand alone.
pub(crate) const BUILD: &str =
    "cargo run --release -p windrow-std --features defects --bin windrow -- hunt --defect";

/// Prints the catalog: name, status, what the searches say of it, and the rule that keeps it away.
pub(crate) fn list() -> u8 {
    let mut out = io::stdout().lock();
    let width = Defect::ALL.iter().map(|defect| defect.name().len()).max().unwrap_or(0);
    for defect in Defect::ALL {
        let name = defect.name();
        let line = match Hang::named(name) {
            Some(Hang { promise, sink, rule, .. }) => {
                let sink = sink.map_or(String::new(), |sink| format!(", {sink:?}"));
                format!("{name:width$}  searched     {promise} ({}){sink}; rule: {rule}", promise.number())
            }
            None => format!("{name:width$}  no scenario"),
        };
        // Nobody reads any more: that is no failure.
        if writeln!(out, "{line}").is_err() {
            break;
        }
    }
    0
}

/// Finds a hang by its name.
pub(crate) fn named(name: &str) -> Result<&'static Hang, Refusal> {
    Hang::named(name).ok_or_else(|| {
        Refusal::new(format!("there is no hang `{name}`"), 2).hint("`windrow hangs` lists them")
    })
}

/// Refuses what needs a build in which rules can be taken out, if this is none.
pub(crate) fn demand(name: &str) -> Result<(), Refusal> {
    if cfg!(feature = "defects") {
        return Ok(());
    }
    Err(Refusal::new(format!("the rule against `{name}` can't be taken out"), 2)
        .because("this program was built without the feature `defects`")
        .hint(format!("{BUILD} {name}")))
}
