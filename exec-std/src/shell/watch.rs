//! What the loop watches for the shell, and what each descriptor stands for.
//!
//! The rule: a token is never given to a second descriptor while the first may still be in a batch of ready ones.

use std::io;
use std::os::fd::AsFd;

use windrow_core::{ActorId, PeerId};

use super::reactor::{Interest, Reactor, Ready, Token};

/// What a watched descriptor stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Signals,
    Mail,
    Parent,
    Template,
    TemplateExit,
    ChildLink(ActorId),
    ChildExit(ActorId),
    ChildOut(ActorId),
    ChildErr(ActorId),
    Orphan(i32),
    Door,
    Deaths,
    Peer(PeerId),
}

/// The loop's reactor, and the tokens that it was given.
#[derive(Debug)]
pub(crate) struct Watch<R> {
    reactor: R,
    sources: Vec<Option<Source>>,
    free: Vec<Token>,
    /// Tokens of this batch that stand for nothing any more.
    freed: Vec<Token>,
}

impl<R: Reactor> Watch<R> {
    pub(crate) fn new(reactor: R) -> Self {
        Self { reactor, sources: Vec::new(), free: Vec::new(), freed: Vec::new() }
    }

    /// Watches a descriptor for input, and gives the token by which it tells.
    pub(crate) fn add(&mut self, fd: impl AsFd, source: Source) -> io::Result<Token> {
        let token = self.free.pop().unwrap_or(self.sources.len());
        match self.sources.get_mut(token) {
            Some(place) => *place = Some(source),
            None => self.sources.push(Some(source)),
        }
        let watched = self.reactor.watch(fd.as_fd(), token);
        if watched.is_err() {
            self.free(token);
        }
        watched.map(|()| token)
    }

    /// Changes what a descriptor is watched for.
    pub(crate) fn change(&mut self, fd: impl AsFd, token: Token, interest: Interest) -> io::Result<()> {
        self.reactor.rewatch(fd.as_fd(), token, interest)
    }

    /// Watches a descriptor no more; called before it is closed.
    pub(crate) fn remove(&mut self, fd: impl AsFd, token: Token) {
        self.reactor.unwatch(fd.as_fd(), token);
        self.free(token);
    }

    /// Says what is ready; nothing if it was closed by an earlier one of the same batch.
    pub(crate) fn source(&self, ready: Ready) -> Option<Source> {
        self.sources.get(ready.token).copied().flatten()
    }

    /// Ends a batch: what was freed in it can be given out again.
    pub(crate) fn end_batch(&mut self) {
        self.free.append(&mut self.freed);
    }

    /// Tells whether threads may read channels in the loop's place. See [`Reactor::lends`].
    pub(crate) fn lends(&self) -> bool {
        self.reactor.lends()
    }

    /// Tells whether the loop must be woken to wait for what is watched. See [`Reactor::is_behind`].
    pub(crate) fn is_behind(&self) -> bool {
        self.reactor.is_behind()
    }

    fn free(&mut self, token: Token) {
        if let Some(source) = self.sources.get_mut(token) {
            *source = None;
            self.freed.push(token);
        }
    }
}
