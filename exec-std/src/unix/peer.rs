//! Talking to others of the tree: sockets in the run directory, and who comes through them.
//!
//! The rule: a name is used through the descriptor of the directory, so that no link is followed and no path
//! is too long. Whoever connects is of our user, or gone at once; and nobody is talked to before they have
//! shown a card. How many may stand at the door who have shown one is bounded, and who comes when it is full of them waits
//! outside. Nothing here waits.
//!
//! It does not know how long somebody may take to show a card, nor how many may stand there without one, nor what is said
//! after it.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, fstat, openat, renameat_with, unlinkat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen,
    send, socket_with,
};
use rustix::process::geteuid;

use super::link::{Filled, Link};
use super::rundir::{File, Inode, Name, RunDir, checked};
use super::token::{Card, Door, Key, Refusal};

/// How many connections the kernel keeps for us until we accept them.
const BACKLOG: i32 = 128;

/// A socket that listens in the run directory. Its name goes when it goes.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    _name: Name,
    /// Everybody who stands at the door and has shown a card holds a clone.
    waiting: Arc<()>,
    bound: usize,
}

impl Listener {
    /// Listens under a name in the run directory; at most `bound` who have shown a card may stand at the door at the same
    /// time.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the name is there, `InvalidInput` for one that cannot be, and what the system says.
    pub fn bind(dir: &RunDir, name: &str, bound: usize) -> io::Result<Self> {
        let (draft, _alone) = dir.draft();
        let socket = new_socket()?;
        bind(&socket, &address(dir.dir(), &draft)?)?;
        // Under its name only once it listens, so that nobody who finds it is refused.
        let named =
            listen(&socket, BACKLOG).map_err(io::Error::from).and_then(|()| publish(dir, &draft, name));
        if named.is_err() {
            let _ = unlinkat(dir.dir(), &draft, AtFlags::empty());
        }
        let name = named?;
        Ok(Self { socket, _name: name, waiting: Arc::new(()), bound })
    }

    /// Says whether somebody more may stand at the door; while not, do not ask for readability.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        Arc::strong_count(&self.waiting) <= self.bound
    }

    /// Accepts one connection; call it when the socket is readable, until nobody comes.
    ///
    /// # Errors
    ///
    /// Fails without descriptors or memory: those who wait stay, and the socket stays readable.
    pub fn accept(&self) -> io::Result<Arrival> {
        if !self.wants_read() {
            return Ok(Arrival::Full);
        }
        let socket = loop {
            match accept_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => return Ok(Arrival::Nobody),
                accepted => break accepted?,
            }
        };
        let peer = getsockopt(&socket, PeerCredentials)?;
        if peer.uid() != geteuid().as_raw() {
            return Ok(Arrival::Stranger { pid: peer.pid(), uid: peer.uid() });
        }
        let link = Link::new(super::stdio::above_stdio(socket)?);
        Ok(Arrival::Guest(Guest { link, pid: peer.pid(), waiting: Arc::downgrade(&self.waiting) }))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What a look at a listener brought.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "a driver must answer each of them")]
pub enum Arrival {
    /// Somebody of our user, who has yet to show a card.
    Guest(Guest),
    /// Somebody of another user; the connection is closed already.
    Stranger {
        /// Who connected.
        pid: i32,
        /// As which user.
        uid: u32,
    },
    /// Nobody now.
    Nobody,
    /// Nobody was let to the door, because as many stand there with a card as may.
    Full,
}

/// Somebody who has connected and not yet shown a card. To drop them is to send them away.
#[derive(Debug)]
pub struct Guest {
    link: Link,
    pid: i32,
    waiting: Weak<()>,
}

/// The place at the door of somebody who has shown a card. To drop it makes room for somebody else.
#[derive(Debug)]
pub struct Place {
    _waiting: Option<Arc<()>>,
}

