//! The packets between an actor and its template, and how they travel with descriptors attached.
//!
//! The rule: one packet is one `sendmsg` of a fixed size, so none is ever seen in part; descriptors arrive
//! marked close-on-exec; and nothing here waits. It knows neither who sends nor what a packet leads to.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::io::Errno;

use crate::unix::rights::{self, Fds};

/// Kind, which of stdio is attached, id, a span or number, title; where there is none, a pid.
const SIZE: usize = 34;
/// The kernel's length of a title, with the zero at its end.
const TITLE: usize = 16;

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// Make a child; the channel is attached, and those of 0, 1, 2 whose bit is set.
    Spawn { id: u64, kill_after: Duration, stdio: u8, title: Title },
    /// Make a child no more that was asked for.
    Recall { id: u64 },
    /// Guard a process, whose pidfd is attached.
    Guard { id: u64, pid: i32, kill_after: Duration },
    /// Clear away the tree's directory, which is attached, when all that is guarded is dead.
    House,
    /// The template is up: what it was asked for meanwhile it does now.
    Up,
    /// A child was made; its pidfd is attached.
    Started { id: u64, pid: i32 },
    /// A child could not be made.
    Failed { id: u64, errno: i32 },
    /// A process could not be taken under guard.
    Unguarded { id: u64, errno: i32 },
}

impl Packet {
    fn encode(self) -> [u8; SIZE] {
        let no_title = Title::default();
        let (kind, stdio, id, number, title) = match self {
            Self::Spawn { id, kill_after, stdio, title } => (b'S', stdio, id, nanos(kill_after), title),
            Self::Recall { id } => (b'R', 0, id, 0, no_title),
            Self::Guard { id, pid, kill_after } => (b'G', 0, id, nanos(kill_after), Title::pid(pid)),
            Self::House => (b'H', 0, 0, 0, no_title),
            Self::Up => (b'P', 0, 0, 0, no_title),
            Self::Started { id, pid } => (b'U', 0, id, u64::from(pid.cast_unsigned()), no_title),
            Self::Failed { id, errno } => (b'F', 0, id, u64::from(errno.cast_unsigned()), no_title),
            Self::Unguarded { id, errno } => (b'N', 0, id, u64::from(errno.cast_unsigned()), no_title),
        };
        let mut bytes = [0; SIZE];
        bytes[0] = kind;
        bytes[1] = stdio;
        bytes[2..10].copy_from_slice(&id.to_le_bytes());
        bytes[10..18].copy_from_slice(&number.to_le_bytes());
        bytes[18..].copy_from_slice(&title.0);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SIZE] = bytes.try_into().ok()?;
        let id = u64::from_le_bytes(bytes[2..10].try_into().ok()?);
        let number = u64::from_le_bytes(bytes[10..18].try_into().ok()?);
        let small = |number| u32::try_from(number).ok().map(u32::cast_signed);
        Some(match bytes[0] {
            b'S' => {
                let title = Title(bytes[18..].try_into().ok()?);
                Self::Spawn { id, kill_after: Duration::from_nanos(number), stdio: bytes[1], title }
            }
            b'R' => Self::Recall { id },
            b'G' => {
                let pid = i32::from_le_bytes(bytes[18..22].try_into().ok()?);
                Self::Guard { id, pid, kill_after: Duration::from_nanos(number) }
            }
            b'H' => Self::House,
            b'P' => Self::Up,
            b'U' => Self::Started { id, pid: small(number)? },
            b'F' => Self::Failed { id, errno: small(number)? },
            b'N' => Self::Unguarded { id, errno: small(number)? },
            _ => return None,
        })
    }
}

/// A process title, cut to what the kernel keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Title([u8; TITLE]);

impl Title {
    pub(super) fn new(text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(TITLE - 1)];
        let mut title = [0; TITLE];
        title[..text.len()].copy_from_slice(text.as_bytes());
        Self(title)
    }

    /// A number where a title would stand.
    fn pid(pid: i32) -> Self {
        let mut title = [0; TITLE];
        title[..4].copy_from_slice(&pid.to_le_bytes());
        Self(title)
    }

    pub(super) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

/// What a look at the socket brought.
#[derive(Debug)]
pub(super) enum Received {
    /// A packet with its descriptors, all of them.
    Packet(Packet, Fds),
    /// A packet whose descriptors did not fit into this process's table.
    Stripped(Packet),
    /// Nothing now.
    Nothing,
    /// The peer is gone, and all that it sent was read.
    End,
}

/// Sends one packet; `EAGAIN` if it does not fit now.
pub(super) fn send(socket: BorrowedFd<'_>, packet: Packet, fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    rights::send(socket, &packet.encode(), fds)
}

/// Receives one packet. One that makes no sense is skipped: its sender is of another version, or nobody of
/// ours.
pub(super) fn receive(socket: BorrowedFd<'_>) -> Result<Received, Errno> {
    loop {
        let mut bytes = [0; SIZE + 1];
        let passed = match rights::receive(socket, &mut bytes) {
            Ok(passed) if passed.bytes == 0 => return Ok(Received::End),
            Ok(passed) => passed,
            Err(Errno::AGAIN) => return Ok(Received::Nothing),
            // The peer left something unread, and says so once; what it sent can still be read.
            Err(Errno::CONNRESET) => continue,
            Err(error) => return Err(error),
        };
        let Some(packet) = bytes.get(..passed.bytes).and_then(Packet::decode) else { continue };
        let received = Received::Packet(packet, passed.fds);
        return Ok(if passed.whole { received } else { Received::Stripped(packet) });
    }
}

/// A span of more than 584 years is one of 584 years.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_survive_the_wire() {
        let span = Duration::from_millis(1500);
        let title = Title::new("a name");
        for packet in [
            Packet::Spawn { id: u64::MAX, kill_after: span, stdio: 5, title },
            Packet::Recall { id: 3 },
            Packet::Guard { id: 4, pid: i32::MAX, kill_after: Duration::ZERO },
            Packet::House,
            Packet::Up,
            Packet::Started { id: 7, pid: 1 },
            Packet::Failed { id: 0, errno: 11 },
            Packet::Unguarded { id: u64::MAX, errno: 24 },
        ] {
            assert_eq!(Packet::decode(&packet.encode()), Some(packet));
        }
        assert_eq!(Packet::decode(&[0; SIZE]), None);
        assert_eq!(Packet::decode(&[b'S'; SIZE - 1]), None);
    }

    #[test]
    fn a_title_is_cut_between_characters() {
        assert_eq!(Title::new("").as_c_str(), c"");
        assert_eq!(Title::new("fourteen chars\u{e9}").as_c_str(), c"fourteen chars");
        assert_eq!(Title::new("a\0b").as_c_str(), c"a");
    }

    #[test]
    fn the_end_comes_after_all_that_was_sent() {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
        use std::os::fd::AsFd;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (left, right) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        let started = Packet::Started { id: 1, pid: 2 };
        send(left.as_fd(), started, &[left.as_fd()]).unwrap();
        send(right.as_fd(), Packet::Failed { id: 1, errno: 2 }, &[]).unwrap();
        drop(left);
        let Ok(Received::Packet(packet, [Some(_), None, None, None])) = receive(right.as_fd()) else {
            panic!("no packet")
        };
        assert_eq!(packet, started);
        // A descriptor of the left end came with the packet, so that it was not gone until now.
        assert!(matches!(receive(right.as_fd()), Ok(Received::End)));
    }
}
