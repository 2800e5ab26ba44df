//! A board of facts: what the machine told, for the user's threads to read and to wait for.
//!
//! The rule: a user's thread waits on the board and never holds anything while it does; whoever drives the machine writes
//! the board and never waits for a reader.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use windrow_core::{ActorId, Error, ScopeId};

pub use self::facts::Output;
pub(crate) use self::facts::{Answered, ChildFacts, Facts, Named, ScopeFacts};

mod facts;
mod offered;

/// A failure on its way into the machine.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It begins here, with this text.
    Here { panicked: bool, text: String },
    /// It came from below and was not handled.
    Below { error: Error, text: String },
}

impl Failed {
    /// Makes a failure of a panic that was caught. User code runs here: what was thrown goes.
    pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        // It may panic itself, and nobody above would catch that.
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(another);
        }
        Self::Here { panicked: true, text: text.unwrap_or_else(|| String::from("a panic without words")) }
    }
}

/// The board.
#[derive(Debug, Default)]
pub(crate) struct Board {
    facts: Mutex<Facts>,
    changed: Condvar,
    /// Something was written that nobody was woken for.
    unpublished: AtomicBool,
    /// How often something was cancelled: who has looked since then need not look again.
    cancellations: AtomicU64,
}

impl Board {
    /// Looks at the facts. A thread that panicked while it looked has changed nothing.
    pub(crate) fn look(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the facts. Whoever waits for one is woken by [`publish`](Self::publish).
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut Facts) -> T) -> T {
        let told = change(&mut self.look());
        self.unpublished.store(true, Ordering::Relaxed);
        told
    }

    /// Changes what is cancelled.
    pub(crate) fn cancel(&self, change: impl FnOnce(&mut Facts)) {
        self.write(change);
        self.cancellations.fetch_add(1, Ordering::Release);
    }

    /// Counts what was cancelled: whatever is seen of it afterwards is as new as this count, or newer.
    pub(crate) fn cancellations(&self) -> u64 {
        self.cancellations.load(Ordering::Acquire)
    }

    /// Changes the facts, and wakes nobody unless `change` says that somebody waits for this one.
    pub(crate) fn write_if_awaited(&self, change: impl FnOnce(&mut Facts) -> bool) {
        if change(&mut self.look()) {
            self.unpublished.store(true, Ordering::Relaxed);
        }
    }

    /// Changes what is known of a child, and wakes whoever waits for it.
    pub(crate) fn write_child(&self, child: ActorId, change: impl FnOnce(&mut ChildFacts)) {
        self.write_if_awaited(|facts| {
            let Some(known) = facts.children.get_mut(&child) else { return false };
            change(known);
            let awaited = known.awaited;
            facts.forget_if_done(child);
            awaited
        });
    }

    /// Wakes everybody who waits for a fact, once for all that a turn has written: a wake-up costs more than a turn.
    pub(crate) fn publish(&self) {
        if self.unpublished.swap(false, Ordering::Relaxed) {
            let stirred = self.look().take_stirred();
            stirred.iter().for_each(|place| place.notify_all());
            self.changed.notify_all();
        }
    }

    /// Waits until `found` finds something, or the driver is gone, or the time is over.
    pub(crate) fn wait<T>(
        &self,
        until: Option<Instant>,
        found: impl FnMut(&mut Facts) -> Option<T>,
    ) -> Option<T> {
        self.wait_in(None, until, found)
    }

    /// Waits like [`wait`](Self::wait) for what comes with the cancellation of a scope, and is woken by nothing else: of
    /// a thousand who sleep, one is cancelled at no cost of the others.
    pub(crate) fn sleep<T>(
        &self,
        scope: ScopeId,
        until: Option<Instant>,
        found: impl FnMut(&mut Facts) -> Option<T>,
    ) -> Option<T> {
        self.wait_in(Some(scope), until, found)
    }

    fn wait_in<T>(
        &self,
        scope: Option<ScopeId>,
        until: Option<Instant>,
        mut found: impl FnMut(&mut Facts) -> Option<T>,
    ) -> Option<T> {
        let mut facts = self.look();
        loop {
            if let Some(value) = found(&mut facts) {
                return Some(value);
            }
            if facts.over || is_past(until) {
                return None;
            }
            let bed = scope.map(|scope| facts.bed(scope));
            facts = wait_on(bed.as_deref().unwrap_or(&self.changed), facts, until);
        }
    }
}

/// Waits until something changes, or the time is over, or for no reason.
pub(crate) fn wait_on<'a, T>(
    changed: &Condvar,
    guard: MutexGuard<'a, T>,
    until: Option<Instant>,
) -> MutexGuard<'a, T> {
    match until {
        None => changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
        Some(until) => {
            let left = until.saturating_duration_since(Instant::now());
            changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
        }
    }
}

/// Tells whether a time is over; none never is.
pub(crate) fn is_past(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() >= until)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use windrow_core::{Cause, Reason};

    use super::*;

    const SLEEPERS: u64 = 100;

    #[test]
    fn who_sleeps_is_woken_by_its_own_cancellation_alone() {
        let (board, looks) = (Board::default(), AtomicUsize::new(0));
        let cause = Cause { canceller: ActorId(1), reason: Reason::Asked };
        let sleep = |scope| {
            board.sleep(scope, None, |facts| {
                looks.fetch_add(1, Ordering::Relaxed);
                facts.cancelled(scope)
            })
        };
        std::thread::scope(|threads| {
            let scopes = (1..=SLEEPERS).map(ScopeId);
            let sleepers: Vec<_> = scopes.map(|scope| (scope, threads.spawn(move || sleep(scope)))).collect();
            while looks.load(Ordering::Relaxed) < sleepers.len() {
                std::thread::yield_now();
            }
            for (scope, sleeper) in sleepers {
                board.cancel(|facts| facts.cancel(scope, cause));
                board.publish();
                assert_eq!(sleeper.join().unwrap(), Some(cause));
            }
        });
        // All would be woken with each. A few may be for no reason.
        let looks = looks.load(Ordering::Relaxed) as u64;
        assert!((2 * SLEEPERS..3 * SLEEPERS).contains(&looks), "{looks}");
    }

    #[test]
    fn who_sleeps_is_woken_by_the_end_of_the_actor_and_of_its_main_task() {
        for is_end in [true, false] {
            let (board, asleep) = (Board::default(), AtomicBool::new(false));
            let cause = Cause { canceller: ActorId(1), reason: Reason::Asked };
            std::thread::scope(|threads| {
                let sleeper = threads.spawn(|| {
                    board.sleep(ScopeId::ROOT, None, |facts| {
                        asleep.store(true, Ordering::Relaxed);
                        facts.main
                    })
                });
                while !asleep.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                board.cancel(|facts| if is_end { facts.end() } else { facts.cancel_main(cause) });
                board.publish();
                assert_eq!(sleeper.join().unwrap(), (!is_end).then_some(cause));
            });
        }
    }
}
