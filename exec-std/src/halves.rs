//! The two halves of a stream: one sends, the other receives, each on whatever thread has it.
//!
//! The rule: a blocking call here is a checkpoint, and looks at that first: a far end that never stops sending or reading can't
//! keep a thread from its cancellation. Only a failure of the far end comes behind the items before it.

use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use windrow_core::{Refused, Side};

use crate::context::ContextEnd;
use crate::endpoint::{encode, keep_buffer, spare_buffer};
use crate::failure::Raised;
use crate::shell::Held;
use crate::shown::shown;
use crate::slot::{Items, Talk};
use crate::stream::Window;

/// The half of a [`Stream`](crate::Stream) that sends.
///
/// Dropping it ends what it sends, at a serving end with the call's answer.
#[must_use = "what it sends ends once this is dropped"]
pub struct Sending<'a, Out> {
    end: ContextEnd<'a>,
    finished: bool,
    types: PhantomData<fn(Out)>,
}

shown!(Sending<'a, Out> { end, finished });

impl<'a, Out> Sending<'a, Out> {
    pub(crate) fn new(end: ContextEnd<'a>, finished: bool) -> Self {
        Self { end, finished, types: PhantomData }
    }

    /// Sends one item, and waits while the far end has no room for it. See [`Stream::send`](crate::Stream::send).
    ///
    /// # Errors
    /// The same.
    pub fn send(&mut self, item: &Out) -> Result<(), Raised>
    where
        Out: Serialize,
    {
        self.end.checkpoint()?;
        let mut bytes = encode(item, spare_buffer())?;
        loop {
            let sent = self.end.actor.said(|shell| shell.push(self.end.id, &mut bytes));
            match sent {
                Some(Err(Held::Refused(Refused::NoCredit))) => {
                    // Whoever is to make room may itself wait for the room that was made here.
                    self.end.tell_taken();
                    self.wait_for_room()?;
                }
                sent => {
                    if let Some(sent) = self.end.unheld(sent)? {
                        keep_buffer(bytes);
                        return Ok(sent);
                    }
                }
            }
        }
    }

    fn wait_for_room(&self) -> Result<(), Raised> {
        let found = |talk: &mut Talk| (talk.credit > 0 || talk.over.is_some()).then_some(Ok(()));
        let room = self.end.wait(None, found);
        room.unwrap_or(Ok(()))
    }

    /// Says that no further item will be sent.
    pub fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            self.end.actor.tell(|shell| shell.end_stream(self.end.id));
        }
    }
}

impl<Out> Drop for Sending<'_, Out> {
    fn drop(&mut self) {
        // What a body that serves has sent ends with its answer: it may be dropped here because the body failed.
        if self.end.id.side == Side::Caller {
            self.finish();
        }
    }
}

/// The half of a [`Stream`](crate::Stream) that receives, and iterates over what it receives, up to the first error.
///
/// When it is dropped, what the far end sends is let go of from then on.
#[must_use = "what the far end sends is let go of once this is dropped"]
pub struct Receiving<'a, In> {
    end: ContextEnd<'a>,
    /// Items that this reader has fetched.
    fetched: Items,
    /// The oldest item gives way when there is no room.
    lossy: bool,
    /// After how many items that it took it says so.
    tell_after: u32,
    /// The iteration has ended.
    over: bool,
    types: PhantomData<fn() -> In>,
}

shown!(Receiving<'a, In> { end, lossy });

impl<'a, In> Receiving<'a, In> {
    pub(crate) fn new(end: ContextEnd<'a>, window: Window) -> Self {
        let Window { items, lossy } = window;
        let (fetched, tell_after) = (Items::default(), (items / 2).max(1));
        Self { end, fetched, lossy, tell_after, over: false, types: PhantomData }
    }

    /// Tells how many items gave way to later ones so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.end.slot.look().dropped
    }
}

impl<In: DeserializeOwned> Receiving<'_, In> {
    /// Receives the next item; `None` when the far end has sent its last. See [`Stream::recv`](crate::Stream::recv).
    ///
    /// # Errors
    /// The same.
    pub fn recv(&mut self) -> Result<Option<In>, Raised> {
        self.recv_until(None)
    }

    /// Receives the next item within a time.
    ///
    /// # Errors
    /// The same as [`recv`](Self::recv), and
    /// - [`Raised::TimedOut`]: no item came in time.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<In>, Raised> {
        self.recv_until(Instant::now().checked_add(timeout))
    }

    fn recv_until(&mut self, until: Option<Instant>) -> Result<Option<In>, Raised> {
        self.end.checkpoint()?;
        if self.fetched.is_empty() && !self.fetch(until)? {
            return Ok(None);
        }
        let Some(bytes) = self.fetched.pop() else { return Ok(None) };
        // One that is no `In` has been taken like any other: its room is its writer's again.
        let item = self.end.decode(bytes);
        if !self.lossy && self.end.slot.take_one() >= self.tell_after {
            self.end.tell_taken();
        }
        item.map(Some)
    }

    /// Fetches the items that are there, or waits for some. Gives whether there are any.
    fn fetch(&mut self, until: Option<Instant>) -> Result<bool, Raised> {
        self.end.tell_taken();
        self.fetched.rewind();
        let (fetched, lossy, gone) = (&mut self.fetched, self.lossy, self.end.actor.gone());
        let found = self.end.wait(until, |talk| {
            if !talk.items.is_empty() {
                if !lossy {
                    std::mem::swap(&mut talk.items, fetched);
                }
                return Some(Ok(true));
            }
            if talk.ended {
                return Some(Ok(false));
            }
            Some(talk.over.as_ref()?.raised(gone).map_or(Ok(false), Err))
        });
        let found = found.unwrap_or(Err(Raised::TimedOut))?;
        if found && self.lossy {
            self.fetch_oldest();
            if self.fetched.is_empty() {
                // The actor was over before it could be asked.
                return Err(Raised::Cancelled(gone));
            }
        }
        Ok(found)
    }

    /// Fetches one item of those that may give way to later ones, and says so before another comes: what is counted as
    /// held is what is there.
    fn fetch_oldest(&mut self) {
        self.end.actor.tell(|shell| {
            if let Some(item) = self.end.slot.look().items.pop() {
                self.fetched.push(item);
                shell.taken(self.end.id, 1);
            }
        });
    }
}

impl<In: DeserializeOwned> Iterator for Receiving<'_, In> {
    type Item = Result<In, Raised>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.recv().transpose();
        // A cancellation, or the far end's failure, would come again and again.
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<In: DeserializeOwned> FusedIterator for Receiving<'_, In> {}

impl<In> Drop for Receiving<'_, In> {
    fn drop(&mut self) {
        if self.end.slot.look().let_go() {
            self.end.actor.tell(|shell| shell.unread(self.end.id));
        }
    }
}
