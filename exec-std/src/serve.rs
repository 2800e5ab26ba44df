//! Serving calls: threads that take up what is offered, one call each, and what a call's code sees of it.
//!
//! The rule: the thread that takes a call up stays with it to its end. Threads are made when none is idle and go when
//! there is nothing for them, so a quiet actor has none.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use windrow_core::ContextId;

use crate::actor::Actor;
use crate::endpoint::{Handler, encode};
use crate::failure::Raised;
use crate::shell::Alive;
use crate::stream::{Ahead, Stream};
use crate::talk::Slot;

/// How long a thread stays that has nothing to do.
const IDLE: Duration = Duration::from_secs(5);

/// A call that came, and the code for it.
pub(crate) struct Offer {
    pub(crate) context: ContextId,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) args: Vec<u8>,
}

/// The threads of an actor that serve calls.
#[derive(Default)]
pub(crate) struct Servers {
    state: Mutex<State>,
    offered: Condvar,
    /// There are offers that nobody was woken or made for yet.
    unannounced: AtomicBool,
}

#[derive(Default)]
struct State {
    offers: VecDeque<Offer>,
    /// What threads are given; the second if the actor is a thread itself, which ends with the last of them.
    staff: Option<(Actor, Option<Arc<Alive>>)>,
    idle: usize,
    /// How many those are.
    fresh: usize,
    over: bool,
}

impl Servers {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn offer(&self, offer: Offer) {
        let mut state = self.lock();
        state.offers.push_back(offer);
        state.fresh += 1;
        self.unannounced.store(true, Ordering::Relaxed);
    }

    pub(crate) fn withdraw(&self, context: ContextId) {
        self.lock().offers.retain(|offer| offer.context != context);
    }

    /// Says for which actor calls are served.
    pub(crate) fn staff(&self, actor: Actor, alive: Option<Arc<Alive>>) {
        self.lock().staff = Some((actor, alive));
    }

    /// Lets all threads go: nobody will be served any more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        (state.over, state.staff) = (true, None);
        drop(state);
        self.offered.notify_all();
    }

    /// Sees that every offer has a thread that will take it up.
    pub(crate) fn publish(self: &Arc<Self>) {
        if !self.unannounced.swap(false, Ordering::Relaxed) {
            return;
        }
        let (threads, wakes, staff) = {
            let mut state = self.lock();
            let fresh = std::mem::take(&mut state.fresh);
            let threads = state.offers.len().min(fresh).saturating_sub(state.idle);
            (threads, fresh.min(state.idle), if threads > 0 { state.staff.clone() } else { None })
        };
        for _ in 0..wakes {
            self.offered.notify_one();
        }
        let Some(staff) = staff else { return };
        for _ in 0..threads {
            let (servers, (actor, alive)) = (Arc::clone(self), staff.clone());
            let thread = std::thread::Builder::new().name(String::from("serving"));
            // Without a thread the offer waits for one that becomes idle.
            drop(thread.spawn(move || {
                servers.serve(&actor);
                drop((servers, actor, alive));
            }));
        }
    }

    fn serve(&self, actor: &Actor) {
        while let Some(offer) = self.next() {
            actor.serve(offer);
        }
    }

    fn next(&self) -> Option<Offer> {
        let mut state = self.lock();
        loop {
            if state.over {
                return None;
            }
            if let Some(offer) = state.offers.pop_front() {
                return Some(offer);
            }
            state.idle += 1;
            let (waited, timeout) =
                self.offered.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = waited;
            state.idle -= 1;
            if timeout.timed_out() && state.offers.is_empty() {
                return None;
            }
        }
    }
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        f.debug_struct("Servers").field("offers", &state.offers.len()).field("idle", &state.idle).finish()
    }
}

/// One call, as the code that serves it sees it. It is the [`Actor`] too, whose blocking calls end early when the call is
/// cancelled.
#[derive(Debug)]
pub struct Serving<'a> {
    actor: &'a Actor,
    context: ContextId,
    slot: Arc<Slot>,
}

impl<'a> Serving<'a> {
    pub(crate) fn new(actor: &'a Actor, context: ContextId, slot: Arc<Slot>) -> Self {
        Self { actor, context, slot }
    }

    /// Tells the caller that the work has begun, with a first value: once, and before the stream.
    ///
    /// # Errors
    /// The cancellation, or that it was told before.
    pub fn begin<T: Serialize>(&self, first: &T) -> Result<(), Raised> {
        let bytes = encode(first, Vec::new())?;
        self.actor.ask(|shell| shell.begin(self.context, bytes))
    }

    /// Opens the stream, after [`begin`](Self::begin) and once: items of type `Out` to the caller, of type `In` from it.
    ///
    /// # Errors
    /// The cancellation, or that it was opened before.
    pub fn stream<Out, In>(&self) -> Result<Stream<'a, Out, In>, Raised>
    where
        Out: Serialize,
        In: DeserializeOwned,
    {
        self.stream_with(Ahead::default())
    }

    /// Opens the stream with a say in how much is taken ahead. See [`stream`](Self::stream).
    ///
    /// # Errors
    /// The same.
    pub fn stream_with<Out, In>(&self, ahead: Ahead) -> Result<Stream<'a, Out, In>, Raised>
    where
        Out: Serialize,
        In: DeserializeOwned,
    {
        Stream::open(self.actor, self.context, Arc::clone(&self.slot), ahead)
    }
}

impl Deref for Serving<'_> {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        self.actor
    }
}
