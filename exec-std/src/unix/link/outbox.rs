//! The sending half of a link: frames wait in one buffer and leave it with as few writes as the socket
//! allows.
//!
//! The rule: the buffer is bounded and reused, and a byte is moved within it at most as often as a byte has
//! left it.

use std::io;

use rustix::io::Errno;
use windrow_core::wire::{FRAME_MAX, PREFIX};

use super::{Flushed, Overflow};

/// What waits to be sent.
#[derive(Debug)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// How many of `bytes` are sent already.
    sent: usize,
    pub(super) bound: usize,
    lost: bool,
}

impl Outbox {
    pub(super) const fn new(bound: usize) -> Self {
        Self { bytes: Vec::new(), sent: 0, bound, lost: false }
    }

    pub(super) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    pub(super) fn queue(&mut self, head: &[u8], tail: &[u8]) -> Result<(), Overflow> {
        let length = head.len().saturating_add(tail.len());
        if length == 0 {
            return Err(Overflow::Empty);
        }
        let Some(declared) = u32::try_from(length).ok().filter(|_| length <= FRAME_MAX) else {
            return Err(Overflow::TooLong { length });
        };
        if self.lost {
            return Ok(());
        }
        let waiting = self.waiting().len();
        if waiting + PREFIX + length > self.bound {
            return Err(Overflow::Full { waiting });
        }
        if self.sent >= waiting {
            self.bytes.copy_within(self.sent.., 0);
            self.bytes.truncate(waiting);
            self.sent = 0;
        }
        self.bytes.extend_from_slice(&declared.to_le_bytes());
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(tail);
        Ok(())
    }

    pub(super) fn flush(
        &mut self,
        mut send: impl FnMut(&[u8]) -> Result<usize, Errno>,
    ) -> io::Result<Flushed> {
        if self.lost {
            return Ok(Flushed::Lost);
        }
        // What waits is bounded, and so is the loop, unless the socket takes nothing without saying why.
        while !self.waiting().is_empty() {
            match send(self.waiting()) {
                Ok(0) | Err(Errno::AGAIN) => return Ok(Flushed::Blocked),
                Ok(sent) => self.sent += sent,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN | Errno::CONNREFUSED) => {
                    *self = Self { lost: true, ..Self::new(self.bound) };
                    return Ok(Flushed::Lost);
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.bytes.clear();
        self.sent = 0;
        Ok(Flushed::Done)
    }

    /// How much memory is held.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::super::SEND_BOUND;
    use super::*;

    fn frame(body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap();
        [&length.to_le_bytes(), body].concat()
    }

    #[test]
    fn many_frames_leave_with_one_write_and_a_short_one_goes_on_where_it_stopped() {
        let mut outbox = Outbox::new(SEND_BOUND);
        let mut expected = Vec::new();
        for at in 0..100_u8 {
            outbox.queue(&[at], &[at; 30]).unwrap();
            expected.extend(frame(&[at; 31]));
        }
        let mut writes = Vec::new();
        assert_eq!(
            outbox
                .flush(|bytes| {
                    writes.push(bytes.to_vec());
                    Ok(bytes.len())
                })
                .unwrap(),
            Flushed::Done
        );
        assert_eq!(writes, [expected]);

        let mut got = Vec::new();
        let mut expected = Vec::new();
        for at in 0..500_u16 {
            let body = at.to_le_bytes();
            outbox.queue(&body, b"").unwrap();
            expected.extend(frame(&body));
            let mut left = usize::from(at % 11);
            let _ = outbox.flush(|bytes| {
                let sent = left.min(bytes.len()).min(3);
                left -= sent;
                got.extend_from_slice(&bytes[..sent]);
                if sent == 0 { Err(Errno::AGAIN) } else { Ok(sent) }
            });
        }
        let _ = outbox.flush(|bytes| {
            got.extend_from_slice(bytes);
            Ok(bytes.len())
        });
        assert_eq!(got, expected);
    }

    #[test]
    fn odd_answers_of_the_socket_do_not_spin() {
        let mut outbox = Outbox::new(100);
        outbox.queue(b"x", b"").unwrap();
        assert_eq!(outbox.flush(|_| Ok(0)).unwrap(), Flushed::Blocked);
        assert!(outbox.flush(|_| Err(Errno::NOBUFS)).is_err());
        assert_eq!(outbox.flush(|bytes| Ok(bytes.len())).unwrap(), Flushed::Done);
    }
}
