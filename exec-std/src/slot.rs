//! One context as its user sees it: what came for it, and a place to wait.
//!
//! The rule: whoever drives the machine writes here and never waits; a reader waits here and holds nothing. The answer and
//! the end of the stream have places of their own, which no number of items can fill.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use windrow_core::{ActorId, Cause, Exit, Reason, ScopeId};

use crate::board::{is_past, wait_on};
use crate::failure::{Failure, Raised, counted};
use crate::reading::Reader;
use crate::unix::waker::Waker;

/// A context, shared by its user's thread and whoever drives the machine.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    talk: Mutex<Talk>,
    changed: Condvar,
    /// Items that its reader took, whichever thread is to say so.
    taken: AtomicU32,
}

/// What came.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    /// The far end's first value.
    pub(crate) begun: Option<Vec<u8>>,
    /// Items that are here and not taken.
    pub(crate) items: Items,
    /// Items that gave way to later ones.
    pub(crate) dropped: u64,
    /// No further item comes.
    pub(crate) ended: bool,
    /// How many items may be sent.
    pub(crate) credit: u32,
    /// Errors that came before the answer.
    errors: Vec<Failure>,
    /// How many more there were.
    lost: u32,
    /// This end has opened its stream.
    pub(crate) opened: bool,
    /// How it ended.
    pub(crate) over: Option<Over>,
    /// The scope that it belongs to, whose cancellation wakes whoever waits.
    pub(crate) scope: Option<ScopeId>,
    waiting: u32,
    /// What wakes a user who reads the channel while it waits.
    reader: Option<Waker>,
    /// Whoever waits will be woken.
    touched: bool,
}

/// How long a buffer may be that is kept for another use.
pub(crate) const KEPT: usize = 16 << 10;

/// How a call ended for its caller.
#[derive(Clone, Debug)]
pub(crate) enum Over {
    Returned(Vec<u8>),
    /// It returned, and its user has the result.
    Taken,
    Failed(Box<Failure>),
    Cancelled(Cause),
    /// Its own time was over.
    TimedOut,
    Lost(Option<Exit>),
    Unanswered,
}

impl Over {
    /// Says what this end means for whoever waits for more; `None` if the far end returned. What is lost without a word
    /// was `cancelled` here before.
    pub(crate) fn raised(&self, cancelled: Cause) -> Option<Raised> {
        match self {
            Self::Returned(_) | Self::Taken => None,
            Self::Failed(failure) => Some(Raised::Group(vec![(**failure).clone()])),
            Self::Cancelled(cause) => Some(Raised::Cancelled(*cause)),
            Self::TimedOut => Some(Raised::TimedOut),
            Self::Lost(_) | Self::Unanswered => Some(Raised::Cancelled(cancelled)),
        }
    }
}

