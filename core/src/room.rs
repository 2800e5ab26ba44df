//! What a step works in: memory that is there before it is needed, so that an end needs none.
//!
//! The rule: between two steps it is empty. So it is no part of the state, and a copy of a machine begins without it.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;

use crate::state::Member;
use crate::{ActorId, Cause, ScopeId};

/// Lists that a step fills and empties again.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Scopes that lost a member, or their body.
    loosened: BinaryHeap<ScopeId>,
    /// What a cancellation has reached and not gone through yet.
    pub(crate) scopes: Vec<ScopeId>,
    /// What stands in the scope that it goes through.
    pub(crate) members: Vec<Member>,
    /// Children without time that it has reached: all else that it reaches comes before they are killed.
    pub(crate) condemned: Vec<(ActorId, Cause)>,
}

impl Room {
    /// Makes room for the end of so many members in so many scopes.
    pub(crate) fn hold(&mut self, members: usize, scopes: usize) {
        // They are empty, so that this is how long they can become.
        self.members.reserve(members);
        self.condemned.reserve(members);
        self.scopes.reserve(scopes);
        self.loosened.reserve(scopes);
    }

    /// Has a scope looked at again at the end of the step.
    pub(crate) fn loosen(&mut self, scope: ScopeId) {
        if self.loosened.peek() != Some(&scope) {
            self.loosened.push(scope);
        }
    }

    /// Takes the innermost of those that are to be looked at again. It may come twice.
    pub(crate) fn next_loosened(&mut self) -> Option<ScopeId> {
        self.loosened.pop()
    }

    /// Tells whether all were looked at.
    pub(crate) fn is_settled(&self) -> bool {
        self.loosened.is_empty()
    }
}

impl Clone for Room {
    fn clone(&self) -> Self {
        Self::default()
    }
}
