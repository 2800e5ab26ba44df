//! Calls that are offered, and that nobody can take up.

use windrow_core::{Answer, Input, Limits, Output, Refused};

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
