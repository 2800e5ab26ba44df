//! What came for an actor whose driver can't take it: kept until it goes on, and dropped if it never will.
//!
//! The rule: nothing is lost between a driver that is held up and one that goes on, and what was kept comes first.

use super::event::Event;
use super::world::World;

impl World<'_> {
    /// Keeps an event for a driver that can't take it yet, and drops it if that can never be.
    pub(super) fn defer(&mut self, node: usize, event: &Event) -> bool {
        let Some(process) = self.pids[node].map(|pid| self.kernel.at(pid)) else {
            self.mailboxes[node].push_back(*event);
            return true;
        };
        let actor = self.actors[node].as_ref();
        if !process.is_sound() || actor.is_some_and(|actor| actor.outcome.is_some()) {
            return true;
        }
        if !process.runs() || actor.is_some_and(|actor| !actor.begun) {
            self.mailboxes[node].push_back(*event);
            return true;
        }
        false
    }

    /// What held a driver up is over: what came meanwhile is there now.
    pub(super) fn unblock(&mut self, node: usize) {
        if let Some(pid) = self.pids[node] {
            self.kernel.at_mut(pid).block = None;
        }
        let unread = self.oversleep(node);
        self.open_mailbox(node);
        self.mailboxes[node].extend(unread);
    }

    /// Tells whether something came for an actor and was never looked at.
    pub(super) fn is_unread(&self, node: usize) -> bool {
        !self.mailboxes[node].is_empty()
    }

    /// What was kept comes now, and before all that comes now by itself.
    pub(super) fn open_mailbox(&mut self, node: usize) {
        for event in core::mem::take(&mut self.mailboxes[node]) {
            self.agenda.add_kept(self.now, event);
        }
    }
}
