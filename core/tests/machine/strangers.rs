//! Peers that mean no good, or do not know what they do: each loses its own channel, and nobody else does.

use windrow_core::{
    Channel, Event, Input, Life, Message, Obstacle, Output, Payload, PeerId, Round, Stray, Until, VERSIONS,
    Versions,
};

use super::peers::{
    AFAR, ELDER, FAR, ONE, OTHER, TWO, busy, close, dial, dialled, greeting, heard, joined, link, peer_wait,
    reached, turned_away, unreached,
};
use super::setups::{ACTOR, ME, START, hello, limits};
use super::stories::Story;

/// Fault 42.
#[test]
fn a_silent_peer_is_dropped_at_its_deadline() {
    let mut story = Story::up();
    assert_eq!(story.give(Input::PeerJoined { peer: ONE }), []);
    let until = Until::Running(Some(START.after(limits().times.ack)));
    assert_eq!(peer_wait(&story, ONE), Some((Channel::Opening, until)));
    assert_eq!(story.wait(), [close(ONE), turned_away(ONE, Obstacle::Deadline)]);
    assert_eq!((story.now.since(START), story.machine.poll_timeout()), (limits().times.ack, None));
}

/// Fault 46, 47, 50, 80: whatever a peer sends, it costs that peer its channel, says why, and costs nobody else anything.
#[test]
fn a_hostile_peer_loses_its_channel_and_nobody_else_does() {
    let wrong = Message::Hello { versions: AFAR, actor: FAR };
    let mismatch = vec![greeting(TWO), close(TWO), turned_away(TWO, Obstacle::Mismatch(AFAR, VERSIONS))];
    let refused = |obstacle| vec![close(TWO), turned_away(TWO, obstacle)];
    let cases = [
        (Input::Garbled { link: link(TWO) }, refused(Obstacle::Garbled)),
        (heard(TWO, Message::Ask(Round { by: FAR, number: 1 })), refused(Obstacle::Garbled)),
        (heard(TWO, Message::Result(Payload(6))), {
            let mut outputs = refused(Obstacle::Garbled);
            outputs.insert(0, Output::Discard(Payload(6)));
            outputs
        }),
        (heard(TWO, wrong), mismatch),
        (heard(TWO, hello(ME)), refused(Obstacle::Family)),
        (heard(TWO, hello(ACTOR)), refused(Obstacle::Family)),
        (Input::LinkLost { link: link(TWO) }, vec![close(TWO)]),
    ];
    for (input, outputs) in cases {
        let mut story = joined();
        story.give(Input::PeerJoined { peer: TWO });
        assert_eq!(story.give(input), outputs, "{input:?}");
        assert_eq!(story.machine.life(), Life::Running);
        // The other peer and the child are still there.
        assert_eq!(story.give(dial(PeerId(3), FAR))[1..], [reached(FAR, ONE)]);
        assert_eq!(story.give(dial(PeerId(4), ACTOR)).len(), 2);
    }
}

/// Fault 80: what two ranges have in common is spoken; without that, each side names both.
#[test]
fn versions_are_agreed_on_or_refused() {
    let ours = VERSIONS;
    let ranges = [(0, ours.first), (ours.first, u16::MAX), (ours.last, ours.last), (0, u16::MAX)];
    for (first, last) in ranges {
        let message = Message::Hello { versions: Versions { first, last }, actor: FAR };
        let mut story = Story::up();
        story.give(Input::PeerJoined { peer: ONE });
        assert_eq!(story.give(heard(ONE, message)), [greeting(ONE)], "{first} to {last}");
        assert_eq!(dialled().give(heard(ONE, message)), [reached(FAR, ONE)], "{first} to {last}");
    }
    for (first, last) in [(0, ours.first - 1), (ours.last + 1, u16::MAX), (u16::MAX, 0)] {
        let theirs = Versions { first, last };
        let message = Message::Hello { versions: theirs, actor: FAR };
        let obstacle = Obstacle::Mismatch(theirs, ours);
        let mut story = Story::up();
        story.give(Input::PeerJoined { peer: ONE });
        let outputs = story.give(heard(ONE, message));
        assert_eq!(outputs, [greeting(ONE), close(ONE), turned_away(ONE, obstacle)], "{first} to {last}");
        assert_eq!(dialled().give(heard(ONE, message)), [close(ONE), unreached(FAR, obstacle)]);
    }
}

#[test]
fn a_second_greeting_and_words_out_of_place_close_an_open_peer() {
    for message in [hello(FAR), Message::Ready, Message::Ack, Message::Bye(windrow_core::Tally::default())] {
        let mut story = joined();
        let outputs = story.give(heard(ONE, message));
        assert_eq!(outputs, [close(ONE), turned_away(ONE, Obstacle::Garbled)], "{message:?}");
    }
}

/// Whatever a stranger says that shows nothing, it holds no place that somebody else wants; and nobody goes before then.
#[test]
fn who_has_shown_nothing_makes_room_for_who_comes() {
    let mut story = Story::up();
    assert_eq!(limits().half_open, 1);
    assert_eq!(story.give(Input::PeerJoined { peer: ONE }), [], "nobody else comes");
    for (last, next) in [(ONE, TWO), (TWO, PeerId(3)), (PeerId(3), PeerId(4))] {
        assert_eq!(
            story.give(Input::PeerJoined { peer: next }),
            [close(last), turned_away(last, Obstacle::Full)]
        );
        assert_eq!(peer_wait(&story, last), None);
    }
    assert_eq!(story.give(Input::PeerShown { peer: PeerId(4) }), []);
    let five = PeerId(5);
    assert_eq!(
        story.give(Input::PeerJoined { peer: five }),
        [close(five), turned_away(five, Obstacle::Full)]
    );
    assert_eq!(story.give(heard(PeerId(4), hello(FAR))), [greeting(PeerId(4))]);
    assert_eq!(story.give(Input::PeerJoined { peer: PeerId(6) }), [], "who has greeted stands there no more");
    assert_eq!(story.wait(), [close(PeerId(6)), turned_away(PeerId(6), Obstacle::Deadline)]);
    for gone in [five, PeerId(6), PeerId(4)] {
        let stray = Output::Report(Event::Stray(Stray::Link(link(gone))));
        assert_eq!(story.give(Input::PeerShown { peer: gone }), [stray], "{gone}");
    }
}

#[test]
fn only_so_many_may_be_connected_without_a_greeting() {
    let mut story = Story::up();
    story.give(Input::PeerJoined { peer: ONE });
    assert_eq!(story.give(Input::PeerShown { peer: ONE }), []);
    assert_eq!(limits().half_open, 1);
    assert_eq!(story.give(Input::PeerJoined { peer: TWO }), [close(TWO), turned_away(TWO, Obstacle::Full)]);
    story.give(heard(ONE, hello(FAR)));
    assert_eq!(story.give(Input::PeerJoined { peer: PeerId(3) }), [], "the first has greeted");
    // Those that greeted have a limit of their own, and whoever replaces another needs no room.
    story.give(heard(PeerId(3), hello(OTHER)));
    story.give(Input::PeerJoined { peer: PeerId(4) });
    let said = Output::Send { link: link(PeerId(4)), message: busy(ME), may_wait: false };
    let full = [said, close(PeerId(4)), turned_away(PeerId(4), Obstacle::Full)];
    assert_eq!(story.give(heard(PeerId(4), hello(ELDER))), full);
    story.give(Input::PeerJoined { peer: PeerId(5) });
    assert_eq!(story.give(heard(PeerId(5), hello(FAR))), [close(ONE), greeting(PeerId(5))]);
}
