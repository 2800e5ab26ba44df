//! A stream of frames over a Unix socket that never blocks its driver, in either direction.
//!
//! A frame is what [`wire`](windrow_core::wire) says: a length and a body of that many bytes. The rules: a length is checked
//! against the limit before anything is allocated for it; what is queued is bounded, and an overflow leaves
//! the stream as it was; a peer that misbehaves ends this link and nothing else. One call of [`Link::fill`]
//! or [`Link::flush`] does a bounded amount of work.
//!
//! A link does not know what a body means, who the peer is or what a loss leads to. Nor does a loss of one
//! direction hide the other: what the peer sent before it went away is still read after a flush has said
//! [`Flushed::Lost`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType};
use windrow_core::wire::{BadFrame, FRAME_MAX, FRAME_MAX_UNGREETED};

use super::rights;

/// How many bytes may wait to be sent unless [`Link::set_bound`] says otherwise: a few of the longest frames.
pub const SEND_BOUND: usize = 1 << 20;

/// A framed, nonblocking stream.
#[derive(Debug)]
pub struct Link {
    fd: Arc<OwnedFd>,
    inbox: Inbox,
    outbox: Outbox,
    /// Descriptors that go with the next bytes.
    passing: Vec<Arc<OwnedFd>>,
    /// Those that came, if any may.
    passed: Option<Vec<OwnedFd>>,
}

impl Link {
    /// Wraps a connected stream socket; whether it is itself nonblocking does not matter.
    #[must_use]
    pub fn new(fd: OwnedFd) -> Self {
        Self {
            fd: Arc::new(fd),
            inbox: Inbox::new(FRAME_MAX_UNGREETED),
            outbox: Outbox::new(SEND_BOUND),
            passing: Vec::new(),
            passed: None,
        }
    }

    /// Makes a link and the other end of it, for a child.
    ///
    /// Both ends carry the credentials of the maker: possession is the authentication. The child's end is
    /// none of 0, 1, 2.
    ///
    /// # Errors
    ///
    /// Fails without descriptors or memory.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        Ok((Self::new(ours), super::stdio::above_stdio(theirs)?))
    }

    /// Sets the longest body that is taken from the peer from now on, at most [`FRAME_MAX`].
    pub fn set_limit(&mut self, limit: usize) {
        self.inbox.limit = limit.min(FRAME_MAX);
    }

    /// Sets how many bytes may wait to be sent, heads included.
    pub fn set_bound(&mut self, bound: usize) {
        self.outbox.bound = bound;
    }

    /// Appends one frame, whose body is `head` and then `tail`, to what waits to be sent; [`Link::flush`]
    /// sends it.
    ///
    /// On a link whose sending side is lost the frame is dropped: [`Flushed::Lost`] said so.
    ///
    /// # Errors
    ///
    /// Refuses a frame that is empty, too long or more than the bound. Nothing of it is then queued and the
    /// link is intact.
    pub fn queue(&mut self, head: &[u8], tail: &[u8]) -> Result<(), Overflow> {
        self.outbox.queue(head, tail)
    }

    /// Sends what the socket takes of what is queued; call it after [`Link::queue`] and when the socket is
    /// writable.
    ///
    /// # Errors
    ///
    /// Fails only on what is no loss of the peer: the descriptor is no socket, or there is no memory.
    pub fn flush(&mut self) -> io::Result<Flushed> {
        let (fd, passing) = (&self.fd, &mut self.passing);
        self.outbox.flush(|bytes| match passing.is_empty() {
            true => rustix::net::send(fd, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT),
            false => pass(fd.as_fd(), bytes, passing),
        })
    }

    /// Says whether something waits to be sent, so that the driver should ask for writability.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        !self.outbox.waiting().is_empty()
    }

    /// Reads once what is there; call it when the socket is readable, and take the frames before the next
    /// call.
    ///
    /// # Errors
    ///
    /// Fails on what is no loss of the peer, and with `InvalidData` after a [`FrameError`]: such a link must
    /// be dropped.
    pub fn fill(&mut self) -> io::Result<Filled> {
        let (fd, passed) = (&self.fd, &mut self.passed);
        self.inbox.fill(|space| match passed {
            None => rustix::net::recv(fd, space, RecvFlags::DONTWAIT).map(|(read, _)| read),
            Some(passed) => rights::receive_many(fd.as_fd(), space, passed),
        })
    }

    /// Returns the body of the next whole frame, or `None` until more has been read.
    ///
    /// # Errors
    ///
    /// Refuses an empty frame, one over the limit, and a stream that ends within a frame. The error stays:
    /// what follows it in the stream cannot be told apart any more.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        self.inbox.next_frame()
    }

    /// Says whether the last [`fill`](Self::fill) found less than it had room for, so that nothing more was there.
    #[must_use]
    pub fn took_all(&self) -> bool {
        self.inbox.has_room()
    }

    /// Returns how many bytes wait to be sent.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outbox.waiting().len()
    }

    /// Ends the stream in both directions for everybody, also for holders of an inherited copy of this end.
    ///
    /// What is queued is lost; what was sent can still be read by the peer.
    pub fn close(self) {
        // The peer may have been faster; then there is nothing left to end.
        let _ = rustix::net::shutdown(&self.fd, Shutdown::Both);
    }
}

