//! Whole trees as a user meets them: `windrow run --json`.

use std::process::Command;

use serde_json::Value;

use crate::part::{median, output};
use crate::report::{Report, Row, Unit};

/// The most that a tree of 15 actors may take to come up and fall, in milliseconds.
const UP_AND_DOWN: f64 = 60.0;
/// How far a cascade may be from what its rungs add up to, in milliseconds.
const OFF: f64 = 100.0;
/// How often a tree with deaf leaves is run: each takes seconds.
const DEAF_ROUNDS: usize = 5;

/// One run's summary.
#[derive(Debug)]
struct Run(Value);

impl Run {
    fn of(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windrow"));
        let text = output(command.args(["run", "--json"]).args(args));
        let run = Self(serde_json::from_str(&text).unwrap_or_else(|_| panic!("{args:?} said {text:?}")));
        assert_eq!(run.number("left"), 0.0, "something is left");
        run
    }

    fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }
}

/// Runs the tree whose leaves fail.
pub(crate) fn measure_failing(report: &mut Report, rounds: usize) {
    let runs: Vec<_> = (0..rounds).map(|_| Run::of(&[])).collect();
    let all = |name: &str| runs.iter().map(|run| run.number(name)).collect::<Vec<_>>();
    let (up, cascade) = (all("up_ms"), all("cascade_ms"));
    let both: Vec<_> = up.iter().zip(&cascade).map(|(up, cascade)| up + cascade).collect();
    let mut row = |what: &str, unit, ours, goal| {
        report.row(&Row { what, unit, ours, floor: None, goal });
    };
    row("15 actors: up", Unit::Millis, median(&up), None);
    row("15 actors: cascade", Unit::Millis, median(&cascade), None);
    row("15 actors: up and cascade", Unit::Millis, median(&both), Some(UP_AND_DOWN));
    let escalations = all("escalations").iter().sum();
    row(&format!("escalations in {rounds} runs"), Unit::Count, escalations, Some(0.0));
}

/// Runs trees whose leaves hear nothing: their time is the ladder's, and does not grow with their number.
pub(crate) fn measure_deaf(report: &mut Report) {
    let mut off = 0.0_f64;
    let mut cascade = |breadth: &str, depth: &str, rounds: usize| {
        let args = ["--leaf", "ignore-term", "--breadth", breadth, "--depth", depth];
        let runs: Vec<_> = (0..rounds).map(|_| Run::of(&args)).collect();
        for run in &runs {
            off = off.max((run.number("cascade_ms") - run.number("expected_ms")).abs());
        }
        let spans: Vec<_> = runs.iter().map(|run| run.number("cascade_ms")).collect();
        (median(&spans), runs[0].number("bound_ms"))
    };
    let (one, _) = cascade("1", "1", DEAF_ROUNDS);
    let (many, _) = cascade("64", "1", DEAF_ROUNDS);
    let (deep, bound) = cascade("4", "3", DEAF_ROUNDS);
    let unit = Unit::Millis;
    let row = |what, ours, floor, goal| Row { what, unit, ours, floor, goal: Some(goal) };
    report.row(&row("64 deaf leaves / one deaf leaf", many, Some(one), 1.1));
    report.row(&row("4 x 4 x 4 deaf leaves / their bound", deep, Some(bound), 1.0));
    report.row(&row("the most that a cascade is off its rungs' sum", off, None, OFF));
}
