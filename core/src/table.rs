//! The macro that turns a table of rows into a sub-machine.
//!
//! The rule: a state is a `Copy` tag, and the only way to another is a row. A row given twice is a compiler warning
//! (an unreachable pattern). Tests and the diagrams in `ARCHITECTURE.md` read the same rows.

/// Declares the states and the changes of one sub-machine, and its rows as `State + Change => State`.
macro_rules! table {
    (
        $(#[$state_doc:meta])* $state:ident { $($(#[$s_doc:meta])* $s:ident)+ }
        $(#[$change_doc:meta])* $change:ident { $($(#[$c_doc:meta])* $c:ident)+ }
        $($from:ident + $by:ident => $to:ident;)+
    ) => {
        $(#[$state_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[allow(clippy::exhaustive_enums, reason = "a sub-machine's states are its definition")]
        pub enum $state { $($(#[$s_doc])* $s),+ }

        $(#[$change_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(clippy::exhaustive_enums, reason = "a sub-machine's changes are its definition")]
        pub enum $change { $($(#[$c_doc])* $c),+ }

        impl $state {
            /// Every state, the first one first.
            pub const ALL: &'static [Self] = &[$(Self::$s),+];
            /// Every row: from, change, to.
            pub const TABLE: &'static [(Self, $change, Self)] = &[$((Self::$from, $change::$by, Self::$to)),+];

            /// Gives the state that follows, if there is a row for it.
            #[must_use]
            pub const fn next(self, change: $change) -> Option<Self> {
                match (self, change) {
                    $((Self::$from, $change::$by) => Some(Self::$to),)+
                    #[allow(unreachable_patterns, reason = "a table may be full")]
                    _ => None,
                }
            }

            /// The longest path from each state to an end of the table.
            #[allow(
                clippy::indexing_slicing,
                clippy::arithmetic_side_effects,
                reason = "a panic here is an error of the compiler's"
            )]
            const POTENTIALS: [u8; Self::ALL.len()] = {
                // Relaxing every row as often as there are states reaches the fixed point: the table has no cycle
                // but rows that stay where they are.
                let mut longest = [0_u8; Self::ALL.len()];
                let mut round = 0;
                while round < Self::ALL.len() {
                    let mut row = 0;
                    while row < Self::TABLE.len() {
                        let (from, _, to) = Self::TABLE[row];
                        if from as usize != to as usize && longest[from as usize] <= longest[to as usize] {
                            longest[from as usize] = longest[to as usize] + 1;
                        }
                        row += 1;
                    }
                    round += 1;
                }
                longest
            };

            /// Gives the longest path from here to an end of the table: what this state adds to the rank.
            #[must_use]
            #[allow(clippy::indexing_slicing, reason = "there is one for each state")]
            pub const fn potential(self) -> u8 {
                Self::POTENTIALS[self as usize]
            }
        }

        impl $change {
            /// Every change.
            pub const ALL: &'static [Self] = &[$(Self::$c),+];
        }
    };
}

pub(crate) use table;
