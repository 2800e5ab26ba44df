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

            /// Finds a defect by its name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|defect| defect.name() == name)
            }

            const fn bit(self) -> u64 {
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
    /// An ack that does not come in time changes nothing.
    AckTimeoutSwallowed = 28, "ack-timeout-swallowed";
    /// A death before the handshake changes nothing.
    BootDeathUnseen = 29, "boot-death-unseen";
    /// A child without a channel is left out of the cancellation.
    DisconnectedSkipped = 9, "disconnected-skipped";
    /// A child that is not up yet is left out of the cancellation.
    CancelDuringSpawn = 10, "cancel-during-spawn";
    /// A spawn is carried out though its scope is cancelled.
    SpawnAfterCancel = 11, "spawn-after-cancel";
    /// A scope that was cancelled tells of no error.
    FirstErrorMasked = 12, "first-error-masked";
    /// Last words that can't be sent end the teardown where it stands.
    TeardownStepSkipsRest = 13, "teardown-step-skips-rest";
    /// Every cancellation that reaches a child asks it anew, and it answers the first one only.
    DuplicateCancel = 14, "duplicate-cancel";
    /// A child is put on its ladder when the one before it is gone.
    SerialLadder = 15, "serial-ladder";
    /// A cancel is acknowledged when it has been carried out.
    CancelInline = 16, "cancel-inline";
    /// Who speaks is known by name.
    DuplicateName = 17, "duplicate-name";
    /// What a dead child left behind is nobody's concern.
    SubtreeNotKilled = 18, "subtree-not-killed";
    /// A forked child keeps what its maker had open.
    InheritedFds = 19, "inherited-fds";
    /// Whoever stops a process blocks until it has exited.
    BlockingWait = 20, "blocking-wait";
    /// Captured outputs are not read in teardown.
    StdioPipeFull = 21, "stdio-pipe-full";
    /// A forked child keeps its maker's handlers.
    SigintDispositionInherited = 22, "sigint-disposition-inherited";
    /// What was ignored when the program began stays ignored below, and nobody looks.
    SigintIgnoredInherited = 23, "sigint-ignored-inherited";
    /// A process with several threads forks.
    ForkWithThreads = 24, "fork-with-threads";
    /// The end of an internal descriptor is ready for ever.
    WakeupEofSpin = 25, "wakeup-eof-spin";
    /// User code runs on the driver's thread.
    SignalStarved = 26, "signal-starved";
    /// Whoever looks for orphans collects every child.
    ReapRace = 27, "reap-race";
    /// A thread that was given up keeps its channel.
    AbandonedThread = 30, "abandoned-thread";
    /// What a killed actor left in the file system is nobody's concern.
    ShmLeft = 31, "shm-left";
    /// An error that says of a cancellation what is known by then counts like any other.
    CollateralRaised = 32, "collateral-raised";
    /// Who was cancelled parts from its peers without a word.
    GoAwayUnsaid = 33, "goaway-unsaid";
}

/// Where a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there is the machine, and what is around it")]
pub enum Place {
    /// In the machine.
    Machine,
    /// In each shell; the simulator's kernel has it too.
    Shell,
    /// In both.
    Both,
}

impl Defect {
    /// Tells where its rule stands.
    #[must_use]
    pub const fn place(self) -> Place {
        let in_shells = matches!(
            self,
            Self::InheritedFds
                | Self::BlockingWait
                | Self::StdioPipeFull
                | Self::SigintDispositionInherited
                | Self::SigintIgnoredInherited
                | Self::ForkWithThreads
                | Self::WakeupEofSpin
                | Self::SignalStarved
                | Self::ShmLeft
        );
        if matches!(self, Self::SubtreeNotKilled | Self::ReapRace | Self::AbandonedThread) {
            Place::Both
        } else if in_shells {
            Place::Shell
        } else {
            Place::Machine
        }
    }

    /// Tells whether its rule stands in a shell, alone or as well as in the machine, so that real processes fail without it.
    #[must_use]
    pub const fn is_of_shells(self) -> bool {
        !matches!(self.place(), Place::Machine)
    }
}

/// A set of defects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Defects(u64);

impl Defects {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Gives this set with one more.
    #[cfg(feature = "defects")]
    #[must_use]
    pub const fn with(self, defect: Defect) -> Self {
        Self(self.0 | defect.bit())
    }

    /// Lists the defects in the set, whether this build can have them on or not.
    pub fn iter(self) -> impl Iterator<Item = Defect> {
        Defect::ALL.iter().copied().filter(move |defect| self.0 & defect.bit() != 0)
    }

    /// Tells whether a defect is on. Without the feature none ever is.
    #[must_use]
    pub const fn has(self, defect: Defect) -> bool {
        cfg!(feature = "defects") && self.0 & defect.bit() != 0
    }
}

impl FromIterator<Defect> for Defects {
    fn from_iter<I: IntoIterator<Item = Defect>>(defects: I) -> Self {
        Self(defects.into_iter().fold(0, |set, defect| set | defect.bit()))
    }
}
