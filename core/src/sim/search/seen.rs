//! Which states were seen, and with how many deviations left.
//!
//! The rule: a key is a hash already, so a part of it says where it stands. The table knows no world. There are tens of millions
//! of states, and where they lie is most of what a visit costs: a state and those that it is compared with stand in one line of
//! the cache, where a general table reads two.

use alloc::vec;
use alloc::vec::Vec;

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
#[derive(Debug)]
pub(super) struct Seen {
    lines: Vec<Line>,
    count: usize,
}

/// Four states. The first place of a line that is free is the last that is looked at.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line([State; 4]);

/// The first 112 bits of the key, and the number of deviations that were left, plus one: a place is free where all is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State(u128);

impl State {
    const LEFT: u128 = 0xFFFF;

    fn new(key: u128, left: usize) -> Self {
        let left = (left as u128).saturating_add(1).min(Self::LEFT);
        Self(key & !Self::LEFT | left)
    }

    fn is_free(self) -> bool {
        self.0 == 0
    }

    fn is(self, other: Self) -> bool {
        (self.0 ^ other.0) <= Self::LEFT
    }

    /// The line at which the search for it begins, of a power of two of them.
    fn home(self, lines: usize) -> usize {
        (self.0 >> 64) as usize & (lines - 1)
    }
}

impl Default for Seen {
    fn default() -> Self {
        Self { lines: vec![Line::default(); 16], count: 0 }
    }
}

impl Seen {
    /// Notes that a search comes to a state with so many deviations left.
    pub(super) fn visit(&mut self, key: u128, left: usize) -> Visit {
        let state = State::new(key, left);
        let place = self.place(state);
        let known = *place;
        if known.is_free() {
            *place = state;
            self.count += 1;
            self.keep_room();
            Visit::First
        } else if known.0 < state.0 {
            *place = state;
            Visit::Richer
        } else {
            Visit::Known
        }
    }

    /// Gives the place of a state, or the one where it is to stand.
    fn place(&mut self, state: State) -> &mut State {
        let mut line = state.home(self.lines.len());
        let at = loop {
            let found = self.lines[line].0.iter().position(|known| known.is_free() || known.is(state));
            match found {
                Some(at) => break at,
                None => line = (line + 1) & (self.lines.len() - 1),
            }
        };
        &mut self.lines[line].0[at]
    }

    /// Leaves a quarter of the places free, so that few searches go on to another line.
    fn keep_room(&mut self) {
        if self.count <= 3 * self.lines.len() {
            return;
        }
        let more = vec![Line::default(); 2 * self.lines.len()];
        let states = core::mem::replace(&mut self.lines, more);
        for state in states.iter().flat_map(|line| line.0).filter(|state| !state.is_free()) {
            *self.place(state) = state;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Seen, Visit};
    use crate::sim::state::Words;

    #[test]
    fn a_state_is_known_by_its_key_and_by_what_was_left_at_it() {
        let mut seen = Seen::default();
        for key in [0, 1 << 16, 1 << 64, u128::MAX] {
            assert_eq!(seen.visit(key, 1), Visit::First);
            assert_eq!(seen.visit(key, 1), Visit::Known);
            assert_eq!(seen.visit(key, 2), Visit::Richer);
            assert_eq!(seen.visit(key, 0), Visit::Known);
            assert_eq!(seen.visit(key, 254), Visit::Richer);
            assert_eq!(seen.visit(key, 255), Visit::Richer);
            assert_eq!(seen.visit(key, usize::MAX), Visit::Richer);
            assert_eq!(seen.visit(key, usize::MAX), Visit::Known);
        }
    }

    /// Whether they are spread, or all begin at one line.
    #[test]
    fn none_is_lost_when_the_table_grows() {
        let spread = |number: u64| {
            let mut words = Words::default();
            core::hash::Hasher::write_u64(&mut words, number);
            words.sum()
        };
        let mut seen = Seen::default();
        let keys = || (0..10_000).map(spread).chain((1..100).map(|number| number << 16));
        for key in keys() {
            assert_eq!(seen.visit(key, 0), Visit::First);
        }
        for key in keys() {
            assert_eq!(seen.visit(key, 0), Visit::Known);
        }
    }
}
