//! Names: what actors of the tree say to each other about them, and what a user's thread asks.
//!
//! A name travels as text, and is a number to the machine. The rule: who has which name is the root's machine's.

use std::io;

use windrow_core::{ActorId, Input, Link, NameId, Output, PeerId, Refused};

use super::Shell;
use super::desk::Held;
use super::directory::Tree;
use super::reactor::Reactor;
use crate::board::{Answered, Named, News};
use crate::unix::rundir::RunDir;

impl<R: Reactor> Shell<R> {
    /// Forgets the names that mean nothing any more, once there are many. No fact may wait, for it may mean one.
    pub(super) fn forget_names(&mut self) {
        if self.names.are_many() {
            self.names.keep(self.machine.names());
        }
    }

    /// Does what an output about peers or names says.
    pub(super) fn perform_meeting(&mut self, output: Output) {
        match output {
            Output::Dial { peer, payload } => self.dial_peer(peer, payload),
            Output::Reached { actor, link } => {
                self.board.write(|facts| {
                    if let Link::Peer(peer) = link {
                        facts.peers.insert(peer);
                    }
                    facts.reached.answer(&actor, Ok(link));
                    facts.tell(News::Dialled(actor));
                });
            }
            Output::Unreached { actor, obstacle } => {
                self.board.write(|facts| {
                    facts.reached.answer(&actor, Err(obstacle));
                    facts.tell(News::Dialled(actor));
                });
            }
            Output::Registered { name, claim } => {
                self.board.write(|facts| {
                    facts.claims.answer(&name, claim);
                    facts.tell(News::Claimed(name));
                });
            }
            Output::Found { request, name, actor, payload } => {
                let address = String::from_utf8_lossy(&self.payloads.copy(payload)).into_owned();
                let named = Named { name: self.names.name(name).to_owned(), actor, address };
                self.find_out(request, |(found, _)| found.push(named));
            }
            Output::NotFound { request } => {
                self.find_out(request, |(_, answered)| *answered = Answered::Wholly);
            }
            Output::Unheard { request } => {
                self.find_out(request, |(_, answered)| *answered = Answered::Unheard);
            }
            talk => self.perform_talk(talk),
        }
    }

    /// Adds to the answer to a question about names.
    fn find_out(&self, request: u32, add: impl FnOnce(&mut (Vec<Named>, Answered))) {
        self.board.write(|facts| {
            add(facts.found.entry(request).or_default());
            facts.tell(News::Found(request));
        });
    }
}

/// What a user's thread asks about others of the tree. The channel to the registrar is the asker's to know.
pub(crate) trait Meets {
    /// Puts a root where others can dial it.
    fn open_house(&mut self, tree: Tree) -> io::Result<()>;
    /// Gives this process's part of the tree's directory, if it has one.
    fn directory(&mut self) -> io::Result<Option<RunDir>>;
    /// Names the root of a tree that has a directory.
    fn root(&self) -> Option<ActorId>;
    /// Dials an actor, and gives the number of the answer.
    fn dial(&mut self, actor: ActorId, address: &str) -> Result<u32, Refused>;
    /// Claims a name, and gives what that is to the machine and the number of the answer.
    fn register(&mut self, link: Link, name: &str) -> io::Result<Result<(NameId, u32), Held>>;
    fn unregister(&mut self, link: Link, name: &str) -> Result<(), Held>;
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
            Some(dir) => tree.with_lent(dir),
            None => tree,
        });
        self.house();
        if is_root { self.address().map(drop) } else { Ok(()) }
    }

    fn directory(&mut self) -> io::Result<Option<RunDir>> {
        self.peers.tree.as_mut().map(Tree::lend).transpose()
    }

    fn root(&self) -> Option<ActorId> {
        self.peers.tree.as_ref().map(|tree| tree.root)
    }

    fn dial(&mut self, actor: ActorId, address: &str) -> Result<u32, Refused> {
        let peer = PeerId(self.peers.last + 1);
        let payload = self.payloads.put(address);
        let number = self.board.write(|facts| facts.reached.ask(actor));
        match self.ask(Input::Dial { peer, actor, payload }) {
            Ok(()) => {
                self.peers.last += 1;
                Ok(number)
            }
            Err(refused) => {
                self.payloads.take(payload);
                self.board.write(|facts| facts.reached.forget(number));
                Err(refused)
            }
        }
    }

    fn register(&mut self, link: Link, name: &str) -> io::Result<Result<(NameId, u32), Held>> {
        let address = self.address()?;
        if self.is_congested(link) {
            return Ok(Err(Held::Congested));
        }
        let name = self.names.intern(name);
        let payload = self.payloads.put(address);
        let number = self.board.write(|facts| facts.claims.ask(name));
        let asked = self.ask(Input::Register { link, name, payload });
        if asked.is_err() {
            self.payloads.take(payload);
        }
        // What another thread asks is answered to both.
        Ok(match asked {
            Ok(()) | Err(Refused::Pending) => Ok((name, number)),
            Err(refused) => {
                self.board.write(|facts| facts.claims.forget(number));
                Err(refused.into())
            }
        })
    }

    fn unregister(&mut self, link: Link, name: &str) -> Result<(), Held> {
        if self.is_congested(link) {
            return Err(Held::Congested);
        }
        let name = self.names.intern(name);
        Ok(self.ask(Input::Unregister { link, name })?)
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
