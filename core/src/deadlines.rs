//! All deadlines of one actor, in one ordered index.
//!
//! The rule: a timer has one deadline at the most, setting it replaces the old one, and both ways cost O(log n).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use serde::ser::{Serialize, SerializeSeq, Serializer};
use serde::{Deserialize, Serialize as Plain};

use crate::{ActorId, ContextId, Instant, PeerId, Question, ScopeId};

/// Whose deadline it is. At one instant they fire in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Plain, Deserialize)]
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
    /// A call that this actor made.
    Call(ContextId),
    /// The present state of a peer's channel.
    Peer(PeerId),
    /// A question that the registrar has not answered.
    Question(Question),
}

/// The index: a heap by time, and the place of each timer in it.
///
/// A timer that is cleared stays, at the end of time, until it is [forgotten](Self::forget): so a timer that is set again
/// and again, as a child's is, allocates once. What its encoding and its equality know are the deadlines that can fire.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Vec<(Timer, Instant)>")]
pub(crate) struct Deadlines {
    heap: Vec<Entry>,
    /// Each timer's slot, which it keeps while the heap moves it about.
    slots: BTreeMap<Timer, usize>,
    /// The place in the heap of each slot.
    places: Vec<usize>,
    free: Vec<usize>,
}

/// So many timers have room from the first one on: an actor with few children has no more.
const FEW: usize = 8;

/// When, who, and the slot.
type Entry = (Instant, Timer, usize);

impl Deadlines {
    /// Sets a timer's deadline, or clears it.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        let at = at.unwrap_or(Instant::MAX);
        let place = match self.place_of(timer) {
            Some(place) => place,
            None if at == Instant::MAX => return,
            None => self.insert(timer),
        };
        if let Some(entry) = self.heap.get_mut(place) {
            entry.0 = at;
        }
        let place = self.rise(place);
        self.sink(place);
    }

    /// Gives a timer its place before it is set, so that setting it allocates nothing.
    pub(crate) fn keep(&mut self, timer: Timer) {
        if self.place_of(timer).is_none() {
            self.insert(timer);
        }
    }

    /// Takes a timer out that will never be set again.
    pub(crate) fn forget(&mut self, timer: Timer) {
        let (Some(place), Some(slot)) = (self.place_of(timer), self.slots.remove(&timer)) else {
            return;
        };
        self.free.push(slot);
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            self.settled(place);
            let place = self.rise(place);
            self.sink(place);
        }
    }

    /// Knows these from now on and no others, in the room of those before.
    pub(crate) fn refill(&mut self, armed: Vec<(Timer, Instant)>) {
        self.heap.clear();
        self.slots.clear();
        self.places.clear();
        self.free.clear();
        for (timer, at) in armed {
            self.set(timer, Some(at));
        }
    }

    fn insert(&mut self, timer: Timer) -> usize {
        let place = self.heap.len();
        let slot = self.free.pop().unwrap_or(self.places.len());
        if slot == self.places.len() {
            if slot == self.places.capacity() {
                let more = slot.max(FEW);
                self.heap.reserve(more);
                self.places.reserve(more);
                // Room for the day on which all are forgotten, so that a teardown allocates nothing here.
                self.free.reserve(self.places.capacity());
            }
            self.places.push(place);
        }
        self.heap.push((Instant::MAX, timer, slot));
        self.slots.insert(timer, slot);
        self.settled(place);
        place
    }

    fn place_of(&self, timer: Timer) -> Option<usize> {
        self.places.get(*self.slots.get(&timer)?).copied()
    }

    /// Gives a timer's deadline.
    pub(crate) fn at(&self, timer: Timer) -> Option<Instant> {
        self.at_slot(*self.slots.get(&timer)?)
    }

    fn at_slot(&self, slot: usize) -> Option<Instant> {
        let (at, ..) = self.heap.get(*self.places.get(slot)?)?;
        Some(*at).filter(|at| *at < Instant::MAX)
    }

    /// Gives the earliest deadline.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.heap.first().map(|(at, ..)| *at).filter(|at| *at < Instant::MAX)
    }

    /// Takes the first timer that is due, which then has no deadline any more, and gives what that was.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<(Instant, Timer)> {
        let due = self.first().is_some_and(|at| at <= now);
        let (at, timer, _) = *self.heap.first().filter(|_| due)?;
        self.set(timer, None);
        Some((at, timer))
    }

    /// Tells whether nothing can fire.
    pub(crate) fn is_empty(&self) -> bool {
        self.first().is_none()
    }

    /// Lists the deadlines that can fire, by timer.
    fn armed(&self) -> impl Iterator<Item = (Timer, Instant)> + '_ {
        self.slots.iter().filter_map(|(timer, slot)| Some((*timer, self.at_slot(*slot)?)))
    }

    fn rise(&mut self, mut place: usize) -> usize {
        while let Some(above) = place.checked_sub(1).map(|before| before / 2) {
            if self.heap.get(above) <= self.heap.get(place) {
                break;
            }
            self.swap(place, above);
            place = above;
        }
        place
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let left = place.saturating_mul(2).saturating_add(1);
            let right = left.saturating_add(1);
            let below = if self.heap.get(right).is_some_and(|other| Some(other) < self.heap.get(left)) {
                right
            } else {
                left
            };
            if self.heap.get(below).is_none_or(|other| Some(other) >= self.heap.get(place)) {
                return;
            }
            self.swap(place, below);
            place = below;
        }
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.settled(one);
        self.settled(other);
    }

    /// Notes where an entry stands now.
    fn settled(&mut self, place: usize) {
        let slot = self.heap.get(place).map(|(_, _, slot)| *slot);
        if let Some(noted) = slot.and_then(|slot| self.places.get_mut(slot)) {
            *noted = place;
        }
    }
}

impl PartialEq for Deadlines {
    fn eq(&self, other: &Self) -> bool {
        self.armed().eq(other.armed())
    }
}

impl Eq for Deadlines {}

impl Hash for Deadlines {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.armed().for_each(|armed| armed.hash(state));
    }
}

impl Serialize for Deadlines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = self.heap.iter().filter(|(at, ..)| *at < Instant::MAX).count();
        let mut armed = serializer.serialize_seq(Some(count))?;
        self.armed().try_for_each(|entry| armed.serialize_element(&entry))?;
        armed.end()
    }
}

impl From<Vec<(Timer, Instant)>> for Deadlines {
    fn from(armed: Vec<(Timer, Instant)>) -> Self {
        let mut deadlines = Self::default();
        deadlines.refill(armed);
        deadlines
    }
}
