//! What a tree, or one actor of it, came to.

use std::time::Duration;

use windrow_core::{Cause, End, Exit, Outcome, Reason};

use crate::failure::Failure;

/// What an actor's life came to, what it returned, and what it raised.
#[derive(Debug)]
#[must_use = "how it went, and what failed, stands here and nowhere else"]
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
    /// Gives the exit status that says how it went: 128 + n where signal n has cancelled all, as a shell says it, for what was to be
    /// done is then not; else that of its [`End`](windrow_core::End::status), but 1 in place of 0 where something is left.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self.outcome.end {
            End::Cancelled(Cause { reason: Reason::Signal(signal), .. }) => Exit::Signal(signal).status(),
            _ => self.status_to_parent(),
        }
    }

    /// Gives that of an actor, whose parent has heard by what it was cancelled.
    pub(crate) fn status_to_parent(&self) -> u8 {
        self.outcome.end.status().max(u8::from(self.outcome.tally.left > 0))
    }

    pub(crate) fn with<U>(self, value: Option<U>) -> Ended<U> {
        let Self { outcome, value: _, failures, took } = self;
        Ended { outcome, value, failures, took }
    }
}

#[cfg(test)]
mod tests {
    use windrow_core::{ActorId, Instant, Tally};

    use super::*;

    fn status(end: End, left: u32) -> u8 {
        let tally = Tally { left, ..Tally::default() };
        let outcome = Outcome { end, tally, began: Instant::default(), bound: Duration::ZERO };
        Ended { outcome, value: Some(()), failures: Vec::new(), took: Duration::ZERO }.status()
    }

    #[test]
    fn what_is_left_makes_no_good_status() {
        assert_eq!([End::Well, End::Failed, End::Forced].map(|end| status(end, 0)), [0, 1, 130]);
        let by = |reason| End::Cancelled(Cause { canceller: ActorId(1), reason });
        assert_eq!(
            [Reason::Signal(2), Reason::Signal(15), Reason::Asked].map(|why| status(by(why), 0)),
            [130, 143, 0]
        );
        // A byte would take the count for none.
        assert_eq!([End::Well, End::Failed, End::Forced].map(|end| status(end, 256)), [1, 1, 130]);
    }
}
