//! The receiving half of a link: bytes come in at any boundary, whole frames go out.
//!
//! The rule: the buffer grows only for a length that was checked, and never beyond one frame of the limit. A
//! frame is moved at most twice, however many reads it takes: once to make room for its length, once for its
//! body.

use std::io;

use rustix::io::Errno;
use windrow_core::wire::{FRAME_MAX_UNGREETED, PREFIX, check_length};

use super::{Filled, FrameError};

/// How much is read at first: what an actor says at its start, and no page more in each process that begins.
const FIRST: usize = 512;

/// What was read and not yet taken.
#[derive(Debug)]
pub(super) struct Inbox {
    space: Vec<u8>,
    /// What stands between these two is read and not yet taken.
    start: usize,
    end: usize,
    pub(super) limit: usize,
    eof: bool,
    fault: Option<FrameError>,
}

impl Inbox {
    pub(super) const fn new(limit: usize) -> Self {
        Self { space: Vec::new(), start: 0, end: 0, limit, eof: false, fault: None }
    }

    pub(super) fn fill(
        &mut self,
        mut recv: impl FnMut(&mut [u8]) -> Result<usize, Errno>,
    ) -> io::Result<Filled> {
        if self.fault.is_some() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the stream is out of step"));
        }
        if self.eof {
            return Ok(Filled::Eof);
        }
        let Some(size) = self.frame_size() else { return Ok(Filled::Full) };
        if self.end - self.start >= size {
            return Ok(Filled::Full);
        }
        self.make_room(size);
        loop {
            let Some(room) = self.space.get_mut(self.end..).filter(|room| !room.is_empty()) else {
                return Ok(Filled::Full);
            };
            match recv(room) {
                // A peer that closed with something unread in its own buffer shows as a reset, after all that
                // it sent.
                Ok(0) | Err(Errno::CONNRESET | Errno::NOTCONN | Errno::PIPE) => {
                    self.eof = true;
                    return Ok(Filled::Eof);
                }
                Ok(read) => {
                    self.end += read;
                    return Ok(Filled::Bytes(read));
                }
                Err(Errno::AGAIN) => return Ok(Filled::WouldBlock),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        match self.take() {
            Ok(None) => Ok(None),
            Ok(Some((from, to))) => Ok(self.space.get(from..to)),
            Err(fault) => {
                self.fault = Some(fault);
                Err(fault)
            }
        }
    }

    /// Finds where the next body stands, and counts it as taken.
    fn take(&mut self) -> Result<Option<(usize, usize)>, FrameError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let have = self.end - self.start;
        if let Some(length) = self.declared() {
            let body = check_length(length, self.limit).map_err(FrameError::Length)?;
            if have >= PREFIX + body {
                let from = self.start + PREFIX;
                self.start = from + body;
                return Ok(Some((from, self.start)));
            }
        }
        if self.eof && have > 0 {
            return Err(FrameError::Truncated { have });
        }
        Ok(None)
    }

    /// The length the peer declared for the next frame, if all of it has arrived.
    fn declared(&self) -> Option<u32> {
        let head = self.space.get(self.start..self.end)?.first_chunk::<PREFIX>()?;
        Some(u32::from_le_bytes(*head))
    }

    /// How many bytes the next frame needs in all as far as is known, or `None` if it will be refused.
    fn frame_size(&self) -> Option<usize> {
        let Some(length) = self.declared() else { return Some(PREFIX + 1) };
        check_length(length, self.limit).ok().map(|body| PREFIX + body)
    }

    /// Makes room for the rest of a frame of `size` bytes, at least.
    fn make_room(&mut self, size: usize) {
        let have = self.end - self.start;
        let burst = self.end == self.space.len();
        if have == 0 {
            (self.start, self.end) = (0, 0);
        } else if self.start >= have || self.start + size > self.space.len() {
            self.space.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, have);
        }
        // A buffer that a read has filled to the brim is small for this peer.
        let wish = if burst { self.space.len() * 2 } else { self.space.len() };
        let most = PREFIX + self.limit.max(FRAME_MAX_UNGREETED);
        let grown = size.max(wish.min(most)).max(FIRST);
        if grown > self.space.len() {
            self.space.reserve_exact(grown - self.space.len());
            self.space.resize(grown, 0);
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.end < self.space.len()
    }

    /// How much memory is held.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.space.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interruptions_and_odd_answers_of_the_socket_do_not_spin() {
        let mut inbox = Inbox::new(FRAME_MAX_UNGREETED);
        let interrupted = std::cell::Cell::new(3);
        let filled = inbox.fill(|space| {
            if interrupted.get() > 0 {
                interrupted.set(interrupted.get() - 1);
                return Err(Errno::INTR);
            }
            space[0] = 1;
            Ok(1)
        });
        assert_eq!(filled.unwrap(), Filled::Bytes(1));
        assert!(inbox.fill(|_| Err(Errno::NOMEM)).is_err());
    }
}
