//! A channel to another actor: dialled, greeted, open, lost.
//!
//! A parent's or a child's begins at `Opening`: it is made before the process at its far end, so the expectation of a
//! handshake is always older than the handshake.

use crate::table::table;

table! {
    /// Where a channel is in its life.
    Channel {
        /// It is being dialled, and nobody is connected.
        Dialling
        /// Nobody has greeted yet.
        Opening
        /// Both sides speak a common version.
        Open
        /// The far side said its last word.
        Drained
        /// It is gone.
        Closed
    }
    /// What can move a channel.
    ChannelChange {
        /// The far side is connected.
        Connected
        /// The far side greeted with a version that we speak.
        Greeted
        /// The far side said its last word.
        Parted
        /// The far side, or the way there, is gone; or this side closed it, for whatever reason.
        Lost
    }

    Dialling + Connected => Opening;
    Dialling + Lost      => Closed;
    Opening + Greeted    => Open;
    Opening + Lost       => Closed;
    Open    + Parted     => Drained;
    Open    + Lost       => Closed;
    Drained + Lost       => Closed;
}
