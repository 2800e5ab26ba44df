//! How a parent hears of a child's end: by its exit and by the end of their channel, in either order.

use std::collections::BTreeMap;

use windrow_core::sim::{Choices, Conduct, Report, Scenario, Source, Trace, record};
use windrow_core::{ActorId, Input, Link};

const CHILD: ActorId = ActorId(2);

/// Runs a world in which one span is another than usual.
#[track_caller]
fn with_one_span(scenario: &Scenario, at: usize, taken: u32) -> Report {
    let mut trace = Trace::default();
    *trace.stream_mut(Source::Latency) = [vec![0; at], vec![taken]].concat();
    let report = record(scenario, Choices::replay(trace));
    assert!(report.is_clean(), "{report}");
    report
}

/// Tells whether the parent hears of the exit first. It closes the channel then, and hears no more of that.
fn is_exit_first(report: &Report) -> bool {
    let mut heard = report.records.iter().filter_map(|record| match record.input {
        Input::Exited { child: CHILD, .. } => Some(true),
        Input::LinkLost { link: Link::Child(CHILD) } => Some(false),
        _ => None,
    });
    heard.next().expect("a child that ends")
}

/// Somebody who is just being forked may still hold a copy of a dead child's end of the channel. What the child said is there
/// before either.
#[test]
fn the_exit_of_a_child_and_the_end_of_its_channel_come_in_either_order() {
    for conduct in [Conduct::ExitHard, Conduct::Fail, Conduct::Return, Conduct::DieInBoot] {
        let scenario = Scenario::tree(1, 1).with(0, Conduct::Serve).with(1, conduct);
        let mut ends = BTreeMap::new();
        for (at, taken) in (0..24).flat_map(|at| (0..4).map(move |taken| (at, taken))) {
            let report = with_one_span(&scenario, at, taken);
            let errors: Vec<_> =
                report.outcome.iter().map(|outcome| (outcome.end, outcome.tally.errors)).collect();
            ends.insert(is_exit_first(&report), errors);
        }
        assert_eq!(ends.get(&false), ends.get(&true), "{conduct:?}: {ends:?}");
        assert!(
            !is_exit_first(&with_one_span(&scenario, 0, 0)),
            "{conduct:?}: nobody holds a copy as a rule"
        );
    }
}
