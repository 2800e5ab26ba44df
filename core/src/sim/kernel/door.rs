//! The door of an actor: who comes through it, says who it is or is silent, and leaves again or stays.
//!
//! The rule: anybody may come, and as many as like; what a shell hears of one whose connection it has closed, it hears no
//! more. Who may stand there, and for how long, the machine alone decides.

use core::time::Duration;

use crate::sim::choices::Source;
use crate::sim::event::Event;
use crate::sim::oracle::Violation;
use crate::sim::spans::Span;
use crate::sim::world::{World, id};
use crate::{ActorId, Input, Link, Message, PeerId};

impl World<'_> {
    /// Somebody comes who is no actor of the tree, says so, and leaves a little later or never.
    pub(crate) fn join_peer(&mut self, node: usize, leaves: bool) -> Result<(), Violation> {
        let Some(peer) = self.come(node)? else { return Ok(()) };
        self.give(node, Input::PeerShown { peer })?.ok();
        self.give(node, hello(peer))?.ok();
        if leaves {
            let what = format_args!("the peer of {} leaves after", id(node));
            let after = self.pick(Source::Script, &[30, 0, 5, 250], what);
            let fact = Input::LinkLost { link: Link::Peer(peer) };
            self.at(self.now.after(after), Event::Fact { node, fact });
        }
        Ok(())
    }

    /// So many come at once. Each is silent, or shows to be of the tree, and speaks a little later, or too late.
    pub(crate) fn knock(&mut self, node: usize, many: u16) -> Result<(), Violation> {
        let patience = self.scenario.limits.times.ack;
        for _ in 0..many {
            let Some(peer) = self.come(node)? else { return Ok(()) };
            let after = match self.choose(Source::Script, 3) {
                0 => continue,
                1 => Duration::from_millis(5),
                _ => patience * 2,
            };
            if self.is_there(node, peer) {
                self.give(node, Input::PeerShown { peer })?.ok();
            }
            self.name_choice(format_args!("{peer} of {} speaks after {}", id(node), Span(after)));
            self.at(self.now.after(after), Event::Fact { node, fact: hello(peer) });
        }
        Ok(())
    }

    /// So many come at once, and show what is no card: each is told to its actor as one who can't be understood.
    pub(crate) fn intrude(&mut self, node: usize, many: u16) -> Result<(), Violation> {
        for _ in 0..many {
            let Some(peer) = self.come(node)? else { return Ok(()) };
            self.give(node, Input::Garbled { link: Link::Peer(peer) })?.ok();
        }
        Ok(())
    }

    /// Somebody connects.
    fn come(&mut self, node: usize) -> Result<Option<PeerId>, Violation> {
        let Some(actor) = self.actors[node].as_ref() else { return Ok(None) };
        let peer = PeerId(actor.machine.state().last_peer.0 + 1);
        self.give(node, Input::PeerJoined { peer })?.ok();
        Ok(Some(peer))
    }

    /// Tells whether a connection through the door is open.
    pub(super) fn is_there(&self, node: usize, peer: PeerId) -> bool {
        self.actors[node].as_ref().is_some_and(|actor| actor.machine.state().peers.contains_key(&peer))
    }
}

/// What a stranger says: each is another actor, of no tree.
fn hello(peer: PeerId) -> Input {
    let actor = ActorId(u64::MAX - u64::from(peer.0 - 1));
    Input::Received { link: Link::Peer(peer), message: Message::Hello { versions: crate::VERSIONS, actor } }
}
