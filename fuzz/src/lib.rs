//! Fuzz targets as plain functions: bytes in, a panic with the whole story out.
//!
//! `cargo +stable fuzz run -s none cascade` runs the one there is, with `cargo-fuzz` from the registry; `cargo test` replays
//! its corpus.
//!
//! The rule: whatever the bytes are, a tree ends as it should. The first bytes choose the tree, what the environment may
//! do, and the nets; the rest are the choices of the run, a stream for each source of them, so that a byte that changes
//! moves no other. It knows nothing of the engine that makes the bytes.

use windrow_core::sim::{Choices, Conduct, Nets, Report, Scenario, record, run};

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

/// Runs the choices that the bytes describe, in another scenario than theirs.
#[must_use]
pub fn run_in(scenario: &Scenario, bytes: &[u8]) -> Report {
    run(scenario, Choices::bytes(bytes.get(HEAD..).unwrap_or_default()))
}

/// Runs the cascade that the bytes describe, and panics with its timeline if a promise is broken.
///
/// # Panics
/// An oracle objects.
pub fn cascade(bytes: &[u8]) {
    let report = run_cascade(bytes);
    if !report.is_clean() {
        let scenario = scenario(bytes);
        panic!("{scenario:?}\n{}", record(&scenario, Choices::replay(report.trace)));
    }
}
