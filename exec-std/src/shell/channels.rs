//! The channels of an actor, by whom they lead to, and which of them have something to send.

use std::collections::BTreeMap;

use windrow_core::{Link, Message};

use super::channel::Channel;

/// The open channels of one actor.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    /// In boxes: a channel is large, and a node of a map has room for eleven.
    open: BTreeMap<Link, Box<Channel>>,
    /// Those that something was queued on in this turn.
    unflushed: Vec<Link>,
}

impl Channels {
    pub(crate) fn open(&mut self, link: Link, channel: Channel) {
        self.open.insert(link, Box::new(channel));
    }

    pub(crate) fn remove(&mut self, link: Link) -> Option<Channel> {
        self.open.remove(&link).map(|channel| *channel)
    }

    pub(crate) fn get(&mut self, link: Link) -> Option<&mut Channel> {
        self.open.get_mut(&link).map(Box::as_mut)
    }

    pub(crate) fn has(&self, link: Link) -> bool {
        self.open.contains_key(&link)
    }

    /// Gives those that threads read in the loop's place.
    pub(crate) fn lent(&self) -> Vec<Link> {
        self.open.iter().filter(|(_, channel)| channel.is_lent()).map(|(link, _)| *link).collect()
    }

    /// Queues a message and its bytes, as long as no more than `bound` bytes wait; one that may wait leaves with the next that
    /// may not. An error means that the channel can't be kept up.
    pub(crate) fn queue(
        &mut self,
        link: Link,
        message: Message,
        bytes: &[u8],
        bound: usize,
        may_wait: bool,
    ) -> Result<(), ()> {
        let Some(channel) = self.open.get_mut(&link) else { return Ok(()) };
        let queued = channel.queue(message, bytes, bound);
        if (!may_wait || channel.is_worth_a_write()) && channel.mark_dirty() {
            self.unflushed.push(link);
        }
        queued
    }

    /// Has what waits on a channel sent at the end of the turn.
    pub(crate) fn let_leave(&mut self, link: Link) {
        if self.get(link).is_some_and(Channel::mark_dirty) {
            self.unflushed.push(link);
        }
    }

    /// Tells whether something waits on one of them until it is sent.
    pub(crate) fn has_unflushed(&self) -> bool {
        !self.unflushed.is_empty()
    }

    /// Gives one that something waits on, each once.
    pub(crate) fn next_unflushed(&mut self) -> Option<Link> {
        self.unflushed.pop()
    }
}
