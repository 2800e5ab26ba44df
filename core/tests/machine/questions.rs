//! Questions for names: what whoever asks the registrar makes of its answers, and of none.

use windrow_core::{
    Claim, Config, Event, Input, Life, Limit, Link, Machine, Message, On, Output, Payload, Question, Refused,
    ScopeId, Stray,
};

use super::names::{ADDRESS, FAR, NAME, PEER, find, not_found, register, registered, send};
use super::setups::{ACTOR, ME, START, hello, limits, told};
use super::stories::Story;

/// A child of the registrar, running.
fn child() -> Story {
    let mut story = Story { machine: Machine::new(Config::child(ME)).unwrap(), now: START };
    story.give(Input::Tick);
    story.give(told(hello(FAR)));
    story.give(told(Message::Spec { levels: 1, limits: limits(), payload: Payload(0) }));
    story
}

fn ask(request: u32, wait: bool) -> Input {
    Input::Find { link: Link::Parent, request, name: NAME, wait }
}

#[test]
fn a_question_goes_to_the_registrar_and_its_answer_comes_back() {
    let up = |message| [send(Link::Parent, message)];
    let mut story = child();
    let claim = Input::Register { link: Link::Parent, name: NAME, payload: ADDRESS };
    assert_eq!(story.give(claim), up(register(ME, NAME, ADDRESS)));
    assert_eq!(story.machine.handle(story.now, claim), Err(Refused::Pending));
    let answer = told(Message::Registered { name: NAME, claim: Claim::Taken(FAR) });
    assert_eq!(story.give(answer), [Output::Registered { name: NAME, claim: Claim::Taken(FAR) }]);
    assert_eq!(story.give(ask(1, false)), up(find(1, false)));
    assert_eq!(story.machine.handle(story.now, ask(1, false)), Err(Refused::StaleId));
    let answer = told(Message::Found { request: 1, name: NAME, actor: ACTOR, payload: ADDRESS });
    let found = Output::Found { request: 1, name: NAME, actor: ACTOR, payload: ADDRESS };
    assert_eq!(story.give(answer), [found, Output::Discard(ADDRESS)]);
    assert_eq!(story.give(answer), [Output::Discard(ADDRESS)], "it is answered");
    let list = Input::List { link: Link::Parent, request: 2 };
    assert_eq!(story.give(list), up(Message::List { request: 2 }));
    let entry = told(Message::Found { request: 2, name: NAME, actor: ACTOR, payload: ADDRESS });
    assert_eq!([story.give(entry).len(), story.give(entry).len()], [2, 2]);
    let end = told(Message::NotFound { request: 2 });
    assert_eq!(story.give(end), [Output::NotFound { request: 2 }]);
    assert_eq!(story.give(end), []);
    assert_eq!(story.machine.poll_timeout(), None);
    let stray = Output::Report(Event::Stray(Stray::Link(Link::Parent)));
    assert_eq!(story.give(told(Message::NotFound { request: 3 })), [stray], "nobody asked");
    for (ask, message) in [
        (Input::Unregister { link: Link::Parent, name: NAME }, Message::Unregister { name: NAME }),
        (
            Input::Stale { link: Link::Parent, name: NAME, actor: FAR },
            Message::Stale { name: NAME, actor: FAR },
        ),
    ] {
        assert_eq!(story.give(ask), up(message));
    }
    let gone = Input::Unregister { link: PEER, name: NAME };
    assert_eq!(story.machine.handle(story.now, gone), Err(Refused::ClosedLink));
}

#[test]
fn a_question_without_an_answer_has_a_deadline_or_is_given_up() {
    let mut story = child();
    story.give(Input::Register { link: Link::Parent, name: NAME, payload: ADDRESS });
    story.give(ask(1, false));
    assert_eq!(
        story.machine.handle(story.now, ask(2, true)),
        Err(Refused::Full { limit: Limit::Finds, most: 2 }),
        "two are all"
    );
    let claim = Output::Registered { name: NAME, claim: Claim::Unanswered };
    let withdrawn = send(Link::Parent, Message::Unregister { name: NAME });
    assert_eq!(story.wait(), [withdrawn, claim, Output::Unheard { request: 1 }]);
    assert_eq!(story.now.since(START), limits().times.ack);
    // One that waits does so as long as it is wanted.
    story.give(ask(2, true));
    assert_eq!(story.machine.poll_timeout(), None);
    let forget = [send(Link::Parent, Message::Forget { request: 2 })];
    assert_eq!(story.give(Input::Forget { request: 2 }), forget);
    assert_eq!(story.give(Input::Forget { request: 2 }), []);
}

/// Whoever was told that nobody answered does not have the name later, and takes no answer for that to another claim.
#[test]
fn a_claim_that_nobody_answered_is_withdrawn_and_its_answer_is_nobody_s() {
    let mut story = child();
    let claim = Input::Register { link: Link::Parent, name: NAME, payload: ADDRESS };
    story.give(claim);
    story.wait();
    assert_eq!(story.machine.handle(story.now, claim), Err(Refused::Pending));
    assert!(story.machine.waits().all(|wait| !matches!(wait.on, On::Question(_))), "it holds up nothing");
    assert_eq!(story.give(told(Message::Registered { name: NAME, claim: Claim::Granted })), []);
    assert_eq!(story.give(claim), [send(Link::Parent, register(ME, NAME, ADDRESS))]);
}

