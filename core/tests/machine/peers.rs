//! Connections to actors that are neither parent nor child, as one machine sees them: dialled, joined, hostile, lost.

use core::time::Duration;

use windrow_core::{
    ActorId, Cause, Channel, Error, Event, Input, Instant, Kind, Life, Limit, Limits, Link, Message,
    Obstacle, On, Output, Payload, PeerId, Reason, Refused, ScopeId, Stray, TaskId, Until, VERSIONS,
    Versions, Why,
};

use super::setups::{ACTOR, ME, START, hello, limits, ms, said};
use super::stories::Story;

pub(crate) const FAR: ActorId = ActorId(9);
pub(crate) const OTHER: ActorId = ActorId(8);
/// Older than [`ME`].
pub(crate) const ELDER: ActorId = ActorId(0x10);
pub(crate) const ONE: PeerId = PeerId(1);
pub(crate) const TWO: PeerId = PeerId(2);
pub(crate) const AFAR: Versions = Versions { first: 7, last: 9 };

pub(crate) fn link(peer: PeerId) -> Link {
    Link::Peer(peer)
}

pub(crate) fn heard(peer: PeerId, message: Message) -> Input {
    Input::Received { link: link(peer), message }
}

pub(crate) fn dial(peer: PeerId, actor: ActorId) -> Input {
    Input::Dial { peer, actor, payload: Payload(4) }
}

pub(crate) fn greeting(peer: PeerId) -> Output {
    Output::Send { link: link(peer), message: hello(ME), may_wait: false }
}

pub(crate) fn close(peer: PeerId) -> Output {
    Output::Close { link: link(peer) }
}

pub(crate) fn reached(actor: ActorId, peer: PeerId) -> Output {
    Output::Reached { actor, link: link(peer) }
}

pub(crate) fn busy(actor: ActorId) -> Message {
    Message::Error(Error::new(Kind::Busy, actor, Payload::default()))
}

pub(crate) fn unreached(actor: ActorId, obstacle: Obstacle) -> Output {
    Output::Unreached { actor, obstacle }
}

pub(crate) fn turned_away(peer: PeerId, obstacle: Obstacle) -> Output {
    Output::Report(Event::TurnedAway(peer, obstacle))
}

/// Dials and is connected; the far side has not greeted yet.
pub(crate) fn dialled() -> Story {
    let mut story = Story::up();
    story.give(dial(ONE, FAR));
    story.give(Input::PeerDialled { peer: ONE });
    story
}

/// Is joined by somebody who greeted.
pub(crate) fn joined() -> Story {
    let mut story = Story::up();
    story.give(Input::PeerJoined { peer: ONE });
    assert_eq!(story.give(heard(ONE, hello(FAR))), [greeting(ONE)]);
    story
}

pub(crate) fn peer_wait(story: &Story, peer: PeerId) -> Option<(Channel, Until)> {
    story.machine.waits().find_map(|wait| match (wait.on, wait.why) {
        (On::Link(on), Why::Peer(channel)) if on == link(peer) => Some((channel, wait.until)),
        _ => None,
    })
}

#[test]
fn who_dials_greets_first_and_is_told() {
    let mut story = Story::up();
    assert_eq!(story.give(dial(ONE, FAR)), [Output::Dial { peer: ONE, payload: Payload(4) }]);
    let until = Until::Running(Some(START.after(limits().times.ack)));
    assert_eq!(peer_wait(&story, ONE), Some((Channel::Dialling, until)));
    assert_eq!(story.give(Input::PeerDialled { peer: ONE }), [greeting(ONE)]);
    assert_eq!(peer_wait(&story, ONE), Some((Channel::Opening, until)));
    assert_eq!(story.give(heard(ONE, hello(FAR))), [reached(FAR, ONE)]);
    assert_eq!(peer_wait(&story, ONE), None);
    // A connection that is there costs no time.
    assert_eq!(story.machine.poll_timeout(), None);
}