impl Talk {
    /// Keeps an error that came before the answer, or counts it: with the answer there are at most as many as a scope keeps.
    pub(crate) fn fail(&mut self, failure: Failure, room: u16) {
        if self.errors.len() + 1 < usize::from(room) {
            self.errors.push(failure);
        } else {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// Gives the errors that came before the answer, those that were not kept as one of them.
    pub(crate) fn take_errors(&mut self, by: ActorId) -> Vec<Failure> {
        counted(std::mem::take(&mut self.errors), usize::MAX, std::mem::take(&mut self.lost), by)
    }

    /// Lets go of the items that nobody will read. Gives whether others may come.
    pub(crate) fn let_go(&mut self) -> bool {
        self.items.clear();
        !self.ended && self.over.is_none()
    }

    /// Tells whether a cancellation followed from how the far end failed. That stands behind the items that came before.
    pub(crate) fn is_behind(&self, cause: &Cause) -> bool {
        matches!(&self.over, Some(Over::Cancelled(end)) if end == cause && cause.reason == Reason::Failure)
    }

    fn is_awaited(&self) -> bool {
        self.waiting > 0 || self.reader.is_some()
    }
}

impl Slot {
    /// Looks at what came. A thread that panicked while it looked has changed nothing.
    pub(crate) fn look(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an item that was taken. Gives how many there are that nobody has said so of.
    pub(crate) fn take_one(&self) -> u32 {
        self.taken.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Gives how many items were taken since this was asked last.
    pub(crate) fn taken(&self) -> u32 {
        self.taken.swap(0, Ordering::Relaxed)
    }

    /// Waits until `found` finds something, or the time is over.
    pub(crate) fn wait<T>(
        &self,
        until: Option<Instant>,
        mut found: impl FnMut(&mut Talk) -> Option<T>,
    ) -> Option<T> {
        let mut talk = self.look();
        loop {
            if let Some(value) = found(&mut talk) {
                return Some(value);
            }
            talk.waiting += 1;
            talk = wait_on(&self.changed, talk, until);
            talk.waiting -= 1;
            if is_past(until) {
                return found(&mut talk);
            }
        }
    }

    /// Waits like [`wait`](Self::wait), and reads the channel meanwhile if there is a reader for it.
    pub(crate) fn wait_reading<'a, T>(
        &self,
        until: Option<Instant>,
        reader: impl FnOnce() -> Option<Reader<'a>>,
        mut found: impl FnMut(&mut Talk) -> Option<T>,
    ) -> Option<T> {
        // A statement of its own, so that the lock goes with it.
        let value = found(&mut self.look());
        value.or_else(|| self.read(reader()?, until, &mut found)).or_else(|| self.wait(until, found))
    }

    /// Reads a channel until `found` finds something, or there is no sense in reading on, or the time is over.
    fn read<T>(
        &self,
        mut reader: Reader<'_>,
        until: Option<Instant>,
        found: &mut impl FnMut(&mut Talk) -> Option<T>,
    ) -> Option<T> {
        loop {
            {
                let mut talk = self.look();
                if let Some(value) = found(&mut talk) {
                    return Some(value);
                }
                talk.reader = Some(reader.waker());
            }
            let is_there = reader.wait(until);
            self.look().reader = None;
            if is_there {
                let mut value = None;
                let goes_on = reader.read(|| {
                    value = found(&mut self.look());
                    value.is_some()
                });
                if !goes_on {
                    return value;
                }
            } else if is_past(until) {
                return None;
            }
        }
    }

    /// Writes down what came. Gives whether somebody is to be woken for it, once for all that is written until then.
    pub(crate) fn write(&self, write: impl FnOnce(&mut Talk)) -> bool {
        let mut talk = self.look();
        write(&mut talk);
        talk.is_awaited() && !std::mem::replace(&mut talk.touched, true)
    }

    /// Wakes whoever waits.
    pub(crate) fn notify(&self) {
        let (waiting, reader) = {
            let mut talk = self.look();
            talk.touched = false;
            (talk.waiting, talk.reader.take())
        };
        if waiting > 0 {
            self.changed.notify_all();
        }
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Forgets a context that is over; its buffers are used again.
    pub(crate) fn clear(&mut self) {
        let talk = self.talk.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Talk { mut items, mut errors, .. } = std::mem::take(talk);
        items.clear();
        errors.clear();
        (talk.items, talk.errors) = (items, errors);
        *self.taken.get_mut() = 0;
    }
}

/// Items in the order in which they came, in one buffer that is used again.
#[derive(Debug, Default)]
pub(crate) struct Items {
    bytes: Vec<u8>,
    lengths: VecDeque<usize>,
    start: usize,
}

impl Items {
    pub(crate) fn push(&mut self, item: &[u8]) {
        // A byte is moved at most as often as one has left.
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(item);
        self.lengths.push_back(item.len());
    }

    pub(crate) fn pop(&mut self) -> Option<&[u8]> {
        let length = self.lengths.pop_front()?;
        let from = self.start;
        self.start += length;
        self.bytes.get(from..self.start)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Forgets all.
    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.lengths.clear();
        self.start = 0;
    }

    /// Forgets what was taken, all at once.
    pub(crate) fn rewind(&mut self) {
        if self.lengths.is_empty() {
            self.bytes.clear();
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use windrow_core::Kind;

    use super::*;

    #[test]
    fn of_errors_without_end_as_many_are_kept_as_a_scope_keeps() {
        let (mut talk, far, me) = (Talk::default(), ActorId(7), ActorId(1));
        for number in 0..1000 {
            talk.fail(Failure::of(Kind::Failed, far, number.to_string()), 64);
        }
        let errors = talk.take_errors(me);
        // The answer is still to come.
        assert_eq!(errors.len(), 63);
        assert_eq!(errors[61].text, "61");
        assert_eq!((errors[62].origin, errors[62].text.as_str()), (me, "938 further failures were not kept"));
        assert_eq!(talk.take_errors(me), []);
    }

    #[test]
    fn items_come_out_as_they_went_in_and_the_buffer_stays_small() {
        let mut items = Items::default();
        let (mut pushed, mut popped) = (0_u32, 0_u32);
        for round in 0..10_000_u32 {
            for _ in 0..round % 4 {
                items.push(&pushed.to_le_bytes()[..(pushed % 5) as usize]);
                pushed += 1;
            }
            while pushed - popped > round % 3 {
                let expected = &popped.to_le_bytes()[..(popped % 5) as usize];
                assert_eq!(items.pop(), Some(expected));
                popped += 1;
            }
        }
        assert!(items.bytes.capacity() < 1024, "{}", items.bytes.capacity());
    }
}
