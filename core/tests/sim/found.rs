//! What long searches found once, each in a world of its own: a seed means another run as soon as the world changes.

use std::time::Duration;

use windrow_core::sim::{Choices, Conduct, Report, Scenario, Source, Trace, record};
use windrow_core::{ActorId, Event, Input, Link, Message, Output, Record};

/// Runs a world with these choices.
#[track_caller]
fn replay(scenario: &Scenario, choices: &[(Source, Vec<u32>)]) -> Report {
    let mut trace = Trace::default();
    for (source, taken) in choices {
        trace.stream_mut(*source).clone_from(taken);
    }
    let report = record(scenario, Choices::replay(trace));
    assert!(report.is_clean(), "{report}");
    report
}

/// An error that comes to a thread after it was given up has no way to the root, and nobody asks for it.
#[test]
fn an_error_comes_to_a_thread_after_it_was_given_up() {
    let mut scenario = Scenario::of(vec![0, 1, 1])
        .with(0, Conduct::Serve)
        .with(1, Conduct::DeafThread)
        .with(2, Conduct::CommandDeaf)
        .with(3, Conduct::FailOnCancel);
    scenario.signal_at = Some(Duration::from_millis(300));
    scenario.hurry = true;
    let report = replay(&scenario, &[(Source::User, vec![2])]);
    let mut records = report.records.iter();
    let given_up = |output: &Output| *output == Output::Report(Event::Leaked(ActorId(2)));
    assert!(records.any(|record| record.outputs.iter().any(given_up)), "{report}");
    let is_error = |message: &Message| matches!(message, Message::Error(_));
    let relayed = report.records.iter().any(|record| match record.input {
        Input::Received { link: Link::Child(ActorId(4)), message } => is_error(&message),
        _ => false,
    });
    assert!(relayed, "{report}");
}

/// A template that dies over an order does not take a command with it: its actor makes that, and knows at once.
#[test]
fn a_template_dies_beside_a_command() {
    let scenario = Scenario::of(vec![0]).with(0, Conduct::TemplateDies).with(1, Conduct::Command);
    for starts in 0..16 {
        let starts = (0..4).map(|bit| starts >> bit & 1).collect();
        let report = replay(&scenario, &[(Source::Start, starts)]);
        let is_told = |record: &Record| matches!(record.input, Input::Started { child: ActorId(2), .. });
        assert!(report.records.iter().any(is_told), "{report}");
    }
}
