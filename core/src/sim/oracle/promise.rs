//! What an oracle may find broken, each by the number of its invariant.
//!
//! The rule: a promise has one name and one number, and both stand here; an oracle, the catalog and whoever tells of a
//! violation mean the same one by the same variant.

use core::fmt;

use serde::{Deserialize, Serialize};

/// A promise that was broken, by the way in which it shows; what its [`Number`] stands for is listed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::exhaustive_enums, reason = "whoever tells of them names each")]
pub enum Promise {
    /// Nothing can happen any more, and somebody is alive.
    Hang,
    /// Much happens, and nothing moves.
    Livelock,
    /// A teardown takes longer than its bound.
    Late,
    /// A step of a teardown does not bring it nearer to its end.
    Rank,
    /// A process is collected twice.
    DoubleReap,
    /// A process is collected before its death.
    EarlyReap,
    /// Somebody is signalled who has no process.
    NoTarget,
    /// A process is signalled after it was collected.
    SignalAfterReap,
    /// A signal hits somebody who has the number of whom it was meant for.
    Stranger,
    /// A dead process is never collected.
    Zombie,
    /// An actor ends and leaves a channel open.
    OpenChannel,
    /// An actor ends before its children are collected.
    EarlyEnd,
    /// A parent is told of another end than that which its child had, or of one that nobody can know.
    MadeUp,
    /// Somebody was woken by a death, and did not find another one.
    MissedExit,
    /// Something is spawned in a teardown.
    LateSpawn,
    /// A spawn is refused for no reason of its scope.
    Refused,
    /// Somebody lives without those who started it.
    Orphan,
    /// What somebody forked and told nobody of lives on.
    LeftBehind,
    /// A dead child is collected while something that it left lives.
    Unswept,
    /// A child is asked to end, and was before.
    AskedAgain,
    /// A child ends in what is cancelled, and nobody has told it to.
    Unreached,
    /// A cancel is acknowledged by one who is not cancelled.
    FalseAck,
    /// A rung is taken twice, after a higher one, or the last one not at all.
    RungOrder,
    /// A rung is taken before its time.
    EarlyRung,
    /// Another one than who asked first is named as canceller.
    WrongCanceller,
    /// What is called for a caller has more time than that one gave.
    LongCall,
    /// A healthy child is hurried.
    Escalation,
    /// A timer fires though what it guards is there already.
    StaleTimer,
    /// A death is told of and not reported.
    UnseenDeath,
    /// An error is in two reports.
    DoubleError,
    /// An error is in no report.
    LostError,
    /// The books of a healthy tree do not agree.
    Tally,
    /// An error was told of, and the end is not a failure.
    MaskedError,
    /// What comes of the user's cancellation alone is told as an error.
    Collateral,
    /// A dead actor's files are left.
    Leak,
    /// A machine has ended and still waits.
    LeftOver,
    /// Something came and is never looked at.
    Unconsumed,
    /// An item of a stream comes to nobody, or before another one.
    LostItem,
    /// A state does not survive its encoding.
    RoundTrip,
    /// A machine sees of itself that the invariant with this number is broken.
    Machine(u8),
    /// Nothing is broken, and nothing was run: the scenario asks for what can't be. See
    /// [`Scenario::check`](crate::sim::Scenario::check).
    BadScenario,
}

