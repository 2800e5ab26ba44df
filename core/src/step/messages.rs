//! What a message, or the loss of a channel, does.

use super::Step;
use crate::deadlines::Timer;
use crate::{
    ActorId, Cause, Census, Channel, ChannelChange, ChildChange, Defect, Ending, Error, Event, Kind, Life,
    LifeChange, Link, Message, Obstacle, Output, Reason, Stray, Tally, VERSIONS, Versions,
};
use core::time::Duration;

impl Step<'_> {
    pub(super) fn greet(&mut self, link: Link) {
        self.send(link, Message::Hello { versions: VERSIONS, actor: self.state.me });
    }

    /// Applies a row of the channel's table, if there is one.
    pub(super) fn change_channel(&mut self, link: Link, change: ChannelChange) -> bool {
        let channel = match link {
            Link::Parent => self.state.parent.as_mut(),
            Link::Child(id) => self.state.children.get_mut(&id).map(|child| &mut child.channel),
            Link::Peer(id) => self.state.peers.channel_mut(id),
        };
        let next = channel.as_ref().and_then(|channel| channel.next(change));
        if let (Some(channel), Some(next)) = (channel, next) {
            *channel = next;
        }
        next.is_some()
    }

    pub(super) fn received(&mut self, link: Link, message: Message) {
        if let Message::Context { number, side, word } = message {
            if self.state.is_open(link) {
                return self.heard(link, number, side, word);
            }
            return self.stray_message(Stray::Link(link), message);
        }
        match link {
            Link::Parent => self.parent_said(message),
            Link::Child(id) if self.state.has(Defect::DuplicateName) => {
                self.child_said(self.namesake(id), message);
            }
            Link::Child(id) => self.child_said(id, message),
            Link::Peer(id) => self.peer_said(id, message),
        }
    }

    fn parent_said(&mut self, message: Message) {
        match (message, self.state.parent) {
            (Message::Hello { versions, actor }, Some(Channel::Opening)) => {
                self.state.parent_id = actor;
                self.greeted_by_parent(versions);
            }
            (Message::Spec { levels, limits, .. }, Some(Channel::Open))
                if self.state.life == Life::Booting =>
            {
                if limits.check_at(levels).is_err() {
                    self.discard_message(message);
                    return self.garbled(Link::Parent);
                }
                self.state.levels = levels;
                self.state.limits = limits;
                self.specified();
            }
            (Message::Cancel { left, cause }, Some(Channel::Open)) => self.cancelled_by_parent(left, cause),
            // It crossed the last word, behind which nothing is described.
            (Message::Ask(_), Some(Channel::Open)) if self.state.life >= Life::Flushing => {}
            (Message::Ask(round), Some(Channel::Open)) => {
                self.describe(Some(Link::Parent), round);
            }
            (message, Some(Channel::Open)) if self.name_said(Link::Parent, message) => {}
            (message, _) => self.stray_message(Stray::Link(Link::Parent), message),
        }
    }

    /// A second cancel is answered like the first. The ack goes out once the cancellation is real.
    fn cancelled_by_parent(&mut self, left: Duration, cause: Cause) {
        let again = self.state.life.is_teardown();
        self.cancel_actor(cause, left);
        let later = self.state.has(Defect::CancelInline) && self.state.life == Life::Cancelling;
        let never = self.state.has(Defect::DuplicateCancel) && again;
        if !later && !never {
            self.send(Link::Parent, Message::Ack);
        }
    }

    fn greeted_by_parent(&mut self, versions: Versions) {
        if VERSIONS.common(versions).is_some() {
            self.change_channel(Link::Parent, ChannelChange::Greeted);
        } else {
            self.report(Event::Mismatch(versions, VERSIONS));
            self.garbled(Link::Parent);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other message is out of place here")]
    fn child_said(&mut self, id: ActorId, message: Message) {
        let Some(child) = self.state.children.get(&id) else {
            return self.stray_message(Stray::Child(id), message);
        };
        let open = child.channel == Channel::Open;
        match message {
            Message::Hello { versions, actor } if child.channel == Channel::Opening => {
                self.greeted_by_child(id, versions, actor);
            }
            Message::Ready if open => self.readied(id),
            Message::Extend { by } if open => self.extended(id, by),
            Message::Ack if open => {
                self.change(id, ChildChange::Acknowledged);
            }
            // Its answer to a cancel that crossed its last word.
            Message::Ack if child.channel == Channel::Drained => {}
            Message::Error(error) if open => self.relayed(id, error),
            Message::Result(payload) if open => self.emit(Output::Result { child: id, payload }),
            Message::Bye(tally) if open => self.parted(id, &tally),
            Message::Census(census) if open => {
                self.emit(Output::Note { child: id, census });
                self.census(census);
            }
            Message::Status(status) if open => self.described(status),
            // Anybody who can reach an actor may ask it to end.
            Message::Cancel { left, cause } if open => self.cancel_actor(cause, left),
            message if open && self.name_said(Link::Child(id), message) => {}
            message => self.stray_message(Stray::Link(Link::Child(id)), message),
        }
    }

    /// A message out of place. What it carries nobody else will ask for.
    pub(super) fn stray_message(&mut self, stray: Stray, message: Message) {
        self.discard_message(message);
        self.stray(stray);
    }

    /// Who greets as another is not whom this channel was made for.
    fn greeted_by_child(&mut self, id: ActorId, versions: Versions, actor: ActorId) {
        if actor != id && !self.state.has(Defect::DuplicateName) {
            return self.mute(id, Kind::Protocol);
        }
        let common = VERSIONS.common(versions);
        if common.is_none() {
            let ours = VERSIONS;
            return self.mute(id, Kind::Mismatch([versions.first, versions.last, ours.first, ours.last]));
        }
        self.change_channel(Link::Child(id), ChannelChange::Greeted);
    }

    fn relayed(&mut self, id: ActorId, mut error: Error) {
        let Some(child) = self.state.children.get_mut(&id) else {
            return;
        };
        child.relayed = child.relayed.saturating_add(1);
        let scope = child.scope;
        if self.is_collateral(scope, &error) {
            return self.discard(error.payload);
        }
        self.state.tally.errors = self.state.tally.errors.saturating_add(1);
        error.path.push(id);
        self.record(scope, error);
    }

    /// A last word: the child has counted and cleared what is below it, and only its exit is left.
    fn parted(&mut self, id: ActorId, tally: &Tally) {
        let Some(child) = self.state.children.get_mut(&id) else {
            return;
        };
        child.parted = true;
        // What it sent was counted when it came, or was none.
        let errors = tally.errors.saturating_sub(core::mem::take(&mut child.relayed));
        child.spent = child.spent.max(tally.spent);
        self.change_channel(Link::Child(id), ChannelChange::Parted);
        self.end_names(Link::Child(id));
        self.state.tally.add(&Tally { errors, ..*tally });
        self.change(id, ChildChange::Parted);
    }

    /// Passes on what came or went below, so that every ancestor can attribute an orphan.
    pub(super) fn census(&mut self, census: Census) {
        if self.state.parent == Some(Channel::Open) && self.state.life < Life::Flushing {
            self.send(Link::Parent, Message::Census(census));
        }
    }

    /// Tells whether there is a channel. A command has none, nor has who waits its turn, and what was closed is none any more.
    fn has_channel(&self, link: Link) -> bool {
        let channel = match link {
            Link::Parent => self.state.parent,
            Link::Child(id) => self.state.children.get(&id).map(|child| child.channel),
            Link::Peer(id) => self.state.peers.get(&id).map(|peer| peer.channel),
        };
        matches!(channel, Some(Channel::Opening | Channel::Open | Channel::Drained))
    }

    /// Tells of a fact of a channel that is not there.
    fn stray_channel(&mut self, link: Link) {
        match link {
            Link::Child(id) if !self.state.children.contains_key(&id) => self.stray(Stray::Child(id)),
            Link::Parent | Link::Child(_) | Link::Peer(_) => self.stray(Stray::Link(link)),
        }
    }

    pub(super) fn garbled(&mut self, link: Link) {
        match link {
            Link::Peer(id) => match self.state.peers.get(&id) {
                Some(peer) if peer.channel != Channel::Closed => self.drop_peer(id, Obstacle::Garbled),
                _ => self.stray_channel(link),
            },
            _ if !self.has_channel(link) => self.stray_channel(link),
            Link::Child(id) => self.mute(id, Kind::Protocol),
            Link::Parent => {
                self.emit(Output::Close { link });
                self.link_lost(link);
            }
        }
    }

    /// Closes the channel of a child that can't be talked to, says why, and stops the child.
    fn mute(&mut self, id: ActorId, why: Kind) {
        self.close(id);
        self.plan(id, None);
        self.change(id, ChildChange::Muted);
        self.blame(id, why);
    }

    pub(super) fn link_lost(&mut self, link: Link) {
        match link {
            Link::Peer(id) => self.peer_lost(id),
            _ if !self.has_channel(link) => self.stray_channel(link),
            Link::Parent => self.parent_lost(),
            Link::Child(id) => {
                let parted = self.state.children.get(&id).is_some_and(|child| child.parted);
                self.close(id);
                if !parted && !self.state.has(Defect::DisconnectedSkipped) {
                    self.change(id, ChildChange::Muted);
                }
            }
        }
    }

    /// Losing the parent cancels, shield or not.
    fn parent_lost(&mut self) {
        self.change_channel(Link::Parent, ChannelChange::Lost);
        self.emit(Output::Close { link: Link::Parent });
        self.end_names(Link::Parent);
        if self.state.life == Life::Flushing {
            self.count_undelivered();
            if self.state.has(Defect::TeardownStepSkipsRest) {
                self.state.deadlines.set(Timer::Life, None);
            }
        }
        if !self.state.life.is_teardown() && !self.state.has(Defect::OrphanIgnored) {
            let bound = self.state.limits.times.bound(self.state.levels);
            self.cancel_actor(self.cause(Reason::Orphaned), bound);
        }
        self.end_link(Link::Parent, Ending::Lost(None));
    }

    pub(super) fn flushed(&mut self, link: Link) {
        if let Link::Peer(id) = link {
            return self.peer_flushed(id);
        }
        if link != Link::Parent || !self.live(LifeChange::Flushed) {
            self.stray(Stray::Link(link));
        }
    }
}
