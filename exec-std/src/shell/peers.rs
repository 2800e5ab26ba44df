//! Actors that are neither parent nor child: who is dialled, who comes in, and the names by which they find each other.
//!
//! A tree that has a directory has a key as well, which every actor gets with its brief; a socket stands in the directory
//! for each actor that has a name. The rule: nobody is heard who has not shown a card that the key was used for, and who
//! may stay is the machine's.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::io::Errno;
use windrow_core::{ActorId, Input, Link, Message, NameId, Output, Payload, PeerId, Refused};

use super::Shell;
use super::channel::Channel;
use super::intern::{Names, Payloads};
use super::reactor::{Reactor, Token};
use super::sources::Source;
use crate::board::Named;
use crate::broken::{Defect, broken};
use crate::order::Place;
use crate::unix::peer::{Arrival, DialError, Greeted, Guest, Listener, dial};
use crate::unix::rundir::RunDir;
use crate::unix::token::{Door, Key};

/// How many may stand at an actor's door at the same time.
const AT_THE_DOOR: usize = 16;

/// The name of the root's socket.
pub(crate) const ROOT: &str = "root";

/// The directory of the tree, as one actor of it has it.
#[derive(Debug)]
pub(crate) struct Tree {
    path: PathBuf,
    root: ActorId,
    key: Key,
    /// Opened when it is first needed: most actors never need it.
    dir: Option<RunDir>,
    listener: Option<(Listener, Token, Door)>,
    /// The process's part of the directory is its main actor's.
    lent: bool,
}

/// The connections of one actor, and its place in the tree's directory.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    pub(super) tree: Option<Tree>,
    pub(super) channels: BTreeMap<PeerId, Channel>,
    /// Those who have not shown a card yet.
    guests: BTreeMap<PeerId, (Guest, Token)>,
    last: u32,
    last_request: u32,
}

impl Tree {
    /// Makes the directory of a new tree, and its key.
    pub(crate) fn create(base: &std::path::Path, root: ActorId) -> io::Result<Self> {
        let dir = RunDir::create(base).map_err(io::Error::other)?;
        let path = dir.path().to_owned();
        Ok(Self { path, root, key: Key::fresh()?, dir: Some(dir), listener: None, lent: false })
    }

    /// Takes the place of a member that was told where the tree is.
    pub(crate) fn member(place: &Place<'_>) -> Option<Self> {
        let (path, root, key) = (place.path.into(), ActorId(place.root), Key::from_bytes(place.key)?);
        Some(Self { path, root, key, dir: None, listener: None, lent: false })
    }

    /// Gives what a child is told. It goes over its channel, to which nobody else has the other end.
    pub(crate) fn place<'a>(&'a self, key: &'a [u8]) -> Option<Place<'a>> {
        Some(Place { path: self.path.to_str()?, root: self.root.0, key })
    }

    pub(crate) fn key(&self) -> impl std::ops::Deref<Target = Vec<u8>> + use<> {
        self.key.bytes()
    }

    pub(crate) fn dir(&mut self) -> io::Result<&RunDir> {
        if self.dir.is_none() {
            self.dir = Some(RunDir::join(&self.path).map_err(io::Error::other)?);
        }
        self.dir.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Gives what a thread of this process is to use in place of a part of its own.
    pub(super) fn lend(&mut self) -> io::Result<RunDir> {
        self.dir().cloned()
    }

    /// Ends this process's part of the directory; the root's takes the directory with it.
    pub(crate) fn close(mut self) {
        drop(self.listener.take());
        // What is left in it stays on record, for whoever clears away after us.
        let _ = self.dir.filter(|_| !self.lent).map(|dir| dir.close());
    }
}

/// Splits a name from the address behind it.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let named = bytes.split_first().and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)));
    named.unwrap_or_default()
}

/// Keeps the texts behind a message about a name.
pub(super) fn keep(message: &mut Message, bytes: &[u8], names: &mut Names, payloads: &mut Payloads) {
    let mut intern = |text: &[u8]| names.intern(&String::from_utf8_lossy(text));
    match message {
        Message::Register { name, payload, .. } | Message::Found { name, payload, .. } => {
            let (text, address) = split(bytes);
            *name = intern(text);
            *payload = payloads.put_copy(address);
        }
        Message::Registered { name, .. }
        | Message::Unregister { name }
        | Message::Find { name, .. }
        | Message::Stale { name, .. } => *name = intern(bytes),
        _ => {}
    }
}

impl<R: Reactor> Shell<R> {
    /// Gives the bytes that travel behind a message about a name, or `None` if it is about something else.
    pub(super) fn words_about_name(&mut self, message: &Message) -> Option<Vec<u8>> {
        let (name, address) = match *message {
            Message::Register { name, payload, .. } => (name, Some(self.payloads.take(payload))),
            Message::Found { name, payload, .. } => (name, Some(self.payloads.copy(payload))),
            Message::Registered { name, .. }
            | Message::Unregister { name }
            | Message::Find { name, .. }
            | Message::Stale { name, .. } => (name, None),
            _ => return None,
        };
        let name = self.names.name(name).as_bytes();
        let Some(address) = address else { return Some(name.to_vec()) };
        let length = u8::try_from(name.len()).unwrap_or(0);
        Some([&[length], name, &address].concat())
    }

