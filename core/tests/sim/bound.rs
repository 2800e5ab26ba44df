//! The bound holds in both directions: no run exceeds it, and some run needs nearly all of it.
//!
//! The rule: each number of generations is asked by itself, of the actor that has so many below it. That the parent of a deaf
//! leaf takes all its time says nothing of those above.

use std::time::Duration;

use windrow_core::sim::{Choices, Conduct, Report, Scenario, record};
use windrow_core::{ActorId, Event, LEVELS_MAX, Output, teardown_bound};

const ROOT: ActorId = ActorId(1);

/// A chain of actors, of whom the root's child does so; killed processes take all the time they may.
fn chain(levels: u8, child: Conduct) -> Scenario {
    let mut scenario = Scenario::tree(1, levels.into()).with(1, child);
    scenario.slow_kill = true;
    scenario
}

/// Gives how long the teardown of an actor above so many generations took, in thousandths of its bound.
fn share_of(actor: ActorId, levels: u8, scenario: &Scenario, report: &Report) -> u128 {
    let when = |is: fn(&Output) -> bool| {
        let mut own = report.records.iter().filter(|record| record.actor == actor);
        own.find(|record| record.outputs.iter().any(is)).map(|record| record.at)
    };
    let begins = when(|output| matches!(output, Output::Report(Event::Cancelling(_))));
    let ends = when(|output| matches!(output, Output::Done(_)));
    let span = ends.zip(begins).map_or(Duration::ZERO, |(ends, begins)| ends.since(begins));
    span.as_nanos() * 1000 / teardown_bound(&scenario.limits.times, levels).as_nanos()
}

/// Checks that no teardown of an actor exceeds its bound, and one reaches it.
#[track_caller]
fn check(actor: ActorId, levels: u8, scenario: &Scenario) {
    let share = |seed| {
        let report = record(scenario, Choices::seed(seed));
        assert!(report.is_clean(), "{levels} levels, seed {seed}: {report}");
        share_of(actor, levels, scenario, &report)
    };
    let fullest = (0..100).map(share).max().unwrap_or_default();
    assert!((950..=1000).contains(&fullest), "{actor} above {levels} levels: {fullest} of 1000");
}

#[track_caller]
fn check_levels(child: Conduct) {
    (1..=LEVELS_MAX).for_each(|levels| check(ROOT, levels, &chain(levels, child)));
}

#[test]
fn a_child_that_never_answers_takes_the_whole_bound_at_every_level() {
    check_levels(Conduct::Wedge);
}

#[test]
fn a_child_that_acknowledges_and_never_ends_takes_the_whole_bound_at_every_level() {
    check_levels(Conduct::WedgeOnCancel);
}

#[test]
fn a_child_that_can_not_be_killed_takes_the_whole_bound_at_every_level() {
    check_levels(Conduct::Stuck);
}

/// And who has nobody below it takes its own whole bound if nobody reads its last words either.
#[test]
fn a_task_that_never_ends_takes_the_whole_bound_of_its_actor() {
    check(ROOT, 1, &chain(1, Conduct::Serve).with(0, Conduct::IgnoreCancel));
    check(ActorId(3), 0, &chain(2, Conduct::WedgeOnCancel).with(2, Conduct::IgnoreCancel));
}
