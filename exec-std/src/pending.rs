//! A call that is under way, in the hands of whoever made it.
//!
//! The rule: its scope does not close before it has ended, whether anybody waits for it or not; who lets go of it cancels it.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use windrow_core::{ContextId, Kind, Reason};

use crate::endpoint::keep_buffer;
use crate::failure::{Failure, Raised};
use crate::portal::{Begun, Portal};
use crate::reading::Reader;
use crate::shown::shown;
use crate::slot::{Over, Slot};

/// A call that is under way. Many can be, from one thread; each costs what is remembered of it, and no thread.
///
/// Dropping it cancels the call.
#[must_use = "the call is cancelled once this is dropped"]
pub struct Pending<'a, R> {
    portal: &'a Portal,
    context: ContextId,
    slot: Arc<Slot>,
    /// Whoever waits reads the channel already.
    reader: Option<Reader<'a>>,
    over: bool,
    types: PhantomData<fn() -> R>,
}

shown!(Pending<'a, R> { portal, context });

impl<'a, R: DeserializeOwned> Pending<'a, R> {
    pub(crate) fn new(portal: &'a Portal, begun: Begun, reader: Option<Reader<'a>>) -> Self {
        let (context, slot) = begun;
        Self { portal, context, slot, reader, over: false, types: PhantomData }
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// The same as [`Portal::call`].
    pub fn result(mut self) -> Result<R, Raised> {
        let actor = self.portal.actor();
        // The machine ends the call with its scope, its time or its peer. Only who waits in another scope may be cancelled
        // alone; the call is then let go of.
        let elsewhere = actor.watch_from_elsewhere(&self.slot);
        let cancelled = || if elsewhere { actor.cancelled_now() } else { None };
        let (reader, link) = (self.reader.take(), self.context.link);
        let reader = || reader.or_else(|| Reader::of(actor.desk(), link));
        let over = self.slot.wait_reading(None, reader, |talk| {
            talk.over
                .take()
                .map(|over| Ok((over, talk.take_errors(actor.id()))))
                .or_else(|| cancelled().map(Err))
                .or_else(|| actor.is_over().then(|| Err(actor.gone())))
        });
        let (over, errors) = over.unwrap_or_else(|| Err(actor.gone())).map_err(Raised::Cancelled)?;
        self.over = true;
        let bytes = self.result_of(over, errors)?;
        let result = actor.read_from(self.context.link, &bytes);
        keep_buffer(bytes);
        result
    }

    /// Gives what a call returned, or why it did not.
    fn result_of(&self, over: Over, mut errors: Vec<Failure>) -> Result<Vec<u8>, Raised> {
        // An error is never masked by the cancellation that it, or something else, caused.
        if let Over::Failed(failure) = over {
            errors.push(*failure);
            return Err(Raised::Group(errors));
        }
        let over = match over {
            Over::Returned(bytes) if errors.is_empty() => return Ok(bytes),
            over => over,
        };
        let actor = self.portal.actor();
        if let Some(cause) = actor.cancelled_now() {
            return Err(Raised::Cancelled(cause));
        }
        let failed = |kind| actor.failure_of(self.portal.id(), kind, String::new());
        let failure = match over {
            Over::Returned(_) | Over::Taken | Over::Failed(_) => return Err(Raised::Group(errors)),
            Over::TimedOut => return Err(Raised::TimedOut),
            // Another deadline of this actor, as of the nursery that the far end is a child of.
            Over::Cancelled(cause) if cause.reason == Reason::Deadline && cause.canceller == actor.id() => {
                return Err(Raised::Cancelled(cause));
            }
            Over::Cancelled(cause) => {
                Failure { canceller: Some(cause.canceller), ..failed(Kind::Cancelled(cause.reason)) }
            }
            Over::Lost(exit) => failed(Kind::PeerLost(exit)),
            Over::Unanswered => failed(Kind::Unanswered),
        };
        errors.push(failure);
        Err(Raised::Group(errors))
    }
}

impl<R> Drop for Pending<'_, R> {
    fn drop(&mut self) {
        if !self.over {
            self.portal.actor().tell(|shell| shell.cancel_context(self.context));
        }
    }
}
