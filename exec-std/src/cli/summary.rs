//! What a run came to: for people on standard error, for programs as one JSON object on standard output.

use std::io;
use std::time::Duration;

use crate::Failure;
use crate::chain::links;
use crate::shell::Ended;
use serde::Serialize;
use windrow_core::{End, Kind};

use super::leaf::Leaf;
use super::outputs::{print, say};

/// The summary. Spans are milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    outcome: &'static str,
    actors: u32,
    reaped: u32,
    left: u32,
    errors: u32,
    cancelled: u32,
    lost_errors: u32,
    leaves: u64,
    escalations: u32,
    up_ms: Option<f64>,
    cascade_ms: f64,
    expected_ms: f64,
    bound_ms: f64,
    failures: Vec<Told>,
    #[serde(skip)]
    forced: bool,
    #[serde(skip)]
    asked_for: bool,
}

/// A failure, as the summary has it.
#[derive(Debug, Serialize)]
struct Told {
    name: String,
    kind: Kind,
    text: String,
    caused_by: Vec<String>,
}

impl Told {
    fn of(failure: &Failure) -> Self {
        let Failure { name, kind, text, .. } = failure;
        let caused_by = links(failure).skip(1).map(ToString::to_string).collect();
        Self { name: name.clone(), kind: *kind, text: text.clone(), caused_by }
    }
}

impl Summary {
    pub(crate) fn new(leaf: Leaf, ended: &Ended, up: Option<Duration>, took: Duration, leaves: u64) -> Self {
        let outcome = &ended.outcome;
        let tally = &outcome.tally;
        Self {
            outcome: match outcome.end {
                End::Well => "well",
                End::Failed => "failed",
                End::Cancelled(_) => "cancelled",
                End::Forced => "forced",
                _ => "unknown",
            },
            actors: tally.actors + 1,
            reaped: tally.reaped,
            left: tally.left,
            errors: tally.errors,
            cancelled: tally.cancelled,
            lost_errors: tally.lost,
            leaves,
            escalations: tally.escalations,
            up_ms: up.map(millis),
            cascade_ms: millis(took),
            expected_ms: millis(tally.spent),
            bound_ms: millis(outcome.bound),
            failures: ended.failures.iter().map(Told::of).collect(),
            forced: outcome.end == End::Forced,
            asked_for: leaf.is_asked_for(outcome) && up.is_some(),
        }
    }

    /// Gives the exit status: 0 if the end is the one that was asked for and nothing is left.
    pub(crate) fn code(&self) -> u8 {
        match (self.left, self.asked_for) {
            _ if self.forced => End::Forced.status(),
            (0, true) => 0,
            _ => 1,
        }
    }

    pub(crate) fn tell(&self, json: bool, failures: &[Failure]) -> io::Result<()> {
        for failure in failures {
            say(format_args!("{}", told(failure)));
        }
        if json {
            return self.print();
        }
        say(format_args!(
            "{}: {} actors, {} reaped, {} left; {} errors, {} cancelled, {} escalations",
            self.outcome, self.actors, self.reaped, self.left, self.errors, self.cancelled, self.escalations
        ));
        let up = self.up_ms.map_or_else(|| String::from("never up"), |up| format!("up in {up:.1} ms"));
        say(format_args!(
            "{up}; down in {:.1} ms, of which {:.0} ms were waited for; the bound is {:.0} ms",
            self.cascade_ms, self.expected_ms, self.bound_ms
        ));
        Ok(())
    }

    fn print(&self) -> io::Result<()> {
        print(&format!("{}\n", serde_json::to_string(self)?))
    }
}

/// A failure, and a line for each link of what caused it.
fn told(failure: &Failure) -> String {
    let causes = links(failure).skip(1);
    causes.fold(format!("  {failure}"), |told, cause| format!("{told}\n    caused by: {cause}"))
}

fn millis(span: Duration) -> f64 {
    // Microseconds are more than anybody reads.
    (span.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chain;
    use windrow_core::ActorId;

    #[test]
    fn each_cause_has_a_line() {
        let mut failure = Failure::of(Kind::Failed, ActorId(7), "no hay");
        assert_eq!(told(&failure), format!("  {} failed: no hay", ActorId(7)));
        failure.cause = Some(Box::new(Chain::from(vec![String::from("no rake"), String::from("no barn")])));
        let causes = "    caused by: no rake\n    caused by: no barn";
        assert_eq!(told(&failure), format!("  {} failed: no hay\n{causes}", ActorId(7)));
    }
}
