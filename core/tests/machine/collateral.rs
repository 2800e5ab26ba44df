//! What comes of a cancellation that is here already, and reached somebody else first, is no error.

use windrow_core::{ActorId, Error, Exit, Input, Kind, Message, Output, Payload, Reason, ScopeId, Signal};

use super::setups::{ACTOR, ME, NURSERY, said};
use super::stories::Story;

const TEXT: Payload = Payload(61);
const CALLED: ActorId = ActorId(0x77);

/// Says that the one who was called was cancelled, by this actor and for this reason.
fn cancelled(reason: Reason) -> Error {
    Error { canceller: Some(ME), ..Error::new(Kind::Cancelled(reason), CALLED, TEXT) }
}

fn lost() -> Error {
    Error::new(Kind::PeerLost(Some(Exit::Code(0))), CALLED, TEXT)
}

/// Has a child tell of an error, or user code fail with it, and tells whether it counts.
fn counts(story: &Story, error: Error) -> bool {
    let of_child = said(ACTOR, Message::Error(error));
    let [told, failed] = [of_child, Input::Failed { scope: NURSERY, error }].map(|input| {
        let mut story = Story { machine: story.machine.clone(), now: story.now };
        story.give(input) != [Output::Discard(TEXT)]
    });
    assert_eq!(told, failed, "{error:?}");
    told
}

#[test]
fn whom_a_cancellation_reached_first_is_no_error_of_whoever_called_it() {
    let mut story = Story::up();
    for error in [cancelled(Reason::Signal(2)), cancelled(Reason::Asked), lost()] {
        assert!(counts(&story, error), "nothing is cancelled yet: {error:?}");
    }
    story.give(Input::Signalled(Signal::Int));
    for error in [cancelled(Reason::Signal(2)), cancelled(Reason::Failure), lost()] {
        assert!(!counts(&story, error), "{error:?}");
    }
    for kind in [Kind::Failed, Kind::Unanswered, Kind::Died(Exit::Code(1))] {
        assert!(counts(&story, Error::new(kind, CALLED, TEXT)), "{kind:?}");
    }
}

/// An error may have others beside it, and only its own cancellation is none.
#[test]
fn beside_an_error_only_its_own_cancellation_is_none() {
    let mut story = Story::up();
    story.give(Input::Failed { scope: NURSERY, error: Error::new(Kind::Failed, ME, Payload(60)) });
    assert!(!counts(&story, cancelled(Reason::Failure)));
    let of_another = Error { canceller: Some(CALLED), ..cancelled(Reason::Failure) };
    for error in [of_another, cancelled(Reason::Asked), lost()] {
        assert!(counts(&story, error), "{error:?}");
    }
}

/// A shield keeps the cancellation away, and what is in it is as ever.
#[test]
fn in_a_shield_nothing_is_collateral() {
    let mut story = Story::up();
    let shield = ScopeId(77);
    story.give(Input::OpenScope { scope: shield, parent: ScopeId::ROOT, shield: true, deadline: None });
    story.give(Input::Signalled(Signal::Int));
    let outputs = story.give(Input::Failed { scope: shield, error: lost() });
    assert!(!outputs.contains(&Output::Discard(TEXT)), "{outputs:?}");
}
