//! Slips: what a careless shell might do that no hang of the catalog is named after.
//!
//! The rule: no search makes one. A test does, to show that the oracle for it can object.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::Output;

/// What a shell does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::exhaustive_enums, reason = "the world treats each by name")]
#[allow(
    unpredictable_function_pointer_comparisons,
    reason = "nothing depends on whether two of them are the same"
)]
pub enum Slip {
    /// It knows processes by their numbers, and not by when they began.
    ByNumber,
    /// It takes one exit for each wake-up, whatever else it could find.
    OneByOne,
    /// It takes a status that is lost for success.
    MadeUp,
    /// It passes a cancel on in its own actor's name.
    Renamed,
    /// It makes what is called for a caller a call of its actor's own.
    Unscoped,
    /// It lets what may wait be overtaken by what may not.
    Overtaken,
    /// It keeps to itself that nobody reads a stream any more.
    Unsaid,
    /// It takes no spawn back: whoever makes the processes never hears of it.
    NoRecall,
    /// It tells of one signal of the user's as of three.
    Threefold,
    /// It keeps of what changed in a machine's state all but the last byte. Random runs show it.
    Torn,
    /// It says that it has collected a dead child, and has not.
    Uncollected,
    /// It never looks at what it could have read while it had no turn.
    Overslept,
    /// It says that no stranger is there, and has not looked.
    Unlooked,
    /// It gives each of an actor's children the number of the first.
    Renumbered,
    /// It takes what its machine says at a step for what this makes of it; so a machine's mistakes can be played too.
    /// It can't be written down.
    #[serde(skip)]
    Mishears(fn(&mut Vec<Output>)),
}
