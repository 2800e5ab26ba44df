//! The laws of calls, each in one life that shows it best.

use windrow_core::{
    ActorId, Answer, Cause, ContextId, End, Ending, Event, Exit, Input, Kind, Life, Limit, Limits, Link,
    Message, NameId, On, Output, Payload, Reason, Refused, Role, ScopeId, Side, Signal, Tally, TaskId, Word,
};

use super::phrases::{BODY, ENDPOINT, TALK, call, error, word};
use super::setups::{ACTOR, LEVELS, ME, NURSERY, START, hello, limits, ms, said, spec, stamp};
use super::stories::Story;

const LINK: Link = Link::Child(ACTOR);
const MINE: ContextId = ContextId::caller(LINK, 1);
pub(super) const THEIRS: ContextId = ContextId::callee(LINK, 1);
const FAR: Cause = Cause { canceller: ACTOR, reason: Reason::Asked };

/// A root with a child that is up, a scope to talk in and an endpoint.
fn talker() -> Story {
    with(Limits { scopes: 5, ..limits() })
}

pub(super) fn with(limits: Limits) -> Story {
    let machine = windrow_core::Machine::new(windrow_core::Config::root(ME, LEVELS, limits)).unwrap();
    let mut story = Story { machine, now: START };
    let open = |scope| Input::OpenScope { scope, parent: ScopeId::ROOT, shield: false, deadline: None };
    for input in [
        Input::Tick,
        open(NURSERY),
        Input::Spawn { child: ACTOR, scope: NURSERY, spec: spec(Role::Actor) },
        Input::Started { child: ACTOR, stamp: stamp(ACTOR) },
        said(ACTOR, hello(ACTOR)),
        said(ACTOR, Message::Ready),
        open(TALK),
        Input::Expose { endpoint: ENDPOINT },
    ] {
        story.give(input);
    }
    story
}

/// A root that has made a call.
fn caller(linked: bool) -> Story {
    let mut story = talker();
    story.give(call(LINK, 1, TALK, linked, None));
    story
}

/// A root that serves a call.
fn server() -> Story {
    let mut story = talker();
    story.give(called(1, ENDPOINT));
    story.give(Input::Accept { context: THEIRS, scope: BODY, parent: TALK });
    story
}

pub(super) fn called(number: u64, endpoint: NameId) -> Input {
    word(LINK, Side::Caller, number, Word::Call { endpoint, left: None, payload: Payload(50) })
}

fn answered(answer: Answer) -> Input {
    word(LINK, Side::Callee, 1, Word::Answer(answer))
}

fn says(side: Side, number: u64, word: Word) -> Output {
    Output::Send { link: LINK, message: Message::Context { number, side, word }, may_wait: false }
}

pub(super) fn answer(number: u64, answer: Answer) -> Output {
    says(Side::Callee, number, Word::Answer(answer))
}

fn ended(ending: Ending) -> Output {
    Output::Ended { context: MINE, ending }
}

fn own(kind: Kind) -> Answer {
    Answer::Failed(windrow_core::Error::new(kind, ME, Payload(0)))
}

fn asked() -> Cause {
    Cause { canceller: ME, reason: Reason::Asked }
}

/// Leaves the scope of the calls, and lists what is raised out of it.
fn raised(story: &mut Story) -> Vec<Kind> {
    let outputs = story.give(Input::Leave { scope: TALK });
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Raise { scope: TALK, error } => Some(error.kind),
            _ => None,
        })
        .collect()
}

#[test]
fn a_call_to_no_endpoint_is_answered_at_once_and_leaves_nothing() {
    let mut story = talker();
    let outputs = story.give(called(1, NameId(0)));
    assert_eq!(outputs, [Output::Discard(Payload(50)), answer(1, own(Kind::NoEndpoint))]);
    let exposed = story.machine.handle(story.now, Input::Expose { endpoint: NameId(0) });
    assert_eq!(exposed, Err(Refused::Nameless), "it stands for all that nobody knows");
}

