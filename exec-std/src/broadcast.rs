//! One source, many receivers, each on a thread of its own and at its own pace.
//!
//! The rule: nobody waits for a slow receiver. The last so many items are kept, encoded once for all; a receiver that lags
//! behind by more is told how many it missed, and goes on with the oldest that is left. The end of the source reaches every
//! receiver behind the items, and a failure of the source too.

use std::collections::VecDeque;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use windrow_core::Kind;

use crate::actor::Actor;
use crate::endpoint::encode;
use crate::failure::{Failure, Raised};
use crate::shown::shown;
use crate::slot::Slot;

/// A source that many can subscribe to.
///
/// ```no_run
/// # use windrow_std::{Actor, Broadcast, Delivery, Raised};
/// /// Tells every field hand the weather; who is slow hears the latest.
/// fn announce(actor: &Actor, forecasts: Vec<String>) -> Result<(), Raised> {
///     let weather = Broadcast::new(actor, 8);
///     actor.threads(|threads| {
///         for hand in 0..3 {
///             let mut heard = weather.subscribe();
///             threads.spawn(move || {
///                 while let Some(delivery) = heard.recv()? {
///                     match delivery {
///                         Delivery::Item(forecast) => println!("hand {hand}: {forecast}"),
///                         Delivery::Missed(count) => println!("hand {hand} was busy for {count} forecasts"),
///                     }
///                 }
///                 Ok(())
///             })?;
///         }
///         forecasts.iter().try_for_each(|forecast| weather.send(forecast))?;
///         drop(weather);
///         Ok(())
///     })
/// }
/// ```
///
/// Dropping it ends it, and a panic that drops it is its failure.
#[must_use = "it ends once it is dropped"]
pub struct Broadcast<T> {
    source: Arc<Source>,
    types: PhantomData<fn(T)>,
}

shown!(Broadcast<T> { source });

/// What a receiver of a broadcast is given: an item, or the news that it was too slow for some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "an item came or was missed")]
pub enum Delivery<T> {
    /// An item.
    Item(T),
    /// So many items were missed; the next one is the oldest that was kept.
    Missed(u64),
}

/// What a source shares with its receivers.
#[derive(Debug)]
struct Source {
    actor: Actor,
    capacity: usize,
    ring: Mutex<Ring>,
    /// Where receivers wait. Whoever holds it may take the ring, and not the other way round.
    slot: Arc<Slot>,
}

/// The items that are kept.
#[derive(Debug, Default)]
struct Ring {
    items: VecDeque<Arc<Vec<u8>>>,
    /// How many gave way to these.
    dropped: u64,
    /// The place of the last one that did, used again.
    spare: Option<Arc<Vec<u8>>>,
    ended: Option<Result<(), Raised>>,
}

/// What a ring has for a receiver.
enum Found {
    Item(Arc<Vec<u8>>),
    Missed(u64),
    End,
}

impl Ring {
    /// Finds what comes next for whoever has had so many items.
    fn find(&self, had: u64) -> Option<Result<Found, Raised>> {
        let Some(index) = had.checked_sub(self.dropped) else {
            return Some(Ok(Found::Missed(self.dropped - had)));
        };
        match usize::try_from(index).ok().and_then(|index| self.items.get(index)) {
            Some(item) => Some(Ok(Found::Item(Arc::clone(item)))),
            None => self.ended.clone().map(|ended| ended.map(|()| Found::End)),
        }
    }

    /// Gives a place for an item: a spare one, unless a receiver still reads what stood there.
    fn place(&mut self) -> Arc<Vec<u8>> {
        let mut spare = self.spare.take().filter(|place| Arc::strong_count(place) == 1).unwrap_or_default();
        Arc::make_mut(&mut spare).clear();
        spare
    }

    fn push(&mut self, item: Arc<Vec<u8>>, capacity: usize) {
        if self.items.len() >= capacity
            && let Some(oldest) = self.items.pop_front()
        {
            self.dropped += 1;
            self.spare = Some(oldest);
        }
        self.items.push_back(item);
    }
}

impl Source {
    /// Looks at the items. Nothing that runs under this lock can panic half way.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what receivers see, and wakes them.
    fn write(&self, write: impl FnOnce(&mut Ring)) {
        write(&mut self.ring());
        // Whoever found nothing before the change waits by now.
        if self.slot.write(|_| {}) {
            self.slot.notify();
        }
    }

    fn end(&self, ended: Result<(), Raised>) {
        self.write(|ring| {
            ring.ended.get_or_insert(ended);
        });
    }
}

