//! How long a start may take, and who says when it is over: the actor itself, and its parent for each child.
//!
//! The rule: only the child's own word moves the end of its time, later and never past the most that its parent allows. With
//! the start that time ends too: a ladder has its own, which no word of a child's moves.

use core::time::Duration;

use super::Step;
use crate::child::ChildRecord;
use crate::deadlines::Timer;
use crate::plan::Rung;
use crate::{
    ActorId, Child, ChildChange, Defect, Error, Instant, Kind, Life, Limits, Link, Message, Payload, ScopeId,
    Stray,
};

impl Step<'_> {
    pub(super) fn deferred(&mut self) {
        if self.state.life == Life::Booting {
            self.state.deferred = true;
        } else {
            self.stray(Stray::Own);
        }
    }

    /// Says it once, whoever is to say it.
    pub(super) fn say_ready(&mut self) {
        if core::mem::take(&mut self.state.deferred) {
            self.send(Link::Parent, Message::Ready);
        }
    }

    /// Code that was to say that it is ready, and returned without, has failed; unless it ends for another reason.
    pub(super) fn check_ready(&mut self) {
        if self.state.deferred && !self.state.life.is_teardown() {
            let result = core::mem::take(&mut self.state.result);
            self.discard(result);
            self.failed(ScopeId::ROOT, Error::new(Kind::Unready, self.state.me, Payload::default()));
        }
    }

    /// Arrival is state: a child may be ready before its starter says that it exists.
    pub(super) fn readied(&mut self, id: ActorId) {
        let phase = self.state.children.get(&id).map(|child| child.phase);
        if phase == Some(Child::Starting) && self.state.has(Defect::LateWaiter) {
            return;
        }
        self.start_word(id, ChildChange::Readied);
    }

    /// A child asks for more time. What it has it keeps.
    pub(super) fn extended(&mut self, id: ActorId, by: Duration) {
        if !self.start_word(id, ChildChange::Extended) {
            return;
        }
        let (asked, limits) = (self.state.now.after(by), &self.state.limits);
        let Some(child) = self.state.children.get_mut(&id) else {
            return;
        };
        let latest = child.latest_start(limits);
        if let Rung::Free { until: Some(until), .. } = &mut child.rung {
            *until = asked.min(latest).max(*until);
            self.state.deadlines.set(Timer::Child(id), Some(*until));
        }
    }

    /// Applies a word about a start. After a cancellation nobody waits for it any more; from one who is up it is out of place.
    fn start_word(&mut self, id: ActorId, word: ChildChange) -> bool {
        let up =
            self.state.children.get(&id).is_some_and(|child| matches!(child.phase, Child::Early | Child::Up));
        let changed = self.change(id, word);
        if !changed && up {
            self.stray(Stray::Link(Link::Child(id)));
        }
        changed
    }
}

impl ChildRecord {
    /// Says what it is to be blamed for when the time of its start is over.
    pub(super) fn why_not_up(&self, limits: &Limits) -> Kind {
        let exhausted = limits.boot_max > limits.boot && self.rung.until() == Some(self.latest_start(limits));
        if exhausted { Kind::BootExhausted } else { Kind::BootTimeout }
    }

    /// Gives the latest point up to which it may be given time to start.
    fn latest_start(&self, limits: &Limits) -> Instant {
        self.rung.since().after(limits.boot_max)
    }
}
