//! Serving a call: how it is taken up and answered, and what its code sees of it.
//!
//! The rule: a call that was taken up is answered when nothing of its scope is left, however its code ended.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use windrow_core::{ContextId, Kind, Refused, ScopeId};

use crate::actor::Actor;
use crate::board::{Facts, News};
use crate::bodies::Bodied;
use crate::context::ContextEnd;
use crate::dialogue::Dialogue;
use crate::failure::{Failure, Raised};
use crate::servers::Offer;
use crate::shell::Asks;
use crate::shown::shown;
use crate::slot::Slot;
use crate::stream::{Stream, Window};

impl Actor {
    /// Takes up a call and stays with it to its end, and says something more with the answer.
    pub(crate) fn serve(&self, offer: Offer, with: impl FnMut(&mut dyn Asks)) {
        let Offer { context, handler, args } = offer;
        // A call that is over by now needs nobody.
        let Ok((scope, slot)) = self.take_up(context) else { return };
        let end = ContextEnd::serving(self, context, slot, scope);
        let value = self.run_body(scope, || handler.serve(end, args));
        self.end_call(context, scope, value, with);
    }

    /// Takes up a call. One that can't be is answered, for nobody else will.
    pub(crate) fn take_up(&self, context: ContextId) -> Result<(ScopeId, Arc<Slot>), Refused> {
        let taken = self.said(|shell| {
            let taken = shell.accept(context);
            match taken {
                // Who is ending has declined it, or it was withdrawn.
                Ok(_) | Err(Refused::ClosedContext | Refused::Cancelled(_) | Refused::Ended) => {}
                Err(Refused::Full { .. }) => self.be_busy(shell, context),
                Err(refused) => shell.finish(context, Err(Raised::Refused(refused))),
            }
            taken
        });
        taken.unwrap_or(Err(Refused::Ended))
    }

    /// Answers a call that there is no room for. There may be some later: that is its caller's to try.
    pub(crate) fn be_busy(&self, shell: &mut dyn Asks, context: ContextId) {
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
            let is_short = |facts: &mut Facts| (!facts.congested.contains(&context.link)).then_some(());
            self.board().wait(&[News::Room(context.link)], None, is_short);
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
pub struct Serving<'a, D = ()> {
    end: ContextEnd<'a>,
    types: PhantomData<fn() -> D>,
}

shown!(Serving<'a, D> { end });

impl<'a, D: Dialogue> Serving<'a, D> {
    pub(crate) fn new(end: ContextEnd<'a>) -> Self {
        Self { end, types: PhantomData }
    }

    /// Tells the caller that the work has begun, with the first value: once, and before the stream.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: the call is cancelled.
    /// - [`Raised::Refused`]: the caller was told before.
    /// - [`Raised::Error`]: the value is longer than a message.
    pub fn begin(&self, first: &D::First) -> Result<(), Raised> {
        self.end.begin(first)
    }

    /// Opens the stream, once. A first value that says nothing, as `()`, goes without saying; any other is told
    /// [before](Self::begin).
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: the call is cancelled.
    /// - [`Raised::Refused`]: the stream was opened before, or the first value was not told.
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
