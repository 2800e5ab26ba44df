//! All deadlines of one actor, in one ordered index.
//!
//! The rule: a timer has one deadline at the most, setting it replaces the old one, and both ways cost O(log n).

use alloc::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{ActorId, Instant, ScopeId};

/// Whose deadline it is. At one instant they fire in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Timer {
    /// The present state of the actor's life.
    Life,
    /// The shields of the actor's scopes.
    Shields,
    /// The actor's tasks.
    Tasks,
    /// A scope.
    Scope(ScopeId),
    /// The present state of a child.
    Child(ActorId),
    /// Descriptions that have not come.
    Status,
}

/// The index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Deadlines {
    by_time: BTreeSet<(Instant, Timer)>,
    by_timer: BTreeMap<Timer, Instant>,
}

impl Deadlines {
    /// Sets a timer's deadline, or clears it.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        let old = match at {
            Some(at) => self.by_timer.insert(timer, at),
            None => self.by_timer.remove(&timer),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.by_time.remove(&(old, timer));
        }
        if let Some(at) = at.filter(|at| *at < Instant::MAX) {
            self.by_time.insert((at, timer));
        }
    }

    /// Gives a timer's deadline.
    pub(crate) fn at(&self, timer: Timer) -> Option<Instant> {
        self.by_timer.get(&timer).copied()
    }

    /// Gives the earliest deadline.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the first timer that is due, which then has no deadline any more.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_timer.remove(&timer);
        Some(timer)
    }

    /// Counts the deadlines that can fire.
    pub(crate) fn len(&self) -> usize {
        self.by_time.len()
    }
}
