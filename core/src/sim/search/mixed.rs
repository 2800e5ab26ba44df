//! A swarm's scenarios: each seed draws a tree, some of the faults, some of the nets.
//!
//! The rule: after Groce and others, a run with few kinds of fault finds what a run with all of them hides, so each kind
//! is in about half of the runs. The same seed always draws the same scenario.

use alloc::vec::Vec;
use core::time::Duration;

use super::compose::compose;
use crate::sim::choices::{Choices, Splitmix};
use crate::sim::run::{Report, run};
use crate::sim::scenario::{Conduct, Nets, Scenario, Script, Verb};

/// The smallest and the largest tree.
const ACTORS: (u32, u32) = (3, 15);
/// Generations below the root, at the most.
const LEVELS: usize = 6;
/// Longer than the slowest of these trees takes until all are up.
const SETTLED: Duration = Duration::from_millis(800);

/// How a child is that its parent calls.
const SERVED: [Conduct; 3] = [Conduct::Answers, Conduct::DiesOfCall, Conduct::DeafThread];

/// Scripts of their own are drawn from a stream of their own.
const OWN: u64 = 0x5CE9_E5C0_47E5_C217;

/// Draws a scenario. What is fixed in it was [drawn](Scenario::drawn), and need not fit.
#[must_use]
pub fn mixed(seed: u64) -> Scenario {
    let mut random = Splitmix::new(seed);
    let mut scenario = Scenario { drawn: true, ..Scenario::of(parents(&mut random)) };
    let mut some =
        |all: &[Conduct]| -> Vec<Conduct> { all.iter().copied().filter(|_| random.below(2) == 0).collect() };
    let mut menu = some(Conduct::BENIGN);
    let faults = some(Conduct::FAULTS);
    // One run in four is of a healthy tree: only there may no rung be taken at all.
    if random.below(4) > 0 {
        menu.extend(faults);
    }
    scenario = scenario.menu(&menu);
    scenario.hurry = random.below(4) == 0;
    scenario.ask = random.below(4) == 0;
    scenario.slow_kill = random.below(8) == 0;
    scenario.named = random.below(2) == 0;
    scenario.absent = random.below(4) == 0;
    scenario.background = random.below(8) == 0;
    scenario.disturbed = random.below(4) == 0;
    if random.below(3) == 0 {
        scenario.settled = SETTLED;
    }
    let mut own = Splitmix::new(seed ^ OWN);
    if own.below(4) == 0 {
        scenario = compose(scenario, &mut own);
    }
    // Two in a call are rare where each draws for itself.
    if random.below(8) == 0 {
        scenario = calling(scenario, &mut random);
    }
    match random.below(10) as usize {
        6 => orphaned(scenario, true),
        7 => orphaned(scenario, false),
        net => match Nets::ONE_AWAY.get(net) {
            Some((_, nets)) => scenario.with_nets(*nets),
            None => scenario,
        },
    }
}

/// Lets one actor call a child that serves, or dies of that, or falls silent; or the last one the first, again and again, whom a
/// cancellation reaches before.
fn calling(scenario: Scenario, random: &mut Splitmix) -> Scenario {
    let first = |node: usize| scenario.children(node).next();
    let has_leaf = |node: usize| Some((node, first(node).filter(|child| first(*child).is_none())?));
    let pairs: Vec<(usize, usize)> = (0..scenario.nodes()).filter_map(has_leaf).collect();
    let Some(served) = SERVED.get(random.below(SERVED.len() as u32 + 1) as usize) else {
        let last = scenario.nodes() - 1;
        let again = [Verb::CallAt(1); Script::LONGEST];
        return scenario.script(last, &again).script(1, &[Verb::OnCall, Verb::Answer, Verb::Serve]);
    };
    match pairs.get(random.below(pairs.len() as u32) as usize) {
        Some((caller, child)) => scenario.with(*caller, Conduct::Calls).with(*child, *served),
        None => scenario,
    }
}

/// Lets the root die, and nothing tell those that it leaves but the ends of their channels, or but SIGTERM. They all hear
/// that and end, since nothing is there that could kill one.
fn orphaned(mut scenario: Scenario, by_channel: bool) -> Scenario {
    let hears = |conduct: &Conduct| conduct.script().is_benign() && !conduct.script().is_command();
    scenario.menu.retain(hears);
    scenario.fixed.clear();
    scenario.disturbed = false;
    scenario.nets = Nets { guardian: false, eof: by_channel, pdeathsig: !by_channel, ..Nets::ALL };
    scenario.with(0, Conduct::ExitHard)
}

/// Runs what one seed draws.
#[must_use]
pub fn roam(seed: u64) -> (Scenario, Report) {
    let scenario = mixed(seed);
    let report = run(&scenario, Choices::seed(seed));
    (scenario, report)
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
