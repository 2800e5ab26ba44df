//! Deadlines that both ends of a call see: whichever is the first, the outcome is one.

use windrow_core::{
    Answer, Cause, ContextId, End, Ending, Input, Instant, Limits, Link, Message, Output, Payload, Reason,
    ScopeId, Side, Word,
};

use super::contexts::{THEIRS, with};
use super::phrases::{BODY, ENDPOINT, TALK, call, word};
use super::setups::{ACTOR, ME, START, limits, ms};
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

/// Whoever gave a call its time waits for no longer, whatever the far end does; the scope waits until the call is over.
#[test]
fn who_gave_a_call_its_time_is_let_go_at_its_end() {
    let context = ContextId::caller(LINK, 1);
    let cancel = Message::Context { number: 1, side: Side::Caller, word: Word::Cancel(OURS) };
    let cancel = Output::Send { link: LINK, message: cancel, may_wait: false };
    for acks in [false, true] {
        let mut story = with(limits());
        let until = story.now.after(ms(50));
        story.give(call(LINK, 1, TALK, false, Some(until)));
        assert_eq!(story.wait(), [Output::Overdue { context }, cancel]);
        assert_eq!(story.now, until);
        if acks {
            story.give(word(LINK, Side::Callee, 1, Word::Ack));
        }
        let closed = |outputs: &[Output]| outputs.iter().any(|o| matches!(o, Output::Closed { .. }));
        assert!(!closed(&story.give(Input::Leave { scope: TALK })), "the call is not over");
        let outputs = story.wait();
        assert!(outputs.contains(&Output::Ended { context, ending: Ending::Unanswered }), "{outputs:?}");
        assert!(closed(&outputs), "{outputs:?}");
        let until = if acks { story.machine.teardown_bound() } else { limits().times.ack };
        assert_eq!(story.now.since(Instant(START.0 + 50_000_000)), until);
    }
}

/// A body is told by its scope: the one that the call is linked with, or the one whose time it is.
#[test]
fn a_call_that_ends_with_its_scope_lets_nobody_go() {
    for (linked, own, around) in
        [(true, Some(50), None), (false, None, Some(50)), (false, Some(50), Some(50))]
    {
        let mut story = with(Limits { scopes: 8, ..limits() });
        let after = |millis: Option<u64>| millis.map(|millis| START.after(ms(millis)));
        let deadline = after(around);
        story.give(Input::OpenScope { scope: OUTER, parent: TALK, shield: false, deadline });
        story.give(call(LINK, 1, OUTER, linked, after(own)));
        let outputs = story.wait();
        assert!(!outputs.iter().any(|o| matches!(o, Output::Overdue { .. })), "{outputs:?}");
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
        let said = |o: &Output| matches!(o, Output::Send { message: Message::Context { word: Word::Answer(Answer::Cancelled(cause)), .. }, .. } if *cause == theirs);
        assert!(outputs.iter().any(said), "{first:?}: {outputs:?}");
    }
}

/// The far end may have been cancelled by another deadline of this actor: that of the nursery that it is a child of.
#[test]
fn another_deadline_ends_nothing_before_its_time() {
    for (linked, own) in [(true, None), (false, None), (false, Some(START.after(ms(40))))] {
        let mut story = with(Limits { scopes: 8, ..limits() });
        let deadline = Some(START.after(ms(50)));
        story.give(Input::OpenScope { scope: OUTER, parent: TALK, shield: false, deadline });
        story.give(call(LINK, 1, OUTER, linked, own));
        let outputs = overdue(&mut story, START.after(ms(10)), First::Far);
        let ending = Ending::Answered(Answer::Cancelled(OURS));
        let ended = Output::Ended { context: ContextId::caller(LINK, 1), ending };
        assert!(outputs.contains(&ended), "{outputs:?}");
        let told = |o: &Output| matches!(o, Output::CancelBody { .. } | Output::Overdue { .. });
        assert!(!outputs.iter().any(told), "{outputs:?}");
    }
}

/// A call's own time is nobody else's: it cancels no scope, and whoever gave it is told so once, before the call is over.
#[test]
fn the_time_of_a_call_is_told_to_whoever_waits_for_it() {
    for first in [First::Near, First::Far, First::FarBefore] {
        let mut story = with(Limits { scopes: 8, ..limits() });
        let until = story.now.after(ms(50));
        story.give(call(LINK, 1, TALK, false, Some(until)));
        let outputs = overdue(&mut story, until, first);
        let told = |o: &Output| matches!(o, Output::CancelBody { .. });
        assert!(!outputs.iter().any(told), "{first:?}: {outputs:?}");
        let context = ContextId::caller(LINK, 1);
        let ended = |o: &Output| matches!(o, Output::Ended { context: which, .. } if *which == context);
        let says = |o: &&Output| **o == Output::Overdue { context } || ended(o);
        let said: Vec<&Output> = outputs.iter().filter(says).collect();
        assert_eq!((said.len(), said[0]), (2, &Output::Overdue { context }), "{first:?}: {outputs:?}");
    }
}