/// The number of an invariant, or the letter of what all of them are for: what stands after `breaks` in a
/// [`Violation`](crate::sim::Violation).
///
/// - T: every teardown ends. R: every step of it lowers its rank. B: it ends within its bound.
/// - 1: No process is collected twice.
/// - 2: Nobody is signalled, timed or waited for after it was collected.
/// - 3: A process is collected only after its exit was seen.
/// - 4: Every process that was started ends collected, or given up by name.
/// - 5: A spawn that fails leaves no record, timer or descriptor.
/// - 6: What is told of an earlier generation is ignored.
/// - 7: An actor does not end before its children are collected, unless it was killed.
/// - 8: Nothing is spawned once a teardown has begun, queued spawns included.
/// - 9: A spawn that is under way at a cancel is on the ladder.
/// - 10: Whoever lives is a recorded child, adopted, a template or the root.
/// - 11: An exit is told exactly once; one that is lost is unknown, and never a success.
/// - 12: One notification may stand for several exits, and all of them are collected.
/// - 13: A cancel that is repeated changes nothing and says nothing.
/// - 14: What is cancelled stays cancelled.
/// - 15: A cancel reaches each living child exactly once on each channel.
/// - 16: One that comes during a boot is told at the handshake.
/// - 17: A cancel that was acknowledged is never taken for one that was not.
/// - 18: Who acknowledges a cancel is cancelled already.
/// - 19: To cancel what has ended succeeds and does nothing.
/// - 20: The first cause counts; later ones stand beside it.
/// - 21: Siblings of a cancelled scope are untouched.
/// - 22: Who cancels itself does not wait for itself.
/// - 23: The loss of the parent cancels, with a shield or without.
/// - 24: A shield never hides the parent's loss, SIGKILL, or a deadline of its own.
/// - 25: Rungs come in order, none twice, and SIGKILL is never left out.
/// - 26: A rung comes after the deadline of the one before, or where that can't be delivered or is ignored.
/// - 27: Deadlines do not decrease along a ladder, and a child's is not later than its parent's.
/// - 28: A wait that is over has no timer.
/// - 29: In a teardown every wait has a deadline.
/// - 30: A deadline that fires always changes something, and is on record.
/// - 31: In a healthy tree nobody is hurried.
/// - 32: No timer fires while what it guards can be seen already.
/// - 33: Who can't be signalled is about to exit, or can't be killed; that is no success.
/// - 34: A death in boot is told with its status as soon as it can be seen.
/// - 35: No child ever has two living channels.
/// - 36: A handshake that comes after a cancel is answered with it.
/// - 37: A channel's end and an exit give the same end, in either order.
/// - 38: A copy of a channel that somebody else holds delays no end.
/// - 39: No error is lost: each is in exactly one report.
/// - 40: A cancellation never takes the place of an error that came before it, and is none.
/// - 41: A step of a teardown that fails keeps no later one from being done.
/// - 42: The same state and input give the same state and outputs, byte for byte.
/// - 43: Queues, timers and waits grow with the children alone, and none is left at the end.
/// - 44: Time never goes back: what comes late is put right, and on record.
/// - 45: Nothing that can be seen is left unread when all is still.
/// - 46: Every state survives its encoding.
///
/// Some are held by an oracle here, some by the machine, or by a test of it: then no [`Promise`] has that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(
    clippy::exhaustive_enums,
    reason = "three things are promised beside the invariants, and a run may be none"
)]
pub enum Number {
    /// T: every teardown ends.
    Termination,
    /// R: every step of it lowers its rank.
    Rank,
    /// B: it ends within its bound.
    Bound,
    /// One of the invariants.
    Of(u8),
    /// None: nothing was run.
    None,
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Termination => f.write_str("T"),
            Self::Rank => f.write_str("R"),
            Self::Bound => f.write_str("B"),
            Self::Of(number) => write!(f, "{number}"),
            Self::None => f.write_str("none"),
        }
    }
}

