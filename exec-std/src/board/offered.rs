//! Calls of one endpoint that wait to be taken up by hand, with their arguments.
//!
//! The rule: who called first is served first, whichever channel it called on.

use std::collections::BTreeMap;

use windrow_core::ContextId;

/// Those calls, and who takes them up.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    /// By how many came before.
    calls: BTreeMap<u64, (ContextId, Vec<u8>)>,
    places: BTreeMap<ContextId, u64>,
    /// How many came since the first.
    came: u64,
    /// How many take them up.
    pub(crate) listeners: u32,
}

impl Offered {
    /// Puts a call behind all others.
    pub(crate) fn put(&mut self, context: ContextId, args: Vec<u8>) {
        self.calls.insert(self.came, (context, args));
        self.places.insert(context, self.came);
        self.came += 1;
    }

    /// Takes the call that has waited longest.
    pub(crate) fn take(&mut self) -> Option<(ContextId, Vec<u8>)> {
        let next = self.calls.pop_first().map(|(_, call)| call);
        if let Some((context, _)) = &next {
            self.places.remove(context);
        }
        next
    }

    /// Forgets a call that is over before it was taken up.
    pub(crate) fn withdraw(&mut self, context: ContextId) {
        let place = self.places.remove(&context);
        place.and_then(|place| self.calls.remove(&place));
    }
}

#[cfg(test)]
mod tests {
    use windrow_core::{ActorId, Link};

    use super::*;

    fn call(child: u64, number: u64) -> ContextId {
        ContextId::callee(Link::Child(ActorId(child)), number)
    }

    #[test]
    fn who_called_first_is_served_first() {
        let mut offered = Offered::default();
        for context in [call(9, 1), call(2, 1), call(5, 1), call(2, 2)] {
            offered.put(context, Vec::new());
        }
        offered.withdraw(call(5, 1));
        let order: Vec<_> = std::iter::from_fn(|| offered.take()).map(|(context, _)| context).collect();
        assert_eq!(order, [call(9, 1), call(2, 1), call(2, 2)]);
        offered.put(call(2, 3), Vec::new());
        assert!(offered.places.len() == 1 && offered.calls.len() == 1);
    }
}
