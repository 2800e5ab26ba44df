//! A call that is under way, in the hands of whoever made it.
//!
//! The rule: its scope does not close before it has ended, whether anybody waits for it or not; who lets go of it cancels it.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use windrow_core::{ContextId, Error, Kind, Payload, Reason};

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
        let bytes = after(errors, self.end_of(over))?;
        let result = actor.read_from(self.context.link, &bytes);
        keep_buffer(bytes);
        result
    }

    /// Gives what a call returned, or why it did not.
    fn end_of(&self, over: Over) -> Result<Vec<u8>, Raised> {
        let over = match over {
            Over::Returned(bytes) => return Ok(bytes),
            Over::Failed(failure) => return Err(Raised::Group(vec![*failure])),
            over => over,
        };
        let actor = self.portal.actor();
        if let Some(cause) = actor.cancelled_now() {
            return Err(Raised::Cancelled(cause));
        }
        let far = |kind| Error::new(kind, self.portal.id(), Payload(0));
        let error = match over {
            Over::TimedOut => return Err(Raised::TimedOut),
            // Another deadline of this actor, as of the nursery that the far end is a child of.
            Over::Cancelled(cause) if cause.reason == Reason::Deadline && cause.canceller == actor.id() => {
                return Err(Raised::Cancelled(cause));
            }
            Over::Cancelled(cause) => Error::cancelled(self.portal.id(), cause),
            Over::Lost(exit) => far(Kind::PeerLost(exit)),
            Over::Returned(_) | Over::Taken | Over::Failed(_) | Over::Unanswered => far(Kind::Unanswered),
        };
        Err(Raised::Group(vec![actor.failure_of(error)]))
    }
}

/// Puts the errors that came before a call's end before those that are its end. None of them is masked by a cancellation that
/// it, or something else, caused, nor by the time.
fn after(mut errors: Vec<Failure>, end: Result<Vec<u8>, Raised>) -> Result<Vec<u8>, Raised> {
    match end {
        end if errors.is_empty() => return end,
        Err(Raised::Group(failures)) => errors.extend(failures),
        Ok(_) | Err(_) => {}
    }
    Err(Raised::Group(errors))
}

impl<R> Drop for Pending<'_, R> {
    fn drop(&mut self) {
        if !self.over {
            self.portal.actor().tell(|shell| shell.cancel_context(self.context));
        }
    }
}

#[cfg(test)]
mod tests {
    use windrow_core::{ActorId, Cause};

    use super::*;

    #[test]
    fn an_error_that_came_before_the_end_is_masked_by_nothing() {
        let failure = |text: &str| Failure::of(Kind::Failed, ActorId(7), text);
        let cause = Cause { canceller: ActorId(1), reason: Reason::Deadline };
        let ends = || {
            [
                (Ok(vec![1]), 0),
                (Err(Raised::TimedOut), 0),
                (Err(Raised::Cancelled(cause)), 0),
                (Err(Raised::Group(vec![failure("the last")])), 1),
            ]
        };
        for (end, _) in ends() {
            let told = end.clone();
            assert_eq!(after(Vec::new(), end), told, "without errors it is what it was");
        }
        for (end, more) in ends() {
            let Err(Raised::Group(errors)) = after(vec![failure("the first")], end) else {
                panic!("an error is masked");
            };
            assert_eq!((errors[0].text.as_str(), errors.len()), ("the first", 1 + more));
        }
    }
}