impl Guest {
    /// Returns the process that connected: as the kernel saw it then, 0 for one outside of our pids.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// Looks at what has come, when the socket is readable, and lets them in if it is a card that is good.
    pub fn greet(mut self, key: &Key, door: &mut Door) -> Greeted {
        let filled = self.link.fill();
        let card = match self.link.next_frame() {
            Ok(Some(card)) => card,
            Ok(None) if filled.is_ok_and(|filled| filled != Filled::Eof) => return Greeted::NotYet(self),
            Ok(None) => return Greeted::Refused(Refusal::Silent, self),
            Err(_) => return Greeted::Refused(Refusal::Malformed, self),
        };
        match door.admit(key, card, self.pid) {
            Ok(id) => Greeted::Admitted(id, self.link, Place { _waiting: self.waiting.upgrade() }),
            Err(refusal) => Greeted::Refused(refusal, self),
        }
    }
}

impl AsFd for Guest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}

/// How far a guest came.
#[derive(Debug)]
#[must_use]
#[allow(clippy::exhaustive_enums, reason = "a driver must answer each of them")]
pub enum Greeted {
    /// Not the whole card is there; ask for readability.
    NotYet(Guest),
    /// In, as this actor. The link still takes short frames only, until told otherwise; and the place at the door is theirs
    /// until they have said what is expected of them.
    Admitted(u64, Link, Place),
    /// Out: whoever watches the connection is to let go of it.
    Refused(Refusal, Guest),
}

/// Connects to a name in the run directory and shows the card. Whether it was good, the first answer tells,
/// or the end.
///
/// # Errors
///
/// Tells apart the ways in which nobody listens.
pub fn dial(dir: &RunDir, name: &str, card: &Card) -> Result<Link, DialError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = openat(dir.dir(), checked(name).map_err(DialError::System)?, flags, Mode::empty())?;
    let stat = fstat(&place)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(DialError::NoSocket);
    }
    let socket = new_socket()?;
    connect(&socket, &SocketAddrUnix::new(format!("/proc/self/fd/{}", place.as_raw_fd()))?)?;
    // The card is for those of our user only, also where the directory does not keep others out.
    let listener = getsockopt(&socket, PeerCredentials).map_err(io::Error::from)?;
    if listener.uid() != geteuid().as_raw() {
        return Err(DialError::Stranger { uid: listener.uid() });
    }
    let body = card.bytes();
    let length = u32::try_from(body.len()).map_err(io::Error::other)?.to_le_bytes();
    let frame = [&length, body.as_slice()].concat();
    // A new socket takes so little at once; past the link, whose buffer would keep it.
    match send(&socket, &frame, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)? {
        sent if sent == frame.len() => Ok(Link::new(super::stdio::above_stdio(socket)?)),
        _ => Err(Errno::AGAIN.into()),
    }
}

/// Why nobody could be reached.
#[derive(Debug)]
#[non_exhaustive]
pub enum DialError {
    /// There is no such name: it was never there, or its listener has ended in order.
    Absent,
    /// The name is there, and nobody behind it: its listener was killed.
    Stale,
    /// Too many wait to be accepted; try again later, there is nothing to wait on.
    Busy,
    /// The name is there and is no socket, or a link.
    NoSocket,
    /// We may not.
    Denied,
    /// Somebody of another user listens.
    Stranger {
        /// Which.
        uid: u32,
    },
    /// The system says so.
    System(io::Error),
}

impl From<Errno> for DialError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::Absent,
            Errno::CONNREFUSED | Errno::PIPE | Errno::CONNRESET => Self::Stale,
            Errno::AGAIN => Self::Busy,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            errno => Self::System(errno.into()),
        }
    }
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("nobody of that name is there"),
            Self::Stale => f.write_str("whoever listened there was killed"),
            Self::Busy => f.write_str("too many wait there already"),
            Self::NoSocket => f.write_str("there is something that is no socket"),
            Self::Denied => f.write_str("that is not for us"),
            Self::Stranger { uid } => write!(f, "user {uid} listens there"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DialError {}

fn new_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// The kernel goes from the descriptor of the directory to the name, however long the directory's own path.
fn address(dir: BorrowedFd<'_>, name: &str) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()))?)
}

fn publish(dir: &RunDir, draft: &str, name: &str) -> io::Result<Name> {
    let file = File::Socket(checked(name)?.to_owned());
    let inode = Inode::at(dir.dir(), draft)?;
    dir.make(file, inode, || Ok(renameat_with(dir.dir(), draft, dir.dir(), name, RenameFlags::NOREPLACE)?))
}

#[cfg(test)]
mod tests;
