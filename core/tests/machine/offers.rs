//! Calls that are offered, and that nobody can take up, or nobody will; and one that nobody ends.

use windrow_core::{
    ActorId, Answer, Cause, Config, ContextId, Ending, Error, Input, Kind, Limit, Limits, Link, Machine,
    Message, NameId, Output, Payload, Reason, Refused, Role, ScopeId, Side, TaskId, Word,
};

use super::contexts::{THEIRS, answer, called, with};
use super::phrases::{BODY, ENDPOINT, TALK, call, error, word};
use super::setups::{ACTOR, LEVELS, ME, NURSERY, START, hello, limits, ms, said, spec, stamp, told};
use super::stories::Story;

/// As many calls are served as may be open, each in a scope of its own, which is not one of those that are counted.
#[test]
fn every_offer_can_be_taken_up() {
    let limits = Limits { scopes: 4, contexts: 8, ..limits() };
    let mut story = with(limits);
    for number in 1..=u64::from(limits.contexts) {
        story.give(called(number, ENDPOINT));
        let (context, scope) = (ContextId { number, ..THEIRS }, ScopeId(BODY.0 + number));
        story.give(Input::Accept { context, scope, parent: TALK });
    }
    let open = |scope| Input::OpenScope { scope, parent: TALK, shield: false, deadline: None };
    story.give(open(ScopeId(100)));
    let refused = story.machine.handle(story.now, open(ScopeId(101)));
    assert_eq!(refused, Err(Refused::Full { limit: Limit::Scopes, most: 4 }));
    let text = "4 scopes are there, and Limits::scopes allows no more: raise it, or let one end first";
    assert_eq!(refused.unwrap_err().to_string(), text);
}

/// The actor's own scope is one of those that are counted, and a call that nobody has taken up has none.
#[test]
fn an_offer_makes_no_room_for_a_scope() {
    let limits = Limits { scopes: 5, contexts: 8, ..limits() };
    let mut story = with(limits);
    let open = |scope| Input::OpenScope { scope, parent: TALK, shield: false, deadline: None };
    let full = |limit, most| Err(Refused::Full { limit, most });
    for number in 1..=u64::from(limits.contexts) {
        story.give(called(number, ENDPOINT));
    }
    // The actor's own, the nursery and that of the talk are there.
    for scope in [4, 5] {
        story.give(open(ScopeId(scope)));
    }
    assert_eq!(story.machine.handle(story.now, open(ScopeId(6))), full(Limit::Scopes, 5));
    // A body takes none of their places, neither with its call nor when that is over.
    let accept = |number| Input::Accept {
        context: ContextId { number, ..THEIRS },
        scope: ScopeId(10 + number),
        parent: TALK,
    };
    story.give(accept(1));
    let answer = Answer::Returned(Payload(0));
    story.give(Input::Finished { context: THEIRS, answer });
    assert_eq!(story.machine.handle(story.now, open(ScopeId(50))), full(Limit::Scopes, 5));
    story.give(Input::Leave { scope: ScopeId(4) });
    story.give(open(ScopeId(50)));
    assert_eq!(story.machine.handle(story.now, open(ScopeId(51))), full(Limit::Scopes, 5));
}

/// A body that does not leave when its call is over keeps its place: there are never more scopes than places.
#[test]
fn a_body_that_stays_keeps_its_place() {
    let limits = Limits { scopes: 5, contexts: 1, ..limits() };
    let mut story = with(limits);
    let accept = |number| Input::Accept {
        context: ContextId { number, ..THEIRS },
        scope: ScopeId(10 + number),
        parent: TALK,
    };
    for number in [1, 2] {
        story.give(called(number, ENDPOINT));
        story.give(accept(number));
        let context = ContextId { number, ..THEIRS };
        story.give(Input::Finished { context, answer: Answer::Returned(Payload(0)) });
    }
    story.give(called(3, ENDPOINT));
    let refused = Err(Refused::Full { limit: Limit::Contexts, most: 2 });
    assert_eq!(story.machine.handle(story.now, accept(3)), refused);
    story.give(Input::Leave { scope: ScopeId(11) });
    story.give(accept(3));
}

