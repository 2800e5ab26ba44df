//! Frames: a little-endian `u32` length, then a message in postcard, then the bytes that belong to it.
//!
//! The rule: total and bounded. A length is checked before anything is allocated for it, a message is a fixed number
//! of small values, and what does not decode is an error, never a panic. It knows no sockets.
//!
//! # The bytes behind a message
//!
//! | a message with | behind it |
//! |---|---|
//! | a [name](Message::name_mut) alone | its text |
//! | a [payload](Message::payload_mut) alone | its bytes |
//! | both | a byte with the length of the name's text, the text, the payload's bytes |
//! | neither | nothing, but behind a peer's [`Message::Hello`] its proof |
//!
//! Two shells that speak to each other must agree on this; the machine sees none of it. A payload may have
//! `FRAME_MAX - HEAD_MAX` bytes: the shell refuses its user a longer one, and gives no ask with it.
//!
//! A stranger may speak of any name. So one that is only spoken of is looked up and never remembered, and stands as
//! [`NameId`](crate::NameId) 0 where it is not known. Remembered are those of [`Message::Census`], [`Message::Register`],
//! [`Message::Found`] and of a [`Message::Find`] that waits, while [`Machine::names`](crate::Machine::names) lists them.

use core::fmt;

use crate::{ActorId, Answer, Message, Payload, Word};

/// The longest frame that a channel takes before its far side has greeted, in bytes behind its [`PREFIX`].
pub const FRAME_MAX_UNGREETED: usize = 4 * 1024;
/// The longest frame that a channel takes after that: no payload is longer than this less [`HEAD_MAX`].
pub const FRAME_MAX: usize = 64 * 1024;
/// The length of a frame's length.
pub const PREFIX: usize = 4;
/// The longest encoding of a message without its bytes.
pub const HEAD_MAX: usize = 512;

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadFrame {
    /// The length is zero: no message is that short.
    Empty,
    /// The length is over the limit.
    TooLong {
        /// What was announced.
        announced: u32,
        /// What is allowed.
        limit: u32,
    },
    /// The bytes are no message, or have no room for one.
    NoMessage,
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a frame of length zero"),
            Self::TooLong { announced, limit } => {
                write!(f, "a frame of {announced} bytes where {limit} are allowed")
            }
            Self::NoMessage => f.write_str("a frame that holds no message"),
        }
    }
}

impl core::error::Error for BadFrame {}

/// Checks an announced length.
///
/// # Errors
/// It is zero or over `limit`.
pub fn check_length(announced: u32, limit: usize) -> Result<usize, BadFrame> {
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    if announced == 0 {
        return Err(BadFrame::Empty);
    }
    if announced > limit {
        return Err(BadFrame::TooLong { announced, limit });
    }
    usize::try_from(announced).map_err(|_| BadFrame::TooLong { announced, limit })
}

/// Encodes a message into `buffer` and gives the part that it takes; its bytes follow it in the frame.
///
/// # Errors
/// [`BadFrame::NoMessage`]: the buffer is too short. [`HEAD_MAX`] bytes are enough for every message.
pub fn encode(mut message: Message, buffer: &mut [u8]) -> Result<&[u8], BadFrame> {
    // The number means something only to the side that gave it.
    if let Some(payload) = message.payload_mut() {
        *payload = Payload::default();
    }
    postcard::to_slice(&message, buffer).map(|used| &*used).map_err(|_| BadFrame::NoMessage)
}

/// Decodes a frame's body into the message and the bytes behind it.
///
/// # Errors
/// The body is no message.
pub fn decode(body: &[u8]) -> Result<(Message, &[u8]), BadFrame> {
    let (message, rest) = postcard::take_from_bytes::<Message>(body).map_err(|_| BadFrame::NoMessage)?;
    // Nobody has the id zero, and no path is longer than the deepest tree.
    let unsound = matches!(message, Message::Hello { actor: ActorId(0), .. })
        || matches!(
            message,
            Message::Error(error)
                | Message::Context { word: Word::Error(error) | Word::Answer(Answer::Failed(error)), .. }
            if !error.path.is_sound()
        );
    if unsound { Err(BadFrame::NoMessage) } else { Ok((message, rest)) }
}
