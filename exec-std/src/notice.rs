//! What a root tells whoever watches its tree. A watcher that is too slow loses notices, and never holds anything up.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use windrow_core::{ActorId, Event};

/// How many notices wait for a slow watcher.
const BACKLOG: usize = 4096;

/// One thing that happened in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// An actor came: a child of the root's when it is ready, one below when its process exists.
    Came {
        /// Who.
        actor: ActorId,
        /// Who made it.
        parent: ActorId,
        /// Its name.
        name: String,
    },
    /// An actor is reaped.
    Went {
        /// Who.
        actor: ActorId,
    },
    /// Something holds the output of a child of the root's open, 200 ms after its exit, or at its end if that is sooner.
    Leaks {
        /// Whose.
        actor: ActorId,
    },
    /// The tree's directory is left behind, and why. What is in it is on record there.
    Kept {
        /// The system's words, with the place.
        why: String,
    },
    /// Anything else that the root's own machine tells.
    Event(Event),
}

/// The way to the watcher, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    watcher: Option<SyncSender<Notice>>,
    lost: u64,
}

impl Notices {
    /// Makes the way; an earlier watcher gets nothing more.
    pub(crate) fn watch(&mut self) -> Receiver<Notice> {
        let (sender, receiver) = sync_channel(BACKLOG);
        self.watcher = Some(sender);
        receiver
    }

    pub(crate) fn send(&mut self, notice: Notice) {
        let Some(watcher) = &self.watcher else { return };
        match watcher.try_send(notice) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.lost += 1,
            Err(TrySendError::Disconnected(_)) => self.watcher = None,
        }
    }
}
