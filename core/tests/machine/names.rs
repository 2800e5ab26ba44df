//! Names: what the registrar answers, and what becomes of a question that nobody answers.

use windrow_core::{
    ActorId, Claim, Config, Event, Input, Life, Limit, Link, Machine, Message, NameId, On, Output, Payload,
    PeerId, Question, Refused, ScopeId, Stray, Tally, Until,
};

use super::peers::{heard, joined};
use super::setups::{ACTOR, ME, START, hello, limits, said, told};
use super::stories::Story;

const FAR: ActorId = ActorId(9);
const PEER: Link = Link::Peer(PeerId(1));
const CHILD: Link = Link::Child(ACTOR);
const NAME: NameId = NameId(5);
const OTHER: NameId = NameId(6);
const ADDRESS: Payload = Payload(7);
const ELSEWHERE: Payload = Payload(8);

fn send(link: Link, message: Message) -> Output {
    Output::Send { link, message, may_wait: false }
}

fn register(actor: ActorId, name: NameId, payload: Payload) -> Message {
    Message::Register { name, actor, payload }
}

fn registered(link: Link, claim: Claim) -> Output {
    send(link, Message::Registered { name: NAME, claim })
}

fn find(request: u32, wait: bool) -> Message {
    Message::Find { request, name: NAME, wait }
}

fn found(link: Link, request: u32, actor: ActorId, payload: Payload) -> Output {
    send(link, Message::Found { request, name: NAME, actor, payload })
}

fn not_found(link: Link, request: u32) -> Output {
    send(link, Message::NotFound { request })
}

/// A registrar whose child has the name; a peer is there too.
fn kept() -> Story {
    let mut story = joined();
    let outputs = story.give(said(ACTOR, register(ACTOR, NAME, ADDRESS)));
    assert_eq!(outputs, [registered(CHILD, Claim::Granted)]);
    story
}

fn peer(message: Message) -> Input {
    heard(PeerId(1), message)
}

#[test]
fn a_name_is_found_by_whoever_asks() {
    let mut story = kept();
    assert_eq!(story.give(peer(find(1, false))), [found(PEER, 1, ACTOR, ADDRESS)]);
    let own = Input::Find { link: Link::Parent, request: 1, name: NAME, wait: true };
    let told = Output::Found { request: 1, name: NAME, actor: ACTOR, payload: ADDRESS };
    assert_eq!(story.give(own), [told]);
    let nobody = Message::Find { request: 2, name: OTHER, wait: false };
    assert_eq!(story.give(peer(nobody)), [not_found(PEER, 2)]);
    let unknown = Message::Find { request: 3, name: NameId(0), wait: true };
    assert_eq!(story.give(peer(unknown)), [not_found(PEER, 3)], "nobody can ever have it");
}

#[test]
fn a_name_has_one_holder() {
    let mut story = kept();
    let refused = [registered(PEER, Claim::Taken(ACTOR)), Output::Discard(ELSEWHERE)];
    assert_eq!(story.give(peer(register(FAR, NAME, ELSEWHERE))), refused);
    let own = Input::Register { link: Link::Parent, name: NAME, payload: ELSEWHERE };
    let refused = [Output::Registered { name: NAME, claim: Claim::Taken(ACTOR) }, Output::Discard(ELSEWHERE)];
    assert_eq!(story.give(own), refused);
    // The same actor's replaces its address.
    let outputs = story.give(said(ACTOR, register(ACTOR, NAME, ELSEWHERE)));
    assert_eq!(outputs, [registered(CHILD, Claim::Granted), Output::Discard(ADDRESS)]);
    assert_eq!(story.give(peer(find(1, false))), [found(PEER, 1, ACTOR, ELSEWHERE)]);
}

#[test]
fn nobody_claims_a_name_for_another() {
    let mut story = joined();
    let outputs = story.give(peer(register(ACTOR, NAME, ADDRESS)));
    assert_eq!(outputs[..2], [Output::Discard(ADDRESS), Output::Close { link: PEER }]);
    assert_eq!(story.give(said(ACTOR, find(1, false))), [not_found(CHILD, 1)]);
}

#[test]
fn a_name_goes_with_its_holder() {
    let last_word = said(ACTOR, Message::Bye(Tally::default()));
    let endings = [
        said(ACTOR, Message::Unregister { name: NAME }),
        peer(Message::Stale { name: NAME, actor: ACTOR }),
        Input::Stale { link: Link::Parent, name: NAME, actor: ACTOR },
        Input::LinkLost { link: CHILD },
        Input::Garbled { link: CHILD },
        last_word,
    ];
    for input in endings {
        let mut story = kept();
        assert!(story.give(input).contains(&Output::Discard(ADDRESS)), "{input:?}");
        assert_eq!(story.give(peer(find(1, false))), [not_found(PEER, 1)], "{input:?}");
    }
    let mut story = joined();
    story.give(peer(register(FAR, NAME, ADDRESS)));
    let lost = story.give(Input::LinkLost { link: PEER });
    assert_eq!(lost, [Output::Close { link: PEER }, Output::Discard(ADDRESS)]);
}

#[test]
fn nobody_else_gives_a_name_back_and_what_is_not_stale_stays() {
    let mut story = kept();
    for input in [
        peer(Message::Unregister { name: NAME }),
        peer(Message::Stale { name: NAME, actor: FAR }),
        Input::Unregister { link: Link::Parent, name: NAME },
    ] {
        assert_eq!(story.give(input), [], "{input:?}");
    }
    assert_eq!(story.give(peer(find(1, false))), [found(PEER, 1, ACTOR, ADDRESS)]);
}

