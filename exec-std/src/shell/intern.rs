//! Numbers for names and texts, because the machine holds only numbers.

use std::collections::{BTreeMap, BTreeSet};

use windrow_core::{ActorId, NameId, Payload};

use super::actors::Actors;
use crate::slot::KEPT;

/// The longest name, in bytes; a longer one is cut at a character.
pub const NAME_MAX: usize = 64;

/// How many names one actor remembers: beyond it every further one is the empty name.
const NAMES_MAX: usize = 1 << 16;

/// How many it remembers before it looks for some to forget.
const NAMES_FEW: usize = 1 << 10;

/// Names by number, and whose they are. A number is never given again, and the empty name is never forgotten.
#[derive(Debug)]
pub(crate) struct Names {
    by_id: BTreeMap<NameId, Box<str>>,
    by_name: BTreeMap<Box<str>, NameId>,
    last: u32,
    /// So many are to be looked through again.
    crowd: usize,
    pub(crate) actors: Actors,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            by_id: BTreeMap::new(),
            by_name: BTreeMap::new(),
            last: 0,
            crowd: NAMES_FEW,
            actors: Actors::default(),
        }
    }
}

impl Names {
    pub(crate) fn intern(&mut self, name: &str) -> NameId {
        let name = clip(name);
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        if name.is_empty() || self.by_id.len() >= NAMES_MAX {
            return NameId(0);
        }
        let Some(last) = self.last.checked_add(1) else { return NameId(0) };
        self.last = last;
        self.by_id.insert(NameId(last), name.into());
        self.by_name.insert(name.into(), NameId(last));
        NameId(last)
    }

    /// Tells whether there are so many that some are to be forgotten.
    pub(crate) fn are_many(&self) -> bool {
        self.by_id.len() >= self.crowd
    }

    /// Forgets all others than these, and those of actors.
    pub(crate) fn keep(&mut self, others: impl Iterator<Item = NameId>) {
        let meant: BTreeSet<NameId> = others.chain(self.actors.names()).collect();
        self.by_id.retain(|id, _| meant.contains(id));
        self.by_name.retain(|_, id| meant.contains(id));
        // So that a look costs no more than what has come since the last.
        self.crowd = (self.by_id.len() * 2).max(NAMES_FEW);
    }

    /// Gives the number of a name that is remembered; any other is the empty one.
    pub(crate) fn known(&self, name: &[u8]) -> NameId {
        let known = std::str::from_utf8(name).ok().and_then(|name| self.by_name.get(name));
        known.copied().unwrap_or_default()
    }

    pub(crate) fn name(&self, id: NameId) -> &str {
        self.by_id.get(&id).map_or("", |name| name)
    }

    /// Gives the name of an actor that is remembered; any other's is the empty one.
    pub(crate) fn of(&self, actor: ActorId) -> &str {
        self.name(self.actors.name(actor))
    }
}

/// Cuts a name to its longest allowed form, at a character's boundary.
pub(crate) fn clip(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_MAX)]
}

/// The longest text of an error that travels, in bytes.
pub(super) const TEXT_MAX: usize = 4 << 10;

/// Cuts an error's text to what travels, at a character's boundary, and says in it that it was cut. Who passes it on finds
/// it short enough.
pub(super) fn clip_text(text: &mut Vec<u8>) {
    if text.len() <= TEXT_MAX {
        return;
    }
    let note = format!("… (cut: {} bytes in all)", text.len());
    let most = TEXT_MAX - note.len();
    let begins = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0xC0 != 0x80);
    // No character is longer than four bytes; where none begins, there is no text.
    let end = (most - 3..=most).rev().find(begins).unwrap_or(most);
    text.truncate(end);
    text.extend_from_slice(note.as_bytes());
}

/// Texts by number, each taken once. Zero is no text.
#[derive(Debug, Default)]
pub(crate) struct Payloads {
    places: Vec<Place>,
    free: Vec<u32>,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
}

