//! The channels between actors: what is sent, how long it takes, and how each side hears of the end.
//!
//! The rule: a channel keeps its order; an end is closed when the last copy of it is, and the far side hears of that
//! after all that was sent. When, nobody else can tell: who is just being forked holds a copy too, so the end of a dead
//! process's channel and the news of its exit come in either order. It knows no message by its meaning.

use alloc::vec::Vec;
use core::time::Duration;

use super::processes::{File, Pid};
use crate::sim::choices::Source;
use crate::sim::event::Event;
use crate::sim::scenario::Slip;
use crate::sim::timeline::Name;
use crate::sim::world::{World, id, place};
use crate::{Input, Instant, Link, Message, PeerId};

/// One channel between an actor and its parent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wire {
    /// When the last message arrives, downwards and upwards.
    pub(crate) down: Instant,
    pub(crate) up: Instant,
    /// Which ends are open.
    pub(crate) parent_end: bool,
    pub(crate) child_end: bool,
    /// Nothing arrives below any more, and nobody below hears of that.
    pub(crate) severed: bool,
    /// It is no channel any more: nothing that is said below leaves.
    pub(crate) broken: bool,
}

impl World<'_> {
    /// Makes the channel to a child, both ends of it.
    pub(super) fn open_wire(&mut self, low: usize) {
        self.wires[low] =
            Wire { parent_end: true, child_end: true, down: self.now, up: self.now, ..Wire::default() };
    }

    /// Gives the place whose channel to its parent a link is, and whether the link leads down it.
    fn wire_of(&self, node: usize, link: Link) -> Option<(usize, bool)> {
        match link {
            Link::Parent => Some((node, false)),
            Link::Child(child) => Some((place(child), true)),
            Link::Peer(_) => None,
        }
    }

    pub(crate) fn send(&mut self, node: usize, link: Link, message: &Message, may_wait: bool) {
        let Some((low, down)) = self.wire_of(node, link) else { return };
        let wire = self.wires[low];
        if !(wire.parent_end && wire.child_end) {
            return;
        }
        let to = if down { low } else { self.scenario.parent(low).unwrap_or(0) };
        let after = self.latency(format_args!("{}'s {} to {}", id(node), Name(message), id(to)));
        let link = if down { Link::Parent } else { Link::Child(id(low)) };
        let mut arrival = self.arrival(low, down, after);
        if may_wait && self.scenario.slip == Some(Slip::Overtaken) {
            arrival = arrival.after(self.scenario.limits.times.hop);
        } else {
            self.queue(low, down, arrival);
        }
        let message = self.spoilt(node, message);
        self.at(arrival, Event::Fact { node: to, fact: Input::Received { link, message } });
    }

    /// What a careless shell makes of a message.
    pub(super) fn spoilt(&self, node: usize, message: &Message) -> Message {
        let mut message = *message;
        if let Message::Cancel { cause, .. } = &mut message
            && self.scenario.slip == Some(Slip::Renamed)
        {
            cause.canceller = id(node);
        }
        message
    }

    /// Gives when something sent now arrives, not before what was sent earlier.
    fn arrival(&self, low: usize, down: bool, after: Duration) -> Instant {
        let wire = &self.wires[low];
        self.now.after(after).max(if down { wire.down } else { wire.up })
    }

    /// Whatever is sent from now on arrives no earlier than this.
    fn queue(&mut self, low: usize, down: bool, arrival: Instant) {
        let wire = &mut self.wires[low];
        *(if down { &mut wire.down } else { &mut wire.up }) = arrival;
    }

    /// What was sent has left if the far side reads, or if the buffer has room.
    pub(crate) fn flush(&mut self, node: usize, link: Link) {
        if let Link::Peer(peer) = link {
            return self.flush_peer(node, peer);
        }
        if self.wires[node].broken {
            // Who sends is told, whatever it would have heard later.
            return self.at(self.now, Event::Fact { node, fact: Input::LinkLost { link } });
        }
        let reads = self
            .scenario
            .parent(node)
            .and_then(|parent| self.pids[parent])
            .is_some_and(|pid| self.kernel.at(pid).runs());
        let full = !reads && self.choose(Source::Latency, 2) == 1;
        self.name_choice(format_args!("the last words of {} find no room", id(node)));
        if !full {
            let after = self.latency(format_args!("the flush of {}, four times,", id(node))) / 4;
            self.at(self.now.after(after), Event::Fact { node, fact: Input::Flushed { link } });
        }
    }

    /// What nobody reads stays where it is.
    fn flush_peer(&mut self, node: usize, peer: PeerId) {
        if !self.is_unread_by(node, peer) {
            let after = self.latency(format_args!("the flush of {} to {peer}", id(node)));
            let fact = Input::Flushed { link: Link::Peer(peer) };
            self.at(self.now.after(after), Event::Fact { node, fact });
        }
    }

    pub(crate) fn close(&mut self, node: usize, link: Link) {
        let Some((low, down)) = self.wire_of(node, link) else { return };
        self.end(low, down);
    }

    /// Closes one end of a channel. If nobody holds a copy of it, the other side hears of it after all that was sent.
    pub(super) fn end(&mut self, low: usize, parents: bool) {
        let wire = &mut self.wires[low];
        let end = if parents { &mut wire.parent_end } else { &mut wire.child_end };
        if core::mem::take(end) {
            self.hang_up(low, parents);
        }
    }

    /// The far side of an end hears that it is closed, once the last copy of it is.
    fn hang_up(&mut self, low: usize, parents: bool) {
        let file = if parents { File::Above(low) } else { File::Below(low) };
        if !self.kernel.is_held(file) {
            self.tell_lost(low, parents);
        }
    }

    /// A dead process's copies are closed: those of an end that its owner has closed were what kept it open.
    pub(super) fn drop_copies(&mut self, pid: Pid) {
        for file in core::mem::take(&mut self.kernel.at_mut(pid).copies) {
            match file {
                File::Above(low) if !self.wires[low].parent_end => self.hang_up(low, true),
                File::Below(low) if !self.wires[low].child_end => self.hang_up(low, false),
                File::Above(_) | File::Below(_) => {}
                File::Output(node) => self.output_ends(node),
            }
        }
    }

    /// Lists the ends of channels that are open in an actor's own process.
    pub(super) fn files_of(&self, node: usize) -> Vec<File> {
        let own = self.wires[node].child_end.then_some(File::Below(node));
        let children = self.scenario.children(node).filter(|child| self.wires[*child].parent_end);
        own.into_iter().chain(children.map(File::Above)).collect()
    }

    /// Breaks a channel so that only the parent's side hears of it.
    pub(super) fn sever(&mut self, low: usize) {
        self.wires[low].severed = true;
        self.cut(low, false);
    }

    /// One side hears that the channel is broken, and nothing that is sent to it later.
    fn cut(&mut self, low: usize, down: bool) {
        let arrival = self.tell_lost(low, down);
        self.queue(low, down, arrival);
    }

    fn tell_lost(&mut self, low: usize, down: bool) -> Instant {
        let to = if down { low } else { self.scenario.parent(low).unwrap_or(0) };
        let link = if down { Link::Parent } else { Link::Child(id(low)) };
        let after = self.latency(format_args!("the end of {}'s channel to {link}", id(to)));
        let arrival = self.arrival(low, down, after);
        self.at(arrival, Event::Fact { node: to, fact: Input::LinkLost { link } });
        arrival
    }

    /// What is no message goes to the parent, behind all that was said.
    pub(super) fn babble(&mut self, low: usize) {
        let Some(parent) = self.scenario.parent(low).filter(|_| self.wires[low].parent_end) else { return };
        let after = self.latency(format_args!("what {} says to {}", id(low), id(parent)));
        let arrival = self.arrival(low, false, after);
        self.queue(low, false, arrival);
        self.at(arrival, Event::Fact { node: parent, fact: Input::Garbled { link: Link::Child(id(low)) } });
    }

    /// Breaks a channel in the middle: both sides hear of it.
    pub(crate) fn break_wire(&mut self, low: usize) {
        self.wires[low].broken = true;
        for down in [false, true] {
            self.cut(low, down);
        }
    }

    /// Tells whether a fact can still reach an actor: its end of the channel must be open.
    pub(crate) fn passes(&mut self, node: usize, fact: &Input) -> bool {
        let (link, lost) = match fact {
            Input::Received { link: Link::Peer(peer), .. } => return self.is_there(node, *peer),
            Input::Received { link, .. } => (*link, false),
            Input::LinkLost { link } => (*link, true),
            _ => return true,
        };
        let Some((low, parents)) = self.wire_of(node, link) else { return true };
        let wire = &mut self.wires[low];
        if wire.severed && !parents {
            return false;
        }
        let end = if parents { &mut wire.parent_end } else { &mut wire.child_end };
        let open = *end;
        *end = open && !lost;
        open
    }
}