#[test]
fn a_dial_is_answered_by_what_is_there() {
    let drop = Output::Discard(Payload(4));
    let mut story = joined();
    assert_eq!(story.give(dial(TWO, FAR)), [drop, reached(FAR, ONE)]);
    let child = Output::Reached { actor: ACTOR, link: Link::Child(ACTOR) };
    assert_eq!(story.give(dial(PeerId(3), ACTOR)), [drop, child]);
    // Being dialled already: told once, when that is known.
    let mut story = dialled();
    assert_eq!(story.give(dial(TWO, FAR)), [drop]);
    assert_eq!(story.give(heard(ONE, hello(FAR))), [reached(FAR, ONE)]);
    // A child that does not talk yet has no other channel.
    let mut story = Story::begin();
    assert_eq!(story.give(dial(ONE, ACTOR)), [drop, unreached(ACTOR, Obstacle::Family)]);
}

#[test]
fn a_parent_is_reached_by_its_own_channel() {
    let config = windrow_core::Config::child(ME);
    let machine = windrow_core::Machine::new(config).unwrap();
    let mut story = Story { machine, now: START };
    story.give(Input::Tick);
    assert_eq!(story.machine.handle(START, dial(ONE, FAR)), Err(Refused::Booting));
    let told = |message| Input::Received { link: Link::Parent, message };
    story.give(told(hello(OTHER)));
    story.give(told(Message::Spec { levels: 1, limits: limits(), payload: Payload(0) }));
    let parent = Output::Reached { actor: OTHER, link: Link::Parent };
    assert_eq!(story.give(dial(ONE, OTHER)), [Output::Discard(Payload(4)), parent]);
}

#[test]
fn a_dial_is_refused_with_nothing_changed() {
    let mut story = joined();
    let before = story.machine.encode();
    for (ask, why) in [(dial(ONE, OTHER), Refused::StaleId), (dial(TWO, ME), Refused::Itself)] {
        assert_eq!(story.machine.handle(story.now, ask), Err(why));
    }
    assert_eq!(story.machine.encode(), before);
    story.give(dial(TWO, OTHER));
    assert_eq!(
        story.machine.handle(story.now, dial(PeerId(3), ELDER)),
        Err(Refused::Full { limit: Limit::Peers, most: 2 }),
        "two are all"
    );
    story.give(Input::Cancel { scope: ScopeId::ROOT });
    let refused = story.machine.handle(story.now, dial(PeerId(3), FAR)).unwrap_err();
    assert!(matches!(refused, Refused::Cancelled(Some(_))), "{refused}");
}

#[test]
fn what_can_not_be_reached_is_said_with_its_reason() {
    let failed = Input::PeerFailed { peer: ONE, errno: 111 };
    let wrong = Message::Hello { versions: AFAR, actor: FAR };
    let cases = [
        (heard(ONE, hello(OTHER)), Obstacle::Another(OTHER)),
        (heard(ONE, wrong), Obstacle::Mismatch(AFAR, VERSIONS)),
        (heard(ONE, Message::Ready), Obstacle::Garbled),
        (heard(ONE, busy(FAR)), Obstacle::Full),
        (Input::Garbled { link: link(ONE) }, Obstacle::Garbled),
        (Input::LinkLost { link: link(ONE) }, Obstacle::Lost),
    ];
    for (input, obstacle) in cases {
        let mut story = dialled();
        assert_eq!(story.give(input), [close(ONE), unreached(FAR, obstacle)], "{input:?}");
        assert_eq!(story.machine.poll_timeout(), None);
        assert_eq!(story.give(input), [Output::Report(Event::Stray(Stray::Link(link(ONE))))], "{input:?}");
    }
    let mut story = Story::up();
    story.give(dial(ONE, FAR));
    assert_eq!(story.give(failed), [close(ONE), unreached(FAR, Obstacle::Failed(111))]);
    assert_eq!(Obstacle::Mismatch(AFAR, VERSIONS).to_string(), "it speaks versions 7 to 9, we speak 1 to 1");
}

#[test]
fn a_dial_and_a_greeting_have_a_deadline_each() {
    let mut story = Story::up();
    story.give(dial(ONE, FAR));
    story.now = Instant(START.0 + 299_000_000);
    story.give(Input::PeerDialled { peer: ONE });
    let outputs = story.wait();
    assert_eq!(outputs, [close(ONE), unreached(FAR, Obstacle::Deadline)]);
    assert_eq!(story.now.since(START), ms(599));
}

