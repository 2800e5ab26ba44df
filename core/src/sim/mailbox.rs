//! What came for an actor whose driver can't take it: kept until it goes on, and dropped if it never will.
//!
//! The rule: nothing is lost between a driver that is held up and one that goes on, and what was kept comes first, each
//! channel's in its order.

use super::choices::Source;
use super::event::Event;
use super::world::{World, id};
use crate::{Input, Link};

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
        let kept = core::mem::take(&mut self.mailboxes[node]);
        let mut heard = self.now;
        if self.scenario.piecemeal && kept.iter().any(is_of_parent) && !self.is_spoken_to(node) {
            let what = format_args!("{} hears what its parent has said after", id(node));
            heard = heard.after(self.pick(Source::Latency, &[0, 10], what));
            self.wires[node].down = self.wires[node].down.max(heard);
        }
        for event in kept {
            let when = if is_of_parent(&event) { heard } else { self.now };
            self.agenda.add_kept(when, event);
        }
    }

    /// Tells whether something of its parent's is on its way to an actor.
    fn is_spoken_to(&self, node: usize) -> bool {
        let is_to = |event: &Event| matches!(event, Event::Fact { node: to, .. } if *to == node);
        self.agenda.iter().any(|(_, event)| is_to(event) && is_of_parent(event))
    }
}

/// Tells whether something comes over the channel to the parent.
fn is_of_parent(event: &Event) -> bool {
    let Event::Fact { fact: Input::Received { link, .. } | Input::LinkLost { link }, .. } = event else {
        return false;
    };
    *link == Link::Parent
}
