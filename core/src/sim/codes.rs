//! The states of machines that were found to survive encoding and decoding, each with what it puts into a key.
//!
//! The rule: both follow from the state alone, so a search asks once of each state. It is known by all that it is, not by
//! its encoding: that could be the same for two states.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::Hash;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::hash::Words;
use super::key::Print;
use super::recode::decoded;
use crate::Machine;

/// What a search knows of the states that its machines were in.
#[derive(Clone, Debug, Default)]
pub(super) struct Codes {
    known: HashTable<(u128, Arc<Print>)>,
    /// Room for a state to be hashed, and for one to be encoded.
    words: Words,
    bytes: Vec<u8>,
}

impl Codes {
    /// Lets a machine go on from its decoded encoding, unless its state is known; `None` if that is not the same.
    pub(super) fn check(&mut self, machine: &mut Machine) -> Option<Arc<Print>> {
        machine.state().hash(&mut self.words);
        let sum = self.words.sum();
        match self.known.entry(sum as u64, |(known, _)| *known == sum, |(known, _)| *known as u64) {
            Entry::Occupied(place) => Some(Arc::clone(&place.get().1)),
            Entry::Vacant(place) => {
                *machine.state_mut() = decoded(machine.state(), &mut self.bytes)?;
                let print = Arc::new(Print::of(machine.state()));
                place.insert((sum, Arc::clone(&print)));
                Some(print)
            }
        }
    }
}