#[test]
fn a_list_is_every_holder_and_an_end() {
    let mut story = kept();
    let own = Input::Register { link: Link::Parent, name: OTHER, payload: ELSEWHERE };
    assert_eq!(story.give(own), [Output::Registered { name: OTHER, claim: Claim::Granted }]);
    let second = Message::Found { request: 4, name: OTHER, actor: ME, payload: ELSEWHERE };
    let expected = [found(PEER, 4, ACTOR, ADDRESS), send(PEER, second), not_found(PEER, 4)];
    assert_eq!(story.give(peer(Message::List { request: 4 })), expected);
    assert_eq!(limits().names, 2);
    let outputs = story.give(peer(register(FAR, NameId(7), ADDRESS)));
    let full = Message::Registered { name: NameId(7), claim: Claim::Refused };
    assert_eq!(outputs, [send(PEER, full), Output::Discard(ADDRESS)]);
}

#[test]
fn who_waits_is_told_in_order() {
    let mut story = joined();
    assert_eq!(story.give(peer(find(3, true))), []);
    let own = Input::Find { link: Link::Parent, request: 1, name: NAME, wait: true };
    assert_eq!(story.give(own), []);
    assert_eq!(limits().finds, 2);
    assert_eq!(story.give(said(ACTOR, find(1, true))), [not_found(CHILD, 1)], "two are all");
    let refused = Err(Refused::Full { limit: Limit::Finds, most: 2 });
    let more = |wait| Input::Find { link: Link::Parent, request: 2, name: OTHER, wait };
    assert_eq!(story.machine.handle(story.now, more(true)), refused, "nor is the registrar told a lie");
    let waits: Vec<_> = story.machine.waits().filter(|w| matches!(w.on, On::Question(_))).collect();
    assert_eq!(waits.len(), 1, "the peer's wait is the peer's");
    assert_eq!((waits[0].on, waits[0].until), (On::Question(Question::Find(1)), Until::Running(None)));
    let outputs = story.give(said(ACTOR, register(ACTOR, NAME, ADDRESS)));
    let own = Output::Found { request: 1, name: NAME, actor: ACTOR, payload: ADDRESS };
    assert_eq!(outputs, [registered(CHILD, Claim::Granted), found(PEER, 3, ACTOR, ADDRESS), own]);
    assert_eq!(story.give(said(ACTOR, register(ACTOR, NAME, ADDRESS))).len(), 2, "each is told once");
}

#[test]
fn who_is_gone_or_gave_up_is_told_nothing() {
    let forget = peer(Message::Forget { request: 3 });
    for (input, answer) in
        [(forget, not_found(PEER, 3)), (Input::LinkLost { link: PEER }, Output::Close { link: PEER })]
    {
        let mut story = joined();
        story.give(peer(find(3, true)));
        assert_eq!(story.give(input), [answer], "it is answered once, and by nothing else");
        assert_eq!(
            story.give(forget).iter().filter(|output| matches!(output, Output::Send { .. })).count(),
            0
        );
        let outputs = story.give(said(ACTOR, register(ACTOR, NAME, ADDRESS)));
        assert_eq!(outputs, [registered(CHILD, Claim::Granted)], "{input:?}");
    }
    let mut story = joined();
    story.give(Input::Find { link: Link::Parent, request: 1, name: NAME, wait: true });
    assert_eq!(story.give(Input::Forget { request: 1 }), []);
    assert_eq!(story.give(Input::Forget { request: 1 }), [], "and again");
    assert_eq!(story.give(said(ACTOR, register(ACTOR, NAME, ADDRESS))).len(), 1);
}

/// Who asks twice under one number has asked once, and for what it asked last.
#[test]
fn a_find_that_waits_is_answered_once() {
    let mut story = joined();
    for _ in 0..3 {
        assert_eq!(story.give(peer(find(3, true))), [], "it waits, and takes one place");
    }
    let outputs = story.give(said(ACTOR, register(ACTOR, NAME, ADDRESS)));
    assert_eq!(outputs, [registered(CHILD, Claim::Granted), found(PEER, 3, ACTOR, ADDRESS)]);
}

#[test]
fn a_registrar_that_ends_answers_who_waits() {
    let mut story = joined();
    story.give(peer(find(3, true)));
    story.give(Input::Find { link: Link::Parent, request: 1, name: NAME, wait: true });
    let outputs = story.give(Input::Cancel { scope: ScopeId::ROOT });
    assert_eq!(outputs[..2], [not_found(PEER, 3), Output::NotFound { request: 1 }]);
    assert_eq!(story.give(peer(find(4, true))), [not_found(PEER, 4)], "no record is made in teardown");
    let refused = [registered(PEER, Claim::Refused), Output::Discard(ADDRESS)];
    assert_eq!(story.give(peer(register(FAR, NAME, ADDRESS))), refused);
    let own = Input::Find { link: Link::Parent, request: 2, name: NAME, wait: false };
    assert!(matches!(story.machine.handle(story.now, own), Err(Refused::Cancelled(_))));
}

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
    assert_eq!(story.wait(), [claim, Output::Unheard { request: 1 }]);
    assert_eq!(story.now.since(START), limits().times.ack);
    // One that waits does so as long as it is wanted.
    story.give(ask(2, true));
    assert_eq!(story.machine.poll_timeout(), None);
    let forget = [send(Link::Parent, Message::Forget { request: 2 })];
    assert_eq!(story.give(Input::Forget { request: 2 }), forget);
    assert_eq!(story.give(Input::Forget { request: 2 }), []);
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