    /// Does what an output about peers or names says.
    pub(super) fn perform_meeting(&mut self, output: Output) {
        match output {
            Output::Dial { peer, payload } => self.dial_peer(peer, payload),
            Output::Reached { actor, link } => {
                self.board.write(|facts| facts.reached.insert(actor, Ok(link)));
            }
            Output::Unreached { actor, obstacle } => {
                self.board.write(|facts| facts.reached.insert(actor, Err(obstacle)));
            }
            Output::Registered { name, claim } => {
                self.board.write(|facts| facts.claims.insert(name, claim));
            }
            Output::Found { request, name, actor, payload } => {
                let address = String::from_utf8_lossy(&self.payloads.copy(payload)).into_owned();
                let named = Named { name: self.names.name(name).to_owned(), actor, address };
                self.board.write(|facts| facts.found.entry(request).or_default().0.push(named));
            }
            Output::NotFound { request } => {
                self.board.write(|facts| facts.found.entry(request).or_default().1 = true);
            }
            talk => self.perform_talk(talk),
        }
    }

    fn dial_peer(&mut self, peer: PeerId, payload: Payload) {
        let address = self.payloads.take(payload);
        let fact = match self.try_dial(peer, &String::from_utf8_lossy(&address)) {
            Ok(()) => Input::PeerDialled { peer },
            Err(error) => Input::PeerFailed { peer, errno: errno(&error) },
        };
        self.facts.push_back(fact);
    }

    fn try_dial(&mut self, peer: PeerId, address: &str) -> Result<(), DialError> {
        let Some(tree) = &mut self.peers.tree else { return Err(DialError::Absent) };
        let card = tree.key.card(self.machine.actor().0, address)?;
        let link = dial(tree.dir()?, address, &card)?;
        let channel = Channel::new(link, self.sources.insert(Source::Peer(peer)));
        channel.watch(&mut self.reactor)?;
        self.peers.channels.insert(peer, channel);
        Ok(())
    }

    /// Lets in those who stand at the door. Each is the machine's to keep or to send away from its first moment.
    pub(super) fn take_arrivals(&mut self) -> io::Result<()> {
        while let Some((listener, ..)) = self.peers.tree.as_ref().and_then(|tree| tree.listener.as_ref()) {
            match listener.accept()? {
                Arrival::Guest(guest) => {
                    self.peers.last += 1;
                    let peer = PeerId(self.peers.last);
                    let token = self.sources.insert(Source::Peer(peer));
                    self.reactor.watch(guest.as_fd(), token)?;
                    self.peers.guests.insert(peer, (guest, token));
                    self.facts.push_back(Input::PeerJoined { peer });
                }
                Arrival::Stranger { .. } | Arrival::Full => {}
                Arrival::Nobody => break,
            }
        }
        Ok(())
    }

    /// Looks at what a peer sent: the card first, and then messages.
    pub(super) fn take_peer(&mut self, peer: PeerId, writable: bool) {
        let link = Link::Peer(peer);
        let Some((guest, token)) = self.peers.guests.remove(&peer) else {
            return self.take_link(link, writable);
        };
        let Some(Tree { key, listener: Some((_, _, door)), .. }) = &mut self.peers.tree else { return };
        match guest.greet(key, door) {
            Greeted::NotYet(guest) => drop(self.peers.guests.insert(peer, (guest, token))),
            Greeted::Admitted(_, admitted) => {
                self.peers.channels.insert(peer, Channel::new(admitted, token));
                // What came with the card is here already, and is told of by nobody.
                self.take_link(link, false);
            }
            Greeted::Refused(_, guest) => {
                self.reactor.unwatch(guest.as_fd(), token);
                self.sources.remove(token);
                self.facts.push_back(Input::Garbled { link });
            }
        }
    }

    /// Closes the connection to a peer, whatever it has shown.
    pub(super) fn close_peer(&mut self, peer: PeerId) -> Option<Channel> {
        if let Some((guest, token)) = self.peers.guests.remove(&peer) {
            self.reactor.unwatch(guest.as_fd(), token);
            self.sources.remove(token);
        }
        self.board.write(|facts| facts.reached.retain(|_, reached| *reached != Ok(Link::Peer(peer))));
        self.peers.channels.remove(&peer)
    }

    /// Puts the actor where others can dial it, and gives its address.
    fn address(&mut self) -> io::Result<String> {
        let me = self.machine.actor();
        let tree = self.peers.tree.as_mut().ok_or(io::ErrorKind::Unsupported)?;
        let address = if me == tree.root { String::from(ROOT) } else { me.to_string() };
        if tree.listener.is_none() {
            let listener = Listener::bind(tree.dir()?, &address, AT_THE_DOOR)?;
            let token = self.sources.insert(Source::Door);
            self.reactor.watch(listener.as_fd(), token)?;
            tree.listener = Some((listener, token, Door::new(&address)));
        }
        Ok(address)
    }

