//! Worlds in which nothing is wrong, of which an oracle once thought otherwise; and what is told of a run there.

use std::time::Duration;

use windrow_core::sim::Verb::*;
use windrow_core::sim::{Choices, Promise, Scenario, Slip, Verb, record, swarm};
use windrow_core::{ActorId, Input, Message, Output, Reason};

/// How often each is tried.
const SEEDS: u64 = if cfg!(debug_assertions) { 100 } else { 2000 };

#[track_caller]
fn is_spared(scenario: &Scenario) {
    assert_eq!(scenario.check(), Ok(()));
    let found = swarm(scenario, 1, SEEDS).report;
    assert!(found.is_none(), "{}", found.map_or_else(String::new, |report| report.to_string()));
}

fn above(script: &[Verb]) -> Scenario {
    Scenario::of(vec![0]).script(1, script)
}

#[test]
fn what_a_command_started_stays_as_long_as_the_command() {
    is_spared(&Scenario { absent: true, ..above(&[Command, Leave]) });
}

#[test]
fn what_is_asked_after_a_cancellation_brings_no_end_nearer() {
    let asks: [&[Verb]; 5] =
        [&[Forget], &[GiveBack(1)], &[SayStale(1, 1)], &[Conceal], &[CallAt(0), GivesUp(50)]];
    asks.iter().for_each(|asked| is_spared(&above(asked)));
    is_spared(&above(&[Await(1), OnCancel, Forget]));
}

/// Somebody may take it later.
#[test]
fn who_waits_for_a_name_that_nobody_has_may_wait() {
    for tree in [vec![0, 0], vec![0, 1]] {
        is_spared(&Scenario { absent: true, ..Scenario::of(tree).script(2, &[Await(1)]) });
    }
}

/// Nobody has asked for it.
#[test]
fn whose_start_takes_too_long_is_cancelled_by_its_own_failure() {
    let scenario = above(&[SlowStart, OnCall]);
    let scenario = Scenario { signal_at: Some(Duration::from_secs(60)), ..scenario };
    is_spared(&scenario);
    let report = record(&scenario, Choices::seed(1));
    let told = report.records.iter().find_map(|record| match record.input {
        Input::Received { message: Message::Cancel { cause, .. }, .. } => Some(cause),
        _ => None,
    });
    assert_eq!(
        told.map(|cause| (cause.canceller, cause.reason)),
        Some((ActorId(2), Reason::Failure)),
        "{report}"
    );
}

#[test]
fn what_is_refused_says_why() {
    let timeline = record(&above(&[OnCancel, Ready]), Choices::seed(1)).timeline;
    let mut lines = timeline.lines().skip_while(|line| !line.ends_with("a2 <- Ready"));
    let after = lines.nth(1).unwrap_or_default();
    assert!(after.contains("a2    is refused: "), "{timeline}");
}

#[test]
fn a_shell_that_means_nobody_is_told() {
    let reaps_nobody = Slip::Mishears(|said| {
        for output in said {
            if let Output::Reap { child } = output {
                *child = ActorId(99);
            }
        }
    });
    let found = swarm(&Scenario { slip: Some(reaps_nobody), ..Scenario::tree(1, 1) }, 1, 10).report;
    let broken = found.and_then(|report| report.violation).expect("a violation");
    assert_eq!(broken.promise, Promise::NoTarget);
    assert_eq!(broken.text, "the shell of a1 does something to a63, who is nobody");
}