#[test]
fn an_actor_serves_as_many_calls_as_it_may_and_is_busy_for_more() {
    let mut story = talker();
    let (most, many) = (limits().contexts, u64::from(limits().contexts));
    for number in 1..=many {
        assert!(matches!(story.give(called(number, ENDPOINT))[..], [Output::Offer { .. }]));
    }
    let outputs = story.give(called(many + 1, ENDPOINT));
    assert_eq!(outputs, [Output::Discard(Payload(50)), answer(many + 1, own(Kind::Busy))]);
    (1..=many).for_each(|number| _ = story.give(call(LINK, number, TALK, true, None)));
    let refused = story.machine.handle(story.now, call(LINK, many + 1, TALK, true, None));
    assert_eq!(refused, Err(Refused::Full { limit: Limit::Contexts, most }), "a room of their own");
    story.give(Input::Expose { endpoint: ENDPOINT }); // What is exposed already needs no room.
}

/// Nobody has taken the offer up, and nobody will: both ends hear it at once; so do calls that come later.
#[test]
fn a_teardown_declines_what_nobody_serves_and_all_that_comes() {
    let mut story = talker();
    story.give(called(1, ENDPOINT));
    let outputs = story.give(Input::Cancel { scope: ScopeId::ROOT });
    let no = Answer::Cancelled(asked());
    assert!(outputs.contains(&Output::Withdrawn { context: THEIRS }));
    assert!(outputs.contains(&answer(1, no)));
    let outputs = story.give(called(2, ENDPOINT));
    assert_eq!(outputs, [Output::Discard(Payload(50)), answer(2, no)]);
}

/// The time of the tasks is the time of the bodies, also of one that is all that is left. What they answer later is
/// counted, and its bytes are given back.
#[test]
fn a_body_that_outlives_the_actors_deadline_is_abandoned() {
    let mut story = talker();
    story.give(called(1, ENDPOINT));
    story.give(Input::Accept { context: THEIRS, scope: BODY, parent: ScopeId::ROOT });
    story.give(Input::Cancel { scope: ScopeId::ROOT });
    let last = story.now.after(story.machine.teardown_bound()).before(limits().times.flush);
    story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) });
    for scope in [BODY, TALK, NURSERY] {
        story.give(Input::Leave { scope });
    }
    story.give(Input::Exited { child: ACTOR, exit: Exit::Code(0) });
    story.give(Input::Swept { child: ACTOR, alive: 0, fresh: 0, reaped: 0 });
    story.give(Input::Reaped { child: ACTOR });
    assert_eq!(story.machine.waits().map(|wait| wait.on).collect::<Vec<_>>(), [On::Context(THEIRS)]);
    assert_eq!(story.machine.poll_timeout(), Some(last));
    story.wait();
    assert_eq!(story.machine.life(), Life::ShieldBroken);
    let late = story.give(Input::Finished { context: THEIRS, answer: Answer::Failed(error(ME, 51)) });
    assert!(late.contains(&Output::Report(Event::Undelivered(1))), "{late:?}");
    assert!(late.contains(&Output::Discard(Payload(51))), "{late:?}");
}

#[test]
fn a_cancellation_that_was_asked_for_is_absorbed_and_one_from_elsewhere_is_raised() {
    let mut story = caller(true);
    story.give(Input::CancelContext { context: MINE });
    let outputs = story.give(answered(Answer::Cancelled(asked())));
    assert_eq!(outputs, [ended(Ending::Answered(Answer::Cancelled(asked())))]);
    assert_eq!(raised(&mut story), []);

    let mut story = caller(true);
    let outputs = story.give(answered(Answer::Cancelled(FAR)));
    let cause = Cause { canceller: ACTOR, reason: Reason::Failure };
    assert_eq!(outputs.first(), Some(&ended(Ending::Answered(Answer::Cancelled(cause)))));
    assert!(outputs.contains(&Output::CancelBody { scope: TALK, cause }), "{outputs:?}");
    assert_eq!(raised(&mut story), [Kind::Cancelled(Reason::Asked)]);

    let mut story = caller(false);
    let outputs = story.give(answered(Answer::Cancelled(FAR)));
    assert_eq!(outputs, [ended(Ending::Answered(Answer::Cancelled(FAR)))], "it is only told");
    assert_eq!(raised(&mut story), []);
}