    /// Writes down that a child is about to be made. Without a record there must be no child.
    pub(super) fn record_starting(&mut self, child: ActorId, name: &str) -> io::Result<()> {
        match &mut self.peers.tree {
            Some(tree) => tree.dir()?.starting(child.0, name),
            None => Ok(()),
        }
    }

    pub(super) fn record_started(&mut self, child: ActorId, pid: i32) {
        if let Some(Ok(dir)) = self.peers.tree.as_mut().map(Tree::dir) {
            // One that is gone already is ended by its own line.
            let _ = dir.started(child.0, pid);
        }
    }

    /// Writes down that a child is collected, and clears away what it left in the directory.
    pub(super) fn record_ended(&mut self, child: ActorId, pid: i32) {
        self.clear_after(pid);
        if let Some(Ok(dir)) = self.peers.tree.as_mut().map(Tree::dir) {
            let _ = dir.ended(child.0);
        }
    }

    /// Clears away what a process left in the directory that has just been collected, a child or an orphan.
    pub(super) fn clear_after(&mut self, pid: i32) {
        if broken(Defect::ShmLeft) {
            return;
        }
        if let Some(Ok(dir)) = self.peers.tree.as_mut().map(Tree::dir) {
            let _ = dir.clear_after(pid);
        }
    }
}

/// What a user's thread asks about others of the tree. The channel to the registrar is the asker's to know.
pub(crate) trait Meets {
    /// Puts a root where others can dial it.
    fn open_house(&mut self, tree: Tree) -> io::Result<()>;
    /// Names the root of a tree that has a directory.
    fn root(&self) -> Option<ActorId>;
    fn dial(&mut self, actor: ActorId, address: &str) -> Result<(), Refused>;
    fn register(&mut self, link: Link, name: &str) -> io::Result<Result<NameId, Refused>>;
    fn unregister(&mut self, link: Link, name: &str) -> Result<(), Refused>;
    fn find(&mut self, link: Link, name: &str, wait: bool) -> Result<u32, Refused>;
    fn list(&mut self, link: Link) -> Result<u32, Refused>;
    fn forget(&mut self, request: u32);
    fn stale(&mut self, link: Link, name: &str, actor: ActorId);
}

impl<R: Reactor> Meets for Shell<R> {
    fn open_house(&mut self, tree: Tree) -> io::Result<()> {
        let is_root = tree.root == self.machine.actor();
        let lent = self.company.dir.take();
        self.peers.tree = Some(match lent {
            Some(dir) => Tree { dir: Some(dir), lent: true, ..tree },
            None => tree,
        });
        if is_root { self.address().map(drop) } else { Ok(()) }
    }

    fn root(&self) -> Option<ActorId> {
        self.peers.tree.as_ref().map(|tree| tree.root)
    }

    fn dial(&mut self, actor: ActorId, address: &str) -> Result<(), Refused> {
        let peer = PeerId(self.peers.last + 1);
        let payload = self.payloads.put(address);
        self.board.write(|facts| facts.reached.remove(&actor));
        self.ask(Input::Dial { peer, actor, payload }).inspect_err(|_| drop(self.payloads.take(payload)))?;
        self.peers.last += 1;
        Ok(())
    }

    fn register(&mut self, link: Link, name: &str) -> io::Result<Result<NameId, Refused>> {
        let address = self.address()?;
        let name = self.names.intern(name);
        let payload = self.payloads.put(address);
        self.board.write(|facts| facts.claims.remove(&name));
        let asked = self.ask(Input::Register { link, name, payload });
        Ok(asked.map(|()| name).inspect_err(|_| drop(self.payloads.take(payload))))
    }

    fn unregister(&mut self, link: Link, name: &str) -> Result<(), Refused> {
        let name = self.names.intern(name);
        self.ask(Input::Unregister { link, name })
    }

    fn find(&mut self, link: Link, name: &str, wait: bool) -> Result<u32, Refused> {
        let (request, name) = (self.peers.last_request + 1, self.names.intern(name));
        self.ask(Input::Find { link, request, name, wait })?;
        self.peers.last_request = request;
        Ok(request)
    }

    fn list(&mut self, link: Link) -> Result<u32, Refused> {
        let request = self.peers.last_request + 1;
        self.ask(Input::List { link, request })?;
        self.peers.last_request = request;
        Ok(request)
    }

    fn forget(&mut self, request: u32) {
        let _ = self.ask(Input::Forget { request });
        self.board.write(|facts| facts.found.remove(&request));
    }

    fn stale(&mut self, link: Link, name: &str, actor: ActorId) {
        let name = self.names.intern(name);
        let _ = self.ask(Input::Stale { link, name, actor });
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
