//! What a careless shell would do is seen, and nothing else is where none is careless.

use std::time::Duration;

use windrow_core::sim::Verb::{
    Answer, CallAt, CancelSelf, Items, OnCall, Only, Peer, Reads, Return, Serve, Sleep, Starve, Within, Write,
};
use windrow_core::sim::{
    Choices, Conduct, Nets, Promise, Scenario, Slip, Trace, explore, record, shrink, swarm,
};
use windrow_core::{Defect, Defects, End};

/// Asks two searches of a world for what a slip breaks; without it neither finds anything.
#[track_caller]
fn check(scenario: &Scenario, slip: Slip, promise: Promise, deviations: usize) {
    const RUNS: u64 = if cfg!(debug_assertions) { 200 } else { 2000 };
    let careless = Scenario { slip: Some(slip), ..scenario.clone() };
    let found = explore(&careless, deviations).found.expect("few deviations are enough").0;
    assert_eq!(found.promise, promise, "{found}");
    let report = swarm(&careless, 1, RUNS).report.expect("a seed shows it");
    let short = shrink(&careless, &report);
    let told = record(&careless, Choices::replay(short.trace));
    assert_eq!(told.violation.as_ref().map(|found| found.promise), Some(promise), "{told}");
    if let Some((_, trace)) = explore(scenario, deviations).found {
        panic!("{}", record(scenario, Choices::replay(trace)));
    }
    if let Some(report) = swarm(scenario, 1, RUNS).report {
        panic!("{}", record(scenario, Choices::replay(report.trace)));
    }
}

/// A child that was asked to end dies, and one of its own collected an actor before: somebody else has that one's number, and
/// its guardian's patience is over.
pub(crate) fn given_numbers() -> Scenario {
    let mut scenario = Scenario::of(vec![0, 0, 1, 1, 2])
        .with(0, Conduct::CancelChild)
        .with(1, Conduct::ExitHard)
        .with(2, Conduct::SpawnLater)
        .with(3, Conduct::CommandDeaf)
        .with(4, Conduct::Serve)
        .with(5, Conduct::Command);
    scenario.nets = Nets { user: false, ..Nets::ALL };
    scenario
}

#[test]
fn a_guardian_that_goes_by_numbers_kills_a_stranger() {
    check(&given_numbers(), Slip::ByNumber, Promise::Stranger, 1);
}

/// What a command leaves in a group of its own may be its user's: who sweeps a dead child by numbers takes it for that child's.
#[test]
fn who_sweeps_by_numbers_stops_a_stranger() {
    let mut scenario = Scenario::of(vec![0, 0, 1, 1])
        .with(0, Conduct::SpawnLater)
        .with(1, Conduct::WedgeOnCancel)
        .with(2, Conduct::CommandLeaves)
        .with(3, Conduct::CommandReturn)
        .with(4, Conduct::Command);
    scenario.signal_at = Some(Duration::from_millis(500));
    check(&scenario, Slip::ByNumber, Promise::Stranger, 2);
}

/// Two commands exit, and their parent is woken once.
pub(crate) fn two_exits() -> Scenario {
    let mut scenario = Scenario::tree(2, 1).with(1, Conduct::CommandReturn).with(2, Conduct::CommandReturn);
    scenario.nets = Nets { user: false, ..Nets::ALL };
    scenario
}

#[test]
fn who_takes_one_exit_for_each_wake_up_misses_one() {
    check(&two_exits(), Slip::OneByOne, Promise::MissedExit, 1);
}

/// Two whom a dead actor left die at once, and who adopted them looks once.
#[test]
fn who_collects_one_for_each_look_misses_one() {
    let scenario = Scenario::of(vec![0, 1, 1])
        .with(1, Conduct::ExitHard)
        .with(2, Conduct::Command)
        .with(3, Conduct::Command);
    check(&scenario, Slip::OneByOne, Promise::MissedExit, 0);
}

/// Nobody knows how a command ended that somebody else in its parent's process collected.
pub(crate) fn a_lost_status() -> Scenario {
    let mut scenario = Scenario::tree(1, 1).with(0, Conduct::Collects).with(1, Conduct::CommandFail);
    scenario.nets = Nets { user: false, ..Nets::ALL };
    scenario
}

#[test]
fn who_takes_a_lost_status_for_success_makes_it_up() {
    check(&a_lost_status(), Slip::MadeUp, Promise::MadeUp, 0);
    let report = record(&a_lost_status(), Choices::replay(Trace::default()));
    assert_eq!(report.outcome.map(|outcome| outcome.end), Some(End::Failed), "never success: {report}");
}

/// The number of a child that somebody else collected may be given again before its parent has heard of its end.
#[test]
fn who_signals_a_lost_child_by_its_number_hits_a_stranger() {
    let mut scenario = Scenario::of(vec![0, 0, 2])
        .with(0, Conduct::Collects)
        .with(1, Conduct::CommandReturn)
        .with(2, Conduct::SpawnLater)
        .with(3, Conduct::Command);
    scenario.signal_at = Some(Duration::from_millis(30));
    check(&scenario, Slip::ByNumber, Promise::Stranger, 2);
}

