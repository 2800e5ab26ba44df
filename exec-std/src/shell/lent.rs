//! Channels that are read by a thread which waits for what comes on them.
//!
//! The rule: a channel is awaited by one, such a thread or the driver; what is read is the machine's, whoever read it. Before
//! a timer the driver reads all. A loop that can't be told cheaply which channels to leave alone lends none.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use windrow_core::{Instant, Link};

use super::reactor::Reactor;
use super::{Shell, now};

/// What a thread may do that waits for what comes on a channel.
pub(crate) trait Lends {
    /// Leaves the reading of a channel to the calling thread, and gives it what to wait for; nothing if that can't be.
    fn lend(&mut self, link: Link) -> Option<Arc<OwnedFd>>;
    /// Reads what is there, and takes the channel back if that is `enough`, or nothing more will come. Gives whether it did.
    fn read_lent(&mut self, link: Link, enough: &mut dyn FnMut() -> bool) -> bool;
    /// Leaves the reading to the driver again.
    fn take_back(&mut self, link: Link);
}

impl<R: Reactor> Lends for Shell<R> {
    fn lend(&mut self, link: Link) -> Option<Arc<OwnedFd>> {
        self.channels.get(link)?.lend(&mut self.watch)
    }

    fn read_lent(&mut self, link: Link, enough: &mut dyn FnMut() -> bool) -> bool {
        self.take_link(link, false);
        self.settle(now());
        let done = enough() || !self.channels.get(link).is_some_and(|channel| channel.is_lent());
        if done {
            self.take_back(link);
        }
        done
    }

    fn take_back(&mut self, link: Link) {
        if let Some(channel) = self.channels.get(link) {
            channel.take_back(&mut self.watch);
        }
    }
}

impl<R: Reactor> Shell<R> {
    /// Takes what has come on lent channels. The loop is not told of it, and the threads that are may have their turn later.
    pub(super) fn take_lent(&mut self, now: Instant) {
        for link in self.channels.lent() {
            self.take_link(link, false);
            self.settle(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use windrow_core::wire::{HEAD_MAX, encode};
    use windrow_core::{ActorId, Config, Input, Message, Versions};

    use super::super::{Company, Kept, PollingReactor, Recorder};
    use super::*;

    thread_local!(static INPUTS: RefCell<Vec<Input>> = const { RefCell::new(Vec::new()) });

    /// The loop is not told of it, and the thread that is may have its turn later.
    #[test]
    fn no_timer_overtakes_what_has_come_on_a_lent_channel() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let (config, company) = (Config::child(ActorId(2)), Company::new().unwrap());
        let reactor = PollingReactor::default();
        let mut shell = Shell::with(config, reactor, Some(ours.into()), None, company).unwrap();
        shell.turn(Instant(1), &[]).unwrap();
        let recorder: Recorder = |record| INPUTS.with_borrow_mut(|inputs| inputs.push(record.input));
        shell.keep(&Kept { recorder: Some(recorder), ..Kept::default() }).unwrap();
        assert!(shell.lend(Link::Parent).is_some());

        let message = Message::Hello { versions: Versions { first: 1, last: 1 }, actor: ActorId(1) };
        let mut buffer = [0; HEAD_MAX];
        let frame = encode(message, &mut buffer).unwrap();
        let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
        theirs.write_all(&[&length, frame].concat()).unwrap();
        let due = shell.next_tick().unwrap();
        shell.turn(due, &[]).unwrap();
        let (inputs, received) = (INPUTS.take(), Input::Received { link: Link::Parent, message });
        assert!(inputs.starts_with(&[received, Input::Tick]), "{inputs:?}");
    }
}
