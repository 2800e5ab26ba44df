//! What a root tells whoever watches its tree. A watcher that is too slow loses notices, and never holds anything up.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use windrow_core::{ActorId, Event, Signal};

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
    /// A child ignores a signal that it was sent, so the next one follows at once.
    Ignored {
        /// Who.
        actor: ActorId,
        /// What it ignores.
        signal: Signal,
    },
    /// A process was there at the end of which nobody knew, and was sent SIGKILL.
    Swept {
        /// Its number.
        pid: i32,
        /// The name that it gave itself; empty if it can't be read.
        name: String,
    },
    /// A process outlives SIGKILL, and is left behind. What it was of is told next.
    Left {
        /// Its number.
        pid: i32,
        /// The name that it gave itself; empty if it can't be read.
        name: String,
    },
    /// A process that the root's process has made is under no guardian, or was and could not be given another: should the
    /// root's process be killed, this one is asked to end, and nobody ends it by force.
    Unguarded {
        /// Who.
        actor: ActorId,
        /// The system's words, or ours.
        why: String,
    },
    /// A look for what was left did not see all, and why; as long as somebody waits for that, another one follows within
    /// 20 ms. Not told again until a look has seen all.
    Unseen {
        /// The system's words.
        why: String,
    },
    /// The tree's directory is left behind, and why. What is in it is on record there.
    Kept {
        /// The system's words, with the place.
        why: String,
    },
    /// The watcher was too slow for some notices before the next one.
    Lost {
        /// How many.
        count: u64,
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
        if self.lost == 0 || self.try_send(Notice::Lost { count: self.lost }) {
            self.lost = u64::from(!self.try_send(notice));
        } else {
            self.lost += 1;
        }
    }

    /// Tells whether there was room for it, or nobody is to have it.
    fn try_send(&mut self, notice: Notice) -> bool {
        match self.watcher.as_ref().map(|watcher| watcher.try_send(notice)) {
            Some(Err(TrySendError::Full(_))) => return false,
            Some(Err(TrySendError::Disconnected(_))) => self.watcher = None,
            Some(Ok(())) | None => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_slow_watcher_lost_is_told_before_the_next() {
        let mut notices = Notices::default();
        let watcher = notices.watch();
        let went = |id| Notice::Went { actor: ActorId(id) };
        for id in 0..BACKLOG as u64 + 3 {
            notices.send(went(id));
        }
        assert_eq!((watcher.recv(), watcher.recv()), (Ok(went(0)), Ok(went(1))));
        notices.send(went(9999));
        let told: Vec<_> = watcher.try_iter().skip(BACKLOG - 2).collect();
        assert_eq!(told, [Notice::Lost { count: 3 }, went(9999)]);
    }
}
