//! The stream inside a context: items both ways, in order, each way with an end of its own.
//!
//! The rule: who sends waits for room at the far end, so both ends hold a bounded number of items, and a slow reader slows
//! its writer and nobody else. Each half may be on a thread of its own; what each does stands in `halves`.

use std::iter::FusedIterator;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use windrow_core::{Limits, Refused};

use crate::context::ContextEnd;
use crate::failure::Raised;
use crate::halves::{Receiving, Sending};
use crate::shown::shown;
use crate::slot::Over;

/// How many items one end of a stream takes ahead of its reader, and what gives way when there are more. The default is as many
/// as [`Limits::window`] allows by default, for which the sender waits. An item is one message, of 64 KiB at the most.
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
    pub(crate) items: u32,
    pub(crate) lossy: bool,
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

/// One end of a stream: sends `Out`, receives `In`, and iterates over what it receives, up to the first error.
///
/// Dropping it ends what it sends, at a serving end with the call's answer; the far end's reader sees the end, or the failure.
/// What the far end sends is let go of from then on: its writer never waits for a reader that is gone, and a result that
/// comes is still had. One that goes on sending when the body that called has ended as well is cancelled.
#[must_use = "it ends both ways once it is dropped"]
pub struct Stream<'a, Out, In> {
    sending: Sending<'a, Out>,
    receiving: Receiving<'a, In>,
}

shown!(Stream<'a, Out, In> { sending, receiving });

impl<'a, Out: Serialize, In: DeserializeOwned> Stream<'a, Out, In> {
    pub(crate) fn open(end: ContextEnd<'a>, mut window: Window) -> Result<Self, Raised> {
        let ContextEnd { actor, id, ref slot, .. } = end;
        let opened = actor.said(|shell| shell.open_stream(id, window.items, window.lossy));
        let opened = opened.unwrap_or(Err(Refused::Ended));
        // One whose far end has returned meanwhile is a stream that has ended.
        let returned = matches!(slot.look().over, Some(Over::Returned(_) | Over::Taken));
        let over = opened == Err(Refused::ClosedContext) && returned && !slot.look().opened;
        if !over {
            window.items = actor.answered(opened)?;
        }
        slot.look().opened = true;
        Ok(Self { sending: Sending::new(end.clone(), over), receiving: Receiving::new(end, window) })
    }

    /// Sends one item, and waits while the far end has no room for it.
    ///
    /// While the far end has half of what it takes ahead still to read, items leave this process together with later ones, the
    /// end, an answer or anything else that is said to that actor; at the latest when the far end asks for more.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled.
    /// - [`Raised::Refused`]: the stream was [finished](Self::finish), or the call has ended.
    /// - [`Raised::Error`]: the item can't be encoded, or is longer than a message, which harms nothing else.
    pub fn send(&mut self, item: &Out) -> Result<(), Raised> {
        self.sending.send(item)
    }

    /// Receives the next item; `None` when the far end has sent its last.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled, whatever came.
    /// - [`Raised::Group`]: the failure of the far end, after the items before it; or an item that is no `In`.
    pub fn recv(&mut self) -> Result<Option<In>, Raised> {
        self.receiving.recv()
    }

    /// Receives the next item within a time.
    ///
    /// # Errors
    /// The same as [`recv`](Self::recv), and
    /// - [`Raised::TimedOut`]: no item came in time.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<In>, Raised> {
        self.receiving.recv_timeout(timeout)
    }
}

impl<'a, Out, In> Stream<'a, Out, In> {
    /// Tells how many items gave way to later ones so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.receiving.dropped()
    }

    /// Says that no further item will be sent. What comes can still be received.
    pub fn finish(&mut self) {
        self.sending.finish();
    }

    /// Parts its two ways, so that one thread can send while another receives. Each half ends when it is dropped.
    ///
    /// Two ends that both send more than the other takes ahead before they read would wait for each other; like this they
    /// do not:
    ///
    /// ```no_run
    /// # use windrow_std::{Actor, Raised, Stream};
    /// /// Has all numbers squared, however many they are.
    /// fn square(actor: &Actor, stream: Stream<'_, u64, u64>, numbers: &[u64]) -> Result<Vec<u64>, Raised> {
    ///     let (mut asked, answers) = stream.split();
    ///     actor.threads(|threads| {
    ///         threads.spawn(move || numbers.iter().try_for_each(|number| asked.send(number)))?;
    ///         answers.collect()
    ///     })
    /// }
    /// ```
    pub fn split(self) -> (Sending<'a, Out>, Receiving<'a, In>) {
        (self.sending, self.receiving)
    }
}

impl<Out, In: DeserializeOwned> Iterator for Stream<'_, Out, In> {
    type Item = Result<In, Raised>;

    fn next(&mut self) -> Option<Self::Item> {
        self.receiving.next()
    }
}

impl<Out, In: DeserializeOwned> FusedIterator for Stream<'_, Out, In> {}
