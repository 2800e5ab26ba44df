//! The bound holds in both directions: no run exceeds it, and some run needs nearly all of it.

use windrow_core::sim::{Choices, Conduct, Scenario, record, shrink, swarm};

/// A chain of actors whose last ones do not answer, killed processes taking all the time they may.
fn chain(levels: usize, leaf: Conduct) -> Scenario {
    let mut scenario = Scenario::tree(1, levels).with(levels, leaf);
    scenario.slow_kill = true;
    scenario
}

#[track_caller]
fn check(levels: usize, leaf: Conduct) {
    check_all(&chain(levels, leaf), &format!("{leaf:?} at {levels}"));
}

#[track_caller]
fn check_all(scenario: &Scenario, name: &str) {
    let found = swarm(scenario, 1, 100);
    if let Some(report) = found.report {
        let short = shrink(scenario, &report);
        panic!("{}", record(scenario, Choices::replay(short.trace)));
    }
    assert!(found.fullest >= 950, "{name}: only {} of 1000", found.fullest);
    assert!(found.fullest <= 1000, "{name}: {} of 1000", found.fullest);
}

#[test]
fn a_leaf_that_never_answers_takes_the_whole_bound_at_every_level() {
    for levels in 1..=4 {
        check(levels, Conduct::Wedge);
    }
}

#[test]
fn a_leaf_that_acknowledges_and_never_ends_takes_the_whole_bound_at_every_level() {
    for levels in 1..=4 {
        check(levels, Conduct::WedgeOnCancel);
    }
}

#[test]
fn a_leaf_that_can_not_be_killed_takes_the_whole_bound_at_every_level() {
    for levels in 1..=4 {
        check(levels, Conduct::Stuck);
    }
}

#[test]
fn a_task_that_never_ends_takes_the_whole_bound_of_its_actor() {
    check_all(&chain(1, Conduct::Serve).with(0, Conduct::IgnoreCancel), "a task of the root's");
}
