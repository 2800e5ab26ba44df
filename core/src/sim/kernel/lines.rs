//! Connections between actors of which neither made the other: who dials whom, and what travels between them.
//!
//! The rule: as with the [channels of a family](super::wires), what is sent keeps its order, and the far side hears of the
//! end after all that. Who dials is let in by the kernel, which asks nobody: an actor that stands still has callers at its
//! door who wait. An end is always heard of, whichever net is away: nothing else tells of it.

use core::time::Duration;

use crate::sim::event::Event;
use crate::sim::oracle::Violation;
use crate::sim::scenario::Verb;
use crate::sim::timeline::Name;
use crate::sim::world::{self, World, id, place};
use crate::{Input, Instant, Life, Link, Message, PeerId};

/// The errno of a connection that nobody takes.
const ECONNREFUSED: i32 = 111;

/// A connection: the place of the one who dialled it, and that one's number for it.
pub(crate) type LineId = (usize, PeerId);

/// What is on its way to one end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Carried {
    /// To the one who dialled: it is connected.
    Dialled,
    /// To the other one: somebody is at the door.
    Joined,
    /// A message.
    Said(Message),
    /// There will be nothing more.
    Lost,
}

/// Both ends of a connection, that of the one who dialled it first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// Who was dialled.
    pub(crate) to: usize,
    /// That one's number for it, once it has looked.
    pub(crate) joined: Option<PeerId>,
    pub(crate) open: [bool; 2],
    /// When the last thing that was sent to each end arrives.
    pub(crate) last: [Instant; 2],
}

impl World<'_> {
    /// Connects an actor to another one, if that has a door and is alive.
    pub(crate) fn dial(&mut self, node: usize, peer: PeerId, to: usize) {
        let is_up = self.is_known(to) && self.life(to).is_some_and(|life| life != Life::Ended);
        if !is_up {
            let fact = Input::PeerFailed { peer, errno: ECONNREFUSED };
            return self.at(self.now, Event::Fact { node, fact });
        }
        let (line, open, last) = ((node, peer), [true; 2], [self.now; 2]);
        self.lines.insert(line, Line { to, joined: None, open, last });
        self.carry(line, 0, Duration::ZERO, Carried::Dialled);
        let after = self.latency(format_args!("the dial of {} to {}", id(node), id(to)));
        self.carry(line, 1, after, Carried::Joined);
    }

    /// Finds a connection by one end of it, and says which that is.
    fn line_of(&self, node: usize, peer: PeerId) -> Option<(LineId, usize)> {
        self.lines.iter().find_map(|(line, ends)| match () {
            () if *line == (node, peer) => Some((*line, 0)),
            () if ends.to == node && ends.joined == Some(peer) => Some((*line, 1)),
            () => None,
        })
    }

    /// Gives who is at the far end of a channel, and what that one calls it. Strangers are nowhere.
    pub(crate) fn across(&self, node: usize, link: Link) -> Option<(usize, Link)> {
        match link {
            Link::Parent => Some((self.scenario.parent(node)?, Link::Child(id(node)))),
            Link::Child(child) => Some((place(child), Link::Parent)),
            Link::Peer(peer) => {
                let (line, end) = self.line_of(node, peer)?;
                let joined = Link::Peer(self.lines[&line].joined?);
                Some(if end == 0 { (self.lines[&line].to, joined) } else { (line.0, Link::Peer(line.1)) })
            }
        }
    }

    /// Puts something on its way to one end of a connection, behind what is on it already.
    fn carry(&mut self, id: LineId, end: usize, after: Duration, what: Carried) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let arrival = self.now.after(after).max(line.last[end]);
        line.last[end] = arrival;
        let node = if end == 0 { id.0 } else { line.to };
        self.at(arrival, Event::Line { node, line: id, what });
    }

    /// Sends a message over a connection, unless an end of it is closed.
    pub(crate) fn send_to_peer(&mut self, node: usize, peer: PeerId, message: Message) {
        let Some((line, end)) = self.line_of(node, peer) else { return };
        if self.lines[&line].open == [true; 2] {
            let message = self.spoilt(node, &message);
            let after = self.latency(format_args!("{}'s {} to {peer}", id(node), Name(message)));
            self.carry(line, 1 - end, after, Carried::Said(message));
        }
    }

    /// Tells whether nobody reads what an actor says to a peer: that stands still, or is a stranger who stays.
    pub(super) fn is_unread_by(&self, node: usize, peer: PeerId) -> bool {
        match self.across(node, Link::Peer(peer)).and_then(|(far, _)| self.pids[far]) {
            Some(far) => !self.kernel.at(far).runs(),
            None => self.conducts[node].script().has(Verb::PeerStays),
        }
    }

    /// Closes one end of a connection.
    pub(crate) fn hang_up_on(&mut self, node: usize, peer: PeerId) {
        if let Some((line, end)) = self.line_of(node, peer) {
            self.close_end(line, end);
        }
    }

    fn close_end(&mut self, id: LineId, end: usize) {
        let Some(line) = self.lines.get_mut(&id).filter(|line| line.open[end]) else { return };
        line.open[end] = false;
        if line.open[1 - end] {
            let after = self.latency(format_args!("the end of a connection of {}", world::id(id.0)));
            self.carry(id, 1 - end, after, Carried::Lost);
        } else {
            self.lines.remove(&id);
        }
    }

    /// Closes what an actor has open, and what waits at its door.
    pub(crate) fn close_lines(&mut self, node: usize) {
        for (id, end) in self.lines_of(node) {
            self.close_end(id, end);
        }
    }

    /// Breaks all connections of an actor in the middle: both sides hear of it.
    pub(super) fn break_lines(&mut self, node: usize) {
        for (id, _) in self.lines_of(node) {
            self.break_line(id);
        }
    }

    /// Breaks a connection in the middle.
    pub(crate) fn break_line(&mut self, id: LineId) {
        self.oracle.calls.cut = true;
        for end in [0, 1] {
            self.carry(id, end, Duration::ZERO, Carried::Lost);
        }
    }

    fn lines_of(&self, node: usize) -> alloc::vec::Vec<(LineId, usize)> {
        let own = self.lines.iter().filter(|(id, line)| id.0 == node || line.to == node);
        own.map(|(id, _)| (*id, usize::from(id.0 != node))).collect()
    }

    /// Lets what was on its way arrive, if there is still an end for it.
    pub(crate) fn arrive(&mut self, node: usize, id: LineId, what: Carried) -> Result<(), Violation> {
        let end = usize::from(id.0 != node);
        let next = self.actors[node].as_ref().map(|actor| PeerId(actor.machine.state().last_peer.0 + 1));
        let Some(line) = self.lines.get_mut(&id).filter(|line| line.open[end]) else { return Ok(()) };
        if let Carried::Joined = what {
            line.joined = next;
        }
        let peer = if end == 0 { Some(id.1) } else { line.joined };
        if let Carried::Lost = what {
            line.open[end] = false;
            if !line.open[1 - end] {
                self.lines.remove(&id);
            }
        }
        let Some(peer) = peer else { return Ok(()) };
        let link = Link::Peer(peer);
        let fact = match what {
            Carried::Dialled => Input::PeerDialled { peer },
            Carried::Joined => Input::PeerJoined { peer },
            Carried::Said(message) => Input::Received { link, message },
            Carried::Lost => Input::LinkLost { link },
        };
        self.give(node, fact)?.ok();
        Ok(())
    }
}
