//! Actors that are neither parent nor child: who is dialled, and who comes in.
//!
//! The rule: nobody is heard who has not shown a card that the tree's key was used for, and who may stay is the machine's.

use std::collections::BTreeMap;
use std::io;

use rustix::io::Errno;
use windrow_core::{ActorId, Input, Link, Obstacle, Payload, PeerId};

use super::Shell;
use super::channel::Channel;
use super::directory::Tree;
use super::reactor::{Reactor, Token};
use super::watch::{Source, Watch};
use crate::board::News;
use crate::notice::Notice;
use crate::unix::peer::{Arrival, DialError, Greeted, Guest, Listener, dial};
use crate::unix::token::Door;

/// The name of the root's socket.
pub(crate) const ROOT: &str = "root";

/// How many are let in, or sent away again, before the loop does something else.
const ARRIVALS: usize = 256;

/// The connections of one actor, and its place in the tree's directory.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    pub(super) tree: Option<Tree>,
    entrance: Option<Entrance>,
    /// Those who have not shown a card yet.
    guests: BTreeMap<PeerId, (Guest, Token)>,
    /// Where those stand at whose doors too many wait.
    busy: BTreeMap<PeerId, String>,
    pub(super) last: u32,
    pub(super) last_request: u32,
}

/// Where others come in.
#[derive(Debug)]
struct Entrance {
    listener: Listener,
    door: Door,
    /// The loop looks whether somebody comes.
    token: Option<Token>,
}

impl Entrance {
    /// Looks at the door no more, for nobody can be let in now; who waits outside would be told of for ever.
    fn shut(&mut self, watch: &mut Watch<impl Reactor>) {
        if let Some(token) = self.token.take() {
            watch.remove(&self.listener, token);
        }
    }
}

impl Peers {
    /// Tells whether something is to be tried again: somebody's door was full, or nobody is let in by our own although there
    /// is room at it, for the system had none.
    pub(super) fn wants_retry(&self) -> bool {
        let short = |entrance: &Entrance| entrance.token.is_none() && entrance.listener.wants_read();
        !self.busy.is_empty() || self.entrance.as_ref().is_some_and(short)
    }
}

impl<R: Reactor> Shell<R> {
    /// Ends this actor's part of the tree's directory, and tells why that is still there then.
    pub(super) fn leave_tree(&mut self) {
        if let Some(mut entrance) = self.peers.entrance.take() {
            entrance.shut(&mut self.watch);
        }
        if let Some(why) = self.peers.tree.take().and_then(Tree::close) {
            self.notices.send(Notice::Kept { why });
        }
    }

    pub(super) fn dial_peer(&mut self, peer: PeerId, payload: Payload) {
        let address = self.payloads.take(payload);
        self.dial_at(peer, String::from_utf8_lossy(&address).into_owned());
    }

    fn dial_at(&mut self, peer: PeerId, address: String) {
        let fact = match self.try_dial(peer, &address) {
            Ok(()) => Input::PeerDialled { peer },
            // Nothing tells when there is room again. How long that may take is the machine's to say.
            Err(DialError::Busy) => return drop(self.peers.busy.insert(peer, address)),
            Err(error) => Input::PeerFailed { peer, errno: errno(&error) },
        };
        self.facts.push_back(fact);
    }

    /// Dials those again at whose doors too many waited.
    pub(super) fn dial_again(&mut self) {
        for (peer, address) in std::mem::take(&mut self.peers.busy) {
            self.dial_at(peer, address);
        }
    }

    fn try_dial(&mut self, peer: PeerId, address: &str) -> Result<(), DialError> {
        let Some(tree) = &mut self.peers.tree else { return Err(DialError::Absent) };
        let card = tree.key.card(self.machine.actor().0, address)?;
        let link = dial(tree.dir()?, address, &card)?;
        let token = self.watch.add(&link, Source::Peer(peer))?;
        self.channels.open(Link::Peer(peer), Channel::new(link, token));
        Ok(())
    }

    /// Lets in those who stand outside. Each is the machine's to keep or to send away from its first moment; so what all have
    /// shown until then is looked at before another comes.
    pub(super) fn take_arrivals(&mut self) {
        for peer in self.peers.guests.keys().copied().collect::<Vec<_>>() {
            self.take_peer(peer, false);
        }
        for _ in 0..ARRIVALS {
            let Some(entrance) = &self.peers.entrance else { return };
            let goes_on = match entrance.listener.accept() {
                Ok(Arrival::Guest(guest)) => self.take_guest(guest).is_ok(),
                Ok(Arrival::Stranger { .. }) => true,
                Ok(Arrival::Nobody) => return,
                Ok(Arrival::Full) | Err(_) => false,
            };
            if !goes_on {
                break;
            }
        }
        // Those who are still outside have their turn: it is looked again soon.
        if let Some(entrance) = &mut self.peers.entrance {
            entrance.shut(&mut self.watch);
        }
    }