/// The tick would have cancelled it: that the answer came first makes no difference.
#[test]
fn an_answer_that_overtakes_the_tick_of_its_deadline_is_absorbed() {
    let mut story = talker();
    let deadline = START.after(ms(50));
    story.give(call(LINK, 1, TALK, true, Some(deadline)));
    story.now = deadline;
    let far = Cause { canceller: ACTOR, reason: Reason::Deadline };
    let outputs = story.give(answered(Answer::Cancelled(far)));
    assert_eq!(outputs, [ended(Ending::Answered(Answer::Cancelled(far)))]);
    assert_eq!(raised(&mut story), []);
}

/// The error is in the report of the scope, the others of the scope are cancelled, and nobody hears it twice.
#[test]
fn a_linked_failure_cancels_its_scope_and_is_in_one_report() {
    let mut story = caller(true);
    story.give(call(LINK, 2, TALK, false, None));
    let outputs = story.give(answered(Answer::Failed(error(ACTOR, 52))));
    let cause = Cause { canceller: ACTOR, reason: Reason::Failure };
    assert_eq!(outputs[0], ended(Ending::Answered(Answer::Cancelled(cause))));
    assert!(outputs.contains(&says(Side::Caller, 2, Word::Cancel(cause))), "{outputs:?}");
    story.give(word(LINK, Side::Callee, 2, Word::Answer(Answer::Cancelled(cause))));
    assert_eq!(raised(&mut story), [Kind::Failed]);

    let mut story = caller(false);
    let outputs = story.give(answered(Answer::Failed(error(ACTOR, 52))));
    assert!(matches!(
        outputs[..],
        [Output::Ended { ending: Ending::Answered(Answer::Failed(error)), .. }]
            if error.path.hops() == [ACTOR]
    ));
    assert_eq!(raised(&mut story), []);
}

/// Whoever called is gone, so what the body fails with is counted aloud; so is what it says while its channel is closed.
#[test]
fn what_an_unheard_body_fails_with_is_counted_aloud() {
    let died = [Input::LinkLost { link: LINK }, Input::Exited { child: ACTOR, exit: Exit::Signal(9) }];
    for events in [&died[..1], &died[..]] {
        let mut story = server();
        let outputs: Vec<_> = events.iter().flat_map(|input| story.give(*input)).collect();
        let told = outputs.iter().any(|output| matches!(output, Output::CancelBody { scope: BODY, .. }));
        assert_eq!(told, events.len() == 2, "it is told as soon as the exit is known");
        story.give(Input::Leave { scope: BODY });
        for input in [
            Input::ContextFailed { context: THEIRS, error: error(ME, 53) },
            Input::Finished { context: THEIRS, answer: Answer::Failed(error(ME, 54)) },
        ] {
            let outputs = story.give(input);
            assert_eq!(outputs[0], Output::Report(Event::Undelivered(1)), "{outputs:?}");
            assert!(matches!(outputs[1], Output::Discard(Payload(53 | 54))), "{outputs:?}");
        }
        story.give(Input::Cancel { scope: TALK });
        assert_eq!(raised(&mut story), []);
    }
}