/// Who was dialled by an older one and closes it may be dialling itself: that is awaited, for what is left of the time.
#[test]
fn the_connection_of_the_smaller_is_awaited_in_place_of_the_lost_one() {
    let small = ActorId(0);
    assert!(small < ME);
    let mut story = Story::up();
    story.give(dial(ONE, small));
    story.give(Input::PeerDialled { peer: ONE });
    assert_eq!(story.give(Input::LinkLost { link: link(ONE) }), [close(ONE)]);
    assert_eq!(peer_wait(&story, ONE).map(|(channel, _)| channel), Some(Channel::Closed));
    let mut other = Story { machine: story.machine.clone(), now: story.now };
    story.give(Input::PeerJoined { peer: TWO });
    assert_eq!(story.give(heard(TWO, hello(small))), [greeting(TWO), reached(small, TWO)]);
    assert_eq!(story.machine.poll_timeout(), None);
    assert_eq!(other.wait(), [unreached(small, Obstacle::Lost)]);
    assert_eq!(other.now.since(START), limits().times.ack);
}

#[test]
fn of_two_connections_the_one_that_the_smaller_dialled_stays() {
    // This actor is the smaller: its own dial stays, and the other is closed without a greeting.
    let mut story = dialled();
    story.give(Input::PeerJoined { peer: TWO });
    assert_eq!(story.give(heard(TWO, hello(FAR))), [close(TWO)]);
    assert_eq!(story.give(heard(ONE, hello(FAR))), [reached(FAR, ONE)]);
    // The other is the smaller: its dial stays, and whoever dialled here is told of it.
    let small = ActorId(0);
    let mut story = Story::up();
    story.give(dial(ONE, small));
    story.give(Input::PeerJoined { peer: TWO });
    let outputs = story.give(heard(TWO, hello(small)));
    assert_eq!(outputs, [close(ONE), greeting(TWO), reached(small, TWO)]);
}

#[test]
fn who_dials_again_has_lost_the_connection_before() {
    let mut story = joined();
    story.give(Input::PeerJoined { peer: TWO });
    assert_eq!(story.give(heard(TWO, hello(FAR))), [close(ONE), greeting(TWO)]);
    assert_eq!(story.give(dial(PeerId(3), FAR))[1..], [reached(FAR, TWO)]);
}

#[test]
fn a_peer_that_is_told_twice_is_a_stray() {
    let stray = |peer| [Output::Report(Event::Stray(Stray::Link(link(peer))))];
    let mut story = joined();
    assert_eq!(story.give(Input::PeerJoined { peer: ONE }), stray(ONE));
    for input in [
        Input::PeerDialled { peer: ONE },
        Input::PeerFailed { peer: ONE, errno: 2 },
        Input::Flushed { link: link(ONE) },
    ] {
        assert_eq!(story.give(input), stray(ONE), "{input:?}");
    }
    for input in [
        Input::PeerDialled { peer: TWO },
        Input::PeerFailed { peer: TWO, errno: 2 },
        Input::LinkLost { link: link(TWO) },
        Input::Garbled { link: link(TWO) },
        heard(TWO, hello(FAR)),
    ] {
        assert_eq!(story.give(input), stray(TWO), "{input:?}");
    }
}

/// A third party asks: the canceller is the one it names, and its time is kept.
#[test]
fn a_peer_and_a_child_may_cancel_this_actor() {
    let cause = Cause { canceller: OTHER, reason: Reason::Asked };
    let cancel = |left| Message::Cancel { left, cause };
    for by in [heard(ONE, cancel(ms(700))), said(ACTOR, cancel(ms(700)))] {
        let mut story = joined();
        let outputs = story.give(by);
        assert!(outputs.contains(&Output::Report(Event::Cancelling(cause))), "{outputs:?}");
        assert_eq!(story.machine.life(), Life::Cancelling);
        let task = story.machine.waits().find(|wait| wait.on == On::Task(TaskId::MAIN)).unwrap();
        assert_eq!(task.until.at(), Some(story.now.after(ms(700)).before(limits().times.flush)));
    }
    // One who has not greeted cancels nobody.
    let mut story = Story::up();
    story.give(Input::PeerJoined { peer: ONE });
    story.give(heard(ONE, cancel(ms(700))));
    assert_eq!(story.machine.life(), Life::Running);
}

