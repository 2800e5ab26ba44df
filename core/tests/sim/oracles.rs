//! The oracles themselves: each of them objects when it should.

use std::time::Duration;

use windrow_core::sim::{Choices, Conduct, Nets, Promise, Scenario, Trace, record, swarm};
use windrow_core::{ActorId, Defect, Defects, Output};

/// Gives what a search finds broken in a world without a rule.
#[track_caller]
fn broken(mut scenario: Scenario, defect: Defect) -> Promise {
    scenario.defects = Defects::NONE.with(defect);
    let found = swarm(&scenario, 1, 300).report.expect("something is broken");
    found.violation.expect("it was found").promise
}

/// A deadline that does nothing leaves a teardown where it was.
#[test]
fn a_step_that_brings_no_end_nearer_is_seen() {
    let scenario = Scenario::tree(1, 1).with(1, Conduct::Wedge);
    assert_eq!(broken(scenario, Defect::AckTimeoutSwallowed), Promise::Rank);
}

/// 17: a child whose ack has come is not taken for one that did not answer, however late its parent looks.
#[test]
fn an_ack_that_is_here_is_never_missed() {
    let mut scenario = Scenario::tree(2, 1).menu(&[Conduct::SlowCancel, Conduct::Starved]);
    scenario.limits.times.ack = Duration::from_millis(150);
    assert!(swarm(&scenario, 1, 300).report.is_none(), "no ack is missed");
    let mut broken = Scenario::tree(1, 1).with(0, Conduct::CancelChild).menu(&[Conduct::SlowCancel]);
    broken.limits.times.ack = Duration::from_millis(150);
    assert_eq!(self::broken(broken, Defect::DuplicateCancel), Promise::Escalation);
}

/// 38: what a descendant keeps a copy of may never be seen to end; the exit ends it as soon.
#[test]
fn a_copy_of_a_channel_delays_no_end() {
    let ends = |eof| {
        let mut scenario = Scenario::tree(2, 1).with(0, Conduct::Serve).with(1, Conduct::Leaves);
        scenario.nets = Nets { eof, ..Nets::ALL };
        let report = record(&scenario, Choices::replay(Trace::default()));
        assert!(report.is_clean(), "{report}");
        report.outcome.map(|outcome| (outcome.end, report.ended.since(outcome.began)))
    };
    assert_eq!(ends(true), ends(false));
}

/// Orphans whose root is dead have nobody but the guardian, and it keeps the span that the root's machine gave it.
#[test]
fn who_has_nobody_else_is_stopped_by_the_guardian() {
    let mut scenario = Scenario::tree(1, 2).with(0, Conduct::ExitHard).with(1, Conduct::Wedge);
    scenario.nets = Nets { eof: false, pdeathsig: false, user: false, ..Nets::ALL };
    let report = record(&scenario, Choices::replay(Trace::default()));
    assert!(report.is_clean(), "{report}");
    let spawned = report.records.iter().flat_map(|record| &record.outputs).find_map(|output| match output {
        Output::Spawn { child: ActorId(2), kill_after, .. } => Some(*kill_after),
        _ => None,
    });
    let died = report.timeline.lines().find(|line| line.contains("(Actor(0)) dies"));
    let killed =
        report.timeline.lines().find(|line| line.contains("Kill to process") && line.contains("(Actor(1))"));
    let at = |line: Option<&str>| line.and_then(|line| line.trim().split('s').next()?.parse::<f64>().ok());
    let span = at(killed).zip(at(died)).map(|(killed, died)| killed - died);
    let told = spawned.map(|span| span.as_secs_f64());
    assert!(
        span.zip(told).is_some_and(|(span, told)| (span - told).abs() < 0.001),
        "{span:?} {told:?} {report}"
    );
    assert_eq!(broken(scenario, Defect::SubtreeNotKilled), Promise::Orphan);
}
