//! Channels that are read by a thread which waits for what comes on them.
//!
//! The rule: a channel is read by one, such a thread or the driver; what is read is the machine's, whoever read it. A loop
//! that can't be told cheaply which channels to leave alone lends none.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use windrow_core::Link;

use super::reactor::Reactor;
use super::{Shell, now};

/// What a thread may do that waits for what comes on a channel.
pub(crate) trait Lends {
    /// Leaves the reading of a channel to the calling thread, and gives it what to wait for; nothing if that can't be.
    fn lend(&mut self, link: Link) -> Option<Arc<OwnedFd>>;
    /// Reads what is there, and takes the channel back if that is `enough`, or nothing more will come. Gives whether it did.
    fn read_lent(&mut self, link: Link, enough: &mut dyn FnMut() -> bool) -> bool;
    /// Leaves the reading to the driver again.
    fn take_back(&mut self, link: Link);
}

impl<R: Reactor> Lends for Shell<R> {
    fn lend(&mut self, link: Link) -> Option<Arc<OwnedFd>> {
        self.channels.get(link)?.lend(&mut self.watch)
    }

    fn read_lent(&mut self, link: Link, enough: &mut dyn FnMut() -> bool) -> bool {
        self.take_link(link, false);
        self.settle(now());
        let done = enough() || !self.channels.get(link).is_some_and(|channel| channel.is_lent());
        if done {
            self.take_back(link);
        }
        done
    }

    fn take_back(&mut self, link: Link) {
        if let Some(channel) = self.channels.get(link) {
            channel.take_back(&mut self.watch);
        }
    }
}