/// Where a text stands, or none does.
#[derive(Debug, Default)]
struct Place {
    text: Vec<u8>,
    /// How many texts stood here before: a number that was taken means none of the later ones.
    turn: u32,
}

/// How many buffers are kept for another use.
const SPARE: usize = 32;

/// How many bits of a number say where its text stands; the rest say whose turn it is there.
const PLACE_BITS: u32 = 20;

impl Payloads {
    pub(crate) fn put(&mut self, text: impl Into<Vec<u8>>) -> Payload {
        let text = text.into();
        if text.is_empty() {
            self.recycle(text);
            return Payload(0);
        }
        let at = self.free.pop().unwrap_or(self.places.len() as u32);
        if at == self.places.len() as u32 {
            if at >> PLACE_BITS != 0 {
                return Payload(0);
            }
            self.places.push(Place::default());
        }
        let place = &mut self.places[at as usize];
        place.text = text;
        // Never zero, so that no number is.
        place.turn = place.turn % (u32::MAX >> PLACE_BITS) + 1;
        Payload(place.turn << PLACE_BITS | at)
    }

    /// Keeps a copy of bytes, without an allocation in the long run.
    pub(crate) fn put_copy(&mut self, bytes: &[u8]) -> Payload {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.extend_from_slice(bytes);
        self.put(buffer)
    }

    /// Keeps bytes, and gives their owner another buffer for them.
    pub(crate) fn put_for_another(&mut self, bytes: &mut Vec<u8>) -> Payload {
        let spare = self.spare.pop().unwrap_or_default();
        self.put(std::mem::replace(bytes, spare))
    }

    /// Gives back the buffer of a text that is done with.
    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE && (1..=KEPT).contains(&buffer.capacity()) {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Gives a copy of a text that stays.
    pub(crate) fn copy(&self, payload: Payload) -> Vec<u8> {
        let (turn, at) = parts(payload);
        let place = self.places.get(at).filter(|place| place.turn == turn);
        place.map(|place| place.text.clone()).unwrap_or_default()
    }

    /// Takes a text whose reader will say something in the same buffer: where there is no text, there is a buffer.
    pub(crate) fn take_with_room(&mut self, payload: Payload) -> Vec<u8> {
        match self.take(payload) {
            text if text.is_empty() => self.spare.pop().unwrap_or_default(),
            text => text,
        }
    }

    pub(crate) fn take(&mut self, payload: Payload) -> Vec<u8> {
        let (turn, at) = parts(payload);
        match self.places.get_mut(at) {
            Some(place) if place.turn == turn && !place.text.is_empty() => {
                self.free.push(at as u32);
                std::mem::take(&mut place.text)
            }
            _ => Vec::new(),
        }
    }
}

/// Says whose turn a number means, and where.
fn parts(payload: Payload) -> (u32, usize) {
    (payload.0 >> PLACE_BITS, (payload.0 & ((1 << PLACE_BITS) - 1)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_once_and_between_characters() {
        for text in ["x".repeat(TEXT_MAX), "long ago".into(), String::new()] {
            let mut bytes = text.clone().into_bytes();
            clip_text(&mut bytes);
            assert_eq!(bytes, text.into_bytes(), "short enough");
        }
        for (shift, character) in (0..8).zip(["x", "é", "草", "🌾"].into_iter().cycle()) {
            let mut bytes = format!("{}{}", "-".repeat(shift), character.repeat(TEXT_MAX + 1)).into_bytes();
            let length = bytes.len();
            clip_text(&mut bytes);
            let cut = bytes.clone();
            assert!(bytes.len() <= TEXT_MAX && bytes.len() + 4 > TEXT_MAX, "{}", bytes.len());
            assert!(
                str::from_utf8(&bytes)
                    .unwrap()
                    .ends_with(&format!("{character}… (cut: {length} bytes in all)"))
            );
            clip_text(&mut bytes);
            assert_eq!(bytes, cut);
        }
        let mut noise = vec![0x80; TEXT_MAX + 1];
        clip_text(&mut noise);
        assert_eq!(noise.len(), TEXT_MAX);
    }
}
