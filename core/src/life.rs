//! The actor's own life, from its boot to its exit.
//!
//! The shield around the parent's channel breaks at a fixed point: when the actor's own scope has closed, and never
//! "when a block exits". Before that point the actor hears its parent; after it, it has only its last words to say.

use crate::table::table;

table! {
    /// Where an actor is in its life.
    Life {
        /// It awaits its spec.
        Booting
        /// Its tasks run.
        Running
        /// Its own scope is cancelled.
        Cancelling
        /// Its tasks and children are gone; peers and strangers are waited for, within a bound.
        ShieldBroken
        /// Its last words are on their way.
        Flushing
        /// Its guardian is let go.
        Exiting
        /// Its process may exit.
        Ended
    }
    /// What can move a life.
    LifeChange {
        /// Its spec came.
        Specified
        /// Its own scope was cancelled.
        Cancelled
        /// Its own scope closed.
        Finished
        /// Peers and strangers are gone, or their time is over.
        Cleared
        /// Its last words left, or can't, or their time is over.
        Flushed
        /// Its guardian is gone, or its time is over.
        Released
        /// The user won't wait any longer.
        Forced
    }

    Booting      + Specified => Running;
    Booting      + Cancelled => Cancelling;
    Booting      + Forced    => Ended;
    Running      + Cancelled => Cancelling;
    Running      + Finished  => ShieldBroken;
    Running      + Forced    => Ended;
    Cancelling   + Finished  => ShieldBroken;
    Cancelling   + Forced    => Ended;
    ShieldBroken + Cleared   => Flushing;
    ShieldBroken + Forced    => Ended;
    Flushing     + Flushed   => Exiting;
    Flushing     + Forced    => Ended;
    Exiting      + Released  => Ended;
    Exiting      + Forced    => Ended;
}

impl Life {
    /// Tells whether the actor's own teardown has begun.
    #[must_use]
    pub fn is_teardown(self) -> bool {
        !matches!(self, Self::Booting | Self::Running)
    }
}
