//! Starts that take their time: who says when one is over, how long it may take, and that it ends however much is asked for.

use windrow_core::{
    Child, Config, End, Error, Event, Input, Kind, Life, Link, Machine, Message, Output, Payload, Reason,
    Refused, ScopeId, Signal, TaskId,
};

use super::setups::{ACTOR, ME, NURSERY, START, hello, limits, ms, said, stamp, told};
use super::stories::Story;

/// A child whose parent has greeted and said what it is to be; it says itself when it is ready.
fn warming() -> (Story, Vec<Output>) {
    let mut story = Story { machine: Machine::new(Config::child(ME)).unwrap(), now: START };
    story.give(Input::Tick);
    story.give(told(hello(ACTOR)));
    assert_eq!(story.give(Input::Deferred), []);
    let outputs = story.give(told(Message::Spec { levels: 1, limits: limits(), payload: Payload(0) }));
    (story, outputs)
}

fn to_parent(message: Message) -> Output {
    Output::Send { link: Link::Parent, message, may_wait: false }
}

fn refused(story: &mut Story, input: Input) -> Option<Refused> {
    story.machine.handle(story.now, input).err()
}

#[test]
fn who_says_itself_when_it_is_ready_runs_before() {
    let (mut story, outputs) = warming();
    assert_eq!(outputs, [Output::Run]);
    let by = ms(700);
    assert_eq!(story.give(Input::Extend { by }), [to_parent(Message::Extend { by })]);
    assert_eq!(story.give(Input::Ready), [to_parent(Message::Ready)]);
    assert_eq!(story.give(Input::Ready), [], "said again");
    assert_eq!(refused(&mut story, Input::Extend { by }), Some(Refused::Ready));
}

#[test]
fn who_does_not_is_ready_with_its_spec() {
    let mut story = Story { machine: Machine::new(Config::child(ME)).unwrap(), now: START };
    story.give(Input::Tick);
    assert_eq!(refused(&mut story, Input::Ready), Some(Refused::Booting));
    assert_eq!(refused(&mut story, Input::Extend { by: ms(1) }), Some(Refused::Booting));
    story.give(told(hello(ACTOR)));
    let outputs = story.give(told(Message::Spec { levels: 1, limits: limits(), payload: Payload(0) }));
    assert_eq!(outputs, [to_parent(Message::Ready), Output::Run]);
    assert_eq!(story.give(Input::Ready), []);
    assert_eq!(refused(&mut story, Input::Extend { by: ms(1) }), Some(Refused::Ready));
    let stray = Output::Report(Event::Stray(windrow_core::Stray::Own));
    assert_eq!(story.give(Input::Deferred), [stray], "it is too late for that");
}

#[test]
fn who_boots_waits_since_it_began() {
    let mut story = Story { machine: Machine::new(Config::child(ME)).unwrap(), now: START };
    story.give(Input::Tick);
    let since: Vec<_> = story.machine.waits().map(|wait| wait.since).collect();
    assert_eq!(since, [START]);
}

#[test]
fn a_root_is_ready() {
    let mut story = Story::begin();
    assert_eq!(story.give(Input::Ready), []);
    assert_eq!(refused(&mut story, Input::Extend { by: ms(1) }), Some(Refused::Ready));
}

/// Its result is worth nothing: whoever waited for it to be ready would wait for one who never was.
#[test]
fn who_returns_before_it_is_ready_has_failed() {
    let (mut story, _) = warming();
    let outputs = story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(5) });
    assert!(outputs.contains(&Output::Discard(Payload(5))), "{outputs:?}");
    let outputs = story.give(Input::Cleared { alive: 0 });
    let unready = Error::new(Kind::Unready, ME, Payload(0));
    assert_eq!(outputs.first(), Some(&to_parent(Message::Error(unready))), "{outputs:?}");
    assert!(!outputs.iter().any(|output| matches!(output, Output::Send { message: Message::Result(_), .. })));
}

#[test]
fn who_fails_or_is_cancelled_before_it_is_ready_ends_by_that_alone() {
    let (mut story, _) = warming();
    let error = Error::new(Kind::Failed, ME, Payload(3));
    story.give(Input::Failed { scope: ScopeId::ROOT, error });
    story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) });
    let outputs = story.give(Input::Cleared { alive: 0 });
    let is_error = |output: &&Output| matches!(output, Output::Send { message: Message::Error(_), .. });
    let errors: Vec<_> = outputs.iter().filter(is_error).collect();
    assert_eq!(errors, [&to_parent(Message::Error(error))], "{outputs:?}");

    let (mut story, _) = warming();
    let cause = windrow_core::Cause { canceller: ACTOR, reason: Reason::Asked };
    story.give(told(Message::Cancel { left: ms(400), cause }));
    assert_eq!(refused(&mut story, Input::Ready), Some(Refused::Cancelled(Some(cause))));
    assert_eq!(refused(&mut story, Input::Extend { by: ms(9) }), Some(Refused::Cancelled(Some(cause))));
    story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) });
    story.give(Input::Cleared { alive: 0 });
    story.give(Input::Flushed { link: Link::Parent });
    let outputs = story.give(Input::Released);
    let cancelled = matches!(outputs[..], [Output::Done(outcome)] if outcome.end == End::Cancelled(cause));
    assert!(cancelled, "{outputs:?}");
}

