//! The slots of the contexts that this actor's users hold, and who of them is to be woken.
//!
//! The rule: a cancellation wakes who waits in the cancelled scope, and nobody else but those few who wait at a slot of
//! another scope than the one they stand in. A slot that nobody holds any more is used again, so that a call costs no
//! memory of its own in the long run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use windrow_core::{ContextId, Link, ScopeId};

use crate::slot::{Slot, Talk};

/// How many slots are kept for another use.
const SPARE: usize = 16;

/// Slots by context.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    open: BTreeMap<ContextId, (ScopeId, Arc<Slot>)>,
    /// The same, by the scope that each belongs to.
    of_scope: BTreeSet<(ScopeId, ContextId)>,
    /// Slots of contexts that are over. Their users may still hold them.
    over: Vec<Arc<Slot>>,
    /// Slots at which somebody waits who stands in another scope, by where they are.
    others: BTreeMap<usize, Weak<Slot>>,
    /// How many of those there may be before the ones that are gone are looked for.
    room: usize,
    /// Those whose users are to be woken, since something came.
    touched: Vec<Arc<Slot>>,
    /// The scopes whose users are to be woken, since they are cancelled.
    cancelled: Vec<ScopeId>,
}

impl Slots {
    pub(crate) fn open(&mut self, context: ContextId, scope: ScopeId) -> Arc<Slot> {
        let free = |slot: &mut Arc<Slot>| Arc::get_mut(slot).map(Slot::clear).is_some();
        let slot = match self.over.iter_mut().position(free) {
            Some(at) => self.over.swap_remove(at),
            None => Arc::default(),
        };
        slot.look().scope = Some(scope);
        self.open.insert(context, (scope, Arc::clone(&slot)));
        self.of_scope.insert((scope, context));
        slot
    }

    pub(crate) fn close(&mut self, context: ContextId) {
        let Some((scope, slot)) = self.open.remove(&context) else { return };
        self.of_scope.remove(&(scope, context));
        if self.over.len() < SPARE {
            self.over.push(slot);
        }
    }

    pub(crate) fn get(&self, context: ContextId) -> Option<&Arc<Slot>> {
        self.open.get(&context).map(|(_, slot)| slot)
    }

    /// Writes down what came for a context, and remembers to wake whoever waits for it.
    pub(crate) fn write(&mut self, context: ContextId, note: impl FnOnce(&mut Talk)) {
        let Some((_, slot)) = self.open.get(&context) else { return };
        if slot.write(note) {
            self.touched.push(Arc::clone(slot));
        }
    }

    /// Remembers to wake whoever waits in a scope that is cancelled.
    pub(crate) fn cancel(&mut self, scope: ScopeId) {
        self.cancelled.push(scope);
    }

    /// Hands over the slots of those who are to be woken. `awaited` is empty, and its room is used again.
    pub(crate) fn hand_over(&mut self, awaited: &mut Vec<Arc<Slot>>) {
        let mut cancelled = std::mem::take(&mut self.cancelled);
        let mut touched = std::mem::take(&mut self.touched);
        if !cancelled.is_empty() {
            touched.extend(self.concerned(&cancelled));
            cancelled.clear();
        }
        if !touched.is_empty() {
            std::mem::swap(&mut touched, awaited);
        }
        (self.touched, self.cancelled) = (touched, cancelled);
    }

    /// Has whoever waits at a slot woken with every scope that is cancelled.
    pub(crate) fn watch(&mut self, slot: &Arc<Slot>) {
        if self.others.len() >= self.room {
            self.others.retain(|_, other| other.strong_count() > 0);
            self.room = SPARE + 2 * self.others.len();
        }
        self.others.insert(Arc::as_ptr(slot).addr(), Arc::downgrade(slot));
    }

    /// Gives the slots at which somebody may wait whom the cancellation of some scopes concerns. Those of others are given
    /// once for all: there may be as many of them as scopes.
    fn concerned<'s>(&'s self, scopes: &'s [ScopeId]) -> impl Iterator<Item = Arc<Slot>> + 's {
        let first = ContextId::caller(Link::Parent, 0);
        let own = scopes.iter().flat_map(move |scope| {
            self.of_scope.range((*scope, first)..).take_while(move |(of, _)| of == scope)
        });
        let own = own.filter_map(|(_, context)| self.get(*context).cloned());
        own.chain(self.others.values().filter_map(Weak::upgrade))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = Arc<Slot>> + '_ {
        let open = self.open.values().map(|(_, slot)| Arc::clone(slot));
        open.chain(self.others.values().filter_map(Weak::upgrade))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_scope_concerns_its_own_slots_and_those_of_others_who_stand_elsewhere() {
        let mut slots = Slots::default();
        let context = |number| ContextId::caller(Link::Parent, number);
        for number in 1..=10_000 {
            slots.open(context(number), ScopeId(number / 2));
        }
        let elsewhere = Arc::clone(slots.get(context(9)).unwrap());
        let no_context = Arc::<Slot>::default();
        assert_eq!(slots.concerned(&[ScopeId(77)]).count(), 2);
        for _ in 0..100 {
            slots.watch(&elsewhere);
            slots.watch(&no_context);
            // These are gone at once.
            slots.watch(&Arc::default());
        }
        assert_eq!(slots.concerned(&[ScopeId(77)]).count(), 2 + 2);
        assert!(slots.others.len() <= slots.room && slots.room < 100, "{}", slots.others.len());
        assert_eq!(slots.concerned(&[ScopeId(77), ScopeId(78)]).count(), 2 + 2 + 2);
        slots.close(context(77 * 2));
        assert_eq!(slots.concerned(&[ScopeId(77)]).count(), 1 + 2);
        assert_eq!(slots.all().count(), 9999 + 2);
    }

    /// With as many scopes as others a cancellation of all wakes each of them once.
    #[test]
    fn whoever_waits_elsewhere_is_woken_once_for_all_scopes_that_are_cancelled() {
        let mut slots = Slots::default();
        let elsewhere: Vec<_> = (0..1000).map(|_| Arc::<Slot>::default()).collect();
        elsewhere.iter().for_each(|slot| slots.watch(slot));
        for number in 0..1000 {
            slots.open(ContextId::caller(Link::Parent, number), ScopeId(number));
            slots.cancel(ScopeId(number));
        }
        let mut awaited = Vec::new();
        slots.hand_over(&mut awaited);
        assert_eq!(awaited.len(), 1000 + 1000);
        awaited.clear();
        slots.hand_over(&mut awaited);
        assert_eq!(awaited.len(), 0, "they were told");
    }
}
