//! A board of facts: what the machine told, for the user's threads to read and to wait for.
//!
//! The rule: a user's thread waits on the board and never holds anything while it does; whoever drives the machine writes
//! the board and never waits for a reader.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use windrow_core::{ActorId, Error};

pub use self::facts::Output;
pub(crate) use self::facts::{Answered, ChildFacts, Facts, Named, ScopeFacts};
pub(crate) use self::waiters::News;

mod facts;
mod offered;
mod waiters;

thread_local! {
    /// Room for where this thread is to wake others, used again.
    static TOLD: Cell<Vec<Arc<Condvar>>> = const { Cell::new(Vec::new()) };
}

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
    /// Somebody was told something and not woken yet.
    unpublished: AtomicBool,
    /// How often something was cancelled: who has looked since then need not look again.
    cancellations: AtomicU64,
}

impl Board {
    /// Looks at the facts. A thread that panicked while it looked has changed nothing.
    pub(crate) fn look(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the facts. Whoever is [told](Facts::tell) of it is woken by [`publish`](Self::publish).
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut Facts) -> T) -> T {
        let mut facts = self.look();
        let changed = change(&mut facts);
        if facts.waiters.are_told() {
            self.unpublished.store(true, Ordering::Relaxed);
        }
        changed
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

    /// Changes what is known of a child, and tells whoever waits for it.
    pub(crate) fn write_child(&self, child: ActorId, change: impl FnOnce(&mut ChildFacts)) {
        self.write(|facts| {
            let Some(known) = facts.children.get_mut(&child) else { return };
            change(known);
            facts.forget_if_done(child);
            facts.tell(News::Child(child));
        });
    }

    /// Wakes everybody who was told something, once for all that a turn has written: a wake-up costs more than a turn.
    pub(crate) fn publish(&self) {
        if self.unpublished.swap(false, Ordering::Relaxed) {
            let mut told = TOLD.take();
            self.look().waiters.hand_over(&mut told);
            told.drain(..).for_each(|place| place.notify_one());
            TOLD.set(told);
        }
    }

    /// Waits until `found` finds something, or the driver is gone, or the time is over. It looks again only when there is `news`:
    /// of all that may have it find something.
    pub(crate) fn wait<T>(
        &self,
        news: &[News],
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
            let place = facts.waiters.enter(news);
            facts = wait_on(&place, facts, until);
            facts.waiters.leave(news, place);
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
    use std::time::Duration;

    use windrow_core::{Cause, End, Reason, ScopeId};

    use super::*;

    const WAITERS: u64 = 100;
    const CAUSE: Cause = Cause { canceller: ActorId(1), reason: Reason::Asked };

    /// Has many wait, each for its own news, and tells one after the other. Gives how often all of them looked.
    fn looks<const N: usize>(
        board: &Board,
        news: impl Fn(u64) -> [News; N],
        found: impl Fn(&mut Facts, u64) -> Option<()> + Sync,
        tell: impl Fn(u64),
    ) -> u64 {
        let looks = AtomicUsize::new(0);
        let wait = |number, news: [News; N]| {
            board.wait(&news, None, |facts| {
                looks.fetch_add(1, Ordering::Relaxed);
                found(facts, number)
            })
        };
        std::thread::scope(|threads| {
            let start = |number| {
                let (news, wait) = (news(number), &wait);
                (number, threads.spawn(move || wait(number, news)))
            };
            let waiters: Vec<_> = (1..=WAITERS).map(start).collect();
            while looks.load(Ordering::Relaxed) < waiters.len() {
                std::thread::yield_now();
            }
            for (number, waiter) in waiters {
                tell(number);
                board.publish();
                assert_eq!(waiter.join().unwrap(), Some(()));
            }
        });
        looks.into_inner() as u64
    }

    /// All would be woken with each. A few may be for no reason.
    fn assert_alone(looks: u64) {
        assert!((2 * WAITERS..3 * WAITERS).contains(&looks), "{looks}");
    }

    #[test]
    fn who_sleeps_is_woken_by_its_own_cancellation_alone() {
        let board = Board::default();
        assert_alone(looks(
            &board,
            |scope| [News::Cancelled(ScopeId(scope))],
            |facts, scope| facts.cancelled(ScopeId(scope)).map(drop),
            |scope| board.cancel(|facts| facts.cancel(ScopeId(scope), CAUSE)),
        ));
    }

    #[test]
    fn who_waits_for_a_child_is_woken_by_its_news_alone() {
        let board = Board::default();
        let children = (1..=WAITERS).map(|child| (ActorId(child), ChildFacts::default()));
        board.look().children.extend(children);
        assert_alone(looks(
            &board,
            |child| [News::Child(ActorId(child)), News::Cancelled(ScopeId::ROOT)],
            |facts, child| facts.children[&ActorId(child)].gone.then_some(()),
            |child| board.write_child(ActorId(child), |child| child.gone = true),
        ));
    }

    #[test]
    fn who_waits_for_the_end_of_a_scope_is_woken_by_that_alone() {
        let board = Board::default();
        assert_alone(looks(
            &board,
            |scope| [News::Closed(ScopeId(scope))],
            |facts, scope| facts.take_closed(ScopeId(scope)).map(drop),
            |scope| board.write(|facts| facts.close(ScopeId(scope), End::Well, 0)),
        ));
    }

    #[test]
    fn all_who_wait_for_a_child_are_woken_when_it_is_forgotten() {
        let (board, child, asked) = (Board::default(), ActorId(1), AtomicUsize::new(0));
        board.look().children.insert(child, ChildFacts::default());
        board.look().let_go(child);
        let wait = || {
            board.wait(&[News::Child(child)], None, |facts| {
                asked.fetch_add(1, Ordering::Relaxed);
                (!facts.children.contains_key(&child)).then_some(())
            })
        };
        std::thread::scope(|threads| {
            let waiters = [threads.spawn(wait), threads.spawn(wait)];
            while asked.load(Ordering::Relaxed) < waiters.len() {
                std::thread::yield_now();
            }
            board.write_child(child, |child| child.gone = true);
            board.publish();
            assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap().is_some()));
        });
    }

    #[test]
    fn who_waits_is_woken_by_what_cancels_it_too_and_by_the_end_of_the_actor() {
        let scope = ScopeId(2);
        let cancels: [(_, fn(&mut Facts)); 3] = [
            (ScopeId::ROOT, |facts| facts.cancel_main(CAUSE)),
            (scope, |facts| facts.cancel(ScopeId(2), CAUSE)),
            (scope, Facts::end),
        ];
        for (body, cancel) in cancels {
            let (board, asleep) = (Board::default(), AtomicBool::new(false));
            std::thread::scope(|threads| {
                let waiter = threads.spawn(|| {
                    board.wait(&[News::Child(ActorId(1)), News::Cancelled(body)], None, |facts| {
                        asleep.store(true, Ordering::Relaxed);
                        facts.main.or(facts.cancelled(scope))
                    })
                });
                while !asleep.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                board.cancel(cancel);
                board.publish();
                let is_end = board.look().over;
                assert_eq!(waiter.join().unwrap(), (!is_end).then_some(CAUSE));
            });
        }
    }

    #[test]
    fn whose_time_is_over_waits_for_nothing_any_more() {
        let board = Board::default();
        for child in 1..=3 {
            let until = Instant::now() + Duration::from_millis(1);
            assert_eq!(board.wait(&[News::Child(ActorId(child))], Some(until), |_| None::<()>), None);
            board.write(|facts| facts.tell(News::Child(ActorId(child))));
            assert!(!board.look().waiters.are_told());
        }
    }
}
