//! How connections to other actors come about, and how they end.
//!
//! Who dials greets first. Until both have greeted there is a deadline, and after that no wait before the teardown. Who comes
//! when as many stand at the door as may takes the place of whoever has stood there longest without having shown anything; only
//! who has shown to be of the tree keeps others out. Of two connections between the same two actors one stays (see
//! [`PeerRecord::precedence`]); the other is closed by whoever sees both first, without a greeting.

use core::time::Duration;

use super::Step;
use super::asks::{check, check_running};
use crate::deadlines::Timer;
use crate::limits::is_reached;
use crate::peer::{PeerRecord, Way};
use crate::state::State;
use crate::{
    ActorId, Answer, Cause, Channel, ChannelChange, Defect, Ending, Error, Event, Kind, Life, Limit, Link,
    Message, Obstacle, Output, Payload, PeerId, Reason, Refused, Stray, VERSIONS, Versions,
};

/// Turns a dial down. One that is answered by what is there already needs no room.
pub(super) fn refuse_dial(state: &State, peer: PeerId, actor: ActorId) -> Result<(), Refused> {
    check_running(state)?;
    check(!state.life.is_teardown(), Refused::Cancelled(state.cause))?;
    check(actor != state.me, Refused::Itself)?;
    check(peer > state.last_peer, Refused::StaleId)?;
    let known = state.is_family(actor) || state.peer_of(actor).is_some();
    let most = state.limits.peers;
    check(known || !state.is_full_of_peers(), Refused::Full { limit: Limit::Peers, most })
}

impl State {
    /// Tells whether an actor is this one's parent or child, and so has a channel of its own.
    pub(crate) fn is_family(&self, actor: ActorId) -> bool {
        self.family(actor).is_some()
    }

    fn family(&self, actor: ActorId) -> Option<Link> {
        let parent = (self.parent.is_some() && self.parent_id == actor).then_some(Link::Parent);
        parent.or_else(|| self.children.contains_key(&actor).then_some(Link::Child(actor)))
    }

    /// Finds the connection to an actor, or the one that is to become it. There is one at the most.
    pub(crate) fn peer_of(&self, actor: ActorId) -> Option<(PeerId, &PeerRecord)> {
        let id = self.peers.to(actor)?;
        self.peers.get(&id).map(|peer| (id, peer))
    }

    /// Tells whether there is no room for another peer. Those that have not greeted have a room of their own.
    pub(crate) fn is_full_of_peers(&self) -> bool {
        is_reached(self.limits.peers, self.peers.known())
    }

    fn is_door_full(&self) -> bool {
        is_reached(self.limits.half_open, self.peers.unknown())
    }
}

