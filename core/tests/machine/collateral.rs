//! What comes of a cancellation that is here already, and reached somebody else first, is no error.

use windrow_core::{ActorId, Error, Exit, Input, Kind, Message, Output, Payload, Reason, Signal};

use super::setups::{ACTOR, ME, NURSERY, said};
use super::stories::Story;

const TEXT: Payload = Payload(61);
const CALLED: ActorId = ActorId(0x77);

/// Says that the one who was called was cancelled, by this actor and for this reason.
fn cancelled(reason: Reason) -> Error {
    Error { canceller: Some(ME), ..Error::new(Kind::Cancelled(reason), CALLED, TEXT) }
}

/// Says that the one who was called is gone.
fn gone() -> Error {
    Error::new(Kind::PeerLost(Some(Exit::Code(0))), CALLED, TEXT)
}

/// Tells whether an error counts of which a child tells, and one with which user code fails.
fn counts(story: &Story, error: Error) -> [bool; 2] {
    let of_child = said(ACTOR, Message::Error(error));
    [of_child, Input::Failed { scope: NURSERY, error }].map(|input| {
        let mut story = Story { machine: story.machine.clone(), now: story.now };
        story.give(input) != [Output::Discard(TEXT)]
    })
}

#[track_caller]
fn all_count(story: &Story, errors: impl IntoIterator<Item = Error>) {
    errors.into_iter().for_each(|error| assert_eq!(counts(story, error), [true; 2], "{error:?}"));
}

#[track_caller]
fn none_count(story: &Story, errors: impl IntoIterator<Item = Error>) {
    errors.into_iter().for_each(|error| assert_eq!(counts(story, error), [false; 2], "{error:?}"));
}

#[test]
fn whom_a_cancellation_reached_first_is_no_error_of_whoever_called_it() {
    let mut story = Story::up();
    let of_it = cancelled(Reason::Signal(2));
    all_count(&story, [of_it]);
    story.give(Input::Signalled(Signal::Int));
    none_count(&story, [of_it]);
    let of_another = Error { canceller: Some(CALLED), ..of_it };
    all_count(&story, [cancelled(Reason::Asked), cancelled(Reason::Failure), of_another, gone()]);
    let kinds = [Kind::Failed, Kind::Unanswered, Kind::Died(Exit::Code(1))];
    all_count(&story, kinds.map(|kind| Error::new(kind, CALLED, TEXT)));
}

#[test]
fn beside_an_error_only_its_own_cancellation_is_none() {
    let mut story = Story::up();
    story.give(Input::Failed { scope: NURSERY, error: Error::new(Kind::Failed, ME, Payload(60)) });
    none_count(&story, [cancelled(Reason::Failure)]);
    let of_another = Error { canceller: Some(CALLED), ..cancelled(Reason::Failure) };
    all_count(&story, [of_another, cancelled(Reason::Asked), gone()]);
}

/// A hundred may have called the one that it reached first.
#[test]
fn a_cancellation_is_one_error_of_a_scope() {
    let mut story = Story::up();
    story.give(said(ACTOR, Message::Error(cancelled(Reason::Signal(2)))));
    let of_another = Error { origin: ActorId(0x78), ..cancelled(Reason::Signal(2)) };
    none_count(&story, [cancelled(Reason::Signal(2)), of_another]);
    all_count(&story, [cancelled(Reason::Signal(15)), gone()]);
}
