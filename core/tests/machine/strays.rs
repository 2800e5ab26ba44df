//! What fits nothing known: it is told as a stray, changes nothing, and what it carries is let go of.

use windrow_core::{
    ActorId, Config, Error, Event, Exit, Input, Kind, Life, Limits, Link, Machine, Message, Output, Payload,
    Role, Round, ScopeId, Signal, Status, Stray, Tally, TaskId,
};

use super::setups::{
    ACTOR, COMMAND, LEVELS, ME, NURSERY, START, hello, limits, said, spec as order, stamp, told,
};
use super::stories::Story;

const NOBODY: ActorId = ActorId(8);
const BYTES: Payload = Payload(7);

fn stray(of: Stray) -> Output {
    Output::Report(Event::Stray(of))
}

/// A child that runs.
fn child() -> Story {
    let mut story = Story { machine: Machine::new(Config::child(ME)).unwrap(), now: START };
    story.give(Input::Tick);
    story.give(told(hello(ActorId(9))));
    story.give(told(Message::Spec { levels: 0, limits: limits(), payload: Payload(0) }));
    story
}

/// A child that has said its last word.
fn parted() -> Story {
    let mut story = child();
    story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) });
    let outputs = story.give(Input::Cleared { alive: 0 });
    let last = |output: &Output| matches!(output, Output::Send { message: Message::Bye(_), .. });
    assert!(outputs.iter().any(last), "{outputs:?}");
    story
}

fn spec(limits: Limits) -> Message {
    Message::Spec { levels: 0, limits, payload: BYTES }
}

fn error(by: ActorId) -> Message {
    Message::Error(Error::new(Kind::Failed, by, BYTES))
}

#[test]
fn what_a_message_out_of_place_carries_is_let_go_of() {
    let round = Round { by: ME, number: 1 };
    let status = Status { round, actor: ACTOR, parent: ActorId(0), asked: 0, payload: BYTES };
    let bye = Message::Bye(Tally::default());
    let of_child = [
        (vec![], NOBODY, error(NOBODY)),
        (vec![], ACTOR, spec(limits())),
        (vec![bye], ACTOR, Message::Status(status)),
        (vec![bye], ACTOR, Message::Result(BYTES)),
        (vec![bye], ACTOR, error(ACTOR)),
    ];
    for (before, by, message) in of_child {
        let mut story = Story::up();
        for message in before {
            story.give(said(ACTOR, message));
        }
        let told = if by == ACTOR { Stray::Link(Link::Child(ACTOR)) } else { Stray::Child(by) };
        assert_eq!(story.give(said(by, message)), [Output::Discard(BYTES), stray(told)], "{message:?}");
        assert_eq!(story.machine.life(), Life::Running);
    }
    for message in [spec(limits()), Message::Result(BYTES)] {
        let expected = [Output::Discard(BYTES), stray(Stray::Link(Link::Parent))];
        assert_eq!(child().give(told(message)), expected, "{message:?}");
    }
}

#[test]
fn a_spec_that_breaks_a_rule_is_let_go_of_with_its_channel() {
    let mut story = Story { machine: Machine::new(Config::child(ME)).unwrap(), now: START };
    story.give(Input::Tick);
    story.give(told(hello(ActorId(9))));
    let outputs = story.give(told(spec(Limits { errors: 0, ..limits() })));
    assert_eq!(outputs[..2], [Output::Discard(BYTES), Output::Close { link: Link::Parent }]);
}

/// The question crossed the last word: nobody waits for an answer, and none goes out behind it.
#[test]
fn who_has_said_its_last_word_describes_itself_to_nobody() {
    let mut story = parted();
    let ask = Message::Ask(Round { by: ActorId(9), number: 1 });
    assert_eq!(story.give(told(ask)), []);
    assert_eq!(story.machine.life(), Life::Flushing);
}

