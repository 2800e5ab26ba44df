//! What is told while children end: each thing once, of whom it is true, and when it begins.

use windrow_core::{
    Cause, Config, End, Event, Exit, Input, Kind, Machine, Output, Payload, Reason, Role, ScopeId, Signal,
    TaskId,
};

use super::setups::{ACTOR, COMMAND, ME, NURSERY, START, limits, said, spec, stamp};
use super::stories::Story;

/// A root whose nursery holds a command that is up.
fn with_command() -> Story {
    let machine = Machine::new(Config::root(ME, 1, limits())).unwrap();
    let mut story = Story { machine, now: START };
    story.give(Input::Tick);
    story.give(Input::OpenScope { scope: NURSERY, parent: ScopeId::ROOT, shield: false, deadline: None });
    story.give(Input::Spawn { child: COMMAND, scope: NURSERY, spec: spec(Role::Command) });
    story.give(Input::Started { child: COMMAND, stamp: stamp(COMMAND) });
    story
}

fn reports(outputs: &[Output]) -> Vec<Event> {
    let report = |output: &Output| match output {
        Output::Report(event) => Some(*event),
        _ => None,
    };
    outputs.iter().filter_map(report).collect()
}

/// The command exits; two of what it started are there, and nothing answers until they were sent SIGKILL.
fn die(story: &mut Story) -> Vec<Event> {
    let mut outputs = story.give(Input::Exited { child: COMMAND, exit: Exit::Signal(9) });
    outputs.extend(story.give(Input::Swept { child: COMMAND, alive: 2, fresh: 2, reaped: 0 }));
    let kill = Output::Signal { child: COMMAND, signal: Signal::Kill };
    while !outputs.contains(&kill) {
        outputs.extend(story.wait());
    }
    reports(&outputs)
}

/// Brings a story to its end, and counts the rungs that it took.
fn escalations(mut story: Story) -> u32 {
    for input in [
        Input::Swept { child: COMMAND, alive: 0, fresh: 0, reaped: 2 },
        Input::Reaped { child: COMMAND },
        Input::Leave { scope: NURSERY },
        Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) },
        Input::Cleared { alive: 0 },
    ] {
        story.give(input);
    }
    match story.give(Input::Released).last() {
        Some(Output::Done(outcome)) => outcome.tally.escalations,
        other => panic!("not at its end, but at {other:?}"),
    }
}

/// What it left was sent the same SIGKILL, with its group, and has not been collected yet.
#[test]
fn a_command_that_is_killed_is_told_of_once() {
    let mut story = with_command();
    story.give(Input::Cancel { scope: ScopeId::ROOT });
    let escalated = |signal| vec![Event::Escalated(COMMAND, signal)];
    assert_eq!(reports(&story.wait()), escalated(Signal::Term));
    assert_eq!(reports(&story.wait()), escalated(Signal::Kill));
    assert_eq!(die(&mut story), [Event::Exited(COMMAND, Exit::Signal(9))]);
    assert_eq!(escalations(story), 2);
}

/// It ended when it was asked to, and what it left did not.
#[test]
fn what_outlives_its_grace_is_told_of_as_what_was_left() {
    let mut story = with_command();
    story.give(Input::Cancel { scope: NURSERY });
    assert_eq!(die(&mut story), [Event::Exited(COMMAND, Exit::Signal(9)), Event::Purged(COMMAND, 2)]);
    assert_eq!(escalations(story), 1);
}

/// A command dies, and whoever counts what it left answers `alive`, or never can; and so with the strangers at the end. Gives
/// what was told of either, and how many the outcome says are left.
fn left(alive: Option<u32>) -> (Vec<Event>, u32) {
    let mut story = with_command();
    let mut outputs = story.give(Input::Cancel { scope: ScopeId::ROOT });
    for input in [
        Input::Leave { scope: NURSERY },
        Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) },
        Input::Exited { child: COMMAND, exit: Exit::Signal(9) },
    ] {
        outputs.extend(story.give(input));
    }
    if let Some(alive) = alive {
        outputs.extend(story.give(Input::Swept { child: COMMAND, alive, fresh: alive, reaped: 0 }));
    }
    while !outputs.contains(&Output::Reap { child: COMMAND }) {
        outputs.extend(story.wait());
    }
    outputs.extend(story.give(Input::Reaped { child: COMMAND }));
    assert!(outputs.contains(&Output::Clear), "{outputs:?}");
    if let Some(alive) = alive {
        outputs.extend(story.give(Input::Cleared { alive }));
    }
    while !outputs.contains(&Output::Release) {
        outputs.extend(story.wait());
    }
    let counts =
        |event: &Event| matches!(event, Event::Purged(..) | Event::Escaped(..) | Event::StrangersLeft(_));
    let told = reports(&outputs).into_iter().filter(counts).collect();
    match story.give(Input::Released).last() {
        Some(Output::Done(outcome)) => (told, outcome.tally.left),
        other => panic!("not at its end, but at {other:?}"),
    }
}

/// Where nobody could look, one is reckoned with, so that it does not pass for clean; but no number is told.
#[test]
fn what_nobody_could_count_is_told_without_a_number() {
    let told =
        |count| [Event::Purged(COMMAND, count), Event::Escaped(COMMAND, count), Event::StrangersLeft(count)];
    assert_eq!(left(Some(2)), (told(2).into(), 2));
    assert_eq!(left(None), (told(0).into(), 1));
}

/// The actor's own teardown begins when its nursery is at its end already.
#[test]
fn the_fall_of_a_nursery_is_told_as_it_begins() {
    let mut story = Story::up();
    story.give(Input::Spawn { child: COMMAND, scope: NURSERY, spec: spec(Role::Command) });
    story.give(Input::Started { child: COMMAND, stamp: stamp(COMMAND) });
    let error = windrow_core::Error::new(Kind::Failed, ACTOR, Payload(5));
    let outputs = story.give(said(ACTOR, windrow_core::Message::Error(error)));
    let cause = Cause { canceller: ACTOR, reason: Reason::Failure };
    let told = Output::Report(Event::Cascading(NURSERY, cause));
    let first = outputs.iter().position(|output| *output == told);
    let asked = outputs.iter().position(|output| matches!(output, Output::Signal { child: COMMAND, .. }));
    assert!(first.is_some() && first < asked, "{outputs:?}");
    assert_eq!(reports(&story.give(Input::Cancel { scope: NURSERY })), [], "it falls once");
    let own = reports(&story.give(Input::Cancel { scope: ScopeId::ROOT }));
    assert_eq!(own, [Event::Cancelling(Cause { canceller: ME, reason: Reason::Asked })]);
}

/// A scope without children may be nothing but a deadline of the user's.
#[test]
fn nobody_is_told_of_a_scope_without_children() {
    let mut story = with_command();
    let inner = ScopeId(NURSERY.0 + 1);
    story.give(Input::OpenScope { scope: inner, parent: NURSERY, shield: false, deadline: None });
    assert_eq!(reports(&story.give(Input::Cancel { scope: inner })), []);
    let outputs = story.give(Input::Leave { scope: inner });
    let closed = |output: &Output| matches!(output, Output::Closed { end: End::Cancelled(_), .. });
    assert!(outputs.iter().any(closed), "{outputs:?}");
}
