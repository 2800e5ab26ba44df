//! A world as a number, and a machine's state as its encoding.
//!
//! The rule: of two worlds with the same number a search goes on from one, so all that can still matter is in it. What is
//! checked and hashed here changes nothing of the run.
//!
//! | file | has |
//! |---|---|
//! | `snapshot` | a world as a key |
//! | `key` | plain data as a number, times counted from now |
//! | `hash` | what is hashed, and how |
//! | `recode` | that states survive their encoding, part by part |
//! | `codes` | those of which a search knows it |

mod codes;
mod hash;
mod key;
pub(super) mod recode;
mod snapshot;

pub(super) use codes::Codes;
pub(super) use hash::Words;
pub(super) use key::{Key, Print};