/// A command never had a channel, who waits its turn has none yet, a root has no parent, and what was closed is gone.
#[test]
fn what_is_told_of_a_channel_that_is_not_there_changes_nothing() {
    let mut command = Story::up();
    command.give(Input::Spawn { child: COMMAND, scope: ScopeId::ROOT, spec: order(Role::Command) });
    command.give(Input::Started { child: COMMAND, stamp: stamp(COMMAND) });
    let mut queued = Story::up();
    let limits = Limits { starts: 1, ..limits() };
    queued.machine = Machine::new(Config::root(ME, LEVELS, limits)).unwrap();
    queued.give(Input::Tick);
    for child in [ACTOR, COMMAND] {
        queued.give(Input::Spawn { child, scope: ScopeId::ROOT, spec: order(Role::Actor) });
    }
    // It was asked to end, has said its last word and closed its channel: only its exit is awaited.
    let mut closed = Story::up();
    let link = Link::Child(ACTOR);
    closed.give(Input::CancelChild { child: ACTOR });
    for message in [Message::Ack, Message::Bye(Tally::default())] {
        closed.give(said(ACTOR, message));
    }
    closed.give(Input::LinkLost { link });
    let root = Story::up();
    for (story, link) in [
        (command, Link::Child(COMMAND)),
        (queued, Link::Child(COMMAND)),
        (closed, link),
        (root, Link::Parent),
    ] {
        for fact in [Input::Garbled { link }, Input::LinkLost { link }] {
            let mut story = Story { machine: story.machine.clone(), now: story.now };
            let before = story.machine.encode();
            assert_eq!(story.give(fact), [stray(Stray::Link(link))], "{fact:?}");
            assert_eq!(story.machine.encode(), before, "{fact:?}");
        }
    }
    let link = Link::Child(NOBODY);
    for fact in [Input::Garbled { link }, Input::LinkLost { link }] {
        assert_eq!(Story::up().give(fact), [stray(Stray::Child(NOBODY))], "{fact:?}");
    }
}

/// The parent's cancel crossed the child's last word, and so did the answer to it.
#[test]
fn an_ack_behind_the_last_word_is_no_stray() {
    let mut story = Story::up();
    story.give(said(ACTOR, Message::Bye(Tally::default())));
    assert_eq!(story.give(said(ACTOR, Message::Ack)), []);
    let outputs = Story::begin().give(said(ACTOR, Message::Ack));
    assert_eq!(outputs, [stray(Stray::Link(Link::Child(ACTOR)))], "nobody has greeted");
}

/// Who comes before the look is asked for was not seen by it.
#[test]
fn an_answer_to_a_look_that_nobody_asked_for_is_a_stray() {
    let mut story = Story { machine: Machine::new(Config::root(ME, LEVELS, limits())).unwrap(), now: START };
    story.give(Input::Tick);
    assert_eq!(story.give(Input::Cleared { alive: 0 }), [stray(Stray::Own)]);
    let outputs = story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) });
    assert_eq!(outputs, [Output::Clear]);
    assert_eq!(story.machine.life(), Life::ShieldBroken, "nobody has looked since");
}

/// It costs the child its channel at once, as it costs a peer.
#[test]
fn a_child_that_greets_as_another_is_stopped() {
    let mut story = Story::begin();
    story.give(Input::Started { child: ACTOR, stamp: stamp(ACTOR) });
    let outputs = story.give(said(ACTOR, hello(NOBODY)));
    assert_eq!(outputs[0], Output::Close { link: Link::Child(ACTOR) });
    assert!(outputs.contains(&Output::Signal { child: ACTOR, signal: Signal::Term }), "{outputs:?}");
    story.give(Input::Exited { child: ACTOR, exit: Exit::Signal(15) });
    story.give(Input::Swept { child: ACTOR, alive: 0, fresh: 0, reaped: 0 });
    story.give(Input::Reaped { child: ACTOR });
    let outputs = story.give(Input::Leave { scope: NURSERY });
    let blamed =
        |output: &Output| matches!(output, Output::Raise { error, .. } if error.kind == Kind::Protocol);
    assert!(outputs.iter().any(blamed), "{outputs:?}");
}
