//! The oracles themselves: each of them objects when it should.

use std::time::Duration;

use windrow_core::sim::{Choices, Conduct, Nets, Promise, Scenario, Trace, record, swarm};
use windrow_core::{Defect, Defects};

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
        (report.outcome.map(|outcome| outcome.end), report.teardown())
    };
    assert_eq!(ends(true), ends(false));
}
