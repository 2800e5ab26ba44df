//! Who may come: secrets, the cards that carry them, and the door that looks at them.
//!
//! The rule: a secret is drawn from the kernel, travels by a descriptor or an authenticated channel only
//! (never in arguments or the environment, which everybody can read), is compared in constant time, appears
//! in no text, and is wiped when it goes. Whatever a card says, it costs exactly one comparison.
//!
//! Each child can be given a card of its own, good for one entry of one generation. Members of the tree who
//! call each other show the tree's key, which they got over their parent channel: to have that is the
//! authentication. The door knows no sockets; what comes of a refusal its user decides, and the one refused
//! is told nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::rand::{GetRandomFlags, getrandom};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// The bytes of a secret.
const SECRET: usize = 32;
/// Kind, id, generation, secret.
const CARD: usize = 1 + 8 + 4 + SECRET;

const KIND_MEMBER: u8 = 1;
const KIND_CHILD: u8 = 2;

/// A secret that nobody can guess.
///
/// It is not `Clone`, and it stands on the heap, so that moving it leaves nothing behind.
pub struct Token(Box<[u8; SECRET]>);

impl Token {
    /// Draws a new one.
    ///
    /// # Errors
    ///
    /// Fails if the kernel gives no random bytes.
    pub fn fresh() -> io::Result<Self> {
        let mut token = Self(Box::new([0; SECRET]));
        let mut filled = 0;
        while let Some(rest) = token.0.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            filled += rustix::io::retry_on_intr(|| getrandom(&mut *rest, GetRandomFlags::empty()))?;
        }
        Ok(token)
    }

    fn copy(&self) -> Self {
        Self(self.0.clone())
    }

    /// Compares in a time that does not depend on where they differ.
    fn fits(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Who somebody says to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a door must tell them apart")]
pub enum Who {
    /// A member of the tree, by the tree's key.
    Member {
        /// Its id: a claim, since all members have the same key.
        id: u64,
    },
    /// A child, by a token of its own.
    Child {
        /// Its id.
        id: u64,
        /// How many times before it a card was made out to this id.
        generation: u32,
    },
}

/// What is shown at a door.
#[derive(Debug)]
pub struct Card {
    who: Who,
    token: Token,
}

impl Card {
    /// Returns who it is made out to.
    #[must_use]
    pub const fn who(&self) -> Who {
        self.who
    }

    /// Returns it as bytes, for an authenticated channel; they are wiped when they go.
    #[must_use]
    pub fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let (kind, id, generation) = match self.who {
            Who::Member { id } => (KIND_MEMBER, id, 0),
            Who::Child { id, generation } => (KIND_CHILD, id, generation),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(CARD));
        bytes.push(kind);
        bytes.extend_from_slice(&id.to_le_bytes());
        bytes.extend_from_slice(&generation.to_le_bytes());
        bytes.extend_from_slice(self.token.0.as_slice());
        bytes
    }

    /// Reads a card, or gives `None` if the bytes are none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (generation, secret) = rest.split_first_chunk()?;
        let (id, generation) = (u64::from_le_bytes(*id), u32::from_le_bytes(*generation));
        let who = match (*kind, generation) {
            (KIND_MEMBER, 0) => Who::Member { id },
            (KIND_CHILD, generation) => Who::Child { id, generation },
            _ => return None,
        };
        let mut token = Token(Box::new([0; SECRET]));
        (secret.len() == SECRET).then(|| token.0.copy_from_slice(secret))?;
        Some(Self { who, token })
    }

    /// Returns a descriptor for a child to inherit, from which the card can be read once.
    ///
    /// # Errors
    ///
    /// Fails without descriptors.
    pub fn enclose(&self) -> io::Result<OwnedFd> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        // A pipe takes so few bytes at once, and without waiting.
        rustix::io::write(&write, &self.bytes())?;
        super::stdio::above_stdio(read)
    }

    /// Reads the card from an inherited descriptor, and closes that.
    ///
    /// # Errors
    ///
    /// Fails with `InvalidData` if there is no card, or not any more.
    pub fn disclose(fd: OwnedFd) -> io::Result<Self> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(CARD + 1));
        File::from(fd).take(CARD as u64 + 1).read_to_end(&mut bytes)?;
        Self::from_bytes(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "there is no card"))
    }
}

