//! Deadlines that both ends of a call see: whichever is the first, the outcome is one.

use windrow_core::{
    Answer, Cause, ContextId, End, Input, Instant, Limits, Link, Output, Payload, Reason, ScopeId, Side, Word,
};

use super::contexts::{THEIRS, with};
use super::phrases::{BODY, ENDPOINT, TALK, call, word};
use super::setups::{ACTOR, ME, limits, ms};
use super::stories::Story;

const LINK: Link = Link::Child(ACTOR);
const OUTER: ScopeId = BODY;
const INNER: ScopeId = ScopeId(BODY.0 + 1);
const OURS: Cause = Cause { canceller: ME, reason: Reason::Deadline };

/// Who says first that the time is over.
#[derive(Clone, Copy, Debug)]
enum First {
    Near,
    Far,
    /// It counts what was left from when it heard of it, and rounds.
    FarBefore,
}

/// Lets the time pass, and gives all that is said until the call is over.
fn overdue(story: &mut Story, until: Instant, first: First) -> Vec<Output> {
    let over = word(LINK, Side::Callee, 1, Word::Answer(Answer::Cancelled(OURS)));
    story.now = until;
    let inputs = match first {
        First::Near => [Input::Tick, over],
        First::Far => [over, Input::Tick],
        First::FarBefore => {
            story.now = Instant(until.0 - 1);
            [over, Input::Tick]
        }
    };
    inputs.into_iter().flat_map(|input| story.give(input)).collect()
}

/// The body of a context went well, and the far end did not end in time: the scope around is cancelled, and with it all in it.
#[test]
fn a_deadline_has_one_outcome_whichever_end_sees_it_first() {
    for linked in [true, false] {
        for first in [First::Near, First::Far, First::FarBefore] {
            let mut story = with(Limits { scopes: 8, ..limits() });
            let until = story.now.after(ms(50));
            let open = |scope, parent, deadline| Input::OpenScope { scope, parent, shield: false, deadline };
            story.give(open(OUTER, TALK, Some(until)));
            story.give(open(INNER, OUTER, None));
            story.give(call(LINK, 1, INNER, linked, None));
            story.give(Input::Leave { scope: INNER });
            let outputs = overdue(&mut story, until, first);
            let cancelled = Output::Closed { scope: INNER, end: End::Cancelled(OURS), lost: 0 };
            assert!(outputs.contains(&cancelled), "{first:?}: {outputs:?}");
            let told = |o: &Output| *o == Output::CancelBody { scope: OUTER, cause: OURS };
            assert_eq!(outputs.iter().filter(|o| told(o)).count(), 1, "{first:?}: {outputs:?}");
            let raised = |o: &Output| matches!(o, Output::Raise { .. });
            assert!(!outputs.iter().any(raised), "{first:?}: {outputs:?}");
        }
    }
}

/// The time of a served call travels with the calls of its body, and is its caller's, whoever says so first.
#[test]
fn a_deadline_that_travelled_is_its_callers() {
    let theirs = Cause { canceller: ACTOR, reason: Reason::Deadline };
    for first in [First::Near, First::Far, First::FarBefore] {
        let mut story = with(Limits { scopes: 8, ..limits() });
        let left = Some(ms(50));
        let until = story.now.after(ms(50));
        story.give(word(
            LINK,
            Side::Caller,
            1,
            Word::Call { endpoint: ENDPOINT, left, payload: Payload(50) },
        ));
        story.give(Input::Accept { context: THEIRS, scope: BODY, parent: TALK });
        story.give(call(LINK, 1, BODY, true, None));
        let outputs = overdue(&mut story, until, first);
        assert!(
            outputs.contains(&Output::CancelBody { scope: BODY, cause: theirs }),
            "{first:?}: {outputs:?}"
        );
        story.give(Input::Leave { scope: BODY });
        let answer = Answer::Cancelled(OURS);
        let outputs = story.give(Input::Finished { context: THEIRS, answer });
        let said = |o: &Output| matches!(o, Output::Send { message: windrow_core::Message::Context { word: Word::Answer(Answer::Cancelled(cause)), .. }, .. } if *cause == theirs);
        assert!(outputs.iter().any(said), "{first:?}: {outputs:?}");
    }
}

/// A call's own time is nobody else's.
#[test]
fn the_time_of_a_call_cancels_no_scope() {
    for first in [First::Near, First::Far, First::FarBefore] {
        let mut story = with(Limits { scopes: 8, ..limits() });
        let until = story.now.after(ms(50));
        story.give(call(LINK, 1, TALK, false, Some(until)));
        let outputs = overdue(&mut story, until, first);
        let told = |o: &Output| matches!(o, Output::CancelBody { .. });
        assert!(!outputs.iter().any(told), "{first:?}: {outputs:?}");
        let context = ContextId::caller(LINK, 1);
        let ended = |o: &Output| matches!(o, Output::Ended { context: which, .. } if *which == context);
        assert!(outputs.iter().any(ended), "{first:?}: {outputs:?}");
    }
}
