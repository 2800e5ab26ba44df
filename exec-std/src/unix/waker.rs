//! Waking the driver from other threads.
//!
//! The rule: a wake-up is never lost and never waits. Many of them become one, and the descriptor stays
//! readable until the driver has looked. A descriptor that answers oddly is an error to be deregistered,
//! never a reason to look again.
//!
//! It knows nothing of what the driver is woken for, nor of who waits on the descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

    /// Many threads, and a driver that waits only on the descriptor: one lost wake-up and it waits for ever.
    #[test]
    fn no_wake_up_is_lost() {
        const THREADS: u64 = 4;
        const EACH: u64 = 20_000;
        let waker = Waker::new().unwrap();
        let said = Arc::new(std::sync::Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (waker, said) = (waker.clone(), Arc::clone(&said));
                std::thread::spawn(move || {
                    (0..EACH).for_each(|at| {
                        said.lock().unwrap().push(thread * EACH + at);
                        waker.wake();
                    });
                })
            })
            .collect();
        let (mut count, mut sum) = (0, 0);
        while count < THREADS * EACH {
            assert!(readable(&waker, 20), "a wake-up was lost after {count} words");
            // Cleared before it is looked, so that what comes in between is announced again.
            waker.clear().unwrap();
            for word in std::mem::take(&mut *said.lock().unwrap()) {
                (count, sum) = (count + 1, sum + word);
            }
        }
        assert_eq!(sum, (0..THREADS * EACH).sum::<u64>());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
