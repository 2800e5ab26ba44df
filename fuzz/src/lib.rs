//! Fuzz targets as plain functions: bytes in, a panic with the whole story out.
//!
//! `cargo +stable fuzz run -s none cascade` runs the one there is, with `cargo-fuzz` from the registry; `cargo test` replays
//! its corpus.
//!
//! The rule: whatever the bytes are, a tree ends as it should. The first bytes choose the tree, what the environment may
//! do, and the nets; the rest are the choices of the run, a stream for each source of them, so that a byte that changes
//! moves no other. It knows nothing of the engine that makes the bytes.
//!
//! A find is told on one screen: who waits for whom and why in vain, the shortest way there, from which step on it was bound
//! to happen, and what would have saved it.
//!
//! To see the target find something, take a rule out: give `windrow-core` the feature `defects` beside `sim` in
//! `fuzz/Cargo.toml`, and end [`scenario`] with `.defect(windrow_core::Defect::NoDeadlineAfterAck)`, or another of
//! [`windrow_core::sim::HANGS`].
//!
//! To fuzz a scenario of one's own, let the target call [`complaint`] with it, or [`run_in`], whose report is then yours to judge:
//!
//! ```
//! use windrow_core::sim::{Conduct, Scenario};
//!
//! // A root with two children that have two children each, one of which falls silent after some work.
//! let own = Scenario::tree(2, 2).menu(&Conduct::all()).with(4, Conduct::Wedge);
//! own.check().expect("it asks for what can be");
//! let bytes = [0; 16];
//! if let Some(told) = windrow_fuzz::complaint(&own, &bytes) {
//!     panic!("{told}");
//! }
//! assert!(windrow_fuzz::run_in(&own, &bytes).is_clean());
//! ```

use std::fmt::Debug;

use serde::Serialize;
use windrow_core::sim::{Choices, Conduct, Find, Nets, Report, Scenario, diagnose, record, run};

/// The trees: breadth and depth.
const SHAPES: [(usize, usize); 8] = [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (1, 3), (1, 4), (4, 1)];

/// How many bytes choose the scenario.
const HEAD: usize = 3;

/// Gives the scenario that the first bytes choose.
#[must_use]
pub fn scenario(bytes: &[u8]) -> Scenario {
    let byte = |index: usize| bytes.get(index).copied().unwrap_or(0);
    let (breadth, depth) = SHAPES[usize::from(byte(0)) % SHAPES.len()];
    let switches = byte(1);
    let on = |bit: u8| switches & (1 << bit) != 0;
    let mut scenario = Scenario::tree(breadth, depth);
    scenario = if on(0) { scenario.menu(Conduct::BENIGN) } else { scenario.menu(&Conduct::all()) };
    scenario.hurry = on(1);
    scenario.ask = on(2);
    scenario.slow_kill = on(3);
    scenario.disturbed = on(4);
    scenario.named = on(5);
    scenario.background = on(6);
    scenario.absent = on(7);
    // One net at a time: with several away, nothing need ever tell an orphan.
    match usize::from(byte(2)).checked_sub(1).and_then(|net| Nets::ONE_AWAY.get(net)) {
        Some((_, nets)) => scenario.with_nets(*nets),
        None => scenario,
    }
}

/// Runs the cascade that the bytes describe.
#[must_use]
pub fn run_cascade(bytes: &[u8]) -> Report {
    run_in(&scenario(bytes), bytes)
}

/// Runs the choices that the bytes describe, in another scenario than theirs. The first three bytes choose nothing there.
#[must_use]
pub fn run_in(scenario: &Scenario, bytes: &[u8]) -> Report {
    run(scenario, Choices::bytes(bytes.get(HEAD..).unwrap_or_default()))
}

/// Runs the choices that the bytes describe in a scenario, and tells all of it if a promise is broken: the shortest such run as a
/// line of JSON, which `windrow sim --find FILE` takes; its timeline; and what
/// [`Find::diagnose`](windrow_core::sim::Find::diagnose) says of it.
#[must_use]
pub fn complaint(scenario: &Scenario, bytes: &[u8]) -> Option<String> {
    let report = run_in(scenario, bytes);
    let broken = report.violation.clone()?;
    Some(match diagnose(scenario, &report) {
        Ok(told) => {
            let short = &told.report;
            let broken = short.violation.clone().unwrap_or(broken);
            let find = Find::new(scenario.clone(), (broken, short.trace.clone()));
            format!("{}\n{}{told}", line(&find), told.report.timeline)
        }
        Err(why) => format!("{}\n{}\n{why}", line(scenario), record(scenario, Choices::replay(report.trace))),
    })
}

/// Writes something in a line that can be read again. A slip that is code can't be, and is shown.
fn line(what: &(impl Serialize + Debug)) -> String {
    serde_json::to_string(what).unwrap_or_else(|_| format!("{what:?}"))
}

/// Runs the cascade that the bytes describe, and panics with all that [`complaint`] tells if a promise is broken.
///
/// # Panics
/// An oracle objects.
pub fn cascade(bytes: &[u8]) {
    if let Some(told) = complaint(&scenario(bytes), bytes) {
        panic!("{told}");
    }
}
