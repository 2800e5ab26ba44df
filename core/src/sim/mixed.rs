//! A swarm's scenarios: each seed draws a tree, some of the faults, some of the nets.
//!
//! The rule: after Groce and others, a run with few kinds of fault finds what a run with all of them hides, so each kind
//! is in about half of the runs. The same seed always draws the same scenario.

use alloc::vec::Vec;
use core::time::Duration;

use super::choices::{Choices, Splitmix};
use super::run::{Report, run};
use super::scenario::{Conduct, Nets, Scenario};

/// The smallest and the largest tree.
const ACTORS: (u32, u32) = (3, 15);
/// Generations below the root, at the most.
const LEVELS: usize = 6;
/// Longer than the slowest of these trees takes until all are up.
const SETTLED: Duration = Duration::from_millis(800);

/// Those that end by themselves, so that no user need ever cancel.
const ENDING: [Conduct; 12] = [
    Conduct::Fail,
    Conduct::Panic,
    Conduct::PeerLeaves,
    Conduct::PeerStays,
    Conduct::ExitHard,
    Conduct::DieInBoot,
    Conduct::NoStart,
    Conduct::Mute,
    Conduct::LoseLink,
    Conduct::CommandReturn,
    Conduct::CommandFail,
    Conduct::CommandLeaves,
];

/// Draws a scenario.
#[must_use]
pub fn mixed(seed: u64) -> Scenario {
    let mut random = Splitmix::new(seed);
    let mut scenario = Scenario::of(parents(&mut random));
    let mut some =
        |all: &[Conduct]| -> Vec<Conduct> { all.iter().copied().filter(|_| random.below(2) == 0).collect() };
    let mut menu = some(Conduct::BENIGN);
    let faults = some(Conduct::FAULTS);
    let ending = some(&ENDING);
    // One run in four is of a healthy tree: only there may no rung be taken at all.
    if random.below(4) > 0 {
        menu.extend(faults);
    }
    scenario = scenario.menu(&menu);
    scenario.hurry = random.below(4) == 0;
    scenario.ask = random.below(4) == 0;
    scenario.slow_kill = random.below(8) == 0;
    if random.below(3) == 0 {
        scenario.settled = SETTLED;
    }
    // One net at a time: with several away, nothing need ever tell an orphan.
    match random.below(10) {
        0 => scenario.nets.eof = false,
        1 => scenario.nets.pdeathsig = false,
        2 => {
            // Without guardians nothing can kill what a dead root leaves.
            scenario = scenario.with(0, Conduct::Serve);
            scenario.nets.guardian = false;
        }
        3 => by_itself(&mut scenario, ending),
        _ => {}
    }
    scenario.named = random.below(2) == 0;
    scenario
}

/// Runs what one seed draws.
#[must_use]
pub fn roam(seed: u64) -> (Scenario, Report) {
    let scenario = mixed(seed);
    let report = run(&scenario, Choices::seed(seed));
    (scenario, report)
}

/// Takes the user away: whoever has children waits for them, and the others end by themselves.
fn by_itself(scenario: &mut Scenario, ending: Vec<Conduct>) {
    scenario.nets = Nets { user: false, ..Nets::ALL };
    scenario.hurry = false;
    scenario.menu = [alloc::vec![Conduct::Return], ending].concat();
    scenario.fixed = (0..scenario.nodes())
        .filter(|node| scenario.children(*node).next().is_some())
        .map(|node| (node, Conduct::Serve))
        .collect();
}

/// Draws a tree: bushy or deep, as it comes.
fn parents(random: &mut Splitmix) -> Vec<usize> {
    let actors = ACTORS.0 + random.below(ACTORS.1 - ACTORS.0 + 1);
    // How far back a parent is looked for: near makes chains, far makes bushes.
    let reach = 1 + random.below(actors);
    let mut depths = alloc::vec![0];
    let mut parents = Vec::new();
    for node in 1..actors {
        let back = 1 + random.below(reach.min(node));
        let mut parent = (node - back) as usize;
        while depths[parent] >= LEVELS {
            parent = parents[parent - 1];
        }
        depths.push(depths[parent] + 1);
        parents.push(parent);
    }
    parents
}
