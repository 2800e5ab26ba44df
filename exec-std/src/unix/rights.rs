//! Descriptors that travel with bytes over a socket. It waits for nothing, and allocates nothing for a few of them.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg, sendmsg};

/// How many descriptors go together, at the most: a channel and three for stdio.
pub(super) const MAX_FDS: usize = 4;

/// The descriptors that came together.
pub(super) type Fds = [Option<OwnedFd>; MAX_FDS];

/// What came.
pub(super) struct Passed {
    /// How many bytes; none at the end.
    pub(super) bytes: usize,
    pub(super) fds: Fds,
    /// No descriptor got lost for want of room in our table.
    pub(super) whole: bool,
}

/// Room for as many as go together.
const ROOM: usize = rustix::cmsg_space!(ScmRights(MAX_FDS));

/// How many descriptors go over a stream at once, at the most; the kernel passes 253.
pub(crate) const MANY: usize = 64;

/// Room for those.
const MUCH_ROOM: usize = rustix::cmsg_space!(ScmRights(MANY));

/// Sends bytes with descriptors; `EAGAIN` if they do not fit now.
pub(super) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    send_within(&mut [MaybeUninit::uninit(); ROOM], socket, bytes, fds).map(drop)
}

/// The same over a stream, which may take some of the bytes only, and with up to [`MANY`].
pub(super) fn send_many(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Result<usize, Errno> {
    send_within(&mut [MaybeUninit::uninit(); MUCH_ROOM], socket, bytes, fds)
}

fn send_within(
    room: &mut [MaybeUninit<u8>],
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Result<usize, Errno> {
    let mut control = SendAncillaryBuffer::new(room);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::TOOMANYREFS);
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    retry_on_intr(|| sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags))
}

/// Takes what has come, into `bytes`; `EAGAIN` if nothing has.
pub(super) fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> Result<Passed, Errno> {
    let mut fds = Fds::default();
    let mut places = fds.iter_mut();
    let place = |fd| places.next().map_or((), |place| *place = Some(fd));
    let (bytes, whole) = receive_within(&mut [MaybeUninit::uninit(); ROOM], socket, bytes, place)?;
    Ok(Passed { bytes, fds, whole })
}

/// Takes what has come over a stream, into `bytes`, and appends the descriptors that came with it, until there are [`MANY`].
/// If one got lost, none is kept: whoever is to say so needs some of its own. Gives how many bytes.
pub(super) fn receive_many(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> Result<usize, Errno> {
    let keep = |fd| {
        if fds.len() < MANY {
            fds.push(fd)
        }
    };
    let (bytes, whole) = receive_within(&mut [MaybeUninit::uninit(); MUCH_ROOM], socket, bytes, keep)?;
    if !whole {
        fds.clear();
    }
    Ok(bytes)
}

/// Gives how many bytes came, and whether no descriptor got lost for want of room.
fn receive_within(
    room: &mut [MaybeUninit<u8>],
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    mut keep: impl FnMut(OwnedFd),
) -> Result<(usize, bool), Errno> {
    let mut control = RecvAncillaryBuffer::new(room);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let parts = &mut [IoSliceMut::new(bytes)];
    let message = retry_on_intr(|| recvmsg(socket, parts, &mut control, flags))?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            rights.for_each(&mut keep);
        }
    }
    Ok((message.bytes, !message.flags.contains(ReturnFlags::CTRUNC)))
}
