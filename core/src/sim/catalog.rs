//! The catalog of hangs, as far as a world can have them: for each defect the rule that it takes out, a scenario in which
//! that shows, and what the searches must say of it.
//!
//! The rule: with the defect every search over the scenario finds the verdict, and without it none finds anything. It
//! knows no run; the tests and the program read the same rows.

use alloc::vec;
use core::time::Duration;

use super::explain::Sink;
use super::scenario::{Conduct, Nets, Scenario};
use crate::Defect;

/// One hang that a real system had.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Hang {
    /// What takes the rule out, by the hang's name.
    pub defect: Defect,
    /// The rule that keeps it away.
    pub rule: &'static str,
    /// The oracle that objects without the rule.
    pub oracle: &'static str,
    /// The invariant that it names.
    pub number: &'static str,
    /// What the chain of waits ends in.
    pub sink: Sink,
    /// The world in which it shows, with the rule in its place.
    pub scenario: fn() -> Scenario,
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

/// Every hang that a world can have.
pub const HANGS: &[Hang] = &[
    Hang {
        defect: Defect::UnboundedPeerWait,
        rule: "every teardown wait has a deadline",
        oracle: "hang",
        number: "T",
        sink: Sink::NoDeadline,
        scenario: by_itself,
    },
    Hang {
        defect: Defect::ParentShieldKept,
        rule: "the shield is broken at a fixed point of the actor's life, before the process is asked to end",
        oracle: "hang",
        number: "T",
        sink: Sink::Cycle,
        scenario: by_itself,
    },
    Hang {
        defect: Defect::LateWaiter,
        rule: "the expectation of a handshake is registered before the spawn; arrival is state, not an edge",
        oracle: "stale timer",
        number: "32",
        sink: Sink::LostWake,
        scenario: never_hurried,
    },
    Hang {
        defect: Defect::NoDeadlineAfterAck,
        rule: "an ack starts the exit deadline, it does not end the ladder",
        oracle: "hang",
        number: "T",
        sink: Sink::NoDeadline,
        scenario: || pair().menu(&[Conduct::Return, Conduct::WedgeOnCancel]),
    },
    Hang {
        defect: Defect::FlatDeadlines,
        rule: "a child gets less time than its parent has",
        oracle: "escalation",
        number: "31",
        sink: Sink::SilentEnvironment,
        scenario: || Scenario::tree(1, 2).menu(&[Conduct::SlowCancel, Conduct::Wedge]),
    },
    Hang {
        defect: Defect::OrphanIgnored,
        rule: "losing the parent channel cancels the actor",
        oracle: "orphan",
        number: "10",
        sink: Sink::DeadResolver,
        scenario: unguarded,
    },
    Hang {
        defect: Defect::AckDeadlineZero,
        rule: "the ack has time, so that no healthy child is escalated",
        oracle: "escalation",
        number: "31",
        sink: Sink::SilentEnvironment,
        scenario: || pair().menu(&[Conduct::Return]),
    },
    Hang {
        defect: Defect::PeerLossUnlinked,
        rule: "a lost channel ends every call on it, with the exit status where it is known",
        oracle: "hang",
        number: "T",
        sink: Sink::DeadResolver,
        scenario: || call_to(Conduct::DiesOfCall),
    },
    Hang {
        defect: Defect::TerminalInDataBuffer,
        rule: "the end of a stream, and an answer, have a place of their own",
        oracle: "hang",
        number: "T",
        sink: Sink::LostWake,
        scenario: || call_to(Conduct::Answers),
    },
];

/// A root that calls its child and waits for the answer, under a user who never cancels.
fn call_to(conduct: Conduct) -> Scenario {
    let mut scenario = Scenario::tree(1, 1).with(0, Conduct::Calls).with(1, conduct);
    scenario.nets = Nets { user: false, ..Nets::ALL };
    scenario
}

/// A root with two children.
fn pair() -> Scenario {
    Scenario::tree(2, 1)
}

/// A tree whose actors all end by themselves, under a user who never cancels.
fn by_itself() -> Scenario {
    let mut scenario = pair().with(0, Conduct::Serve);
    scenario.menu = vec![Conduct::Return, Conduct::PeerLeaves, Conduct::PeerStays];
    scenario.nets = Nets { user: false, ..Nets::ALL };
    scenario
}

/// A tree under a user who signals later than the boot deadline, which is then all that could help.
fn never_hurried() -> Scenario {
    let mut scenario = pair();
    scenario.signal_at = Some(Duration::from_secs(20));
    scenario
}

/// A tree whose orphans hear of their loss by their channels alone.
fn unguarded() -> Scenario {
    let mut scenario = pair().menu(&[Conduct::ExitHard]);
    scenario.nets = Nets { pdeathsig: false, guardian: false, ..Nets::ALL };
    scenario
}
