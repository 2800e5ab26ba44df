//! The signals of a process that has other threads already: taken by handlers, whichever thread they reach.
//!
//! Blocking them here would leave them to the other threads, and to their default action. What is lost is the sender:
//! a handler can't pass it on.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

/// Signals that wait to be read, and the stream that becomes readable with them.
#[derive(Debug)]
pub(super) struct Handled {
    delivery: RefCell<SignalDelivery<UnixStream, SignalOnly>>,
    stream: UnixStream,
}

impl Handled {
    pub(super) fn install(signals: &[Signal]) -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        let stream = read.try_clone()?;
        let numbers: Vec<i32> = signals.iter().map(|signal| signal.as_raw()).collect();
        let delivery = SignalDelivery::with_pipe(read, write, SignalOnly, numbers)?;
        Ok(Self { delivery: RefCell::new(delivery), stream })
    }

    /// Takes one signal that is pending.
    pub(super) fn read(&self) -> Option<Signal> {
        let number = self.delivery.borrow_mut().pending().next()?;
        Signal::from_named_raw(number)
    }
}

impl AsFd for Handled {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