impl Link {
    /// Passes descriptors, at most [`MANY`](rights::MANY), with what is queued next, or with something before it.
    pub(crate) fn pass(&mut self, fds: impl IntoIterator<Item = Arc<OwnedFd>>) {
        self.passing.extend(fds);
    }

    /// Takes what descriptors the peer passes, until [`Link::take_passed`]. On any other link they are closed unseen.
    pub(crate) fn let_pass(&mut self) {
        self.passed = Some(Vec::new());
    }

    /// Gives what descriptors came, and takes no more.
    pub(crate) fn take_passed(&mut self) -> Vec<OwnedFd> {
        self.passed.take().unwrap_or_default()
    }

    /// Gives the socket, for whoever waits on it while this link may be closed.
    pub(crate) fn socket(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }
}

/// Sends bytes with descriptors, which are gone when some of the bytes are. Too many of this user's on their way is no loss of the
/// peer: it gets the bytes, and misses what it was to get with them.
fn pass(socket: BorrowedFd<'_>, bytes: &[u8], passing: &mut Vec<Arc<OwnedFd>>) -> Result<usize, Errno> {
    let fds: Vec<_> = passing.iter().map(|fd| fd.as_fd()).collect();
    let sent = match rights::send_many(socket, bytes, &fds) {
        Err(Errno::TOOMANYREFS) => rights::send_many(socket, bytes, &[]),
        sent => sent,
    };
    if sent.is_ok() {
        passing.clear();
    }
    sent
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the sender must answer each of them")]
pub enum Overflow {
    /// The peer reads too slowly: the buffer has no room for the frame.
    Full {
        /// How many bytes wait already.
        waiting: usize,
    },
    /// The body is longer than any peer takes.
    TooLong {
        /// Its length.
        length: usize,
    },
    /// The body is empty, which no peer takes.
    Empty,
}

impl std::fmt::Display for Overflow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full { waiting } => write!(f, "the send buffer is full: {waiting} bytes wait"),
            Self::TooLong { length } => {
                write!(f, "a frame of {length} bytes is over the limit of {FRAME_MAX}")
            }
            Self::Empty => f.write_str("a frame must not be empty"),
        }
    }
}

impl std::error::Error for Overflow {}

/// How far a flush came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[allow(clippy::exhaustive_enums, reason = "a driver must answer each of them")]
pub enum Flushed {
    /// Everything is sent.
    Done,
    /// The socket takes no more now; ask for writability.
    Blocked,
    /// The peer is gone and what was queued is dropped. What it sent before can still be read.
    Lost,
}

/// What a fill found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[allow(clippy::exhaustive_enums, reason = "a driver must answer each of them")]
pub enum Filled {
    /// That many bytes; there may be more.
    Bytes(usize),
    /// Nothing now; ask for readability.
    WouldBlock,
    /// Nothing was read, because a whole frame, or an error, waits to be taken by [`Link::next_frame`].
    Full,
    /// Nothing ever again: the peer has closed or is gone. Deregister the descriptor, which stays readable
    /// for ever, and take the frames that are left.
    Eof,
}

/// What is wrong with what the peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "these are all the ways in which a frame can be wrong")]
pub enum FrameError {
    /// A length that no frame has, or none of this stream's yet.
    Length(BadFrame),
    /// The stream ended within a frame.
    Truncated {
        /// How many bytes of it, its length included, had arrived.
        have: usize,
    },
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Length(bad) => write!(f, "the peer sent {bad}"),
            Self::Truncated { have } => write!(f, "the stream ended after {have} bytes of a frame"),
        }
    }
}

impl std::error::Error for FrameError {}

mod inbox;
mod outbox;

use inbox::Inbox;
use outbox::Outbox;

#[cfg(test)]
mod tests;
