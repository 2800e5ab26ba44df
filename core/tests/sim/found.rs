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

/// What a thread says that was given up meanwhile has no way to the root, and nobody asks for it: of an error, too. News takes so
/// long here that the user's second signal gives it up while its last words are on their way.
#[test]
fn an_error_comes_to_a_thread_after_it_was_given_up() {
    let mut scenario = Scenario::of(vec![0, 1, 1])
        .with(0, Conduct::Serve)
        .with(1, Conduct::DeafThread)
        .with(2, Conduct::CommandDeaf)
        .with(3, Conduct::FailOnCancel);
    scenario.signal_at = Some(Duration::from_millis(300));
    scenario.hurry = true;
    let mut latencies = vec![0; 27];
    for (place, taken) in [(10, 2), (11, 3), (18, 3), (26, 3)] {
        latencies[place] = taken;
    }
    let report = replay(&scenario, &[(Source::User, vec![4]), (Source::Latency, latencies)]);
    let leaked = Output::Report(Event::Leaked(ActorId(2)));
    assert!(report.records.iter().any(|record| record.outputs.contains(&leaked)), "{report}");
    let is_error = |message: &Message| matches!(message, Message::Error(_));
    let comes = |link: Link| {
        report.records.iter().any(|record| match record.input {
            Input::Received { link: from, message } => from == link && is_error(&message),
            _ => false,
        })
    };
    let [thread, child] = [2, 4].map(|actor| Link::Child(ActorId(actor)));
    assert!(comes(child) && !comes(thread), "it was told of, and told nobody: {report}");
}

/// A template that dies over an order does not take a command with it: its actor makes that, and knows at once. However long
/// either takes, nobody is told that the command could not be made.
#[test]
fn a_template_dies_beside_a_command() {
    let scenario = Scenario::of(vec![0]).with(0, Conduct::TemplateDies).with(1, Conduct::Command);
    for spans in 0..16 {
        let report = replay(&scenario, &[(Source::Start, vec![spans / 4, spans % 4])]);
        let is_told = |record: &Record| matches!(record.input, Input::Started { child: ActorId(2), .. });
        let is_denied = |record: &Record| matches!(record.input, Input::NotStarted { .. });
        assert!(report.records.iter().any(is_told), "{report}");
        assert!(!report.records.iter().any(is_denied), "{report}");
    }
}
