//! The slots of the contexts that this actor's users hold.
//!
//! A slot that nobody holds any more is used again, so that a call costs no memory of its own in the long run.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use windrow_core::ContextId;

use crate::talk::Slot;

/// How many slots are kept for another use.
const SPARE: usize = 16;

/// Slots by context.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    open: BTreeMap<ContextId, Arc<Slot>>,
    /// Slots of contexts that are over. Their users may still hold them.
    over: Vec<Arc<Slot>>,
    /// Slots of no context, whose users wait like the others.
    others: Vec<Weak<Slot>>,
}

impl Slots {
    pub(crate) fn open(&mut self, context: ContextId) -> Arc<Slot> {
        let free = |slot: &mut Arc<Slot>| Arc::get_mut(slot).map(Slot::clear).is_some();
        let slot = match self.over.iter_mut().position(free) {
            Some(at) => self.over.swap_remove(at),
            None => Arc::default(),
        };
        self.open.insert(context, Arc::clone(&slot));
        slot
    }

    pub(crate) fn close(&mut self, context: ContextId) {
        let slot = self.open.remove(&context);
        self.over.extend(slot.filter(|_| self.over.len() < SPARE));
    }

    pub(crate) fn get(&self, context: ContextId) -> Option<&Arc<Slot>> {
        self.open.get(&context)
    }

    /// Has the user of a slot of no context woken with all the others.
    pub(crate) fn watch(&mut self, slot: &Arc<Slot>) {
        self.others.retain(|other| other.strong_count() > 0);
        self.others.push(Arc::downgrade(slot));
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = Arc<Slot>> + '_ {
        self.open.values().cloned().chain(self.others.iter().filter_map(Weak::upgrade))
    }
}
