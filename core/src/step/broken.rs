//! What a machine does with a rule taken out, where that is more than to leave something undone.
//!
//! Each stands where its rule is asked for, and only there; without the feature `defects` nothing here is ever called.

use super::Step;
use crate::child::ChildRecord;
use crate::{ActorId, Channel, Child, Defect, Role};

impl Step<'_> {
    /// Tells whether a child is kept off its ladder.
    pub(super) fn is_left_out(&self, id: ActorId, child: &ChildRecord) -> bool {
        let has = |defect| self.state.has(defect);
        let climbs = |other: &ChildRecord| other.ladder.is_some() && !other.phase.is_settled();
        let mute = child.role == Role::Actor && child.channel == Channel::Closed;
        (has(Defect::DisconnectedSkipped) && mute)
            || (has(Defect::CancelDuringSpawn) && child.phase <= Child::Booting)
            || (has(Defect::SpawnAfterCancel) && child.phase == Child::Queued)
            || (has(Defect::SerialLadder)
                && self.state.children.iter().any(|(other, record)| *other != id && climbs(record)))
    }

    /// Puts the next child that waits for it on its ladder.
    pub(super) fn begin_next(&mut self, gone: ActorId) {
        let cause = |child: &ChildRecord| self.state.scopes.get(&child.scope).and_then(|scope| scope.cause);
        let mut waiting =
            self.state.children.iter().filter(|(id, child)| **id != gone && child.ladder.is_none());
        if let Some((next, cause)) = waiting.find_map(|(id, child)| Some((*id, cause(child)?))) {
            self.begin_ladder(next, Some(cause));
        }
    }

    /// Asks a child that was asked already, and waits for another ack.
    pub(super) fn ask_again(&mut self, id: ActorId) {
        let asked = |child: &ChildRecord| matches!(child.phase, Child::Asked | Child::Acked);
        if self.state.children.get(&id).is_some_and(|child| asked(child)) {
            self.hold(id, |times| times.ack);
            self.send_cancel(id);
        }
    }

    /// Gives the first child that has the same name as this one.
    pub(super) fn namesake(&self, id: ActorId) -> ActorId {
        let name = self.state.children.get(&id).map(|child| child.name);
        let same = self.state.children.iter().find(|(_, child)| Some(child.name) == name);
        same.map_or(id, |(first, _)| *first)
    }
}
