//! A cancel with little time: whoever is killed for it, nothing else is an error of it, and no step goes deeper for more children.

use core::time::Duration;

use windrow_core::{
    ActorId, Cause, Config, ContextId, Event, Exit, Input, Link, Machine, Message, NameId, Outcome, Output,
    Payload, PeerId, Reason, Role, ScopeId, Signal, TaskId,
};

use super::setups::{ACTOR, ME, NURSERY, START, hello, limits, ms, said, spec, stamp, told};
use super::stories::Story;

const FAR: ActorId = ActorId(0x77);
const CAUSE: Cause = Cause { canceller: FAR, reason: Reason::Asked };

/// An actor with a nursery, below a parent, whose child serves a call that is made in one of the two scopes.
fn calling(scope: ScopeId) -> Story {
    let mut story = Story { machine: Machine::new(Config::child(ME)).unwrap(), now: START };
    let open = Input::OpenScope { scope: NURSERY, parent: ScopeId::ROOT, shield: false, deadline: None };
    let spawn = Input::Spawn { child: ACTOR, scope: ScopeId::ROOT, spec: spec(Role::Actor) };
    let context = ContextId::caller(Link::Child(ACTOR), 1);
    let (endpoint, payload) = (NameId(1), Payload(8));
    let inputs = [
        Input::Tick,
        told(hello(FAR)),
        told(Message::Spec { levels: 1, limits: limits(), payload: Payload(9) }),
        open,
        spawn,
        Input::Started { child: ACTOR, stamp: stamp(ACTOR) },
        said(ACTOR, hello(ACTOR)),
        said(ACTOR, Message::Ready),
        Input::Call { context, scope, linked: true, endpoint, payload, deadline: None },
    ];
    inputs.into_iter().for_each(|input| drop(story.give(input)));
    story
}

fn outcome(outputs: &[Output]) -> Outcome {
    let done = |output: &Output| if let Output::Done(outcome) = output { Some(*outcome) } else { None };
    outputs.iter().find_map(done).expect("an end")
}

/// The call is cancelled before the child is killed that serves it.
#[test]
fn who_is_killed_for_a_hurried_cancel_makes_no_error_of_a_call() {
    for scope in [ScopeId::ROOT, NURSERY] {
        let mut story = calling(scope);
        let hurry = limits().times.kill + limits().times.flush;
        let mut outputs = story.give(told(Message::Cancel { left: hurry, cause: CAUSE }));
        assert!(outputs.contains(&Output::Signal { child: ACTOR, signal: Signal::Kill }), "{outputs:?}");
        let end = [
            Input::Exited { child: ACTOR, exit: Exit::Signal(9) },
            Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) },
            Input::Leave { scope: NURSERY },
            Input::Swept { child: ACTOR, alive: 0, fresh: 0, reaped: 0 },
            Input::Reaped { child: ACTOR },
            Input::Cleared { alive: 0 },
            Input::Flushed { link: Link::Parent },
            Input::Released,
        ];
        outputs.extend(end.into_iter().flat_map(|input| story.give(input)));
        let raised =
            |o: &Output| matches!(o, Output::Raise { .. } | Output::Send { message: Message::Error(_), .. });
        assert!(!outputs.iter().any(raised), "{scope}: {outputs:?}");
        assert_eq!(outcome(&outputs).tally.errors, 0, "{scope}");
    }
}

/// A pipeline: each stage stands in a nursery of its own, and calls the one before.
fn pipeline(stages: u64, shield: bool) -> Machine {
    let limits = windrow_core::Limits::default();
    let mut story = Story { machine: Machine::new(Config::root(ME, 1, limits)).unwrap(), now: START };
    let link = Link::Peer(PeerId(1));
    story.give(Input::Tick);
    story.give(Input::PeerJoined { peer: PeerId(1) });
    story.give(Input::Received { link, message: hello(FAR) });
    for stage in 1..=stages {
        let (child, scope) = (ActorId(0x1000 + stage), ScopeId(stage));
        story.give(Input::OpenScope { scope, parent: ScopeId::ROOT, shield, deadline: None });
        story.give(Input::Spawn { child, scope, spec: spec(Role::Actor) });
        story.give(Input::Started { child, stamp: stamp(child) });
        story.give(said(child, hello(child)));
        story.give(said(child, Message::Ready));
        if stage > 1 {
            let context = ContextId::caller(Link::Child(ActorId(0x1000 + stage - 1)), stage);
            let (endpoint, payload) = (NameId(1), Payload(8));
            story.give(Input::Call { context, scope, linked: true, endpoint, payload, deadline: None });
        }
    }
    story.give(Input::Received { link, message: Message::Cancel { left: Duration::ZERO, cause: CAUSE } });
    if shield {
        story.now = story.now.after(ms(60_000));
        story.give(Input::Tick);
    }
    story.machine
}

/// It has as much of a stack as a pipeline of one stage takes, and some more.
#[test]
fn no_step_goes_deeper_for_more_children() {
    for shield in [false, true] {
        let small = std::thread::Builder::new().stack_size(256 << 10);
        let machine = small.spawn(move || pipeline(1000, shield)).unwrap().join().unwrap();
        assert!(machine.life().is_teardown());
    }
}

/// What can't be told any more is counted: the last words that did not leave, and an error that came behind them.
#[test]
fn what_nobody_hears_is_counted() {
    let error = windrow_core::Error::new(windrow_core::Kind::Failed, ME, Payload(5));
    let fail = Input::Failed { scope: ScopeId::ROOT, error };
    let counted = |outputs: &[Output]| {
        outputs.iter().filter(|o| matches!(o, Output::Report(Event::Undelivered(1)))).count()
    };
    for (before, lost) in [(true, true), (true, false), (false, false)] {
        let mut story = Story { machine: Machine::new(Config::child(ME)).unwrap(), now: START };
        let spec = Message::Spec { levels: 0, limits: limits(), payload: Payload(9) };
        [Input::Tick, told(hello(FAR)), told(spec)].into_iter().for_each(|input| drop(story.give(input)));
        let mut outputs = if before { story.give(fail) } else { Vec::new() };
        outputs.extend(story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) }));
        outputs.extend(story.give(Input::Cleared { alive: 0 }));
        if !before {
            outputs.extend(story.give(fail));
            assert!(outputs.contains(&Output::Discard(Payload(5))));
        }
        if lost {
            outputs.extend(story.give(Input::LinkLost { link: Link::Parent }));
        } else {
            outputs.extend(story.wait());
        }
        outputs.extend(story.give(Input::Released));
        assert_eq!((counted(&outputs), outcome(&outputs).tally.lost), (1, 1), "{before} {lost}: {outputs:?}");
    }
}

/// What an actor does that ends by itself is within its bound, whatever the spans are.
#[test]
fn who_ends_by_itself_keeps_its_bound() {
    let times =
        windrow_core::Times { own: ms(1), kill: ms(1000), flush: ms(1), hop: ms(1), ack: ms(1), stop: ms(1) };
    let limits = windrow_core::Limits { times, ..limits() };
    let mut story = Story { machine: Machine::new(Config::root(ME, 0, limits)).unwrap(), now: START };
    story.give(Input::Tick);
    let mut outputs = story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) });
    while !outputs.iter().any(|output| matches!(output, Output::Done(_))) {
        outputs.extend(story.wait());
    }
    let outcome = outcome(&outputs);
    assert!(story.now.since(outcome.began) <= outcome.bound, "{:?}", story.now.since(outcome.began));
}