/// Each row is what a channel has by then, and whether one more call from it is served: with places for four, two of which may
/// be one caller's.
#[test]
fn nobody_has_more_places_than_are_free() {
    let limits = Limits { contexts: 2, scopes: 5, ..limits() };
    let (one, another, third) = (ACTOR, ActorId(ACTOR.0 + 1), ActorId(ACTOR.0 + 2));
    for rows in [
        &[(one, true), (one, true), (one, false), (another, true), (another, false), (third, true)][..],
        &[(one, true), (another, true), (one, true), (another, false), (third, true), (third, false)],
        &[(one, true), (one, true), (another, true), (third, true), (third, false), (another, false)],
    ] {
        let mut story = with(limits);
        for child in [another, third] {
            story.give(Input::Spawn { child, scope: NURSERY, spec: spec(Role::Actor) });
            story.give(Input::Started { child, stamp: stamp(child) });
            story.give(said(child, hello(child)));
            story.give(said(child, Message::Ready));
        }
        for (number, (child, is_served)) in (1..).zip(rows) {
            let call = Word::Call { endpoint: ENDPOINT, left: None, payload: Payload(50) };
            let outputs = story.give(word(Link::Child(*child), Side::Caller, number, call));
            let offered = matches!(outputs[..], [Output::Offer { .. }]);
            assert_eq!(offered, *is_served, "call {number} of {rows:?}: {outputs:?}");
        }
    }
}

/// Whoever calls as fast as it can comes to these in two days.
#[test]
fn numbers_have_no_end() {
    let mut story = with(Limits { scopes: 5, ..limits() });
    for number in [u64::from(u32::MAX), 1 << 32, u64::MAX] {
        let mine = ContextId::caller(THEIRS.link, number);
        let answered = Word::Answer(Answer::Returned(Payload(51)));
        story.give(call(mine.link, number, TALK, true, None));
        let outputs = story.give(word(mine.link, Side::Callee, number, answered));
        let ending = Ending::Answered(Answer::Returned(Payload(51)));
        assert_eq!(outputs, [Output::Ended { context: mine, ending }]);
        story.give(called(number, ENDPOINT));
        let (context, scope) = (ContextId::callee(mine.link, number), ScopeId(number));
        story.give(Input::Accept { context, scope, parent: TALK });
        story.give(Input::Leave { scope });
        let returned = Answer::Returned(Payload(52));
        assert_eq!(story.give(Input::Finished { context, answer: returned }), [answer(number, returned)]);
    }
}

#[test]
fn an_offer_that_nobody_can_take_up_is_answered() {
    let mut story = with(limits());
    story.give(called(1, ENDPOINT));
    let busy = Answer::Failed(error(ME, 51));
    let outputs = story.give(Input::Finished { context: THEIRS, answer: busy });
    assert_eq!(outputs, [Output::Withdrawn { context: THEIRS }, answer(1, busy)]);
    // Once is all.
    let outputs = story.give(Input::Finished { context: THEIRS, answer: Answer::Failed(error(ME, 52)) });
    assert!(!outputs.contains(&answer(1, busy)), "{outputs:?}");
}

