//! Which descriptor stands for what: a token for each watched one, never given to a second while the first may still be
//! in a batch of ready ones.

use windrow_core::{ActorId, PeerId};

use super::reactor::Token;

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
    Peer(PeerId),
}

/// The tokens that are given out. A freed one is used again only after the batch in which it was freed.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    slots: Vec<Option<Source>>,
    free: Vec<Token>,
    freed: Vec<Token>,
}

impl Sources {
    pub(crate) fn insert(&mut self, source: Source) -> Token {
        if let Some(token) = self.free.pop() {
            self.slots[token] = Some(source);
            return token;
        }
        self.slots.push(Some(source));
        self.slots.len() - 1
    }

    pub(crate) fn get(&self, token: Token) -> Option<Source> {
        self.slots.get(token).copied().flatten()
    }

    pub(crate) fn remove(&mut self, token: Token) {
        if let Some(slot) = self.slots.get_mut(token) {
            *slot = None;
            self.freed.push(token);
        }
    }

    /// Ends a batch: what was freed in it can be given out again.
    pub(crate) fn end_batch(&mut self) {
        self.free.append(&mut self.freed);
    }
}
