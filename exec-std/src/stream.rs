//! The stream inside a context: items both ways, in order, each way with an end of its own.
//!
//! The rule: who sends waits for room at the far end, so both ends hold a bounded number of items, and a slow reader slows
//! its writer and nobody else. A blocking call here is a checkpoint.

use std::marker::PhantomData;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use windrow_core::{Limits, Refused, Side};

use crate::context::ContextEnd;
use crate::endpoint::{encode, keep_buffer, spare_buffer};
use crate::failure::Raised;
use crate::shell::Held;
use crate::slot::{Items, Over, Talk};

/// How many items one end of a stream takes ahead of its reader, and what gives way when there are more. The default is as many
/// as [`Limits::window`] allows by default, for which the sender waits.
///
/// ```no_run
/// # use windrow_std::{Context, Raised, ToCaller, Window};
/// /// Follows a temperature, of which only the latest matters.
/// fn follow(context: &Context<'_, f64, ToCaller<f64>>) -> Result<(), Raised> {
///     for degrees in context.stream_with(Window::last(1))? {
///         println!("{} °C", degrees?);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    items: u32,
    lossy: bool,
}

impl Default for Window {
    fn default() -> Self {
        Self { items: Limits::default().window, lossy: false }
    }
}

impl Window {
    /// Takes so many items ahead; then the sender waits. More than [`Limits::window`](crate::Limits::window) are not taken.
    #[must_use]
    pub fn items(items: u32) -> Self {
        Self { items, lossy: false }
    }

    /// Keeps the last so many items; older ones give way, and are counted. The sender never waits.
    #[must_use]
    pub fn last(items: u32) -> Self {
        Self { items, lossy: true }
    }
}

/// One end of a stream: sends `Out`, receives `In`, and iterates over what it receives.
///
/// Dropping it ends what it sends, at a serving end with the call's answer; the far end's reader sees the end, or the failure.
/// What the far end sends is let go of from then on: its writer never waits for a reader that is gone, and a result that
/// comes is still had. One that goes on sending when the body that called has ended as well is cancelled.
#[derive(Debug)]
pub struct Stream<'a, Out, In> {
    end: ContextEnd<'a>,
    /// Items that this reader has fetched.
    fetched: Items,
    /// The oldest item gives way when there is no room.
    lossy: bool,
    /// Items that it took and has not said so yet.
    taken: u32,
    /// After how many it says so.
    tell_after: u32,
    finished: bool,
    types: PhantomData<fn(Out) -> In>,
}

impl<'a, Out: Serialize, In: DeserializeOwned> Stream<'a, Out, In> {
    pub(crate) fn open(end: ContextEnd<'a>, window: Window) -> Result<Self, Raised> {
        let ContextEnd { actor, id, ref slot } = end;
        let opened = actor.said(|shell| shell.open_stream(id, window.items, window.lossy));
        let opened = opened.unwrap_or(Err(Refused::Ended));
        // One whose far end has returned meanwhile is a stream that has ended.
        let returned = matches!(slot.look().over, Some(Over::Returned(_) | Over::Taken));
        let over = opened == Err(Refused::ClosedContext) && returned && !slot.look().opened;
        if !over {
            actor.answered(opened)?;
        }
        slot.look().opened = true;
        let tell_after = (window.items / 2).max(1);
        let fetched = Items::default();
        let (lossy, types) = (window.lossy, PhantomData);
        Ok(Self { end, fetched, lossy, taken: 0, tell_after, finished: over, types })
    }

    /// Sends one item, and waits while the far end has no room for it.
    ///
    /// While the far end has half of what it takes ahead still to read, items leave this process together with later ones, the
    /// end, an answer or anything else that is said to that actor; at the latest when the far end asks for more.
    ///
    /// # Errors
    /// The cancellation; that the stream has ended; or that the item is longer than a frame, which harms nothing else.
    pub fn send(&mut self, item: &Out) -> Result<(), Raised> {
        let mut bytes = encode(item, spare_buffer())?;
        loop {
            let sent = self.end.actor.said(|shell| shell.push(self.end.id, &mut bytes));
            match sent {
                Some(Err(Held::Refused(Refused::NoCredit))) => {
                    // Whoever is to make room may itself wait for the room that was made here.
                    self.tell_taken();
                    self.wait_for_room()?;
                }
                sent => {
                    if let Some(sent) = self.end.actor.unheld(self.end.id.link, sent)? {
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

    /// Receives the next item; `None` when the far end has sent its last.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled.
    /// - [`Raised::Group`]: the failure of the far end, after the items before it; or an item that is no `In`.
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
        if self.fetched.is_empty() && !self.fetch(until)? {
            return Ok(None);
        }
        let Some(bytes) = self.fetched.pop() else { return Ok(None) };
        let item = self.end.decode(bytes)?;
        self.taken += u32::from(!self.lossy);
        if self.taken >= self.tell_after {
            self.tell_taken();
        }
        Ok(Some(item))
    }

    /// Fetches the items that are there, or waits for some. Gives whether there are any.
    fn fetch(&mut self, until: Option<Instant>) -> Result<bool, Raised> {
        self.tell_taken();
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

    /// Says that there is room for what was taken.
    fn tell_taken(&mut self) {
        let items = std::mem::take(&mut self.taken);
        if items > 0 {
            self.end.actor.tell(|shell| shell.taken(self.end.id, items));
        }
    }

    /// Tells how many items gave way to later ones so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.end.slot.look().dropped
    }
}

impl<Out, In> Stream<'_, Out, In> {
    /// Says that no further item will be sent. What comes can still be received.
    pub fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            self.end.actor.tell(|shell| shell.end_stream(self.end.id));
        }
    }
}

impl<Out: Serialize, In: DeserializeOwned> Iterator for Stream<'_, Out, In> {
    type Item = Result<In, Raised>;

    fn next(&mut self) -> Option<Self::Item> {
        self.recv().transpose()
    }
}

impl<Out, In> Drop for Stream<'_, Out, In> {
    fn drop(&mut self) {
        // What a body that serves has sent ends with its answer: it may be dropped here because the body failed.
        if self.end.id.side == Side::Caller {
            self.finish();
        }
        if self.end.slot.look().let_go() {
            self.end.actor.tell(|shell| shell.unread(self.end.id));
        }
    }
}
