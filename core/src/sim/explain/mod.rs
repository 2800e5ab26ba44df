//! What is told of a run that broke a promise: why, from when on, and what would have saved it.
//!
//! The rule: nothing is claimed that was not looked up in the world or run. It comes after the run, and no world goes on
//! otherwise because of it.
//!
//! | file | tells |
//! |---|---|
//! | `chain` | why a tree does not end |
//! | `sink` | why nobody will answer |
//! | `shrink` | the way there in a short trace |
//! | `doom` | from which step on it was bound to come |
//! | `cure` | what would have saved it |
//! | `diagnose` | all of that, on one screen |

mod chain;
mod cure;
mod diagnose;
mod doom;
mod shrink;
mod sink;

pub(super) use chain::explain;
pub use chain::{Explanation, Sink};
pub use cure::Cure;
pub use diagnose::{Diagnosis, Undiagnosed, diagnose};
pub use doom::Doom;
pub use shrink::{shrink, shrink_within};