#[test]
fn a_concealed_endpoint_answers_the_calls_that_wait_and_those_that_come() {
    let mut story = with(Limits { scopes: 5, contexts: 8, ..limits() });
    let other = NameId(ENDPOINT.0 + 1);
    story.give(Input::Expose { endpoint: other });
    story.give(called(1, ENDPOINT));
    story.give(called(2, ENDPOINT));
    story.give(called(3, other));
    story.give(Input::Accept { context: THEIRS, scope: BODY, parent: TALK });
    let none = Answer::Failed(Error::new(Kind::NoEndpoint, ME, Payload(0)));
    let waits = ContextId { number: 2, ..THEIRS };
    // One is served to its end, and one is no call of this endpoint.
    let outputs = story.give(Input::Conceal { endpoint: ENDPOINT });
    assert_eq!(outputs, [Output::Withdrawn { context: waits }, answer(2, none)]);
    assert_eq!(story.give(called(4, ENDPOINT)), [Output::Discard(Payload(50)), answer(4, none)]);
    assert_eq!(story.give(Input::Conceal { endpoint: ENDPOINT }), []);
    assert!(matches!(story.give(called(5, other))[..], [Output::Offer { .. }]));
    let returned = Answer::Returned(Payload(51));
    let outputs = story.give(Input::Finished { context: THEIRS, answer: returned });
    assert!(outputs.contains(&answer(1, returned)), "{outputs:?}");
}

/// A child that runs, with an endpoint for which one call waits.
fn called_child() -> Story {
    let mut story = Story { machine: Machine::new(Config::child(ME)).unwrap(), now: START };
    for input in [
        Input::Tick,
        told(hello(ActorId(9))),
        told(Message::Spec { levels: LEVELS, limits: limits(), payload: Payload(0) }),
        Input::Expose { endpoint: ENDPOINT },
        parents_call(1),
    ] {
        story.give(input);
    }
    story
}

fn parents_call(number: u64) -> Input {
    let call = Word::Call { endpoint: ENDPOINT, left: None, payload: Payload(50) };
    word(Link::Parent, Side::Caller, number, call)
}

fn told_parent(number: u64, answer: Answer) -> Output {
    let message = Message::Context { number, side: Side::Callee, word: Word::Answer(answer) };
    Output::Send { link: Link::Parent, message, may_wait: false }
}

/// Nobody has cancelled it, so it names nobody: whoever calls it learns by the end of the channel that it is gone.
#[test]
fn who_has_ended_by_itself_answers_nobody() {
    let context = ContextId::callee(Link::Parent, 1);
    let mut story = called_child();
    let outputs = story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) });
    assert!(outputs.contains(&Output::Withdrawn { context }), "{outputs:?}");
    let says = |output: &Output| matches!(output, Output::Send { message: Message::Context { .. }, .. });
    assert!(!outputs.iter().any(says), "{outputs:?}");
    assert_eq!(story.give(parents_call(2)), [Output::Discard(Payload(50))]);
    // What is said to it later is no news, and none is a breach.
    let cause = Cause { canceller: ActorId(9), reason: Reason::Asked };
    assert_eq!(story.give(word(Link::Parent, Side::Caller, 2, Word::Cancel(cause))), []);

    let mut story = called_child();
    let outputs = story.give(told(Message::Cancel { left: ms(800), cause }));
    assert!(outputs.contains(&told_parent(1, Answer::Cancelled(cause))), "who is cancelled says by whom");
    let outputs = story.give(parents_call(2));
    assert_eq!(outputs, [Output::Discard(Payload(50)), told_parent(2, Answer::Cancelled(cause))]);
}

/// The first cause wins, also for a body that heeds none: what its actor is cancelled for later is not what its caller hears.
#[test]
fn an_abandoned_body_is_answered_for_with_the_cause_that_came_first() {
    let (by, context) = (ActorId(9), ContextId::callee(Link::Parent, 1));
    let first = Cause { canceller: by, reason: Reason::Deadline };
    let later = Cause { canceller: by, reason: Reason::Asked };
    let mut story = called_child();
    for input in [
        Input::Accept { context, scope: ScopeId(1), parent: ScopeId::ROOT },
        word(Link::Parent, Side::Caller, 1, Word::Cancel(first)),
        told(Message::Cancel { left: ms(800), cause: later }),
        Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) },
    ] {
        story.give(input);
    }
    let outputs = story.wait();
    assert!(outputs.contains(&told_parent(1, Answer::Cancelled(first))), "{outputs:?}");
}