#[test]
fn no_question_outlives_its_channel_or_its_asker() {
    for wait in [false, true] {
        let mut story = child();
        story.give(ask(1, wait));
        let outputs = story.give(Input::LinkLost { link: Link::Parent });
        assert_eq!(outputs[1], Output::Unheard { request: 1 });
        let mut story = child();
        story.give(ask(1, wait));
        let outputs = story.give(Input::Cancel { scope: ScopeId::ROOT });
        let forget = send(Link::Parent, Message::Forget { request: 1 });
        assert_eq!(outputs[..2], [forget, Output::Unheard { request: 1 }]);
        assert_eq!(story.machine.life(), Life::Cancelling);
    }
}

/// However many are asked and given up, no more are said than a registrar that stands still may be asked at once; and what is
/// asked meanwhile is said as soon as it answers.
#[test]
fn questions_that_are_given_up_count_until_they_are_answered() {
    let up = |message| vec![send(Link::Parent, message)];
    let forget = |request| up(Message::Forget { request });
    assert_eq!(limits().finds, 2);
    for wait in [false, true] {
        let mut story = child();
        for request in [1, 2] {
            assert_eq!(story.give(ask(request, wait)), up(find(request, wait)));
            assert_eq!(story.give(Input::Forget { request }), forget(request));
        }
        for request in 3..100 {
            assert_eq!(story.give(ask(request, wait)), [], "it is not said");
            assert_eq!(story.give(Input::Forget { request }), [], "nor that it is given up");
        }
        assert_eq!([story.give(ask(100, wait)), story.give(ask(101, wait))], [[], []]);
        assert_eq!(
            story.machine.handle(story.now, ask(102, wait)),
            Err(Refused::Full { limit: Limit::Finds, most: 2 }),
            "two are all"
        );
        assert_eq!(story.give(told(Message::NotFound { request: 1 })), up(find(100, wait)));
        let late = told(Message::Found { request: 2, name: NAME, actor: ACTOR, payload: ADDRESS });
        let said = [send(Link::Parent, find(101, wait)), Output::Discard(ADDRESS)];
        assert_eq!(story.give(late), said, "nobody is told, but that there is room");
        let answer = told(Message::NotFound { request: 101 });
        assert_eq!(story.give(answer), [Output::NotFound { request: 101 }]);
    }
}

#[test]
fn a_question_that_is_not_said_has_its_deadline_and_goes_with_its_channel_or_its_asker() {
    let held = || {
        let mut story = child();
        for request in [1, 2] {
            story.give(ask(request, true));
            story.give(Input::Forget { request });
        }
        assert_eq!(story.give(ask(3, false)), []);
        story
    };
    let unheard = Output::Unheard { request: 3 };
    let mut story = held();
    assert!(story.machine.waits().any(|wait| wait.on == On::Question(Question::Find(3))));
    assert_eq!(story.machine.waits().filter(|wait| matches!(wait.on, On::Question(_))).count(), 1);
    assert_eq!(story.wait(), [unheard]);
    assert_eq!(story.machine.poll_timeout(), None);
    assert_eq!(story.give(told(Message::NotFound { request: 1 })), [], "nothing is said for it any more");
    assert_eq!(held().give(Input::LinkLost { link: Link::Parent })[1], unheard);
    let outputs = held().give(Input::Cancel { scope: ScopeId::ROOT });
    assert_eq!(outputs[0], unheard, "what was not said is not forgotten aloud");
}

/// A list may be as long as there are names, so that one at a time is all that there is room for.
#[test]
fn one_list_is_said_at_a_time() {
    let list = |request| Input::List { link: Link::Parent, request };
    let said = |request| [send(Link::Parent, Message::List { request })];
    let mut story = child();
    assert_eq!(story.give(list(1)), said(1));
    story.give(Input::Forget { request: 1 });
    assert_eq!(story.give(list(2)), []);
    assert_eq!(story.give(ask(3, false)).len(), 1, "a find is short");
    let entry = told(Message::Found { request: 1, name: NAME, actor: ACTOR, payload: ADDRESS });
    assert_eq!(story.give(entry), [Output::Discard(ADDRESS)], "more may come");
    assert_eq!(story.give(told(Message::NotFound { request: 1 })), said(2));
    assert_eq!(story.give(told(Message::NotFound { request: 2 })), [Output::NotFound { request: 2 }]);
}

#[test]
fn who_is_not_the_registrar_says_so() {
    let mut story = child();
    assert_eq!(story.give(told(find(1, true))), [not_found(Link::Parent, 1)]);
    let refused = [registered(Link::Parent, Claim::Refused), Output::Discard(ADDRESS)];
    assert_eq!(story.give(told(register(FAR, NAME, ADDRESS))), refused);
    assert_eq!(story.give(told(Message::List { request: 2 })), [not_found(Link::Parent, 2)]);
}
