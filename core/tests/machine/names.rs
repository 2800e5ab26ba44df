//! Names: what the registrar keeps, and what it answers.

use windrow_core::{
    ActorId, Claim, Input, Limit, Link, Message, NameId, On, Output, Payload, PeerId, Question, Refused,
    ScopeId, Tally, Until,
};

use super::peers::{heard, joined};
use super::setups::{ACTOR, ME, limits, said};
use super::stories::Story;

pub(super) const FAR: ActorId = ActorId(9);
pub(super) const PEER: Link = Link::Peer(PeerId(1));
const CHILD: Link = Link::Child(ACTOR);
pub(super) const NAME: NameId = NameId(5);
const OTHER: NameId = NameId(6);
pub(super) const ADDRESS: Payload = Payload(7);
const ELSEWHERE: Payload = Payload(8);

pub(super) fn send(link: Link, message: Message) -> Output {
    Output::Send { link, message, may_wait: false }
}

pub(super) fn register(actor: ActorId, name: NameId, payload: Payload) -> Message {
    Message::Register { name, actor, payload }
}

pub(super) fn registered(link: Link, claim: Claim) -> Output {
    send(link, Message::Registered { name: NAME, claim })
}

pub(super) fn find(request: u32, wait: bool) -> Message {
    Message::Find { request, name: NAME, wait }
}

fn found(link: Link, request: u32, actor: ActorId, payload: Payload) -> Output {
    send(link, Message::Found { request, name: NAME, actor, payload })
}

pub(super) fn not_found(link: Link, request: u32) -> Output {
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
    let waits: Vec<_> = story.machine.waits().filter(|w| matches!(w.on, On::Question(_))).collect();
    assert_eq!(waits.len(), 1, "the peer's wait is the peer's");
    assert_eq!((waits[0].on, waits[0].until), (On::Question(Question::Find(1)), Until::Running(None)));
    let outputs = story.give(said(ACTOR, register(ACTOR, NAME, ADDRESS)));
    let own = Output::Found { request: 1, name: NAME, actor: ACTOR, payload: ADDRESS };
    assert_eq!(outputs, [registered(CHILD, Claim::Granted), found(PEER, 3, ACTOR, ADDRESS), own]);
    assert_eq!(story.give(said(ACTOR, register(ACTOR, NAME, ADDRESS))).len(), 2, "each is told once");
}

/// Nobody has more waiting than there are places left: who asks for all that it may leaves some to others.
#[test]
fn nobody_takes_all_places_of_those_who_wait() {
    let mut story = joined();
    assert_eq!(limits().finds, 2);
    let by_peer = |request| peer(find(request, true));
    assert_eq!([story.give(by_peer(1)), story.give(by_peer(2))], [[], []]);
    assert_eq!(story.give(by_peer(3)), [not_found(PEER, 3)], "two of four are free, and it has two");
    assert_eq!(story.give(said(ACTOR, find(1, true))), []);
    assert_eq!(story.give(said(ACTOR, find(2, true))), [not_found(CHILD, 2)]);
    let own = |request| Input::Find { link: Link::Parent, request, name: NAME, wait: true };
    assert_eq!(story.give(own(1)), []);
    let refused = Err(Refused::Full { limit: Limit::Finds, most: 2 });
    assert_eq!(story.machine.handle(story.now, own(2)), refused, "nor is the registrar told a lie");
    assert_eq!(story.give(said(ACTOR, register(ACTOR, NAME, ADDRESS))).len(), 5, "all who wait are told");
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
