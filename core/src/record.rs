//! A record: one input that a machine took, and all that it said to it. A trace is a list of them.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::{ActorId, Input, Instant, Output};

/// One input with its outputs.
///
/// What is refused has changed nothing and leaves no record, so the inputs alone give the outputs again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "written out by every shell that keeps records")]
pub struct Record {
    /// Whose machine took it.
    pub actor: ActorId,
    /// When.
    pub at: Instant,
    /// What it took.
    pub input: Input,
    /// What it said, in order.
    pub outputs: Vec<Output>,
}
