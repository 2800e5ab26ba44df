//! The catalog of hangs, as far as a world can have them: for each defect the rule that it takes out, a scenario in which
//! that shows, and what the searches must say of it.
//!
//! The rule: with the defect every search over the scenario finds the verdict, and without it none finds anything. It
//! knows no run; the tests and the program read the same rows.
//!
//! `worlds` has the scenarios.

pub(super) mod worlds;

use crate::Defect;
use crate::sim::explain::Sink;
use crate::sim::oracle::Promise;
use crate::sim::scenario::{Conduct, Scenario};

/// One hang that a real system had.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Hang {
    /// What takes the rule out, by the hang's name.
    pub defect: Defect,
    /// The rule that keeps it away.
    pub rule: &'static str,
    /// What is broken without the rule.
    pub promise: Promise,
    /// What the chain of waits ends in; `None` if nobody waits any more when it is seen.
    pub sink: Option<Sink>,
    /// The world in which it shows, with the rule in its place.
    pub scenario: fn() -> Scenario,
    /// Which search over every tree finds it.
    pub reach: Reach,
}

/// Which search over every tree finds a hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a hang is hidden by nothing, by one net, or by more")]
pub enum Reach {
    /// That with all nets in place.
    Whole,
    /// That with this net away, which else catches what follows.
    Without(&'static str),
    /// None: it needs a world of its own, for this reason.
    Own(&'static str),
}

impl Hang {
    /// Finds a hang by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        HANGS.iter().find(|hang| hang.defect.name() == name)
    }

    /// Gives the world in which it shows, with the rule taken out.
    #[cfg(feature = "defects")]
    #[must_use]
    pub fn broken(&self) -> Scenario {
        (self.scenario)().defect(self.defect)
    }
}

const ORPHAN: &str =
    "an orphan hears of its loss by its channel, by SIGTERM and from a guardian: two of them must be away";
const ENDING: &str = "who is ending is killed by a guardian, or by who adopts it: the root must die, and have none that guards";
const STOPPED: &str =
    "what SIGTERM does not end, the end of its channel or a guardian does: two of them must be away";
const SIBLINGS: &str =
    "only parents call in the trees of that search: siblings must, whom one cancellation reaches one by one";

/// Every hang that a world can have.
pub const HANGS: &[Hang] = &[
    Hang {
        defect: Defect::UnboundedPeerWait,
        rule: "every teardown wait has a deadline",
        promise: Promise::Hang,
        sink: Some(Sink::NoDeadline),
        scenario: worlds::by_itself,
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::ParentShieldKept,
        rule: "the shield is broken at a fixed point of the actor's life, before the process is asked to end",
        promise: Promise::Hang,
        sink: Some(Sink::Cycle),
        scenario: worlds::by_itself,
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::LateWaiter,
        rule: "the expectation of a handshake is registered before the spawn; arrival is state, not an edge",
        promise: Promise::StaleTimer,
        sink: Some(Sink::LostWake),
        scenario: worlds::never_hurried,
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::NoDeadlineAfterAck,
        rule: "an ack starts the exit deadline, it does not end the ladder",
        promise: Promise::Hang,
        sink: Some(Sink::NoDeadline),
        scenario: || worlds::pair().menu(&[Conduct::Return, Conduct::WedgeOnCancel]),
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::FlatDeadlines,
        rule: "a child gets less time than its parent has",
        promise: Promise::Escalation,
        sink: Some(Sink::ShortDeadline),
        scenario: || Scenario::tree(1, 2).menu(&[Conduct::SlowCancel, Conduct::Wedge]),
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::OrphanIgnored,
        rule: "losing the parent channel cancels the actor",
        promise: Promise::Orphan,
        sink: Some(Sink::DeadResolver),
        scenario: worlds::unguarded,
        reach: Reach::Own(ORPHAN),
    },
    Hang {
        defect: Defect::AckDeadlineZero,
        rule: "the ack has time, so that no healthy child is escalated",
        promise: Promise::Escalation,
        sink: Some(Sink::ShortDeadline),
        scenario: || worlds::pair().menu(&[Conduct::Return]),
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::AckTimeoutSwallowed,
        rule: "a fired deadline always makes a transition",
        promise: Promise::Hang,
        sink: Some(Sink::SwallowedDeadline),
        scenario: worlds::deaf_child,
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::BootDeathUnseen,
        rule: "handshake, death and boot deadline race; the cause is reported with its exit status",
        promise: Promise::UnseenDeath,
        sink: Some(Sink::LostWake),
        scenario: worlds::dies_in_boot,
        reach: Reach::Without("eof"),
    },
    Hang {
        defect: Defect::DisconnectedSkipped,
        rule: "no channel means a higher rung, not no rung",
        promise: Promise::Hang,
        sink: Some(Sink::NoDeadline),
        scenario: || worlds::pair().menu(&[Conduct::HalfOpen]),
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::CancelDuringSpawn,
        rule: "a spawn in flight is on the ladder from its first instant",
        promise: Promise::Hang,
        sink: Some(Sink::NoDeadline),
        scenario: worlds::cancelled_at_once,
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::SpawnAfterCancel,
        rule: "a spawn is refused once its scope is cancelled",
        promise: Promise::LateSpawn,
        sink: Some(Sink::SilentEnvironment),
        scenario: || Scenario::tree(1, 1).with(0, Conduct::SpawnLater),
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::FirstErrorMasked,
        rule: "an error is never replaced by the cancellation that it caused",
        promise: Promise::LostError,
        sink: None,
        scenario: || worlds::pair().menu(&[Conduct::Fail, Conduct::Deadline]),
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::TeardownStepSkipsRest,
        rule: "a step of a teardown that fails is reported, and the next one runs",
        promise: Promise::Orphan,
        sink: Some(Sink::DeadResolver),
        scenario: worlds::ends_as_the_root_dies,
        reach: Reach::Own(ENDING),
    },
    Hang {
        defect: Defect::DuplicateCancel,
        rule: "one request for each child; a second is answered like the first",
        promise: Promise::AskedAgain,
        sink: None,
        scenario: worlds::asked_twice,
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::SerialLadder,
        rule: "all ladders of a nursery run at the same time",
        promise: Promise::Late,
        sink: Some(Sink::NoDeadline),
        scenario: worlds::all_wedged,
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::CancelInline,
        rule: "the machine never waits inside an input",
        promise: Promise::Escalation,
        sink: Some(Sink::HeldBack),
        scenario: || Scenario::tree(1, 2).menu(&[Conduct::Wedge]),
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::DuplicateName,
        rule: "identity is the id that the parent gave, never the name",
        promise: Promise::StaleTimer,
        sink: Some(Sink::LostWake),
        scenario: worlds::never_hurried,
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::SubtreeNotKilled,
        rule: "what a dead child leaves is adopted and put on the ladder",
        promise: Promise::Unswept,
        sink: Some(Sink::DeadResolver),
        scenario: worlds::dies_in_the_middle,
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::InheritedFds,
        rule: "a child closes all but 0, 1, 2 and its channel",
        promise: Promise::Orphan,
        sink: Some(Sink::DeadResolver),
        scenario: worlds::rootless,
        reach: Reach::Own(ORPHAN),
    },
    Hang {
        defect: Defect::BlockingWait,
        rule: "an exit is readiness; to collect it never waits",
        promise: Promise::Hang,
        sink: Some(Sink::NoDeadline),
        scenario: || Scenario::tree(1, 1).menu(&[Conduct::Wedge]),
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::StdioPipeFull,
        rule: "captured output is always drained, whatever the machine's state",
        promise: Promise::Escalation,
        sink: Some(Sink::Cycle),
        scenario: || worlds::pair().menu(&[Conduct::Logs, Conduct::CommandLogs]),
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::SigintDispositionInherited,
        rule: "a child resets mask, dispositions and wake-up, and its shell makes its own",
        promise: Promise::Orphan,
        sink: Some(Sink::DeadResolver),
        scenario: worlds::only_stopped,
        reach: Reach::Own(STOPPED),
    },
    Hang {
        defect: Defect::SigintIgnoredInherited,
        rule: "dispositions are reset, and a rung whose signal is ignored is skipped",
        promise: Promise::Escalation,
        sink: Some(Sink::SilentEnvironment),
        scenario: worlds::in_the_background,
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::ForkWithThreads,
        rule: "only a process with one thread forks",
        promise: Promise::Escalation,
        sink: Some(Sink::DeadResolver),
        scenario: worlds::child_never_hurried,
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::WakeupEofSpin,
        rule: "the end of an internal descriptor deregisters it",
        promise: Promise::Livelock,
        sink: Some(Sink::DeadResolver),
        scenario: || worlds::pair().menu(&[Conduct::CommandLogs]),
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::SignalStarved,
        rule: "signals come on a path that user code can not block",
        promise: Promise::Unconsumed,
        sink: Some(Sink::SilentEnvironment),
        scenario: worlds::blocked,
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::ReapRace,
        rule: "one owner collects",
        promise: Promise::DoubleReap,
        sink: Some(Sink::LostWake),
        scenario: worlds::commands_that_return,
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::PeerLossUnlinked,
        rule: "a lost channel ends every call on it, with the exit status where it is known",
        promise: Promise::Hang,
        sink: Some(Sink::DeadResolver),
        scenario: || worlds::call_to(Conduct::DiesOfCall),
        reach: Reach::Without("user"),
    },
    Hang {
        defect: Defect::AbandonedThread,
        rule: "giving a thread up closes its channel from our side, and says so",
        promise: Promise::Hang,
        sink: Some(Sink::SilentEnvironment),
        scenario: || worlds::call_beside_a_failure(Conduct::DeafThread),
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::TerminalInDataBuffer,
        rule: "the end of a stream, and an answer, have a place of their own",
        promise: Promise::Hang,
        sink: Some(Sink::LostWake),
        scenario: || worlds::call_to(Conduct::Answers),
        reach: Reach::Without("user"),
    },
    Hang {
        defect: Defect::ShmLeft,
        rule: "the run directory records what is made before it exists; reaping removes it",
        promise: Promise::Leak,
        sink: None,
        scenario: worlds::killed_with_names,
        reach: Reach::Whole,
    },
    Hang {
        defect: Defect::CollateralRaised,
        rule: "an error that says of a cancellation what is known is none",
        promise: Promise::Collateral,
        sink: None,
        scenario: worlds::asks_a_sibling,
        reach: Reach::Own(SIBLINGS),
    },
    Hang {
        defect: Defect::GoAwayUnsaid,
        rule: "who was cancelled says so to its peers with its last word",
        promise: Promise::Collateral,
        sink: None,
        scenario: worlds::asks_a_sibling,
        reach: Reach::Own(SIBLINGS),
    },
];
