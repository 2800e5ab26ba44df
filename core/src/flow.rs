//! The stream inside a context, as one end sees it: two directions, each with credit.
//!
//! The rule: an item is sent only against credit, and credit is given only for room, so the memory of both ends is
//! bounded and a slow reader slows its writer alone. What nobody reads any more is let go of as it comes, and its credit is
//! given back, so no writer waits for a reader that is gone; and what nobody will write has ended, so no reader waits for a
//! writer that is gone. Items are counted; their bytes are the shell's.

use serde::{Deserialize, Serialize};

use crate::table::table;

table! {
    /// Where one direction of a stream is in its life. An item passes only against credit, and credit is given only for room;
    /// what nobody reads is let go of as it comes, and its credit given back.
    Half {
        /// It was not opened.
        Idle
        /// Items may pass.
        Open
        /// Nobody reads it: what comes is let go of.
        Unread
        /// No further item will.
        Ended
    }
    /// What can move one direction of a stream.
    HalfChange {
        /// This end opened the stream.
        Opened
        /// Its reader reads no further, or never will.
        Unread
        /// Its sender said that there is no more, or never will send any.
        Ended
    }

    Idle   + Opened => Open;
    Idle   + Unread => Unread;
    Idle   + Ended  => Ended;

    Open   + Unread => Unread;
    Open   + Ended  => Ended;

    Unread + Ended  => Ended;
}

/// Both directions, as one end sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Flow {
    /// What this end sends.
    pub(crate) out: Half,
    /// How many items it may still send.
    pub(crate) credit: u32,
    /// How many items the far end takes at once: what it gave credit for first.
    far: u32,
    /// What this end receives.
    pub(crate) into: Half,
    /// How many items it takes at once; the oldest gives way to one more in a lossy stream.
    pub(crate) window: u32,
    pub(crate) lossy: bool,
    /// Items that are here and not taken.
    held: u32,
    /// Items that were taken and not yet given back as credit.
    taken: u32,
}

/// What an item that came does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It fits.
    Kept,
    /// It fits, because the oldest is dropped.
    Displaced,
    /// Nobody reads it.
    Unread,
    /// It was sent without credit.
    Unasked,
}

impl Flow {
    /// A stream that nobody opened.
    pub(crate) const IDLE: Self = Self {
        out: Half::Idle,
        credit: 0,
        far: 0,
        into: Half::Idle,
        window: 0,
        lossy: false,
        held: 0,
        taken: 0,
    };

    /// Tells whether this end has opened the stream.
    pub(crate) fn is_opened(self) -> bool {
        self.out != Half::Idle
    }

    /// Tells whether the far end has no room for an item of this end's stream.
    pub(crate) fn is_full(self) -> bool {
        self.is_opened() && self.credit == 0
    }

    /// Takes credit in.
    pub(crate) fn earn(&mut self, items: u32) {
        if self.far == 0 {
            self.far = items;
        }
        self.credit = self.credit.saturating_add(items);
    }

    /// Spends credit on an item. Gives whether the item may wait for company: the far end has items from which
    /// [`leave`](Self::leave) gives credit once they are taken, so it says something before it wants this one.
    pub(crate) fn spend(&mut self) -> bool {
        let ahead = self.far.saturating_sub(self.credit);
        self.credit = self.credit.saturating_sub(1);
        ahead > 0 && ahead >= half(self.far)
    }

    /// Takes in one item.
    pub(crate) fn arrive(&mut self) -> Arrival {
        if !self.is_taken() {
            return Arrival::Unasked;
        }
        // The room of an item that was taken is not there again before it was given back as credit.
        let used = if self.lossy { self.held } else { self.held.saturating_add(self.taken) };
        match (self.into, used < self.window) {
            (Half::Unread, true) => Arrival::Unread,
            (_, true) => {
                self.held = self.held.saturating_add(1);
                Arrival::Kept
            }
            (_, false) if self.lossy => Arrival::Displaced,
            (_, false) => Arrival::Unasked,
        }
    }

    /// Tells whether what comes is taken, if only to let go of it.
    fn is_taken(self) -> bool {
        matches!(self.into, Half::Open | Half::Unread)
    }

    /// Lets go of what is here and not taken, and gives the credit that is due for it.
    pub(crate) fn let_go(&mut self) -> Option<u32> {
        let held = core::mem::take(&mut self.held);
        // A lossy stream gave its credit when they came.
        self.leave(if self.lossy { 0 } else { held })
    }

    /// Gives credit for `most` items of a stream that this end will never open, once: when the far end has opened it.
    pub(crate) fn admit(&mut self, most: u32) -> Option<u32> {
        let due = self.into == Half::Unread && self.window == 0 && self.far > 0;
        due.then(|| {
            self.window = most.max(1);
            self.window
        })
    }

    /// Counts items that left the window, and gives the credit that is due for them: half a window at a time, so that
    /// credit costs few messages and a fast reader's writer never waits.
    pub(crate) fn leave(&mut self, items: u32) -> Option<u32> {
        self.taken = self.taken.saturating_add(items);
        if self.taken < half(self.window).max(1) || !self.is_taken() {
            return None;
        }
        Some(core::mem::take(&mut self.taken))
    }

    /// Counts items that the user took.
    pub(crate) fn take(&mut self, items: u32) -> Option<u32> {
        let items = items.min(self.held);
        self.held = self.held.saturating_sub(items);
        // A lossy stream gave its credit when they came.
        if self.lossy { None } else { self.leave(items) }
    }
}

/// How many items that left a window are worth a message.
fn half(window: u32) -> u32 {
    window.div_ceil(2)
}