impl Promise {
    /// Every one that is seen from outside, in a run; what a machine sees of itself has a number of its own.
    pub const ALL: &'static [Self] = &[
        Self::Hang,
        Self::Livelock,
        Self::Late,
        Self::Rank,
        Self::DoubleReap,
        Self::EarlyReap,
        Self::NoTarget,
        Self::SignalAfterReap,
        Self::Stranger,
        Self::Zombie,
        Self::OpenChannel,
        Self::EarlyEnd,
        Self::MadeUp,
        Self::MissedExit,
        Self::LateSpawn,
        Self::Refused,
        Self::Orphan,
        Self::LeftBehind,
        Self::Unswept,
        Self::AskedAgain,
        Self::Unreached,
        Self::FalseAck,
        Self::RungOrder,
        Self::EarlyRung,
        Self::WrongCanceller,
        Self::LongCall,
        Self::Escalation,
        Self::StaleTimer,
        Self::UnseenDeath,
        Self::DoubleError,
        Self::LostError,
        Self::Tally,
        Self::MaskedError,
        Self::Collateral,
        Self::Leak,
        Self::LeftOver,
        Self::Unconsumed,
        Self::LostItem,
        Self::RoundTrip,
    ];

    /// Gives its name in words, and the number of what it breaks.
    fn row(self) -> (&'static str, Number) {
        match self {
            Self::Hang => ("hang", Number::Termination),
            Self::Livelock => ("livelock", Number::Termination),
            Self::Late => ("late", Number::Bound),
            Self::Rank => ("rank", Number::Rank),
            Self::DoubleReap => ("double reap", Number::Of(1)),
            Self::NoTarget => ("signal to nobody", Number::Of(2)),
            Self::SignalAfterReap => ("signal after reap", Number::Of(2)),
            Self::Stranger => ("signal to a stranger", Number::Of(2)),
            Self::EarlyReap => ("early reap", Number::Of(3)),
            Self::Zombie => ("zombie", Number::Of(4)),
            Self::EarlyEnd => ("early end", Number::Of(7)),
            Self::LateSpawn => ("late spawn", Number::Of(8)),
            Self::Orphan => ("orphan", Number::Of(10)),
            Self::LeftBehind => ("left behind", Number::Of(10)),
            Self::Unswept => ("unswept", Number::Of(10)),
            Self::MadeUp => ("made up", Number::Of(11)),
            Self::MissedExit => ("missed exit", Number::Of(12)),
            Self::AskedAgain => ("asked again", Number::Of(15)),
            Self::Unreached => ("unreached", Number::Of(15)),
            Self::FalseAck => ("false ack", Number::Of(18)),
            Self::WrongCanceller => ("wrong canceller", Number::Of(20)),
            Self::Refused => ("refused", Number::Of(21)),
            Self::RungOrder => ("rung order", Number::Of(25)),
            Self::EarlyRung => ("early rung", Number::Of(26)),
            Self::LongCall => ("long call", Number::Of(27)),
            Self::Escalation => ("escalation", Number::Of(31)),
            Self::StaleTimer => ("stale timer", Number::Of(32)),
            Self::UnseenDeath => ("unseen death", Number::Of(34)),
            Self::DoubleError => ("double error", Number::Of(39)),
            Self::LostError => ("lost error", Number::Of(39)),
            Self::Tally => ("tally", Number::Of(39)),
            Self::MaskedError => ("masked error", Number::Of(40)),
            Self::Collateral => ("collateral", Number::Of(40)),
            Self::OpenChannel => ("open channel", Number::Of(43)),
            Self::Leak => ("leak", Number::Of(43)),
            Self::LeftOver => ("left over", Number::Of(43)),
            Self::Unconsumed => ("unconsumed", Number::Of(45)),
            Self::LostItem => ("lost item", Number::Of(45)),
            Self::RoundTrip => ("round trip", Number::Of(46)),
            Self::Machine(number) => ("machine", Number::Of(number)),
            Self::BadScenario => ("bad scenario", Number::None),
        }
    }

    /// Gives the number of the invariant that is broken.
    #[must_use]
    pub fn number(self) -> Number {
        self.row().1
    }

    /// Tells whether somebody waited for what did not come; else what is wrong was done, not left undone.
    #[must_use]
    pub fn is_stuck(self) -> bool {
        matches!(
            self,
            Self::Hang
                | Self::Livelock
                | Self::Late
                | Self::Zombie
                | Self::Orphan
                | Self::LeftBehind
                | Self::StaleTimer
                | Self::Unconsumed
        )
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().0)
    }
}
