//! Serving calls: threads that take up what is offered, one call each, and what a call's code sees of it.
//!
//! The rule: the thread that takes a call up stays with it to its end. Threads are made when none is idle and go when
//! there is nothing for them, so a quiet actor has none.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use windrow_core::{ContextId, Kind, Refused, ScopeId};

use crate::actor::Actor;
use crate::bodies::Bodied;
use crate::context::ContextEnd;
use crate::dialogue::Dialogue;
use crate::endpoint::Handler;
use crate::failure::{Failure, Raised};
use crate::reading::Reader;
use crate::shell::{Alive, Asks};
use crate::slot::Slot;
use crate::stream::{Stream, Window};
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

#[derive(Default)]
struct State {
    offers: VecDeque<Offer>,
    /// How many of them are so new that nobody was woken or made for them.
    fresh: usize,
    /// What threads are given; the second if the actor is a thread itself, which ends with the last of them.
    staff: Option<(Actor, Option<Arc<Alive>>)>,
    /// Threads that wait for an offer and were not called.
    idle: usize,
    /// Threads that were called and have not come.
    called: usize,
    /// What calls the one that reads a channel while it waits.
    reader: Option<Waker>,
    /// That one reads what came, and will take an offer of it.
    reads: bool,
    over: bool,
}

impl State {
    /// Says how many of the new offers need a thread that is woken, and one that is made; and who else is to be called.
    fn announce(&mut self) -> (usize, usize, Option<Waker>) {
        let fresh = std::mem::take(&mut self.fresh).min(self.offers.len());
        let needed = fresh.saturating_sub(usize::from(std::mem::take(&mut self.reads)));
        let wakes = needed.min(self.idle);
        self.idle -= wakes;
        self.called += wakes;
        let needed = needed - wakes;
        let reader = if needed > 0 { self.reader.take() } else { None };
        (wakes, needed - usize::from(reader.is_some()), reader)
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
        let (wakes, threads, reader, staff) = {
            let mut state = self.lock();
            let (wakes, threads, reader) = state.announce();
            (wakes, threads, reader, if threads > 0 { state.staff.clone() } else { None })
        };
        for _ in 0..wakes {
            self.offered.notify_one();
        }
        if let Some(reader) = reader {
            reader.wake();
        }
        let Some(staff) = staff else { return };
        for _ in 0..threads {
            let (servers, (actor, alive)) = (Arc::clone(self), staff.clone());
            let thread = std::thread::Builder::new().name(String::from("serving"));
            let made = thread.spawn(move || {
                servers.serve(&actor);
                drop((servers, actor, alive));
            });
            if made.is_err() {
                self.decline(&staff.0);
            }
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
                (state.reader, state.reads) = (None, is_there);
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
            state.idle += 1;
            let (waited, timeout) =
                self.offered.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = waited;
            // Who was called is not counted any more; which of them comes first is all the same.
            if state.called > 0 {
                state.called -= 1;
            } else {
                state.idle -= 1;
            }
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

impl Actor {
    /// Takes up a call and stays with it to its end, and says something more with the answer.
    pub(crate) fn serve(&self, offer: Offer, with: impl FnMut(&mut dyn Asks)) {
        let Offer { context, handler, args } = offer;
        // A call that is over by now needs nobody.
        let Ok((scope, slot)) = self.take_up(context) else { return };
        let end = ContextEnd::new(self, context, slot);
        let value = self.run_body(scope, || handler.serve(end, args));
        self.end_call(context, scope, value, with);
    }

    /// Takes up a call. One that can't be is answered, for nobody else will.
    pub(crate) fn take_up(&self, context: ContextId) -> Result<(ScopeId, Arc<Slot>), Refused> {
        let taken = self.said(|shell| {
            let taken = shell.accept(context);
            match taken {
                Err(Refused::Full) => self.be_busy(shell, context),
                Err(_) => shell.cancel_context(context),
                Ok(_) => {}
            }
            taken
        });
        taken.unwrap_or(Err(Refused::Ended))
    }

    /// Answers a call that there is no room for. There may be some later: that is its caller's to try.
    fn be_busy(&self, shell: &mut dyn Asks, context: ContextId) {
        let busy = Failure::of(Kind::Busy, self.id(), "");
        shell.finish(context, Err(Raised::Group(vec![busy])));
    }

    /// Ends a call that was taken up by hand.
    pub(crate) fn finish_call(&self, context: ContextId, scope: ScopeId, ended: Result<Vec<u8>, Raised>) {
        let value = ended.map_err(|raised| self.fail(scope, raised));
        self.end_call(context, scope, value, |_| {});
    }

    /// Leaves the scope of a call, and answers the call when nothing of the scope is left. An answer waits for its turn like
    /// an item; nothing but the end of its channel, or the actor's, keeps it from it.
    fn end_call(
        &self,
        context: ContextId,
        scope: ScopeId,
        value: Bodied<Vec<u8>>,
        mut with: impl FnMut(&mut dyn Asks),
    ) {
        let mut value = Some(value);
        self.tell(|shell| {
            shell.leave(scope);
            // Most bodies leave nothing behind, and then all is said at once.
            let room = shell.has_room(context.link);
            let closed = if room { self.board().look().take_closed(scope) } else { None };
            if let Some((closed, value)) = closed.and_then(|closed| Some((closed, value.take()?))) {
                shell.finish(context, self.ended(closed, value));
                with(shell);
            }
        });
        let Some(value) = value else { return };
        let mut ended = Some(self.close(scope, value));
        loop {
            self.board().wait(None, |facts| (!facts.congested.contains(&context.link)).then_some(()));
            let held = self.said(|shell| {
                // Others waited too, and the first of them may have taken the room.
                let held = !shell.has_room(context.link);
                if let Some(ended) = ended.take_if(|_| !held) {
                    shell.finish(context, ended);
                    with(shell);
                }
                held
            });
            if held != Some(true) {
                return;
            }
        }
    }
}

/// One call, as the code that serves it sees it. It is the [`Actor`] too, whose blocking calls end early when the call is
/// cancelled.
#[derive(Debug)]
pub struct Serving<'a, D = ()> {
    end: ContextEnd<'a>,
    types: PhantomData<fn() -> D>,
}

impl<'a, D: Dialogue> Serving<'a, D> {
    pub(crate) fn new(end: ContextEnd<'a>) -> Self {
        Self { end, types: PhantomData }
    }

    /// Tells the caller that the work has begun, with the first value: once, and before the stream.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: the call is cancelled.
    /// - [`Raised::Error`]: the caller was told before, or the value is longer than a message.
    pub fn begin(&self, first: &D::First) -> Result<(), Raised> {
        self.end.begin(first)
    }

    /// Opens the stream, once. A first value that says nothing, as `()`, goes without saying; any other is told
    /// [before](Self::begin).
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: the call is cancelled.
    /// - [`Raised::Error`]: the stream was opened before, or the first value was not told.
    pub fn stream(&self) -> Result<Stream<'a, D::ToCaller, D::FromCaller>, Raised> {
        self.stream_with(Window::default())
    }

    /// Opens the stream with a window of its own in place of the default one. See [`stream`](Self::stream).
    ///
    /// # Errors
    /// The same.
    pub fn stream_with(&self, window: Window) -> Result<Stream<'a, D::ToCaller, D::FromCaller>, Raised> {
        self.end.begin_unsaid::<D>()?;
        self.end.stream(window)
    }
}

impl<D> Serving<'_, D> {
    /// Cancels this call, and nothing else of the actor: its code here, and with its answer the caller. The whole actor is
    /// cancelled by [`Actor::cancel`].
    pub fn cancel(&self) {
        self.end.cancel();
    }
}

impl<D> Deref for Serving<'_, D> {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        self.end.actor
    }
}
