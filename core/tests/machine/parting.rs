//! The last word between peers: who was cancelled says so, and that answers whatever crosses it, and whatever comes later.

use windrow_core::{
    ActorId, Answer, Cause, ContextId, Ending, Input, Limits, Message, Output, Payload, PeerId, Reason,
    Refused, ScopeId, Signal, TaskId,
};

use super::peers::{FAR, ONE, OTHER, TWO, close, dial, heard, joined, link};
use super::phrases::call;
use super::setups::{ME, NURSERY, START, hello, limits};
use super::stories::Story;

/// Who cancelled the peer.
const CAUSE: Cause = Cause { canceller: ActorId(0x20), reason: Reason::Signal(2) };

fn goes_away(peer: PeerId) -> Input {
    heard(peer, Message::GoAway(CAUSE))
}

/// A root without children.
fn alone(limits: Limits) -> Story {
    let machine = windrow_core::Machine::new(windrow_core::Config::root(ME, 1, limits)).unwrap();
    let mut story = Story { machine, now: START };
    story.give(Input::Tick);
    story
}

/// Calls the peer, and hears its last word.
fn called(linked: bool) -> (Story, Vec<Output>) {
    let mut story = joined();
    story.give(call(link(ONE), 1, NURSERY, linked, None));
    let outputs = story.give(goes_away(ONE));
    (story, outputs)
}

#[test]
fn who_was_cancelled_says_so_to_its_peers_with_its_last_word_and_who_ends_by_itself_says_nothing() {
    for signalled in [true, false] {
        let mut story = alone(limits());
        story.give(Input::PeerJoined { peer: ONE });
        story.give(heard(ONE, hello(FAR)));
        if signalled {
            story.give(Input::Signalled(Signal::Int));
        }
        let outputs = story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) });
        let cause = Cause { canceller: ME, reason: Reason::Signal(2) };
        let last = Output::Send { link: link(ONE), message: Message::GoAway(cause), may_wait: false };
        let flush = Output::Flush { link: link(ONE) };
        let expected = if signalled { vec![last, flush, Output::Clear] } else { vec![flush, Output::Clear] };
        assert_eq!(outputs, expected);
    }
}

/// Who was dialled may have answered the greeting by then, and called.
#[test]
fn it_is_said_to_whom_it_has_greeted_too() {
    let mut story = alone(limits());
    for input in
        [dial(ONE, FAR), dial(TWO, OTHER), Input::PeerDialled { peer: ONE }, Input::Signalled(Signal::Int)]
    {
        story.give(input);
    }
    let outputs = story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) });
    let said = outputs.iter().filter_map(|output| match output {
        Output::Send { link, message: Message::GoAway(_), .. } => Some(*link),
        _ => None,
    });
    assert_eq!(said.collect::<Vec<_>>(), [link(ONE)], "{outputs:?}");
}

#[test]
fn what_crosses_a_last_word_is_answered_by_it() {
    let (_, outputs) = called(false);
    let ending = Ending::Answered(Answer::Cancelled(CAUSE));
    let ended = Output::Ended { context: ContextId::caller(link(ONE), 1), ending };
    assert_eq!(outputs, [ended, close(ONE)]);
}

/// Nobody here was cancelled by that: it is an error, of the one who is gone.
#[test]
fn where_nobody_is_cancelled_by_the_same_it_is_an_error_of_the_calls_scope() {
    let (_, outputs) = called(true);
    let cause = Cause { canceller: FAR, reason: Reason::Failure };
    assert!(outputs.contains(&Output::CancelBody { scope: NURSERY, cause }), "{outputs:?}");
}

#[test]
fn who_calls_later_is_told_what_cancelled_the_peer() {
    let (mut story, _) = called(false);
    let later = call(link(ONE), 2, NURSERY, false, None);
    assert_eq!(story.machine.handle(story.now, later), Err(Refused::GoneAway(CAUSE)));
    // Who was lost without a word is not there, and nobody knows why.
    story.give(Input::PeerJoined { peer: TWO });
    story.give(heard(TWO, hello(FAR)));
    story.give(Input::LinkLost { link: link(TWO) });
    let later = call(link(TWO), 2, NURSERY, false, None);
    assert_eq!(story.machine.handle(story.now, later), Err(Refused::ClosedLink));
}

#[test]
fn as_many_are_remembered_as_there_may_be_peers() {
    let most = 3;
    let mut story = alone(Limits { peers: most, ..limits() });
    for peer in (1..=5).map(PeerId) {
        story.give(Input::PeerJoined { peer });
        story.give(heard(peer, hello(FAR)));
        story.give(goes_away(peer));
    }
    let told = (1..=5).map(|peer| {
        let later = call(link(PeerId(peer)), 1, ScopeId::ROOT, false, None);
        story.machine.handle(story.now, later) == Err(Refused::GoneAway(CAUSE))
    });
    assert_eq!(told.collect::<Vec<_>>(), [false, false, true, true, true]);
}
