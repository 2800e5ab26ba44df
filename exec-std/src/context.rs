//! A context: a task here that is linked with one there, and what either can do with its end.
//!
//! The rule: whoever holds an end (a body that called, code that serves, a call taken up by hand) begins, streams and
//! cancels in the same way. Both ends hear of a cancellation, whoever asked for it, and an error wins over it.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;
use windrow_core::{Cause, ContextId, Refused, ScopeId};

use crate::actor::Actor;
use crate::dialogue::Dialogue;
use crate::endpoint::{decode, encode, keep_buffer, spare_buffer};
use crate::failure::Raised;
use crate::shell::Held;
use crate::shown::shown;
use crate::slot::{Over, Slot, Talk};
use crate::stream::{Stream, Window};

/// One end of a context, whoever holds it.
#[derive(Clone, Debug)]
pub(crate) struct ContextEnd<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) id: ContextId,
    pub(crate) slot: Arc<Slot>,
    /// The scope of the call, at the end that serves it.
    served: Option<ScopeId>,
}

impl<'a> ContextEnd<'a> {
    pub(crate) fn new(actor: &'a Actor, id: ContextId, slot: Arc<Slot>) -> Self {
        Self { actor, id, slot, served: None }
    }

    /// Makes the end that serves a call.
    pub(crate) fn serving(actor: &'a Actor, id: ContextId, slot: Arc<Slot>, scope: ScopeId) -> Self {
        Self { served: Some(scope), ..Self::new(actor, id, slot) }
    }

    /// Tells the caller that the work has begun, with the first value.
    pub(crate) fn begin<T: Serialize>(&self, first: &T) -> Result<(), Raised> {
        match self.begin_with(encode(first, spare_buffer())?)? {
            true => Ok(()),
            false => self.actor.answered(Err(Refused::ClosedContext)),
        }
    }

    /// Tells the caller so, unless it was told, if the first value says nothing: is of no bytes.
    pub(crate) fn begin_unsaid<D: Dialogue>(&self) -> Result<(), Raised> {
        if decode::<D::First>(&[]).is_ok() {
            self.begin_with(spare_buffer())?;
        }
        Ok(())
    }

    /// Gives whether the caller could be told: not twice, and not once the call is over.
    fn begin_with(&self, mut bytes: Vec<u8>) -> Result<bool, Raised> {
        loop {
            let begun = match self.actor.said(|shell| shell.begin(self.id, &mut bytes)) {
                Some(Err(Held::Refused(Refused::ClosedContext))) => Some(Ok(false)),
                begun => begun.map(|begun| begun.map(|()| true)),
            };
            if let Some(begun) = self.unheld(begun)? {
                keep_buffer(bytes);
                return Ok(begun);
            }
        }
    }

    pub(crate) fn stream<Out, In>(&self, window: Window) -> Result<Stream<'a, Out, In>, Raised>
    where
        Out: Serialize,
        In: DeserializeOwned,
    {
        Stream::open(self.clone(), window)
    }

    pub(crate) fn cancel(&self) {
        self.actor.tell(|shell| shell.cancel_context(self.id));
    }

    /// Waits for what `found` finds among what came, or for the call's cancellation. See [`Actor::wait_at`].
    pub(crate) fn wait<T>(
        &self,
        until: Option<Instant>,
        mut found: impl FnMut(&mut Talk) -> Option<Result<T, Raised>>,
    ) -> Option<Result<T, Raised>> {
        self.actor.wait_at(&self.slot, Some(self.id.link), until, |talk| match self.cancelled_outside() {
            Some(cause) => Some(Err(Raised::Cancelled(cause))),
            None => found(talk),
        })
    }

    /// Gives the answer to what was said, or `None` once it may be said again. See [`Actor::unheld`].
    pub(crate) fn unheld<T>(&self, said: Option<Result<T, Held>>) -> Result<Option<T>, Raised> {
        match said {
            Some(Err(Held::Congested)) => {
                self.actor.wait_for_link(self.id.link, None, self.served).map(|()| None)
            }
            said => self.actor.unheld(self.id.link, said),
        }
    }

    /// Fails if this thread is cancelled, or the call. See [`Actor::checkpoint_at`].
    pub(crate) fn checkpoint(&self) -> Result<(), Raised> {
        self.actor.checkpoint_at(&self.slot)?;
        self.cancelled_outside().map_or(Ok(()), |cause| Err(Raised::Cancelled(cause)))
    }

    /// Says by what a call is cancelled that this thread serves from outside of it.
    fn cancelled_outside(&self) -> Option<Cause> {
        // Most are in it, which costs no lock.
        let call = self.served.filter(|call| !self.actor.is_in(*call))?;
        self.actor.cancelled_outside(call, &self.actor.board().look())
    }

