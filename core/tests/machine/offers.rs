//! Calls that are offered, and that nobody can take up, or nobody will.

use windrow_core::{Answer, ContextId, Error, Input, Kind, Limits, NameId, Output, Payload, Refused};

use super::contexts::{THEIRS, answer, called, with};
use super::phrases::{BODY, ENDPOINT, TALK, error};
use super::setups::{ME, limits};

#[test]
fn an_offer_that_nobody_can_take_up_is_answered() {
    let mut story = with(Limits { scopes: 3, ..limits() });
    story.give(called(1, ENDPOINT));
    let accept = Input::Accept { context: THEIRS, scope: BODY, parent: TALK };
    assert_eq!(story.machine.handle(story.now, accept), Err(Refused::Full));
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
