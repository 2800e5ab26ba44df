//! Threads that take up the calls that are offered to an actor, one call each.
//!
//! The rule: the thread that takes a call up stays with it to its end. Threads are made when none is idle and go when
//! there is nothing for them, so a quiet actor has none.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use windrow_core::ContextId;

use crate::actor::Actor;
use crate::endpoint::Handler;
use crate::reading::Reader;
use crate::shell::Alive;
use crate::unix::waker::Waker;

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

/// What threads are given; the second if the actor is a thread itself, which ends with the last of them.
type Staff = (Actor, Option<Arc<Alive>>);

#[derive(Default)]
struct State {
    offers: VecDeque<Offer>,
    /// How many of them are so new that nobody was woken or made for them.
    fresh: usize,
    staff: Option<Staff>,
    /// Threads that wait for an offer.
    waiting: usize,
    /// How many of them were called, and have not come.
    called: usize,
    /// What calls the one that reads a channel while it waits.
    reader: Option<Waker>,
    /// That one reads what came, and will take an offer of it.
    reads: bool,
    over: bool,
}

/// Who is to be called for new offers, and how many threads are to be made.
struct Needed {
    wakes: usize,
    reader: Option<Waker>,
    threads: usize,
}

impl State {
    /// Says whom the new offers need: besides whoever reads them anyway those that wait for an offer, then the one that waits on a
    /// channel, then threads that are made.
    fn announce(&mut self) -> Needed {
        let fresh = std::mem::take(&mut self.fresh).min(self.offers.len());
        let needed = fresh.saturating_sub(usize::from(std::mem::take(&mut self.reads)));
        let wakes = needed.min(self.waiting - self.called);
        self.called += wakes;
        let needed = needed - wakes;
        let reader = if needed > 0 { self.reader.take() } else { None };
        Needed { wakes, threads: needed - usize::from(reader.is_some()), reader }
    }
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
        let reader = state.reader.take();
        drop(state);
        self.offered.notify_all();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Sees that every offer has a thread that will take it up.
    pub(crate) fn publish(self: &Arc<Self>) {
        if !self.unannounced.swap(false, Ordering::Relaxed) {
            return;
        }
        let (Needed { wakes, reader, threads }, staff) = {
            let mut state = self.lock();
            let needed = state.announce();
            let staff = if needed.threads > 0 { state.staff.clone() } else { None };
            (needed, staff)
        };
        (0..wakes).for_each(|_| self.offered.notify_one());
        if let Some(reader) = reader {
            reader.wake();
        }
        let Some(staff) = staff else { return };
        (0..threads).for_each(|_| self.start(staff.clone()));
    }

    /// Starts a thread that takes calls up, from the first that waits.
    fn start(self: &Arc<Self>, (actor, alive): Staff) {
        let (servers, given) = (Arc::clone(self), (actor.clone(), alive));
        let thread = std::thread::Builder::new().name(String::from("serving"));
        let made = thread.spawn(move || {
            servers.serve(&given.0);
            drop((servers, given));
        });
        if made.is_err() {
            self.decline(&actor);
        }
    }

    /// Answers the newest offer, unless somebody has taken it by now: the threads that there are may never be idle.
    fn decline(&self, actor: &Actor) {
        let newest = self.lock().offers.pop_back();
        if let Some(offer) = newest {
            actor.tell(|shell| actor.be_busy(shell, offer.context));
        }
    }

    fn serve(&self, actor: &Actor) {
        let mut next = self.wait();
        while let Some(offer) = next {
            let (link, mut socket) = (offer.context.link, None);
            actor.serve(offer, |shell| socket = if self.lacks_reader() { shell.lend(link) } else { None });
            let reader = socket.and_then(|socket| Reader::with(actor.desk(), link, socket));
            next = reader.and_then(|reader| self.read(reader)).or_else(|| self.wait());
        }
    }

    /// Tells whether a thread with nothing to do should wait where the last call came from.
    fn lacks_reader(&self) -> bool {
        let state = self.lock();
        state.offers.is_empty() && state.reader.is_none()
    }

    /// Waits on a channel, until there is an offer, from wherever it came, or nothing came for long.
    fn read(&self, mut reader: Reader<'_>) -> Option<Offer> {
        let mut reads = true;
        while reads {
            {
                let mut state = self.lock();
                if let Some(offer) = state.offers.pop_front() {
                    return Some(offer);
                }
                if state.over || state.reader.is_some() {
                    return None;
                }
                state.reader = Some(reader.waker());
            }
            let begun = Instant::now();
            let is_there = reader.wait(begun.checked_add(IDLE));
            {
                let mut state = self.lock();
                state.reader = None;
                // Of those that it reads now it takes the first, unless it was called for one that is here.
                state.reads = is_there && state.offers.is_empty();
            }
            if is_there {
                reads = reader.read(|| !self.lock().offers.is_empty());
                self.lock().reads = false;
            } else if begun.elapsed() >= IDLE {
                return None;
            }
        }
        self.lock().offers.pop_front()
    }

    /// Waits until called, or nobody has for long.
    fn wait(&self) -> Option<Offer> {
        let mut state = self.lock();
        loop {
            if state.over {
                return None;
            }
            if let Some(offer) = state.offers.pop_front() {
                return Some(offer);
            }
            state.waiting += 1;
            let (waited, timeout) =
                self.offered.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = waited;
            state.waiting -= 1;
            // Which of those that were called comes first is all the same.
            state.called = state.called.saturating_sub(1);
            if timeout.timed_out() && state.offers.is_empty() {
                return None;
            }
        }
    }
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        f.debug_struct("Servers")
            .field("offers", &state.offers.len())
            .field("waiting", &state.waiting)
            .finish()
    }
}