impl Step<'_> {
    /// Every dial is answered once for its actor, however many ask.
    pub(super) fn dial(&mut self, id: PeerId, actor: ActorId, payload: Payload) {
        self.state.last_peer = id;
        let known =
            self.state.family(actor).or_else(|| self.state.peer_of(actor).map(|(id, _)| Link::Peer(id)));
        let Some(link) = known else {
            self.keep_peer(id, Channel::Dialling, Way::Dialled, Some(actor));
            return self.emit(Output::Dial { peer: id, payload });
        };
        self.discard(payload);
        if self.state.is_open(link) {
            self.emit(Output::Reached { actor, link });
        } else if !matches!(link, Link::Peer(_)) {
            self.emit(Output::Unreached { actor, obstacle: Obstacle::Family });
        }
    }

    /// Asks an actor to end. One that is none of this one's children has all its time for it, and is asked once.
    pub(super) fn cancel_far(&mut self, link: Link) {
        match link {
            Link::Child(child) => self.cancel_child(child),
            Link::Parent | Link::Peer(_) if !self.state.is_open(link) => {}
            Link::Parent | Link::Peer(_) => {
                let cause = self.cause(Reason::Asked);
                if self.state.told_to_end.insert(link) {
                    self.send(link, Message::Cancel { left: Duration::MAX, cause });
                }
            }
        }
    }

    pub(super) fn peer_joined(&mut self, id: PeerId) {
        if id <= self.state.last_peer {
            return self.stray(Stray::Link(Link::Peer(id)));
        }
        self.state.last_peer = id;
        let obstacle = if self.state.life.is_teardown() { Obstacle::Ending } else { Obstacle::Full };
        if obstacle == Obstacle::Full && self.makes_room() {
            return self.keep_peer(id, Channel::Opening, Way::Knocked, None);
        }
        self.emit(Output::Close { link: Link::Peer(id) });
        self.report(Event::TurnedAway(id, obstacle));
    }

    /// Makes room at the door for one more, and tells whether there is any.
    fn makes_room(&mut self) -> bool {
        if self.state.is_door_full() {
            let Some(longest) = self.state.peers.first_knocked() else { return false };
            self.drop_peer(longest, Obstacle::Full);
        }
        true
    }

    pub(super) fn peer_shown(&mut self, id: PeerId) {
        match self.state.peers.get(&id).copied().filter(|peer| peer.way == Way::Knocked) {
            Some(peer) => self.state.peers.keep(id, Some(PeerRecord { way: Way::Joined, ..peer })),
            None => self.stray(Stray::Link(Link::Peer(id))),
        }
    }

    fn keep_peer(&mut self, id: PeerId, channel: Channel, way: Way, actor: Option<ActorId>) {
        let now = self.state.now;
        self.state.peers.keep(id, Some(PeerRecord { channel, way, actor, since: now }));
        self.state.deadlines.set(Timer::Peer(id), Some(now.after(self.state.limits.times.ack)));
    }

    pub(super) fn peer_dialled(&mut self, id: PeerId) {
        if !self.change_peer(id, ChannelChange::Connected) {
            return self.stray(Stray::Link(Link::Peer(id)));
        }
        let until = self.state.now.after(self.state.limits.times.ack);
        self.state.deadlines.set(Timer::Peer(id), Some(until));
        self.greet(Link::Peer(id));
    }

    pub(super) fn peer_failed(&mut self, id: PeerId, errno: i32) {
        match self.state.peers.get(&id) {
            Some(peer) if peer.channel == Channel::Dialling => self.drop_peer(id, Obstacle::Failed(errno)),
            _ => self.stray(Stray::Link(Link::Peer(id))),
        }
    }

    pub(super) fn peer_said(&mut self, id: PeerId, message: Message) {
        let link = Link::Peer(id);
        let Some(peer) = self.state.peers.get(&id).copied() else {
            return self.stray_message(Stray::Link(link), message);
        };
        match (peer.channel, message) {
            (Channel::Opening, Message::Hello { versions, actor }) => {
                self.greeted_by_peer(id, &peer, versions, actor);
            }
            (Channel::Opening, Message::Error(error)) if peer.is_awaited() && error.kind == Kind::Busy => {
                self.discard(error.payload);
                self.drop_peer(id, Obstacle::Full);
            }
            (Channel::Open, Message::Cancel { left, cause }) => self.cancel_actor(cause, left),
            (Channel::Open, Message::GoAway(cause)) => self.peer_gone_away(id, cause),
            (Channel::Open, message) if self.name_said(link, message) => {}
            (Channel::Opening | Channel::Open, message) => {
                self.discard_message(message);
                self.garbled(link);
            }
            (_, message) => self.stray_message(Stray::Link(link), message),
        }
    }

    fn greeted_by_peer(&mut self, id: PeerId, peer: &PeerRecord, versions: Versions, actor: ActorId) {
        if VERSIONS.common(versions).is_none() {
            if peer.way != Way::Dialled {
                // So that its dialler can name both sides.
                self.greet(Link::Peer(id));
            }
            return self.drop_peer(id, Obstacle::Mismatch(versions, VERSIONS));
        }
        match peer.way {
            Way::Dialled if peer.actor != Some(actor) => self.drop_peer(id, Obstacle::Another(actor)),
            Way::Dialled => {
                self.open_peer(id);
                self.emit(Output::Reached { actor, link: Link::Peer(id) });
            }
            Way::Joined | Way::Knocked => self.admit(id, peer, actor),
        }
    }

    /// Answers the greeting of a peer that joined, unless another connection to it stays.
    fn admit(&mut self, id: PeerId, peer: &PeerRecord, actor: ActorId) {
        let me = self.state.me;
        if actor == me || self.state.is_family(actor) {
            return self.drop_peer(id, Obstacle::Family);
        }
        let other = self.state.peer_of(actor).map(|(id, other)| (id, *other));
        if let Some((other_id, other)) = other {
            if other.precedence(other_id, me, actor) < peer.precedence(id, me, actor) {
                return self.drop_peer(id, Obstacle::Duplicate);
            }
            self.forget_peer(other_id);
        } else if self.state.is_full_of_peers() {
            // So that its dialler is not left to guess.
            let busy = Error::new(Kind::Busy, me, Payload::default());
            self.send(Link::Peer(id), Message::Error(busy));
            return self.drop_peer(id, Obstacle::Full);
        }
        self.state.peers.keep(id, Some(PeerRecord { way: Way::Joined, actor: Some(actor), ..*peer }));
        self.greet(Link::Peer(id));
        self.open_peer(id);
        if other.is_some_and(|(_, other)| other.is_awaited()) {
            self.emit(Output::Reached { actor, link: Link::Peer(id) });
        }
    }

    fn open_peer(&mut self, id: PeerId) {
        self.change_peer(id, ChannelChange::Greeted);
        self.state.deadlines.forget(Timer::Peer(id));
    }

    /// A dialled peer that is lost before it greets may have a connection of its own on the way, which is then the one
    /// that stays: it is awaited for what is left of the time.
    pub(super) fn peer_lost(&mut self, id: PeerId) {
        let me = self.state.me;
        match self.state.peers.get(&id) {
            None | Some(PeerRecord { channel: Channel::Closed, .. }) => {
                self.stray(Stray::Link(Link::Peer(id)))
            }
            Some(peer)
                if peer.way == Way::Dialled
                    && peer.channel == Channel::Opening
                    && peer.actor.is_some_and(|actor| actor < me) =>
            {
                self.change_peer(id, ChannelChange::Lost);
                self.emit(Output::Close { link: Link::Peer(id) });
            }
            Some(_) => self.drop_peer(id, Obstacle::Lost),
        }
    }

    pub(super) fn peer_over(&mut self, id: PeerId) {
        let lost = self.state.peers.get(&id).is_some_and(|peer| peer.channel == Channel::Closed);
        self.drop_peer(id, if lost { Obstacle::Lost } else { Obstacle::Deadline });
    }

    /// A peer was cancelled and has said its last word: that is the answer to what crosses it on the way, and to what comes later.
    fn peer_gone_away(&mut self, id: PeerId, cause: Cause) {
        self.state.peers.remember(id, cause, self.state.limits.peers);
        self.end_link(Link::Peer(id), Ending::Answered(Answer::Cancelled(cause)));
        self.drop_peer(id, Obstacle::Lost);
    }

    /// Ends a connection and tells why whoever awaits it; with nobody to tell, what is out of order is reported.
    pub(super) fn drop_peer(&mut self, id: PeerId, obstacle: Obstacle) {
        let Some(peer) = self.state.peers.get(&id).copied() else {
            return;
        };
        self.forget_peer(id);
        match peer.actor {
            Some(actor) if peer.is_awaited() => self.emit(Output::Unreached { actor, obstacle }),
            _ if matches!(obstacle, Obstacle::Lost | Obstacle::Duplicate) => {}
            _ => self.report(Event::TurnedAway(id, obstacle)),
        }
    }

    /// Closes a connection and ends all that is under way on it.
    fn forget_peer(&mut self, id: PeerId) {
        let link = Link::Peer(id);
        let held = self.state.peers.get(&id).is_some_and(|peer| peer.channel == Channel::Closed);
        if !held {
            self.change_peer(id, ChannelChange::Lost);
            self.emit(Output::Close { link });
        }
        self.end_link(link, Ending::Lost(None));
        self.end_names(link);
        self.state.peers.keep(id, None);
        self.state.deadlines.forget(Timer::Peer(id));
    }

    /// In teardown every peer has until shortly before the deadline to read what was sent. Who ends by itself has nothing to add:
    /// that it is gone is heard by the end of the channel.
    pub(super) fn part_from_peers(&mut self) {
        let cause = self.state.cause.filter(|_| !self.state.has(Defect::GoAwayUnsaid));
        let peers: alloc::vec::Vec<_> = self.state.peers.iter().map(|(id, peer)| (*id, *peer)).collect();
        for (id, peer) in peers {
            if let Some(cause) = cause.filter(|_| peer.has_greeted()) {
                self.send(Link::Peer(id), Message::GoAway(cause));
            }
            if peer.channel == Channel::Open {
                self.emit(Output::Flush { link: Link::Peer(id) });
            } else {
                self.drop_peer(id, Obstacle::Ending);
            }
        }
    }

    pub(super) fn peer_flushed(&mut self, id: PeerId) {
        if self.state.life == Life::ShieldBroken && self.state.peers.contains_key(&id) {
            self.forget_peer(id);
        } else {
            self.stray(Stray::Link(Link::Peer(id)));
        }
    }

    /// There is no more time for those that read nothing.
    pub(super) fn leave_peers(&mut self) {
        while let Some(id) = self.state.peers.keys().next().copied() {
            self.forget_peer(id);
        }
    }

    /// Applies a row of the channel's table, if there is one, and notes when.
    fn change_peer(&mut self, id: PeerId, change: ChannelChange) -> bool {
        let changed = self.change_channel(Link::Peer(id), change);
        if let Some(peer) = self.state.peers.get(&id).copied().filter(|_| changed) {
            self.state.peers.keep(id, Some(PeerRecord { since: self.state.now, ..peer }));
        }
        changed
    }
}