#[test]
fn this_actor_may_cancel_a_peer() {
    let mut story = joined();
    let cause = Cause { canceller: ME, reason: Reason::Asked };
    let message = Message::Cancel { left: Duration::MAX, cause };
    let sent = Output::Send { link: link(ONE), message, may_wait: false };
    assert_eq!(story.give(Input::CancelActor { link: link(ONE) }), [sent]);
    let asked = story.machine.encode();
    assert_eq!(story.give(Input::CancelActor { link: link(ONE) }), [], "it was asked");
    assert_eq!(story.machine.encode(), asked);
    story.give(Input::LinkLost { link: link(ONE) });
    assert_eq!(story.give(Input::CancelActor { link: link(ONE) }), [], "it is gone");
    let outputs = story.give(Input::CancelActor { link: Link::Child(ACTOR) });
    assert!(matches!(outputs[..], [Output::Send { message: Message::Cancel { .. }, .. }]), "{outputs:?}");
}

#[test]
fn a_parent_is_asked_to_end_once() {
    let machine = windrow_core::Machine::new(windrow_core::Config::child(ME)).unwrap();
    let mut story = Story { machine, now: START };
    let told = |message| Input::Received { link: Link::Parent, message };
    for input in [
        Input::Tick,
        told(hello(OTHER)),
        told(Message::Spec { levels: 1, limits: limits(), payload: Payload(0) }),
    ] {
        story.give(input);
    }
    let ask = Input::CancelActor { link: Link::Parent };
    let outputs = story.give(ask);
    assert!(matches!(outputs[..], [Output::Send { message: Message::Cancel { .. }, .. }]), "{outputs:?}");
    assert_eq!(story.give(ask), []);
}

/// Ends a root's own scope while peers are open, dialled and ungreeted.
fn ending() -> (Story, Vec<Output>) {
    let limits = Limits { children: 1, ..limits() };
    let machine = windrow_core::Machine::new(windrow_core::Config::root(ME, 1, limits)).unwrap();
    let mut story = Story { machine, now: START };
    story.give(Input::Tick);
    story.give(Input::PeerJoined { peer: ONE });
    story.give(heard(ONE, hello(FAR)));
    story.give(dial(TWO, OTHER));
    story.give(Input::PeerJoined { peer: PeerId(3) });
    let outputs = story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) });
    assert_eq!(story.machine.life(), Life::ShieldBroken);
    (story, outputs)
}

#[test]
fn a_teardown_waits_for_what_its_peers_have_to_read_and_for_nothing_else() {
    let (mut story, outputs) = ending();
    let expected = [
        Output::Flush { link: link(ONE) },
        close(TWO),
        unreached(OTHER, Obstacle::Ending),
        close(PeerId(3)),
        turned_away(PeerId(3), Obstacle::Ending),
        Output::Clear,
    ];
    assert_eq!(outputs, expected);
    let late = PeerId(4);
    let turned = [close(late), turned_away(late, Obstacle::Ending)];
    assert_eq!(story.give(Input::PeerJoined { peer: late }), turned);
    assert_eq!(story.give(Input::Cleared { alive: 0 }), []);
    assert_eq!(story.give(Input::Flushed { link: link(ONE) }), [close(ONE), Output::Release]);
    assert_eq!(story.machine.life(), Life::Exiting);
}

#[test]
fn a_peer_that_reads_nothing_is_left_at_the_deadline() {
    let (mut story, _) = ending();
    story.give(Input::Cleared { alive: 0 });
    let wait = story.machine.waits().find(|wait| wait.on == On::Link(link(ONE))).unwrap();
    assert!(matches!(wait.until, Until::Teardown(_)));
    assert!(wait.to_string().contains("waits for peer p1 to read what was sent"), "{wait}");
    assert_eq!(story.wait(), [close(ONE), Output::Release]);
    assert_eq!(story.now.since(START), limits().times.kill);
    let (mut story, _) = ending();
    assert_eq!(story.give(Input::LinkLost { link: link(ONE) }), [close(ONE)], "a loss ends the wait too");
}
