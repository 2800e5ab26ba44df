//! Calls taken up by hand: for who serves many at once, and has no thread for each.
//!
//! The rule: a call that was taken up is answered, by hand or by letting go of it; one that nobody will take up is answered
//! too. It knows no threads: whoever holds a [`Call`] may pass it on.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use windrow_core::{Cause, ContextId, NameId, Refused, ScopeId};

use crate::actor::Actor;
use crate::board::{Facts, News};
use crate::context::ContextEnd;
use crate::dialogue::Dialogue;
use crate::endpoint::{Types, encode};
use crate::failure::Raised;
use crate::shown::shown;
use crate::slot::Slot;
use crate::stream::{Stream, Window};

/// The calls of one endpoint, to be taken up by hand.
///
/// When the last listener of an endpoint is dropped, the endpoint is there no more, for those either who wait.
#[must_use = "the endpoint is there no more once this is dropped"]
pub struct Listener<A, R, D = ()> {
    actor: Actor,
    endpoint: NameId,
    called: Types,
    types: PhantomData<fn(R) -> (A, D)>,
}

shown!(Listener<A, R, D> { actor, endpoint });

impl<A: DeserializeOwned, R: Serialize, D: Dialogue> Listener<A, R, D> {
    pub(crate) fn new(actor: Actor, endpoint: NameId, called: Types) -> Self {
        Self { actor, endpoint, called, types: PhantomData }
    }

    /// Waits for a call and takes it up. Calls whose arguments are none are answered so, and not given.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled.
    /// - [`Raised::Refused`]: as many scopes are open as may be.
    pub fn accept(&self) -> Result<(Call<R, D>, A), Raised> {
        loop {
            let (context, args) = self.next()?;
            let (scope, slot) = match self.actor.take_up(context) {
                // It is over by now.
                Err(Refused::ClosedContext) => continue,
                taken => self.actor.answered(taken)?,
            };
            let actor = self.actor.clone();
            let call = Call { actor, context, scope, slot, over: false, types: PhantomData };
            match self.called.args(self.actor.id(), &args) {
                Ok(args) => return Ok((call, args)),
                Err(raised) => call.finish(Err(raised)),
            }
        }
    }

    fn next(&self) -> Result<(ContextId, Vec<u8>), Raised> {
        let take = |facts: &mut Facts| facts.offered.entry(self.endpoint).or_default().take();
        self.actor.find_at_board(News::Offered(self.endpoint), None, take)
    }
}

impl<A, R, D> Drop for Listener<A, R, D> {
    fn drop(&mut self) {
        self.actor.tell(|shell| shell.unlisten(self.endpoint));
    }
}

/// One call, taken up by hand: to be kept, begun and finished whenever that is right.
///
/// Dropping it fails the call.
#[must_use = "the call fails once this is dropped"]
pub struct Call<R, D = ()> {
    actor: Actor,
    context: ContextId,
    scope: ScopeId,
    slot: Arc<Slot>,
    over: bool,
    types: PhantomData<fn(R) -> D>,
}

shown!(Call<R, D> { actor, context });

impl<R, D: Dialogue> Call<R, D> {
    /// Tells the caller that the work has begun, with the first value: once, and before the stream.
    ///
    /// # Errors
    /// The same as [`Serving::begin`](crate::Serving::begin).
    pub fn begin(&self, first: &D::First) -> Result<(), Raised> {
        self.end().begin(first)
    }

    /// Opens the stream, once. A first value that says nothing, as `()`, goes without saying; any other is told
    /// [before](Self::begin). Whoever waits at it hears that the call is cancelled, wherever it stands but in a shield.
    ///
    /// # Errors
    /// The same as [`Serving::stream`](crate::Serving::stream).
    pub fn stream(&self) -> Result<Stream<'_, D::ToCaller, D::FromCaller>, Raised> {
        self.stream_with(Window::default())
    }

    /// Opens the stream with a window of its own in place of the default one. See [`stream`](Self::stream).
    ///
    /// # Errors
    /// The same.
    pub fn stream_with(&self, window: Window) -> Result<Stream<'_, D::ToCaller, D::FromCaller>, Raised> {
        let end = self.end();
        end.begin_unsaid::<D>()?;
        end.stream(window)
    }
}

impl<R, D> Call<R, D> {
    fn end(&self) -> ContextEnd<'_> {
        ContextEnd::serving(&self.actor, self.context, Arc::clone(&self.slot), self.scope)
    }

    /// Cancels this call, and nothing else of the actor: it is to be finished soon then.
    pub fn cancel(&self) {
        self.end().cancel();
    }

    /// Says by what the call is cancelled, if it is: it is to be finished soon then.
    #[must_use]
    pub fn cancelled(&self) -> Option<Cause> {
        self.actor.board().look().cancelled(self.scope)
    }

    /// Answers the call. This waits for nothing but a long send buffer.
    pub fn finish(mut self, ended: Result<R, Raised>)
    where
        R: Serialize,
    {
        self.answer(ended.and_then(|value| encode(&value, Vec::new())));
    }

    fn answer(&mut self, ended: Result<Vec<u8>, Raised>) {
        self.over = true;
        self.actor.finish_call(self.context, self.scope, ended);
    }
}

impl<R, D> Drop for Call<R, D> {
    fn drop(&mut self) {
        if !self.over {
            self.answer(Err(Raised::from(String::from("the call was let go of"))));
        }
    }
}
