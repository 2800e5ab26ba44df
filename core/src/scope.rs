//! A scope: one extent that is cancelled, or not, as a unit. A nursery is a scope that owns children.
//!
//! `effective = cancelled or (not shield and parent.effective)`, trio's rule, recomputed down the tree when a scope is
//! cancelled. The rule: a scope closes when its body has left it and nothing in it is left, never before.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::table::table;
use crate::{Cause, Error, Instant, ScopeId};

table! {
    /// Where a scope is in its life. It closes when its body has left it and nothing in it is left, never before.
    Scope {
        /// Its body runs.
        Open
        /// Its body has left; its members are waited for.
        Joining
        /// It was cancelled; its body still runs.
        Cancelled
        /// It was cancelled, and its body has left.
        Unwinding
        /// Nothing of it is left.
        Closed
    }
    /// What can move a scope.
    ScopeChange {
        /// Its body ended.
        Left
        /// It was cancelled, or its parent was and it has no shield.
        Cancelled
        /// Its last member is gone.
        Emptied
    }

    Open      + Left      => Joining;
    Open      + Cancelled => Cancelled;
    Joining   + Cancelled => Unwinding;
    Joining   + Emptied   => Closed;
    Cancelled + Left      => Unwinding;
    Unwinding + Emptied   => Closed;
}

impl Scope {
    /// Tells whether the scope is cancelled, by itself or from above.
    #[must_use]
    pub fn is_cancelled(self) -> bool {
        matches!(self, Self::Cancelled | Self::Unwinding)
    }
}

/// One scope and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ScopeRecord {
    pub(crate) phase: Scope,
    pub(crate) parent: Option<ScopeId>,
    /// Whether it is the scope of a served call.
    pub(crate) served: bool,
    pub(crate) shield: bool,
    pub(crate) since: Instant,
    pub(crate) deadline: Option<Instant>,
    pub(crate) cause: Option<Cause>,
    pub(crate) errors: Vec<Error>,
    /// Errors beyond `Limits::errors`.
    pub(crate) lost: u32,
}
