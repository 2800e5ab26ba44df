//! Who may come: the tree's key, the cards that are made out with it, and the door that looks at them.
//!
//! Whoever is dialled is seldom the parent of who dials it, so no card that a parent makes out would be known at that door.
//! What a parent hands over instead, by the child's inherited channel, is the tree's key; and whoever has it makes out a
//! card for each time that it dials. The rule: a key never leaves its process but by such a channel (never in arguments
//! or the environment, which everybody can read), is in no text, and is wiped when it goes. A card is good for one
//! entry, at one door, by one process, for a short while; so whoever listens in a door's place, copies a card, or finds
//! one that a dead process has left, has nothing. Whatever a card says, it costs exactly one comparison, in constant time.
//!
//! It knows no sockets, and does not tell members from each other: what a card says of an actor's id is that member's
//! word. All of a tree must see each other by the same pids. What comes of a refusal is its user's to decide, and the
//! one refused is told nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use hmac::{Hmac, KeyInit, Mac};
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, clock_gettime};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// The bytes of a key: a block of the hash.
const KEY: usize = 64;
/// The bytes of a seal.
const SEAL: usize = 32;
/// What tells a card from all others.
const NUMBER: usize = 16;
/// Id, pid, time.
const FACTS: usize = 8 + 4 + 8;

/// How many nanoseconds a card is good: well above the time that a machine waits for a greeting.
const LIFE: u64 = 30_000_000_000;

/// The key of a tree, which nobody can guess.
///
/// It is not `Clone`, and it stands on the heap, so that moving it leaves nothing behind.
pub struct Key(Box<[u8; KEY]>);

impl Key {
    /// Draws a new one.
    ///
    /// # Errors
    ///
    /// Fails if the kernel gives no random bytes.
    pub fn fresh() -> io::Result<Self> {
        let mut key = Self(Box::new([0; KEY]));
        draw(key.0.as_mut_slice())?;
        Ok(key)
    }

    /// Returns it as bytes, for a member's channel; they are wiped when they go.
    #[must_use]
    pub fn bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.to_vec())
    }

    /// Reads a key that was handed over, or gives `None` if the bytes are none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Self(Box::new([0; KEY]));
        (bytes.len() == KEY).then(|| key.0.copy_from_slice(bytes))?;
        Some(key)
    }

    /// Makes out a card for this process, to enter once by the door of that name as the actor `id`.
    ///
    /// # Errors
    ///
    /// Fails if the kernel gives no random bytes.
    pub fn card(&self, id: u64, door: &str) -> io::Result<Card> {
        let mut number = [0; NUMBER];
        draw(&mut number)?;
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let body = Body { number, id, pid, made: now() };
        let seal = self.seal(&body, door).finalize().into_bytes().into();
        Ok(Card { body, seal })
    }

    fn seal(&self, body: &Body, door: &str) -> Hmac<Sha256> {
        // Both lengths are known, so no two cards and doors are the same text.
        let mut seal = Hmac::<Sha256>::new((&*self.0).into());
        seal.update(&body.bytes());
        seal.update(door.as_bytes());
        seal
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What is shown at a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    body: Body,
    seal: [u8; SEAL],
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Body {
    number: [u8; NUMBER],
    id: u64,
    pid: i32,
    /// On the clock that all processes of a machine share.
    made: u64,
}

impl Body {
    fn bytes(&self) -> [u8; NUMBER + FACTS] {
        let mut bytes = [0; NUMBER + FACTS];
        let facts = [&self.id.to_le_bytes()[..], &self.pid.to_le_bytes(), &self.made.to_le_bytes()];
        let all = self.number.iter().chain(facts.into_iter().flatten());
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = *from);
        bytes
    }
}

impl Card {
    /// Returns the actor that it is made out to.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.body.id
    }

    /// Returns it as bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        [&self.body.bytes(), self.seal.as_slice()].concat()
    }

    /// Reads a card, or gives `None` if the bytes are none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (pid, rest) = rest.split_first_chunk()?;
        let (made, seal) = rest.split_first_chunk()?;
        let body = Body {
            number: *number,
            id: u64::from_le_bytes(*id),
            pid: i32::from_le_bytes(*pid),
            made: u64::from_le_bytes(*made),
        };
        Some(Self { body, seal: seal.try_into().ok()? })
    }
}

/// Why somebody was not let in. For us: the one refused hears nothing but the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// What came is no card.
    Malformed,
    /// The seal is wrong: of another tree, for another door, or made up.
    WrongSeal,
    /// The card was used already.
    Used,
    /// The card was made out too long ago.
    Old,
    /// The card is shown by another process than the one that it was made out to.
    OtherProcess,
    /// Nothing whole came before the end.
    Silent,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "what came is no card",
            Self::WrongSeal => "the card is not sealed for this door by the tree's key",
            Self::Used => "the card was used already",
            Self::Old => "the card is too old",
            Self::OtherProcess => "the card is shown by another process",
            Self::Silent => "no card came",
        })
    }
}

impl std::error::Error for Refusal {}

/// A door that has a name, and what has come through it.
#[derive(Debug)]
pub struct Door {
    name: String,
    /// The cards that were let in and are not old yet, by their age.
    used: BTreeSet<(u64, [u8; NUMBER])>,
}

impl Door {
    /// Makes a door through which nobody has come.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), used: BTreeSet::new() }
    }

    /// Looks at a card that the process `pid` shows, and gives the actor's id that is on it. A card is used up by being let
    /// in, and by nothing else.
    ///
    /// # Errors
    ///
    /// Refuses everybody whose card is not good here and now; nothing has changed then.
    pub fn admit(&mut self, key: &Key, card: &[u8], pid: i32) -> Result<u64, Refusal> {
        self.admit_at(now(), key, card, pid)
    }

    fn admit_at(&mut self, now: u64, key: &Key, card: &[u8], pid: i32) -> Result<u64, Refusal> {
        let card = Card::from_bytes(card).ok_or(Refusal::Malformed)?;
        let sealed = key.seal(&card.body, &self.name).verify_slice(&card.seal);
        let Body { number, id, pid: owner, made } = card.body;
        let oldest = now.saturating_sub(LIFE);
        if sealed.is_err() {
            return Err(Refusal::WrongSeal);
        }
        if owner != pid {
            return Err(Refusal::OtherProcess);
        }
        if made < oldest || made > now {
            return Err(Refusal::Old);
        }
        // What is older than any card that is let in need not be remembered.
        self.used = self.used.split_off(&(oldest, [0; NUMBER]));
        if self.used.insert((made, number)) { Ok(id) } else { Err(Refusal::Used) }
    }
}

fn draw(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += rustix::io::retry_on_intr(|| getrandom(&mut *rest, GetRandomFlags::empty()))?;
    }
    Ok(())
}

fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let nanos = time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec);
    u64::try_from(nanos).unwrap_or(0)
}

#[cfg(test)]
mod tests;
