//! One source, many receivers, each on a thread of its own and at its own pace.
//!
//! The rule: nobody waits for a slow receiver. Each keeps the last so many items; one that lags behind by more is told how
//! many it missed, and goes on with the oldest that is left. The end of the source reaches every receiver behind its
//! items, and a failure of the source too.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde::Serialize;
use serde::de::DeserializeOwned;
use windrow_core::{Kind, Link};

use crate::actor::Actor;
use crate::endpoint::{decode, encode};
use crate::failure::{Failure, Raised};
use crate::stream::Stream;
use crate::talk::{Over, Slot, Talk};

/// A source that many can subscribe to.
///
/// Dropping it ends it.
#[derive(Debug)]
pub struct Broadcast<T> {
    actor: Actor,
    capacity: usize,
    receivers: Mutex<Vec<Weak<Slot>>>,
    types: PhantomData<fn(T)>,
}

/// What a receiver of a broadcast is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "an item came or was missed")]
pub enum Heard<T> {
    /// An item.
    Item(T),
    /// So many items were missed; the next one is the oldest that was kept.
    Missed(u64),
}

impl<T: Serialize + DeserializeOwned> Broadcast<T> {
    /// Makes a source in an actor. Each receiver keeps at most `capacity` items, and at least one.
    #[must_use]
    pub fn new(actor: &Actor, capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { actor: actor.clone(), capacity, receivers: Mutex::default(), types: PhantomData }
    }

    /// Adds a receiver, of what is sent from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription<T> {
        let slot = Arc::<Slot>::default();
        self.each(|receivers| receivers.push(Arc::downgrade(&slot)));
        Subscription { slot, missed: 0, types: PhantomData }
    }

    /// Sends an item to every receiver, and waits for none.
    ///
    /// # Errors
    /// The item can't be encoded.
    pub fn send(&self, item: &T) -> Result<(), Raised> {
        let bytes = encode(item, Vec::new())?;
        self.write(|talk| {
            if talk.items.len() >= self.capacity {
                talk.items.pop();
                talk.dropped += 1;
            }
            talk.items.push(&bytes);
        });
        Ok(())
    }

    /// Sends all that a stream brings, to its end. Its failure reaches every receiver, and is returned.
    ///
    /// # Errors
    /// What the stream failed with.
    pub fn relay<Out: Serialize>(self, stream: &mut Stream<'_, Out, T>) -> Result<(), Raised> {
        for item in stream {
            if let Err(raised) = item.and_then(|item| self.send(&item)) {
                self.fail(&raised);
                return Err(raised);
            }
        }
        Ok(())
    }

    /// Ends the source with a failure.
    pub fn fail(self, raised: &Raised) {
        self.write(|talk| match raised {
            Raised::Cancelled(cause) => talk.over = Some(Over::Cancelled(*cause)),
            Raised::Group(failures) => talk.errors.clone_from(failures),
            other => talk.errors = vec![Failure::of(Kind::Failed, self.actor.id(), other.to_string())],
        });
    }
}

impl<T> Broadcast<T> {
    fn each<U>(&self, change: impl FnOnce(&mut Vec<Weak<Slot>>) -> U) -> U {
        change(&mut self.receivers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes the same to every receiver that is still there.
    fn write(&self, write: impl Fn(&mut Talk)) {
        self.each(|receivers| {
            receivers.retain(|receiver| {
                let Some(slot) = receiver.upgrade() else { return false };
                if slot.write(&write) {
                    slot.notify();
                }
                true
            });
        });
    }
}

impl<T> Drop for Broadcast<T> {
    fn drop(&mut self) {
        self.write(|talk| talk.ended = true);
    }
}

/// A receiver of a broadcast.
#[derive(Debug)]
pub struct Subscription<T> {
    slot: Arc<Slot>,
    /// How many missed items the receiver was told of.
    missed: u64,
    types: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Subscription<T> {
    /// Receives the next item, on a thread of `actor`; `None` when the source has ended.
    ///
    /// # Errors
    /// The cancellation of what this thread is in, or the failure of the source, after the items before it.
    pub fn recv(&mut self, actor: &Actor) -> Result<Option<Heard<T>>, Raised> {
        let missed = self.missed;
        let heard = actor.wait_at(&self.slot, None, None, |talk| {
            if talk.dropped > missed {
                return Some(Ok(Some(Err(talk.dropped))));
            }
            if let Some(bytes) = talk.items.pop() {
                return Some(Ok(Some(Ok(bytes.to_vec()))));
            }
            if let Some(Over::Cancelled(cause)) = talk.over {
                return Some(Err(Raised::Cancelled(cause)));
            }
            if !talk.errors.is_empty() {
                return Some(Err(Raised::Group(talk.errors.clone())));
            }
            talk.ended.then_some(Ok(None))
        });
        match heard.unwrap_or_else(|| Err(Raised::Cancelled(actor.gone())))? {
            None => Ok(None),
            Some(Err(dropped)) => {
                self.missed = dropped;
                Ok(Some(Heard::Missed(dropped - missed)))
            }
            Some(Ok(bytes)) => {
                let item = decode(&bytes).map_err(|error| actor.misspoken(Link::Parent, &error))?;
                Ok(Some(Heard::Item(item)))
            }
        }
    }
}
