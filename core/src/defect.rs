//! The rules that can be taken out, one by one, to prove that the searches find what follows.
//!
//! Without the feature `defects` the set is empty and costs nothing. Each name is a row of the catalog of hangs.

use serde::{Deserialize, Serialize};

macro_rules! defects {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal;)+) => {
        /// One rule to take out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Defect { $($(#[$doc])* $name),+ }

        impl Defect {
            /// Every defect.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Gives the defect's name in the catalog.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            const fn bit(self) -> u32 {
                match self { $(Self::$name => 1 << $bit),+ }
            }
        }
    };
}

defects! {
    /// Teardown waits for its peers without a deadline.
    UnboundedPeerWait = 0, "unbounded-peer-wait";
    /// The actor does not end before its parent closes the channel.
    ParentShieldKept = 1, "parent-shield-kept";
    /// A handshake is only taken once the start is known.
    LateWaiter = 2, "late-waiter";
    /// An ack ends the ladder.
    NoDeadlineAfterAck = 3, "no-deadline-after-ack";
    /// Every level has the same grace.
    FlatDeadlines = 4, "flat-deadlines";
    /// Losing the parent changes nothing.
    OrphanIgnored = 5, "orphan-ignored";
    /// The ack's deadline is zero: every healthy child is stopped, and all still ends.
    AckDeadlineZero = 6, "ack-deadline-zero";
    /// A lost channel leaves the calls that are under way on it as they are.
    PeerLossUnlinked = 7, "peer-loss-unlinked";
    /// The end of a stream, and an answer, need room in the stream like any item, and are dropped without.
    TerminalInDataBuffer = 8, "terminal-in-data-buffer";
}

/// A set of defects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Defects(u32);

impl Defects {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Gives this set with one more.
    #[cfg(feature = "defects")]
    #[must_use]
    pub const fn with(self, defect: Defect) -> Self {
        Self(self.0 | defect.bit())
    }

    /// Tells whether a defect is on. Without the feature none ever is.
    #[must_use]
    pub const fn has(self, defect: Defect) -> bool {
        cfg!(feature = "defects") && self.0 & defect.bit() != 0
    }
}