    /// Takes somebody in, and looks at the card: a dialler shows it as soon as it is connected.
    fn take_guest(&mut self, guest: Guest) -> io::Result<()> {
        self.peers.last += 1;
        let peer = PeerId(self.peers.last);
        let token = self.watch.add(&guest, Source::Peer(peer))?;
        self.peers.guests.insert(peer, (guest, token));
        self.facts.push_back(Input::PeerJoined { peer });
        self.take_peer(peer, false);
        self.give_facts();
        Ok(())
    }

    fn forget_guest(&mut self, peer: PeerId) {
        if let Some((guest, token)) = self.peers.guests.remove(&peer) {
            self.watch.remove(&guest, token);
        }
    }

    /// Looks at the door again, once somebody has left it, or there may be room in the system.
    pub(super) fn look_at_door(&mut self) {
        let Some(entrance) = self.peers.entrance.as_mut().filter(|entrance| entrance.token.is_none()) else {
            return;
        };
        if entrance.listener.wants_read()
            && let Ok(token) = self.watch.add(&entrance.listener, Source::Door)
        {
            entrance.token = Some(token);
            self.take_arrivals();
        }
    }

    /// Looks at what a peer sent: the card first, and then messages.
    pub(super) fn take_peer(&mut self, peer: PeerId, writable: bool) {
        let link = Link::Peer(peer);
        let Some((guest, token)) = self.peers.guests.remove(&peer) else {
            return self.take_link(link, writable);
        };
        let (Some(tree), Some(entrance)) = (&self.peers.tree, &mut self.peers.entrance) else { return };
        match guest.greet(&tree.key, &mut entrance.door) {
            Greeted::NotYet(guest) => drop(self.peers.guests.insert(peer, (guest, token))),
            Greeted::Admitted(id, admitted, place) => {
                self.facts.push_back(Input::PeerShown { peer });
                let channel = Channel::of_bearer(admitted, token, ActorId(id), Some(place));
                self.channels.open(link, channel);
                // What came with the card is here already, and is told of by nobody.
                self.take_link(link, false);
            }
            Greeted::Refused(_, guest) => {
                self.watch.remove(&guest, token);
                self.facts.push_back(Input::Garbled { link });
            }
        }
    }

    /// Forgets a peer, whatever it has shown.
    pub(super) fn forget_peer(&mut self, peer: PeerId) {
        self.forget_guest(peer);
        self.peers.busy.remove(&peer);
        self.board.write(|facts| {
            facts.peers.remove(&peer);
            facts.tell(News::Parted(peer));
            facts.reached.correct(Ok(Link::Peer(peer)), Err(Obstacle::Lost));
        });
    }

    /// Puts the actor where others can dial it, and gives its address.
    pub(super) fn address(&mut self) -> io::Result<String> {
        let me = self.machine.actor();
        // As many may stand at the door with a card as the machine takes: nobody who has one is sent away, but waits outside.
        let room = usize::try_from(self.machine.limits().half_open).unwrap_or(usize::MAX);
        let tree = self.peers.tree.as_mut().ok_or(io::ErrorKind::Unsupported)?;
        let address = if me == tree.root { String::from(ROOT) } else { me.to_string() };
        if self.peers.entrance.is_none() {
            let listener = Listener::bind(tree.dir()?, &address, room)?;
            let door = Door::new(&address);
            self.peers.entrance = Some(Entrance { listener, door, token: None });
            self.look_at_door();
        }
        Ok(address)
    }
}

/// Gives the system's number for why nobody was reached.
fn errno(error: &DialError) -> i32 {
    match error {
        DialError::Absent => Errno::NOENT.raw_os_error(),
        DialError::Stale => Errno::CONNREFUSED.raw_os_error(),
        DialError::Busy => Errno::AGAIN.raw_os_error(),
        DialError::NoSocket => Errno::NOTSOCK.raw_os_error(),
        DialError::Denied => Errno::ACCESS.raw_os_error(),
        DialError::Stranger { .. } => Errno::PERM.raw_os_error(),
        DialError::System(error) => error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()),
    }
}

#[cfg(test)]
mod tests;