/// Its parent passes on a cancel that somebody else has asked for.
pub(crate) fn a_cancel_passed_on() -> Scenario {
    let mut scenario = Scenario::of(vec![0, 1, 2])
        .with(0, Conduct::CancelChild)
        .with(1, Conduct::Serve)
        .with(2, Conduct::Serve)
        .script(3, &[Serve, OnCall]);
    scenario.nets = Nets { user: false, ..Nets::ALL };
    scenario
}

#[test]
fn who_passes_a_cancel_on_in_its_own_name_is_found_out() {
    check(&a_cancel_passed_on(), Slip::Renamed, Promise::WrongCanceller, 0);
}

/// Who is called for a caller has no more time than that one.
pub(crate) fn a_nested_call() -> Scenario {
    Scenario::of(vec![0, 1])
        .script(0, &[Within(100), CallAt(1), Return])
        .script(1, &[Serve, OnCall, CallAt(2), Answer])
        .script(2, &[Serve, OnCall, Answer])
}

#[test]
fn who_calls_for_a_caller_on_its_own_account_is_found_out() {
    check(&a_nested_call(), Slip::Unscoped, Promise::LongCall, 0);
}

/// An item that may wait for company is still the next one.
pub(crate) fn three_items() -> Scenario {
    Scenario::tree(1, 1).script(0, &[Reads(2), CallAt(1), Return]).script(1, &[Serve, OnCall, Items(3)])
}

#[test]
fn who_lets_an_item_be_overtaken_is_found_out() {
    check(&three_items(), Slip::Overtaken, Promise::LostItem, 0);
}

/// Who sends waits for room, and nobody will ever make some who reads no further.
#[test]
fn who_does_not_say_that_nobody_reads_a_stream_any_more_is_found_out() {
    let mut scenario = Scenario::tree(1, 1)
        .script(0, &[Reads(1), Only(1), CallAt(1), CancelSelf, Return])
        .script(1, &[Serve, OnCall, Items(5)]);
    scenario.nets = Nets { user: false, ..Nets::ALL };
    check(&scenario, Slip::Unsaid, Promise::Hang, 0);
}

/// A child writes less than a pipe holds, and so it waits for nobody; its parent has no turn by then.
#[test]
fn an_output_that_nobody_reads_is_found_out() {
    let mut scenario =
        Scenario::tree(1, 2).script(1, &[Sleep(20), Starve]).script(2, &[Sleep(30), Write(20), Serve]);
    scenario.nets = Nets { user: false, ..Nets::ALL };
    check(&scenario, Slip::Overslept, Promise::Unconsumed, 0);
}

/// A peer leaves while nobody looks: nothing waits for that.
#[test]
fn a_connection_whose_end_nobody_hears_is_found_out() {
    let mut scenario = Scenario::tree(1, 1).script(1, &[Peer, Sleep(5), Starve, Serve]);
    scenario.nets = Nets { user: false, ..Nets::ALL };
    check(&scenario, Slip::Overslept, Promise::Unconsumed, 0);
}

/// Three spawns lie in a template's queue when the user cancels, or one of those before them fails.
#[test]
fn a_spawn_that_nobody_takes_back_is_carried_out_in_a_teardown() {
    let mut scenario = Scenario::tree(3, 1);
    scenario.signal_at = Some(Duration::ZERO);
    check(&scenario, Slip::NoRecall, Promise::LateSpawn, 1);
}

/// The same, where all but one wait their turn.
#[test]
fn a_spawn_that_waits_its_turn_is_never_carried_out_in_a_teardown() {
    let mut scenario = Scenario::tree(3, 1);
    scenario.limits.starts = 1;
    scenario.signal_at = Some(Duration::ZERO);
    let broken = Scenario { defects: Defects::NONE.with(Defect::SpawnAfterCancel), ..scenario.clone() };
    let found = explore(&broken, 1).found.expect("a spawn in a teardown").0;
    assert_eq!(found.promise, Promise::LateSpawn, "{found}");
    if let Some((_, trace)) = explore(&scenario, 2).found {
        panic!("{}", record(&scenario, Choices::replay(trace)));
    }
}

/// A template stops over its first order: it is replaced, and no child is blamed that never was.
#[test]
fn nobody_is_given_up_who_never_was() {
    let mut scenario = Scenario::tree(3, 1).with(0, Conduct::TemplateStops);
    scenario.signal_at = Some(Duration::ZERO);
    if let Some((_, trace)) = explore(&scenario, 2).found {
        panic!("{}", record(&scenario, Choices::replay(trace)));
    }
    let told = record(&scenario, Choices::replay(Trace::default()));
    assert!(!told.to_string().contains("Unkillable"), "{told}");
}
