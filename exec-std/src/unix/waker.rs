//! Waking the driver from other threads, and handing it something when it wakes.
//!
//! The rule: a wake-up is never lost and never waits. Many of them become one, and the descriptor stays
//! readable until the driver has looked. A descriptor that answers oddly is an error to be deregistered,
//! never a reason to look again.
//!
//! It knows nothing of what is sent, nor of who waits on the descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

/// A way to wake the driver, from any thread.
#[derive(Clone, Debug)]
pub struct Waker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    fd: OwnedFd,
    /// Set while a wake-up is under way that the driver has not yet cleared; saves the others their system
    /// call.
    pending: AtomicBool,
}

impl Waker {
    /// Makes a waker that is not set.
    ///
    /// # Errors
    ///
    /// Fails without descriptors or memory.
    pub fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { shared: Arc::new(Shared { fd, pending: AtomicBool::new(false) }) })
    }

    /// Makes the descriptor readable until [`Waker::clear`]; never blocks.
    pub fn wake(&self) {
        if self.shared.pending.swap(true, Ordering::SeqCst) {
            return;
        }
        // The only other refusal of an eventfd is EAGAIN: its counter is full, so it is readable already.
        while rustix::io::write(&self.shared.fd, &1_u64.to_ne_bytes()) == Err(Errno::INTR) {}
    }

    /// Takes back all wake-ups so far and says whether there were any; call it before looking at what they
    /// announce.
    ///
    /// # Errors
    ///
    /// Fails if the descriptor is no longer what it was; deregister it then.
    pub fn clear(&self) -> io::Result<bool> {
        // In this order: the other way round, a wake-up between the two would be read here and yet stand as
        // pending, and every later one would rely on it.
        let set = read_counter(&self.shared.fd)?;
        self.shared.pending.swap(false, Ordering::SeqCst);
        Ok(set)
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.fd.as_fd()
    }
}

fn read_counter(fd: &OwnedFd) -> io::Result<bool> {
    let mut counter = [0; 8];
    loop {
        match rustix::io::read(fd, &mut counter) {
            Ok(8) => return Ok(true),
            Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(Errno::AGAIN) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A bounded queue into the driver, which wakes it.
#[derive(Debug)]
pub struct Mailbox<T> {
    queue: Receiver<T>,
    /// Kept so that the queue never counts as abandoned.
    post: Post<T>,
}

impl<T> Mailbox<T> {
    /// Makes a mailbox that holds at most `bound` messages, at least one.
    ///
    /// # Errors
    ///
    /// Fails without descriptors or memory.
    pub fn new(bound: usize) -> io::Result<Self> {
        let waker = Waker::new()?;
        let (sender, queue) = sync_channel(bound.max(1));
        Ok(Self { queue, post: Post { sender, waker } })
    }

    /// Returns a way to send to this mailbox.
    #[must_use]
    pub fn post(&self) -> Post<T> {
        self.post.clone()
    }

    /// Returns the waker, which may also be used without a message.
    #[must_use]
    pub const fn waker(&self) -> &Waker {
        &self.post.waker
    }

    /// Takes the next message, or `None` when there is none; call it when the descriptor is readable.
    ///
    /// The descriptor stays readable until `None` has been returned, so a driver that stops earlier is woken
    /// again.
    ///
    /// # Errors
    ///
    /// The same as [`Waker::clear`].
    pub fn try_recv(&mut self) -> io::Result<Option<T>> {
        if let Ok(message) = self.queue.try_recv() {
            return Ok(Some(message));
        }
        self.post.waker.clear()?;
        Ok(self.recv_late())
    }

    /// Looks again after the clearing, since what was sent before it has no other wake-up than the one that
    /// was cleared.
    fn recv_late(&self) -> Option<T> {
        let late = self.queue.try_recv().ok();
        if late.is_some() {
            self.post.waker.wake();
        }
        late
    }
}

impl<T> AsFd for Mailbox<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.post.waker.as_fd()
    }
}

/// A way to send to a [`Mailbox`], from any thread.
#[derive(Debug)]
pub struct Post<T> {
    sender: SyncSender<T>,
    waker: Waker,
}

impl<T> Post<T> {
    /// Sends a message and wakes the driver; waits while the mailbox is full, so it is not for the driver
    /// itself.
    ///
    /// # Errors
    ///
    /// Gives the message back if the mailbox is gone.
    pub fn send(&self, message: T) -> Result<(), T> {
        self.sender.send(message).map_err(|refused| refused.0)?;
        self.waker.wake();
        Ok(())
    }

    /// Sends a message and wakes the driver; never waits.
    ///
    /// # Errors
    ///
    /// Gives the message back if the mailbox is full or gone.
    pub fn try_send(&self, message: T) -> Result<(), Unsent<T>> {
        self.sender.try_send(message).map_err(|refused| match refused {
            TrySendError::Full(message) => Unsent::Full(message),
            TrySendError::Disconnected(message) => Unsent::Gone(message),
        })?;
        self.waker.wake();
        Ok(())
    }
}

impl<T> Clone for Post<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), waker: self.waker.clone() }
    }
}

