//! Which states were seen, and with how many deviations left.
//!
//! The rule: a key is a hash already, so the table takes a part of it as it is. It knows no world.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// What is known of a state that a search comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visit {
    /// It was never seen.
    First,
    /// It was seen with fewer deviations left: more can follow now.
    Richer,
    /// All that could follow was seen.
    Known,
}

/// The states that were seen, each with the most deviations that were left at it.
#[derive(Debug, Default)]
pub(super) struct Seen(HashTable<State>);

/// A state by its key, packed: there are tens of millions of them, and where they lie is most of what a visit costs.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed)]
struct State {
    key: u128,
    left: u8,
}

impl Seen {
    /// Notes that a search comes to a state with so many deviations left.
    pub(super) fn visit(&mut self, key: u128, left: usize) -> Visit {
        let left = u8::try_from(left).unwrap_or(u8::MAX);
        match self.0.entry(key as u64, |seen| seen.key == key, |seen| seen.key as u64) {
            Entry::Vacant(place) => {
                place.insert(State { key, left });
                Visit::First
            }
            Entry::Occupied(mut place) if place.get().left < left => {
                place.get_mut().left = left;
                Visit::Richer
            }
            Entry::Occupied(_) => Visit::Known,
        }
    }
}
