//! What a tree, or one actor of it, came to.

use std::time::Duration;

use windrow_core::Outcome;

use crate::failure::Failure;

/// What an actor's life came to, what it returned, and what it raised.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended<T = ()> {
    /// The machine's account.
    pub outcome: Outcome,
    /// What a root's main task returned, if it did. A child's went to its parent.
    pub value: Option<T>,
    /// The failures that reached a root. A child's went to its parent.
    pub failures: Vec<Failure>,
    /// How long the teardown took: from the cancellation, or the end of all tasks and children, to the end of the actor.
    pub took: Duration,
}

impl<T> Ended<T> {
    /// Gives the exit status that says how it went. See [`End::status`](windrow_core::End::status).
    #[must_use]
    pub fn status(&self) -> u8 {
        self.outcome.end.status()
    }

    pub(crate) fn with<U>(self, value: Option<U>) -> Ended<U> {
        let Self { outcome, value: _, failures, took } = self;
        Ended { outcome, value, failures, took }
    }
}
