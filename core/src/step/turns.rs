//! Whose process is asked for, and when: a spawn that waits its turn, is under way, or is taken back.
//!
//! The rule: no more than [`Limits::starts`](crate::Limits::starts) spawns are under way. So whoever makes the processes has
//! work enough, what is under way when a teardown begins is soon answered, however many children there are to be, and a boot
//! deadline, which begins with the turn, is not used up by waiting for the others. What waits its turn is nowhere but here:
//! cancelled, it is gone at once.

use alloc::boxed::Box;
use core::time::Duration;

use super::Step;
use super::asks::levels_of;
use crate::child::ChildRecord;
use crate::deadlines::Timer;
use crate::plan::Rung;
use crate::state::Member;
use crate::{
    ActorId, Cause, Channel, ChannelChange, Child, ChildChange, Defect, Limits, Link, Message, Output,
    Payload, ScopeId, Spec, Stamp,
};

impl Step<'_> {
    /// The child is recorded here and waits its turn, which may have come.
    pub(super) fn spawn(&mut self, child: ActorId, scope: ScopeId, spec: Spec) {
        let record = ChildRecord {
            phase: Child::Queued,
            channel: Channel::Dialling,
            scope,
            spec: spec.id,
            name: spec.name,
            role: spec.role,
            levels: levels_of(&spec, self.state.levels.saturating_sub(1)),
            times: spec.times.filter(|times| *times != self.state.limits.times).map(Box::new),
            stamp: Stamp::default(),
            rung: Rung::Free { since: self.state.now, until: None },
            ladder: None,
            started: false,
            ready: false,
            exited: false,
            blamed: false,
            parted: false,
            relayed: 0,
            leavings: 0,
            spent: Duration::ZERO,
        };
        self.state.last_child = child;
        self.state.children.insert(child, Box::new(record));
        self.state.members.insert((scope, Member::Child(child)));
        self.hold_room();
        if self.has_turn() {
            self.change(child, ChildChange::Ordered);
        } else {
            self.state.queued.insert(child);
        }
    }

    /// Has room for the end of all that is here, so that the end needs none.
    fn hold_room(&mut self) {
        self.room.hold(self.state.members.len(), self.state.scopes.len());
        self.state.deadlines.keep(Timer::Tasks);
        self.state.deadlines.keep(Timer::Shields);
    }

    /// Gives their turn to those that wait for it, in the order in which they were asked for.
    pub(super) fn take_turns(&mut self) {
        while self.has_turn()
            && let Some(child) = self.state.queued.first().copied()
        {
            self.change(child, ChildChange::Ordered);
        }
    }

    fn has_turn(&self) -> bool {
        self.state.under_way < self.state.limits.starts
    }

    /// Keeps the account of what waits and what is under way.
    pub(super) fn count_under_way(&mut self, id: ActorId, from: Child, to: Child) {
        if from == Child::Queued {
            self.state.queued.remove(&id);
        }
        let under_way = &mut self.state.under_way;
        match (from.is_under_way(), to.is_under_way()) {
            (false, true) => *under_way = under_way.saturating_add(1),
            (true, false) => *under_way = under_way.saturating_sub(1),
            _ => {}
        }
    }

    /// The expectation of the handshake is registered here, before the shell hears of the spawn.
    pub(super) fn enter_starting(&mut self, id: ActorId) {
        let (now, limits) = (self.state.now, self.state.limits);
        let Some(child) = self.state.children.get_mut(&id) else {
            return;
        };
        let until = Some(now.after(limits.boot));
        child.rung = Rung::Free { since: now, until };
        let (levels, times, speaks) = (child.levels, *child.times(&limits), child.role.speaks());
        let (spec, name, role) = (child.spec, child.name, child.role);
        self.state.deadlines.set(Timer::Child(id), until);
        let kill_after = times.bound(levels).saturating_add(times.hop);
        let spec = Spec { id: spec, name, role, levels: Some(levels), times: Some(times) };
        self.emit(Output::Spawn { child: id, spec, kill_after });
        if speaks {
            self.change_channel(Link::Child(id), ChannelChange::Connected);
            self.greet(Link::Child(id));
            let limits = Limits { times, ..limits };
            let payload = Payload(spec.id.0);
            self.send(Link::Child(id), Message::Spec { levels, limits, payload });
        }
    }

    /// A spawn is answered soon once it is taken back: whoever was asked has no more than a few others before it.
    pub(super) fn enter_withdrawn(&mut self, id: ActorId, from: Child) {
        self.hold(id, |times| times.ack);
        if from == Child::Starting && !self.state.has(Defect::SpawnAfterCancel) {
            self.emit(Output::Recall { child: id });
        }
    }

    /// No spawn is carried out after the teardown began, also none behind a shield.
    pub(super) fn cancel_queued(&mut self, cause: Cause) {
        while let Some(child) = self.state.queued.first().copied() {
            self.begin_ladder(child, Some(cause));
            if self.state.queued.first() == Some(&child) {
                break;
            }
        }
    }
}
