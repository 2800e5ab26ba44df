//! Fuzz targets as plain functions: bytes in, a panic with the whole story out.
//!
//! The rule: whatever the bytes are, a tree ends as it should. The first bytes choose the tree and the nets, the rest are
//! the choices of the run. It knows nothing of the engine that makes the bytes.

use windrow_core::sim::{Choices, Conduct, Report, Scenario, record, run};

/// The trees: breadth and depth.
const SHAPES: [(usize, usize); 8] = [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (1, 3), (1, 4), (4, 1)];

/// Gives the scenario that the first bytes choose, and how many of them there are.
#[must_use]
pub fn scenario(bytes: &[u8]) -> (Scenario, usize) {
    let byte = |index: usize| bytes.get(index).copied().unwrap_or(0);
    let (breadth, depth) = SHAPES[usize::from(byte(0)) % SHAPES.len()];
    let switches = byte(1);
    let on = |bit: u8| switches & (1 << bit) != 0;
    let mut scenario = Scenario::tree(breadth, depth);
    scenario = if on(0) { scenario.menu(Conduct::BENIGN) } else { scenario.menu(&Conduct::all()) };
    scenario.hurry = on(1);
    scenario.ask = on(2);
    scenario.slow_kill = on(3);
    // One net at a time: with several away, nothing need ever tell an orphan.
    match (switches >> 4) & 3 {
        1 => scenario.nets.eof = false,
        2 => scenario.nets.pdeathsig = false,
        3 => {
            // Without guardians nothing can kill what a dead root leaves.
            scenario = scenario.with(0, Conduct::Serve);
            scenario.nets.guardian = false;
        }
        _ => {}
    }
    (scenario, 2)
}

/// Runs the cascade that the bytes describe.
#[must_use]
pub fn run_cascade(bytes: &[u8]) -> Report {
    let (scenario, used) = scenario(bytes);
    run(&scenario, Choices::bytes(bytes.get(used..).unwrap_or_default()))
}

/// Runs the cascade that the bytes describe, and panics with its timeline if a promise is broken.
///
/// # Panics
/// An oracle objects.
pub fn cascade(bytes: &[u8]) {
    let report = run_cascade(bytes);
    if !report.is_clean() {
        let (scenario, _) = scenario(bytes);
        panic!("{scenario:?}\n{}", record(&scenario, Choices::replay(report.trace)));
    }
}