/// Why a message was not sent, with the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the sender must answer each of them")]
pub enum Unsent<T> {
    /// The mailbox is full.
    Full(T),
    /// The mailbox is gone, and with it the driver.
    Gone(T),
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    /// Says whether the descriptor becomes readable within a limit.
    fn readable(fd: impl AsFd, seconds: i64) -> bool {
        let limit = Timespec { tv_sec: seconds, tv_nsec: 0 };
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)).unwrap() == 1
    }

    #[test]
    fn wake_ups_coalesce_and_are_cleared_together() {
        let waker = Waker::new().unwrap();
        assert!(!readable(&waker, 0));
        assert!(!waker.clear().unwrap());
        for _ in 0..3 {
            waker.clone().wake();
        }
        assert!(readable(&waker, 0));
        assert!(waker.clear().unwrap());
        assert!(!readable(&waker, 0));
        waker.wake();
        assert!(readable(&waker, 0), "it can be set again");
    }

    #[test]
    fn a_full_counter_neither_blocks_nor_hides_the_wake_up() {
        let waker = Waker::new().unwrap();
        let full = (u64::MAX - 1).to_ne_bytes();
        assert_eq!(rustix::io::write(&waker, &full), Ok(8));
        waker.wake();
        assert!(readable(&waker, 0));
        assert!(waker.clear().unwrap());
        assert!(!readable(&waker, 0));
    }

    #[test]
    fn an_end_or_a_torn_counter_is_an_error_and_is_not_read_again() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&write, b"odd").unwrap();
        assert_eq!(read_counter(&read).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        drop(write);
        assert_eq!(read_counter(&read).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(read_counter(&std::fs::File::open("/").unwrap().into()).is_err());
    }

    #[test]
    fn a_message_left_in_the_box_keeps_it_readable() {
        let mut mailbox = Mailbox::new(10).unwrap();
        let post = mailbox.post();
        for message in 0..3 {
            post.send(message).unwrap();
        }
        for message in 0..3 {
            assert!(readable(&mailbox, 0));
            assert_eq!(mailbox.try_recv().unwrap(), Some(message));
        }
        assert_eq!(mailbox.try_recv().unwrap(), None);
        assert!(!readable(&mailbox, 0));
        mailbox.waker().wake();
        assert!(readable(&mailbox, 0));
        assert_eq!(mailbox.try_recv().unwrap(), None);
        assert!(!readable(&mailbox, 0), "an empty wake-up is cleared as well");
    }

    #[test]
    fn messages_that_came_just_before_the_clearing_are_announced_again() {
        let mut mailbox = Mailbox::new(10).unwrap();
        mailbox.post().send(1).unwrap();
        mailbox.post().send(2).unwrap();
        assert!(mailbox.waker().clear().unwrap());
        assert_eq!(mailbox.recv_late(), Some(1));
        assert!(readable(&mailbox, 0), "there is another");
        assert_eq!(mailbox.try_recv().unwrap(), Some(2));
        assert_eq!(mailbox.try_recv().unwrap(), None);
        assert!(!readable(&mailbox, 0));
    }

    #[test]
    fn a_full_box_and_a_gone_one_give_the_message_back() {
        let mailbox = Mailbox::new(0).unwrap();
        let post = mailbox.post();
        post.try_send('a').unwrap();
        assert_eq!(post.try_send('b'), Err(Unsent::Full('b')));
        drop(mailbox);
        assert_eq!(post.try_send('c'), Err(Unsent::Gone('c')));
        assert_eq!(post.send('d'), Err('d'));
    }

    #[test]
    fn a_sender_that_waits_for_room_is_freed_when_the_box_goes() {
        let mailbox = Mailbox::new(1).unwrap();
        let post = mailbox.post();
        post.send(1).unwrap();
        let waiting = std::thread::spawn(move || post.send(2));
        drop(mailbox);
        assert_eq!(waiting.join().unwrap(), Err(2));
    }

    /// Many threads, a small box and a driver that waits only on the descriptor: one lost wake-up and it
    /// waits for ever.
    #[test]
    fn no_wake_up_is_lost() {
        const THREADS: u64 = 4;
        const EACH: u64 = 20_000;
        for budget in [1, 3, u64::MAX] {
            let mut mailbox = Mailbox::new(7).unwrap();
            let senders: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let post = mailbox.post();
                    std::thread::spawn(move || {
                        (0..EACH).for_each(|at| post.send(thread * EACH + at).unwrap())
                    })
                })
                .collect();
            let (mut count, mut sum) = (0, 0);
            while count < THREADS * EACH {
                assert!(readable(&mailbox, 20), "a wake-up was lost after {count} messages");
                for _ in 0..budget {
                    let Some(message) = mailbox.try_recv().unwrap() else { break };
                    (count, sum) = (count + 1, sum + message);
                }
            }
            assert_eq!(sum, (0..THREADS * EACH).sum::<u64>());
            senders.into_iter().for_each(|sender| sender.join().unwrap());
            assert_eq!(mailbox.try_recv().unwrap(), None);
        }
    }
}