#[test]
fn a_cancelled_call_waits_for_the_ack_and_then_for_the_bound() {
    for acked in [false, true] {
        let mut story = caller(true);
        let outputs = story.give(Input::CancelContext { context: MINE });
        assert_eq!(outputs, [says(Side::Caller, 1, Word::Cancel(asked()))]);
        let mut span = limits().times.ack;
        if acked {
            story.give(word(LINK, Side::Callee, 1, Word::Ack));
            span = story.machine.teardown_bound();
        }
        assert_eq!(story.machine.poll_timeout(), Some(story.now.after(span)));
        let outputs = story.wait();
        assert!(matches!(outputs[0], Output::Ended { context: MINE, .. }), "{outputs:?}");
        assert_eq!(raised(&mut story), [Kind::Unanswered]);
        // What comes after all is dropped, and its bytes with it.
        let outputs = story.give(answered(Answer::Returned(Payload(55))));
        assert_eq!(outputs, [Output::Discard(Payload(55))]);
    }
}

/// An ack is said when the body was told, also a second time; a call without a body has ended by then.
#[test]
fn an_ack_follows_what_it_acknowledges() {
    let cancel = word(LINK, Side::Caller, 1, Word::Cancel(FAR));
    let ack = says(Side::Callee, 1, Word::Ack);
    let mut story = server();
    let told = Output::CancelBody { scope: BODY, cause: FAR };
    assert_eq!(story.give(cancel), [told, ack]);
    assert_eq!(story.give(cancel), [ack]);
    let refused = story.machine.handle(story.now, Input::Begin { context: THEIRS, payload: Payload(1) });
    assert_eq!(refused, Err(Refused::Cancelled(Some(FAR))));
    story.give(Input::Leave { scope: BODY });
    let later = Answer::Cancelled(asked());
    let outputs = story.give(Input::Finished { context: THEIRS, answer: later });
    assert_eq!(outputs, [answer(1, Answer::Cancelled(FAR))], "the first cause wins");

    let mut story = talker();
    story.give(called(1, ENDPOINT));
    let outputs = story.give(cancel);
    assert_eq!(outputs, [Output::Withdrawn { context: THEIRS }, answer(1, Answer::Cancelled(FAR))]);
}

/// Who breaks the protocol loses its channel. The calls of others go on.
#[test]
fn an_item_without_credit_costs_the_channel_and_nobody_else_anything() {
    let other = ActorId(4);
    let theirs = ContextId::caller(Link::Child(other), 2);
    for taken in [None, Some(0), Some(1)] {
        let mut story = with(Limits { window: 3, ..limits() });
        for input in [
            Input::Spawn { child: other, scope: ScopeId::ROOT, spec: spec(Role::Actor) },
            Input::Started { child: other, stamp: stamp(other) },
            said(other, hello(other)),
            said(other, Message::Ready),
            call(LINK, 1, TALK, false, None),
            call(Link::Child(other), 2, TALK, true, None),
            word(LINK, Side::Callee, 1, Word::Begun(Payload(56))),
        ] {
            story.give(input);
        }
        if let Some(items) = taken {
            fill(&mut story);
            assert_eq!(story.give(Input::Taken { context: MINE, items }), [], "one place is no credit yet");
        }
        let outputs = story.give(item());
        assert_eq!(outputs[0], Output::Discard(Payload(57)), "taken {taken:?}");
        assert!(outputs.contains(&Output::Close { link: LINK }));
        let touched = |o: &Output| matches!(o, Output::Ended { context, .. } if *context == theirs);
        assert!(!outputs.iter().any(touched));
        let answer = Word::Answer(Answer::Returned(Payload(58)));
        let outputs = story.give(word(Link::Child(other), Side::Callee, 2, answer));
        assert!(outputs.iter().any(touched));
    }
}

fn item() -> Input {
    word(LINK, Side::Callee, 1, Word::Item(Payload(57)))
}

/// Opens a window of three and lets as many items come.
fn fill(story: &mut Story) {
    let open = Input::OpenStream { context: MINE, window: 3, lossy: false };
    assert_eq!(story.give(open), [says(Side::Caller, 1, Word::Credit(3))]);
    for _ in 0..3 {
        story.give(item());
    }
    assert_eq!(story.machine.handle(story.now, open), Err(Refused::ClosedStream));
}

