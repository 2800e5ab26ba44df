//! Waiting where what is waited for comes in: a thread that has nothing else to do reads the channel itself, so that what
//! comes wakes one thread and not two.
//!
//! The rule: who stops waiting gives the channel back at once, so that it is never without a reader; and whoever has
//! something else to tell a reader wakes it. Who waits at a slot is woken by the cancellation of what this thread stands in, and
//! looks at that first: what comes without end can't keep it from that.

use std::cell::OnceCell;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use windrow_core::Link;

use crate::actor::Actor;
use crate::failure::Raised;
use crate::shell::Desk;
use crate::slot::{Slot, Talk};
use crate::unix::waker::Waker;

thread_local! {
    /// What wakes this thread while it reads; none if there was no descriptor for it.
    static WAKER: OnceCell<Option<Waker>> = const { OnceCell::new() };
}

/// A thread that reads a channel while it waits.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    desk: &'a dyn Desk,
    link: Link,
    socket: Arc<OwnedFd>,
    waker: Waker,
    /// The channel is given back.
    back: bool,
}

impl<'a> Reader<'a> {
    /// Takes the reading of a channel over, if nobody else but the driver has it.
    pub(crate) fn of(desk: &'a dyn Desk, link: Link) -> Option<Self> {
        Self::with(desk, link, desk.said(|shell| shell.lend(link))??)
    }

    /// Reads a channel that was lent together with something else that was said: the answer may come at once.
    pub(crate) fn with(desk: &'a dyn Desk, link: Link, socket: Arc<OwnedFd>) -> Option<Self> {
        let waker = WAKER.with(|waker| waker.get_or_init(|| Waker::new().ok()).clone());
        if waker.is_none() {
            desk.said(|shell| shell.take_back(link));
        }
        Some(Self { desk, link, socket, waker: waker?, back: false })
    }

    /// Gives what ends the present wait, or else the next.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Waits until something is there or somebody wakes this thread, or the time is over. Gives whether something is there.
    pub(crate) fn wait(&self, until: Option<Instant>) -> bool {
        let waited = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut polled = [waited(self.socket.as_fd()), waited(self.waker.as_fd())];
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        // An interrupted wait is looked at like any other.
        let _ = poll(&mut polled, timeout.as_ref());
        if !polled[1].revents().is_empty() {
            let _ = self.waker.clear();
        }
        !polled[0].revents().is_empty()
    }

    /// Reads what is there. Gives whether there is any sense in waiting on: it was not `enough`, and more may come.
    pub(crate) fn read(&mut self, mut enough: impl FnMut() -> bool) -> bool {
        self.back = self.desk.said(|shell| shell.read_lent(self.link, &mut enough)).unwrap_or(true);
        !self.back
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if !self.back {
            self.desk.said(|shell| shell.take_back(self.link));
        }
    }
}

impl Actor {
    /// Waits at a slot for the cancellation of what this thread stands in, for what `found` finds there, or until the time is
    /// over; and reads the channel meanwhile that it comes on, if it comes on one.
    pub(crate) fn wait_at<T>(
        &self,
        slot: &Arc<Slot>,
        link: Option<Link>,
        until: Option<Instant>,
        mut found: impl FnMut(&mut Talk) -> Option<Result<T, Raised>>,
    ) -> Option<Result<T, Raised>> {
        let mut found = |talk: &mut Talk| {
            let cause = self.cancelled_now().filter(|cause| !talk.is_behind(cause));
            cause.map(|cause| Err(Raised::Cancelled(cause))).or_else(|| found(talk))
        };
        let value = found(&mut slot.look());
        if value.is_some() {
            return value;
        }
        self.watch_from_elsewhere(slot);
        let reader = || Reader::of(self.desk(), link?);
        slot.wait_reading(until, reader, found)
    }

    /// Says by what this thread is cancelled before it takes more from a slot, or adds to what the far end has.
    pub(crate) fn checkpoint_at(&self, slot: &Slot) -> Result<(), Raised> {
        let cause = self.cancelled_now().filter(|cause| !slot.look().is_behind(cause));
        cause.map_or(Ok(()), |cause| Err(Raised::Cancelled(cause)))
    }

    /// Has this thread woken at a slot by what cancels it, if that does not cancel what the slot belongs to. Gives whether so.
    pub(crate) fn watch_from_elsewhere(&self, slot: &Arc<Slot>) -> bool {
        let elsewhere = slot.look().scope != Some(self.body());
        if elsewhere {
            self.tell(|shell| shell.watch_slot(slot));
        }
        elsewhere
    }
}
