//! The states of machines that were found to survive encoding and decoding, each with what it puts into a key.
//!
//! The rule: both follow from the state alone, so a search asks once of each state. It is known by all that it is, not by
//! its encoding: that could be the same for two states. Of one that is not known, only the parts are encoded that the actor's
//! last one did not have: the others survived then.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::Hash;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::hash::Words;
use super::key::{Key, Print};
use super::recode;
use crate::state::State;
use crate::{ActorId, Machine};

/// What a search knows of the states that its machines were in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Codes {
    known: HashTable<(u128, Print)>,
    /// Each actor's last state that was found to survive, in whichever run.
    last: BTreeMap<ActorId, Option<Box<State>>>,
    /// Room for a state to be hashed, for what it puts into a key, and for a part to be encoded.
    words: Words,
    key: Key,
    bytes: Vec<u8>,
}

impl Codes {
    /// Lets a machine go on from its decoded encoding, unless its state is known; `None` if that is not the same.
    pub(crate) fn check(&mut self, machine: &mut Machine) -> Option<Print> {
        machine.state().hash(&mut self.words);
        let sum = self.words.sum();
        match self.known.entry(sum as u64, |(known, _)| *known == sum, |(known, _)| *known as u64) {
            Entry::Occupied(place) => Some(place.get().1),
            Entry::Vacant(place) => {
                let last = self.last.entry(machine.actor()).or_default();
                if !recode::check(machine, last, &mut self.bytes, false) {
                    return None;
                }
                let print = Print::of(machine.state(), &mut self.key);
                place.insert((sum, print));
                Some(print)
            }
        }
    }
}