    /// Says that there is room for what was taken.
    pub(crate) fn tell_taken(&self) {
        let items = self.slot.taken();
        if items > 0 {
            self.actor.tell(|shell| shell.taken(self.id, items));
        }
    }

    /// Decodes what the far end sent.
    pub(crate) fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Raised> {
        self.actor.read_from(self.id.link, bytes)
    }
}

/// The caller's end of a context, in the hands of the body that [opened](crate::Portal::context) it: what the far end says in
/// the order in which it may say it, its first value ([`begun`](Self::begun)), items ([`stream`](Self::stream)), the
/// [`result`](Self::result). None of them has to be taken.
pub struct Context<'a, R, D = ()> {
    end: ContextEnd<'a>,
    types: PhantomData<fn() -> (R, D)>,
}

shown!(Context<'a, R, D> { end });

impl<'a, R: DeserializeOwned, D: Dialogue> Context<'a, R, D> {
    pub(crate) fn new(end: ContextEnd<'a>) -> Self {
        Self { end, types: PhantomData }
    }

    /// Waits until the far end has begun, and gives its first value; the same one, and at once, to whoever asks again.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: the scope around, or the context, as by the far end's failure.
    /// - [`Raised::Group`]: the far end's failure itself.
    /// - [`Raised::Error`]: the far end returned without having begun; or its first value can't be read.
    pub fn begun(&self) -> Result<D::First, Raised> {
        let begun = self.wait(|talk| {
            let begun = talk.begun.clone().map(Ok);
            begun
                .or_else(|| Some(Err(self.ended(talk)?.unwrap_or_else(|| "the far end has returned".into()))))
        });
        self.end.decode(&begun?)
    }

    /// Waits until the far end has begun, and opens the stream, once. From one that returned without having begun there
    /// comes no item.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: the scope around, or the context, as by the far end's failure.
    /// - [`Raised::Group`]: the far end's failure itself.
    /// - [`Raised::Refused`]: the stream was opened before, or given up.
    pub fn stream(&self) -> Result<Stream<'a, D::FromCaller, D::ToCaller>, Raised> {
        self.stream_with(Window::default())
    }

    /// Opens the stream with a window of its own in place of the default one. See [`stream`](Self::stream).
    ///
    /// # Errors
    /// The same.
    pub fn stream_with(&self, window: Window) -> Result<Stream<'a, D::FromCaller, D::ToCaller>, Raised> {
        self.wait(|talk| match talk.begun {
            Some(_) => Some(Ok(())),
            None => self.ended(talk).map(|ended| ended.map_or(Ok(()), Err)),
        })?;
        self.end.stream(window)
    }

    /// Waits for the result. Who asks for it without having opened the stream does not want that: what the far end sends is
    /// let go of, what it reads has ended, and the stream can't be opened any more.
    ///
    /// A stream that is held may keep the far end from its result. One that sends waits for whoever reads: read the stream to
    /// its end, or drop it. One that reads waits for the next item: [finish](Stream::finish) the stream, or drop it.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: the scope around, or the context, as by the far end's failure or by [`cancel`](Self::cancel).
    /// - [`Raised::Group`]: the far end's failure itself.
    /// - [`Raised::Error`]: the result was taken before, or can't be read.
    pub fn result(&self) -> Result<R, Raised> {
        let unopened = |talk: &Talk| !talk.opened && talk.over.is_none();
        if unopened(&self.end.slot.look()) {
            self.end.actor.tell(|shell| shell.unread(self.end.id));
        }
        let result = self.wait(|talk| {
            // The end stays, for whoever waits for something else of it.
            match talk.over.take_if(|over| matches!(over, Over::Returned(_))) {
                Some(Over::Returned(bytes)) => {
                    talk.over = Some(Over::Taken);
                    Some(Ok(bytes))
                }
                _ => Some(Err(self.ended(talk)?.unwrap_or_else(|| "the result was taken before".into()))),
            }
        });
        self.end.decode(&result?)
    }

    /// Waits for what `found` finds; an actor that is over finds nothing more.
    fn wait<T>(&self, found: impl FnMut(&mut Talk) -> Option<Result<T, Raised>>) -> Result<T, Raised> {
        self.end.wait(None, found).unwrap_or_else(|| Err(Raised::Cancelled(self.end.actor.gone())))
    }

    /// Says how the context ended, if it has: `None` in it is with a result.
    fn ended(&self, talk: &Talk) -> Option<Option<Raised>> {
        Some(talk.over.as_ref()?.raised(self.end.actor.gone()))
    }

    /// Cancels the far end. That it ends then is no error here. Cancelling again, or what is over, does nothing.
    pub fn cancel(&self) {
        self.end.cancel();
    }
}
