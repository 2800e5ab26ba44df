//! By when a child's present state is left, and each that follows: the plan of its end.
//!
//! The rule: it is made once, and only ever shortened. A state of teardown has a deadline.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::child::ChildRecord;
use crate::{Cause, Child, Deadline, Instant, Limits, Role, Until};

/// How long the present state may last. A state of teardown has a deadline; there is no other way to enter it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Rung {
    /// A running child is waited for as long as it runs; a booting one until its boot deadline; one that waits its turn as
    /// long as those before it take, each of which has a boot deadline.
    Free { since: Instant, until: Option<Instant> },
    /// A child that is to end.
    Teardown { since: Instant, until: Deadline },
}

impl Rung {
    pub(crate) fn since(self) -> Instant {
        match self {
            Self::Free { since, .. } | Self::Teardown { since, .. } => since,
        }
    }

    pub(crate) fn wait(self) -> Until {
        match self {
            Self::Free { until, .. } => Until::Running(until),
            Self::Teardown { until, .. } => Until::Teardown(until),
        }
    }

    pub(crate) fn until(self) -> Option<Instant> {
        match self {
            Self::Free { until, .. } => until,
            Self::Teardown { until, .. } => Some(until.at()),
        }
    }
}

/// The plan by which a child ends: fixed when its cancellation begins, only ever shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Ladder {
    pub(crate) began: Instant,
    /// Who cancelled it; `None` if it is stopped for a fault of its own.
    pub(crate) cause: Option<Cause>,
    /// The latest SIGTERM.
    pub(crate) stop_at: Instant,
    /// The latest SIGKILL.
    pub(crate) kill_at: Instant,
    /// When to give up.
    pub(crate) end_at: Instant,
}

impl Ladder {
    /// Gives the latest time at which a state is left.
    pub(crate) fn latest(&self, phase: Child) -> Instant {
        match phase {
            Child::Asked | Child::Acked | Child::Parting => self.stop_at,
            // So that whoever does not answer can be killed before it, and then what it has made.
            Child::Withdrawn => self.kill_at.before(self.end_at.since(self.kill_at)),
            Child::Stopping | Child::Sweeping => self.kill_at,
            Child::Unanswered | Child::Killing | Child::Purging | Child::Reaping => self.end_at,
            Child::Queued
            | Child::Starting
            | Child::Early
            | Child::Booting
            | Child::Up
            | Child::Unkillable
            | Child::Gone => Instant::MAX,
        }
    }
}

impl ChildRecord {
    /// Gives the latest SIGTERM and SIGKILL of one that is to be given up at `end_at`.
    pub(crate) fn latest_signals(&self, end_at: Instant, parents: &Limits) -> (Instant, Instant) {
        let times = self.times(parents);
        // A thread has no time set aside for SIGKILL, because there is none for it.
        let kill = if self.role == Role::Thread { Duration::ZERO } else { times.kill };
        let kill_at = end_at.before(kill);
        (kill_at.before(times.stop), kill_at)
    }

    /// Gives how long it may take after SIGTERM. A command that was not asked before has the time of that, too.
    pub(crate) fn time_to_stop(&self, from: Child, parents: &Limits) -> Duration {
        let times = self.times(parents);
        if self.role == Role::Command && !matches!(from, Child::Asked | Child::Acked) {
            times.bound(0).saturating_add(times.hop).saturating_add(times.stop)
        } else {
            times.stop
        }
    }

    /// Shortens the plan and the time of the present rung, so that the last one is over at `end_at`. Gives that rung's end.
    pub(crate) fn shorten(&mut self, end_at: Instant, parents: &Limits) -> Option<Instant> {
        if self.phase.is_settled() {
            return None;
        }
        let (stop_at, kill_at) = self.latest_signals(end_at, parents);
        // Time that a late look has given is not taken back for the plan that it came late for.
        let ladder = self.ladder.as_mut().filter(|ladder| end_at < ladder.end_at)?;
        ladder.stop_at = ladder.stop_at.min(stop_at);
        ladder.kill_at = ladder.kill_at.min(kill_at);
        ladder.end_at = ladder.end_at.min(end_at);
        let latest = ladder.latest(self.phase);
        let Rung::Teardown { since, until } = &mut self.rung else {
            return None;
        };
        *until = until.or_at(latest.max(*since));
        Some(until.at())
    }
}