/// A parent whose child has greeted, and whose start may not be known.
fn greeted(started: bool) -> Story {
    let mut story = Story::begin();
    if started {
        story.give(Input::Started { child: ACTOR, stamp: stamp(ACTOR) });
    }
    story.give(said(ACTOR, hello(ACTOR)));
    story
}

fn due(story: &Story) -> core::time::Duration {
    story.machine.poll_timeout().unwrap().since(START)
}

#[test]
fn more_time_is_counted_from_the_word_and_never_less_nor_more_than_there_is() {
    for started in [true, false] {
        let mut story = greeted(started);
        assert_eq!(due(&story), limits().boot);
        for (at, by, expected) in [(100, 200, 900), (800, 500, 1300), (1200, 10, 1300), (1200, 9999, 1900)] {
            story.now = START.after(ms(at));
            assert_eq!(story.give(said(ACTOR, Message::Extend { by: ms(by) })), []);
            assert_eq!(due(&story), ms(expected), "{by} ms at {at} ms");
        }
        story.now = START.after(ms(1800));
        story.give(Input::Started { child: ACTOR, stamp: stamp(ACTOR) });
        story.give(said(ACTOR, Message::Ready));
        assert_eq!(story.phase(), Some(Child::Up));
        assert_eq!(story.machine.poll_timeout(), None);
    }
}

/// However often it asks, it is stopped at the same time, and blamed for having asked for more than there is.
#[test]
fn who_asks_for_ever_ends_when_there_is_no_more() {
    for by in [ms(1), ms(300), ms(950), core::time::Duration::MAX] {
        let mut story = greeted(true);
        while story.phase() == Some(Child::Booting) {
            assert!(story.now.since(START) <= limits().boot_max, "{by:?}: {:?}", story.now);
            story.give(said(ACTOR, Message::Extend { by }));
            let next = story.machine.poll_timeout().unwrap();
            story.now = next.min(story.now.after(ms(250)));
            let outputs = story.give(Input::Tick);
            let Some(stopped) = outputs.iter().find(|o| matches!(o, Output::Signal { .. })) else { continue };
            assert_eq!(*stopped, Output::Signal { child: ACTOR, signal: Signal::Term });
        }
        let short = by < ms(250);
        let end = if short { limits().boot } else { limits().boot_max };
        assert_eq!(story.now.since(START), end, "{by:?}");
        let why = if short { Kind::BootTimeout } else { Kind::BootExhausted };
        assert_eq!(blamed(story), why);
    }
}

/// Gives the error of the child that is being stopped.
fn blamed(mut story: Story) -> Kind {
    story.give(Input::Leave { scope: NURSERY });
    story.give(Input::Exited { child: ACTOR, exit: windrow_core::Exit::Signal(15) });
    story.give(Input::Swept { child: ACTOR, alive: 0, fresh: 0, reaped: 0 });
    let outputs = story.give(Input::Reaped { child: ACTOR });
    let raised = outputs.iter().find_map(|output| match output {
        Output::Raise { error, .. } => Some(error.kind),
        _ => None,
    });
    raised.unwrap_or_else(|| panic!("nothing is raised: {outputs:?}"))
}

/// No word of a child's moves a ladder: a cancel ends an extended start in the time of any other.
#[test]
fn a_cancel_ends_an_extended_start_in_the_time_of_any_other() {
    let extend = said(ACTOR, Message::Extend { by: ms(1500) });
    let times = |extends: bool, started: bool| {
        let mut story = greeted(started);
        if extends {
            story.give(extend);
        }
        story.give(Input::Cancel { scope: ScopeId::ROOT });
        let mut times = vec![(story.phase(), story.machine.poll_timeout(), story.machine.rank())];
        while story.machine.life() != Life::Ended && times.len() < 12 {
            let outputs = story.give(extend);
            assert_eq!(outputs.iter().filter(|o| !matches!(o, Output::Report(_))).count(), 0, "{outputs:?}");
            story.wait();
            times.push((story.phase(), story.machine.poll_timeout(), story.machine.rank()));
        }
        times
    };
    for started in [true, false] {
        assert_eq!(times(true, started), times(false, started), "started {started}");
    }
}

#[test]
fn a_word_about_a_start_that_is_over_is_a_stray() {
    let stray = [Output::Report(Event::Stray(windrow_core::Stray::Link(Link::Child(ACTOR))))];
    let extend = said(ACTOR, Message::Extend { by: ms(1500) });
    let mut early = greeted(false);
    early.give(said(ACTOR, Message::Ready));
    assert_eq!(early.give(extend), stray);
    assert_eq!(Story::up().give(extend), stray);
    assert_eq!(Story::begin().give(extend), stray, "before its greeting");
}

#[test]
fn a_parent_that_allows_no_more_gives_no_more() {
    let limits = windrow_core::Limits { boot_max: ms(0), ..limits() };
    assert_eq!(limits.check(), Ok(()));
    let machine = Machine::new(Config::root(ME, 2, limits)).unwrap();
    let mut story = Story { machine, now: START };
    story.give(Input::Tick);
    let spec = super::setups::spec(windrow_core::Role::Actor);
    story.give(Input::Spawn { child: ACTOR, scope: ScopeId::ROOT, spec });
    story.give(Input::Started { child: ACTOR, stamp: stamp(ACTOR) });
    story.give(said(ACTOR, hello(ACTOR)));
    story.give(said(ACTOR, Message::Extend { by: ms(5000) }));
    assert_eq!(due(&story), limits.boot);
}