impl<T: Serialize + DeserializeOwned> Broadcast<T> {
    /// Makes a source in an actor, which keeps the last `capacity` items, and at least one.
    pub fn new(actor: &Actor, capacity: usize) -> Self {
        let (ring, slot) = (Mutex::default(), Arc::default());
        let source = Source { actor: actor.clone(), capacity: capacity.max(1), ring, slot };
        Self { source: Arc::new(source), types: PhantomData }
    }

    /// Adds a receiver, of what is sent from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription<T> {
        let had = {
            let ring = self.source.ring();
            ring.dropped + ring.items.len() as u64
        };
        Subscription { source: Arc::clone(&self.source), had, over: false, types: PhantomData }
    }

    /// Sends an item to every receiver, and waits for none.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled.
    /// - [`Raised::Error`]: the item can't be encoded.
    pub fn send(&self, item: &T) -> Result<(), Raised> {
        self.source.actor.checkpoint()?;
        self.push(item)
    }

    fn push(&self, item: &T) -> Result<(), Raised> {
        let mut place = self.source.ring().place();
        let bytes = Arc::make_mut(&mut place);
        *bytes = encode(item, std::mem::take(bytes))?;
        self.source.write(|ring| ring.push(place, self.source.capacity));
        Ok(())
    }

    /// Sends all that a stream brings, to its end. Its failure reaches every receiver, and is returned.
    ///
    /// # Errors
    /// What the stream failed with.
    pub fn relay(self, stream: impl IntoIterator<Item = Result<T, Raised>>) -> Result<(), Raised> {
        for item in stream {
            // The stream says when this is to end: behind its items if it is the far end that failed.
            if let Err(raised) = item.and_then(|item| self.push(&item)) {
                self.fail(&raised);
                return Err(raised);
            }
        }
        Ok(())
    }

    /// Ends the source with a failure.
    pub fn fail(self, raised: &Raised) {
        self.source.end(Err(match raised {
            Raised::Cancelled(_) | Raised::Group(_) => raised.clone(),
            Raised::Error(_) | Raised::Refused(_) | Raised::TimedOut => {
                self.failure(Kind::Failed, raised.words())
            }
        }));
    }
}

impl<T> Broadcast<T> {
    fn failure(&self, kind: Kind, text: impl Into<String>) -> Raised {
        Raised::Group(vec![Failure::of(kind, self.source.actor.id(), text)])
    }
}

impl<T> Drop for Broadcast<T> {
    fn drop(&mut self) {
        self.source.end(if std::thread::panicking() {
            Err(self.failure(Kind::Panicked, "the source of a broadcast went by a panic"))
        } else {
            Ok(())
        });
    }
}

/// A receiver of a broadcast, on a thread of the actor that has the source. It iterates over what it receives, up to the first
/// error. A clone goes on from where this one stands, by itself.
pub struct Subscription<T> {
    source: Arc<Source>,
    /// How many items came before its next.
    had: u64,
    /// The iteration has ended.
    over: bool,
    types: PhantomData<fn() -> T>,
}

shown!(Subscription<T> { source, had });

impl<T> Clone for Subscription<T> {
    fn clone(&self) -> Self {
        let Self { ref source, had, over, types } = *self;
        Self { source: Arc::clone(source), had, over, types }
    }
}

impl<T: DeserializeOwned> Subscription<T> {
    /// Receives the next item; `None` when the source has ended.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled, whatever was sent.
    /// - [`Raised::Group`], or another cancellation: the failure of the source, after the items before it.
    pub fn recv(&mut self) -> Result<Option<Delivery<T>>, Raised> {
        self.recv_until(None)
    }

    /// Receives the next item within a time.
    ///
    /// # Errors
    /// The same as [`recv`](Self::recv), and
    /// - [`Raised::TimedOut`]: no item came in time.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Delivery<T>>, Raised> {
        self.recv_until(Instant::now().checked_add(timeout))
    }

    fn recv_until(&mut self, until: Option<Instant>) -> Result<Option<Delivery<T>>, Raised> {
        let Source { actor, ring: _, slot, capacity: _ } = &*self.source;
        let found = actor.wait_at(slot, None, until, |_| self.source.ring().find(self.had));
        match found.unwrap_or_else(|| Err(actor.unfound()))? {
            Found::End => Ok(None),
            Found::Missed(missed) => {
                self.had += missed;
                Ok(Some(Delivery::Missed(missed)))
            }
            Found::Item(bytes) => {
                self.had += 1;
                Ok(Some(Delivery::Item(actor.read(actor.id(), &bytes)?)))
            }
        }
    }
}

impl<T: DeserializeOwned> Iterator for Subscription<T> {
    type Item = Result<Delivery<T>, Raised>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let heard = self.recv().transpose();
        // Whatever it was, it would come again and again.
        self.over = !matches!(heard, Some(Ok(_)));
        heard
    }
}

impl<T: DeserializeOwned> FusedIterator for Subscription<T> {}
