//! Descriptors that travel with bytes over a socket, a few at a time. It waits for nothing and allocates nothing.

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

/// Sends bytes with descriptors; `EAGAIN` if they do not fit now.
pub(super) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::TOOMANYREFS);
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    retry_on_intr(|| sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags)).map(drop)
}

/// Takes what has come, into `bytes`; `EAGAIN` if nothing has.
pub(super) fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> Result<Passed, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let parts = &mut [IoSliceMut::new(bytes)];
    let message = retry_on_intr(|| recvmsg(socket, parts, &mut control, flags))?;
    let mut fds = Fds::default();
    let mut places = fds.iter_mut();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            for (fd, place) in rights.zip(places.by_ref()) {
                *place = Some(fd);
            }
        }
    }
    Ok(Passed { bytes: message.bytes, fds, whole: !message.flags.contains(ReturnFlags::CTRUNC) })
}