#[test]
fn an_item_is_sent_against_credit_alone() {
    let mut story = server();
    story.give(Input::Begin { context: THEIRS, payload: Payload(1) });
    story.give(Input::OpenStream { context: THEIRS, window: 1, lossy: false });
    let push = Input::Push { context: THEIRS, payload: Payload(59) };
    assert_eq!(story.machine.handle(story.now, push), Err(Refused::NoCredit));
    story.give(word(LINK, Side::Caller, 1, Word::Credit(1)));
    assert_eq!(story.give(push), [says(Side::Callee, 1, Word::Item(Payload(59)))]);
    assert_eq!(story.machine.handle(story.now, push), Err(Refused::NoCredit));
    assert_eq!(story.give(Input::EndStream { context: THEIRS }), [says(Side::Callee, 1, Word::End)]);
    assert_eq!(story.machine.handle(story.now, push), Err(Refused::ClosedStream));
}

/// Nobody answers for a child that is being killed: what was under way ends, and nothing new begins.
#[test]
fn a_child_that_is_being_killed_is_lost_to_its_callers() {
    let mut story = caller(false);
    story.give(called(1, ENDPOINT));
    story.give(Input::CancelChild { child: ACTOR });
    let mut outputs = Vec::new();
    while !outputs.contains(&Output::Signal { child: ACTOR, signal: Signal::Kill }) {
        outputs = story.wait();
    }
    assert!(outputs.contains(&ended(Ending::Lost(None))), "{outputs:?}");
    assert!(outputs.contains(&Output::Withdrawn { context: THEIRS }), "{outputs:?}");
    let refused = story.machine.handle(story.now, call(LINK, 2, TALK, false, None));
    assert_eq!(refused, Err(Refused::ClosedLink));
    let words = [called(2, ENDPOINT), word(LINK, Side::Caller, 1, Word::Cancel(FAR))];
    for outputs in words.map(|word| story.give(word)) {
        let quiet = |o: &Output| matches!(o, Output::Discard(_) | Output::Report(Event::Stray(_)));
        assert!(outputs.iter().all(quiet), "{outputs:?}");
    }
    let cancel = story.machine.handle(story.now, Input::CancelContext { context: THEIRS });
    assert_eq!(cancel, Ok(()), "cancelling what is over succeeds");
}

#[test]
fn a_third_signal_leaves_no_deadline_of_a_call() {
    let mut story = caller(true);
    for signal in [Signal::Int, Signal::Hup, Signal::Term] {
        story.give(Input::Signalled(signal));
        story.now = story.now.after(limits().times.hop);
    }
    assert_eq!((story.machine.life(), story.machine.poll_timeout()), (Life::Ended, None));
}

/// Errors beyond the limit are counted, and their bytes given back.
#[test]
fn an_error_without_room_gives_its_bytes_back() {
    let mut story = talker();
    let failed = |payload| Input::Failed { scope: TALK, error: error(ME, payload) };
    for payload in 60..62 {
        assert!(!story.give(failed(payload)).contains(&Output::Discard(Payload(payload))));
    }
    assert!(story.give(failed(62)).contains(&Output::Discard(Payload(62))));
    let outputs = story.give(Input::Leave { scope: TALK });
    assert!(outputs.contains(&Output::Closed { scope: TALK, end: End::Failed, lost: 1 }), "{outputs:?}");
}

/// A child that says its last word has answered all; who does not is answered for when its exit is known.
#[test]
fn a_call_that_the_last_word_forgot_ends_with_the_exit() {
    let mut story = caller(false);
    let outputs = story.give(said(ACTOR, Message::Bye(Tally::default())));
    assert!(!outputs.iter().any(|o| matches!(o, Output::Ended { .. })));
    let exit = Exit::Code(0);
    let outputs = story.give(Input::Exited { child: ACTOR, exit });
    assert!(outputs.contains(&ended(Ending::Lost(Some(exit)))), "{outputs:?}");
}