/// Why somebody was not let in. For us: the one refused hears nothing but the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// What came is no card.
    Malformed,
    /// Nobody of this id is expected.
    Unknown,
    /// The secret is another: of a sibling, or made up.
    WrongToken,
    /// The card was used already.
    Used,
    /// The card is of another generation.
    OtherGeneration,
    /// The card is shown by another process than the one that it was made out to.
    OtherProcess,
    /// Nothing whole came before the end.
    Silent,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "what came is no card",
            Self::Unknown => "nobody of this id is expected",
            Self::WrongToken => "the token is wrong",
            Self::Used => "the token was used already",
            Self::OtherGeneration => "the token is of another generation",
            Self::OtherProcess => "the token is shown by another process",
            Self::Silent => "no card came",
        })
    }
}

impl std::error::Error for Refusal {}

/// Who may come in.
#[derive(Debug)]
pub struct Door {
    key: Token,
    expected: BTreeMap<u64, Expected>,
}

#[derive(Debug)]
struct Expected {
    generation: u32,
    /// `None` once it was used.
    token: Option<Token>,
    pid: Option<i32>,
}

impl Door {
    /// Makes a door that opens to the tree's key, and expects no child.
    #[must_use]
    pub const fn new(key: Token) -> Self {
        Self { key, expected: BTreeMap::new() }
    }

    /// Makes the door of a member that was handed its card; `None` for a child's, which has no key in it.
    #[must_use]
    pub fn of(card: Card) -> Option<Self> {
        match card.who {
            Who::Member { .. } => Some(Self::new(card.token)),
            Who::Child { .. } => None,
        }
    }

    /// Makes out a card with the tree's key, to be handed to a member over its channel.
    #[must_use]
    pub fn member(&self, id: u64) -> Card {
        Card { who: Who::Member { id }, token: self.key.copy() }
    }

    /// Expects a child, and makes out its card; an earlier one of the same id is void from now on.
    ///
    /// # Errors
    ///
    /// Fails if the kernel gives no random bytes; then nothing has changed.
    pub fn expect(&mut self, id: u64) -> io::Result<Card> {
        let token = Token::fresh()?;
        let generation = self.expected.get(&id).map_or(0, |before| before.generation.wrapping_add(1));
        let card = Card { who: Who::Child { id, generation }, token: token.copy() };
        self.expected.insert(id, Expected { generation, token: Some(token), pid: None });
        Ok(card)
    }

    /// Binds the child's card to its process, if it is started directly and not through a launcher.
    pub fn bind(&mut self, id: u64, pid: i32) {
        if let Some(expected) = self.expected.get_mut(&id) {
            expected.pid = Some(pid);
        }
    }

    /// Expects the child no more, in any generation.
    pub fn forget(&mut self, id: u64) {
        self.expected.remove(&id);
    }

    /// Looks at a card that the process `pid` shows; a child's is used up by being let in, and by nothing
    /// else.
    ///
    /// # Errors
    ///
    /// Refuses everybody who is not expected; nothing has changed then.
    pub fn admit(&mut self, card: &[u8], pid: i32) -> Result<Who, Refusal> {
        let card = Card::from_bytes(card).ok_or(Refusal::Malformed)?;
        let (judged, secret) = self.judge(card.who, pid);
        // Before anything is decided, so that the time tells nothing either.
        let fits = secret.fits(&card.token);
        judged?;
        if !fits {
            return Err(Refusal::WrongToken);
        }
        if let Who::Child { id, .. } = card.who
            && let Some(expected) = self.expected.get_mut(&id)
        {
            expected.token = None;
        }
        Ok(card.who)
    }

    /// Says what is wrong apart from the secret, and which secret to compare with.
    fn judge(&self, who: Who, pid: i32) -> (Result<(), Refusal>, &Token) {
        let Who::Child { id, generation } = who else { return (Ok(()), &self.key) };
        let Some(expected) = self.expected.get(&id) else { return (Err(Refusal::Unknown), &self.key) };
        let Some(token) = &expected.token else { return (Err(Refusal::Used), &self.key) };
        let judged = if generation != expected.generation {
            Err(Refusal::OtherGeneration)
        } else if expected.pid.is_some_and(|expected| expected != pid) {
            Err(Refusal::OtherProcess)
        } else {
            Ok(())
        };
        (judged, token)
    }
}

#[cfg(test)]
mod tests;
