//! What entering a child's state does, and by when it must be left: the escalation ladder.
//!
//! A ladder is planned once, when a child's end begins, and only ever shortened. All ladders run at the same time.

use core::time::Duration;

use super::Step;
use crate::child::ChildRecord;
use crate::deadlines::Timer;
use crate::plan::{Ladder, Rung};
use crate::state::{Member, State};
use crate::{
    ActorId, Cause, Census, Channel, ChannelChange, Child, ChildChange, Deadline, Defect, Ending, Error,
    Event, Instant, Kind, Link, Message, Output, Payload, Reason, Role, Signal, Times,
};

impl Step<'_> {
    /// Puts a child on its ladder, at the rung that the time and its channel allow. A second call only shortens it.
    pub(super) fn begin_ladder(&mut self, id: ActorId, cause: Option<Cause>) {
        let Some(child) = self.state.children.get(&id) else {
            return;
        };
        if child.phase.is_settled() || self.is_left_out(id, child) {
            return;
        }
        // A plan that was made before the start is known has not put the child on a rung yet.
        if child.ladder.is_some() && child.phase > Child::Early {
            if self.state.has(Defect::DuplicateCancel) {
                self.ask_again(id);
            }
            self.replan(id);
            return;
        }
        self.plan(id, cause);
        let change = self.first_rung(id);
        if !self.change(id, change) {
            self.replan(id);
        }
    }

    /// Fixes by when each rung of a child's ladder is due, unless that is done.
    pub(super) fn plan(&mut self, id: ActorId, cause: Option<Cause>) {
        let now = self.state.now;
        let Some(child) = self.state.children.get(&id) else {
            return;
        };
        if child.ladder.is_some() {
            return;
        }
        let end_at = self.last_end();
        let (stop_at, kill_at) = child.latest_signals(end_at, &self.state.limits);
        let times = child.times(&self.state.limits);
        let patience = self.bound_of(times, child.levels).saturating_add(times.hop);
        let ladder = Ladder { began: now, cause, stop_at: stop_at.min(now.after(patience)), kill_at, end_at };
        if let Some(child) = self.state.children.get_mut(&id) {
            child.ladder = Some(ladder);
        }
    }

    /// Gives when the last child is to be given up: what the actor does then takes time, too.
    fn last_end(&self) -> Instant {
        let times = self.state.limits.times;
        let from_now = self.state.now.after(times.bound(self.state.levels));
        let alone = self.state.has(Defect::SerialLadder);
        let deadline = if alone { from_now } else { self.state.deadline.min(from_now) };
        deadline.before(times.flush)
    }

    /// Too little time skips rungs, never SIGKILL; who can't hear a message is stopped. One that has not greeted yet hears
    /// it as soon as it does: the cancel waits for it behind greeting and spec, and nobody waits for the handshake.
    pub(super) fn first_rung(&self, id: ActorId) -> ChildChange {
        let Some((child, ladder)) = self.state.children.get(&id).and_then(|c| Some((c, c.ladder?))) else {
            return ChildChange::Hurried;
        };
        if ladder.kill_at <= self.state.now {
            return ChildChange::Condemned;
        }
        let hears = if child.role == Role::Command {
            // It hears what was meant: SIGTERM is not said as SIGINT, which may be the end of it.
            !ladder.cause.is_some_and(|cause| cause.reason.is_stop())
        } else {
            child.channel != Channel::Closed
        };
        let left = ladder.stop_at.before(child.times(&self.state.limits).hop).since(self.state.now);
        if hears && !left.is_zero() { ChildChange::Cancelled } else { ChildChange::Hurried }
    }

    /// Tells whether a child that is cancelled now is killed at once.
    pub(super) fn has_no_time(&self, id: ActorId) -> bool {
        let kill_at = |child: &ChildRecord| child.latest_signals(self.last_end(), &self.state.limits).1;
        self.state.children.get(&id).is_some_and(|child| kill_at(child) <= self.state.now)
    }

    /// Shortens a child's plan and the time of its present rung, if the actor's deadline has come nearer.
    pub(super) fn replan(&mut self, id: ActorId) {
        let end_at = self.last_end();
        let State { children, deadlines, limits, .. } = &mut *self.state;
        if let Some(until) = children.get_mut(&id).and_then(|child| child.shorten(end_at, limits)) {
            deadlines.set(Timer::Child(id), Some(until));
        }
    }

    /// Shortens every plan, also of children that were cancelled before the actor was.
    pub(super) fn replan_all(&mut self) {
        let end_at = self.last_end();
        let State { children, deadlines, limits, .. } = &mut *self.state;
        for (id, child) in children {
            if let Some(until) = child.shorten(end_at, limits) {
                deadlines.set(Timer::Child(*id), Some(until));
            }
        }
    }

    /// Applies a row of the child's table, if there is one, and does what entering the new state takes.
    pub(super) fn change(&mut self, id: ActorId, change: ChildChange) -> bool {
        let Some(child) = self.state.children.get_mut(&id) else {
            return false;
        };
        let change = child.spare(change);
        let Some(next) = child.phase.next(change) else {
            return false;
        };
        let from = child.phase;
        child.phase = next;
        self.count_under_way(id, from, next);
        match next {
            Child::Starting if from == Child::Queued => self.enter_starting(id),
            Child::Queued | Child::Starting | Child::Early => {}
            Child::Booting => self.enter_booting(id),
            Child::Up => self.enter_up(id),
            Child::Asked => self.enter_asked(id),
            Child::Acked => self.hold(id, |_| Duration::MAX),
            Child::Parting => {
                self.plan(id, None);
                // All that it may take for itself after its last word, and the news of it.
                self.hold(id, |times| times.flush.saturating_add(times.kill).saturating_add(times.hop));
            }
            Child::Withdrawn => self.enter_withdrawn(id, from),
            Child::Unanswered => {
                self.plan(id, None);
                self.hold(id, |times| times.kill);
                self.emit(Output::Unanswered { child: id });
            }
            Child::Stopping => {
                self.plan(id, None);
                let child = self.state.children.get(&id);
                let stop = child.map_or(Duration::ZERO, |child| child.time_to_stop(from, &self.state.limits));
                self.hold(id, |_| stop);
                self.signal(id, Signal::Term);
                if from == Child::Booting {
                    self.send_cancel(id);
                }
            }
            Child::Killing => {
                self.plan(id, None);
                self.hold(id, |times| times.kill);
                self.signal(id, Signal::Kill);
                self.end_link(Link::Child(id), Ending::Lost(None));
            }
            Child::Sweeping => self.enter_sweeping(id),
            Child::Purging => {
                self.hold(id, |times| times.kill);
                self.signal(id, Signal::Kill);
            }
            Child::Reaping => {
                self.plan(id, None);
                self.hold(id, |times| times.kill);
                self.emit(Output::Reap { child: id });
            }
            Child::Unkillable => self.enter_unkillable(id, from, change),
            Child::Gone => self.enter_gone(id, change),
        }
        true
    }

    /// What came over the channel before the start was known is made good here: arrival is state, not an edge.
    fn enter_booting(&mut self, id: ActorId) {
        let Some(child) = self.state.children.get(&id) else {
            return;
        };
        if !child.role.speaks() {
            self.change(id, ChildChange::Readied);
        } else if child.parted {
            self.change(id, ChildChange::Parted);
        } else if child.channel == Channel::Closed {
            self.change(id, ChildChange::Muted);
        }
    }

    /// As for [`enter_booting`](Self::enter_booting): a child may have said all before its start was known.
    fn enter_up(&mut self, id: ActorId) {
        let now = self.state.now;
        let Some(child) = self.state.children.get_mut(&id) else {
            return;
        };
        child.rung = Rung::Free { since: now, until: None };
        child.ready = true;
        let parted = child.parted;
        let muted = child.role.speaks() && child.channel == Channel::Closed;
        self.state.deadlines.set(Timer::Child(id), None);
        self.report(Event::Up(id));
        if parted {
            self.change(id, ChildChange::Parted);
        } else if muted {
            self.change(id, ChildChange::Muted);
        }
    }

    fn enter_asked(&mut self, id: ActorId) {
        let zero = self.state.has(Defect::AckDeadlineZero);
        self.hold(id, |times| if zero { Duration::ZERO } else { times.ack });
        let Some(child) = self.state.children.get(&id) else {
            return;
        };
        match child.role {
            Role::Command => {
                self.signal(id, Signal::Int);
                self.change(id, ChildChange::Acknowledged);
            }
            Role::Actor | Role::Thread if child.parted => {
                self.change(id, ChildChange::Parted);
            }
            Role::Actor | Role::Thread => self.send_cancel(id),
        }
    }

    /// Sends the cancel with what is left until the next signal, less the way there and back.
    pub(super) fn send_cancel(&mut self, id: ActorId) {
        let Some((child, ladder)) = self.state.children.get(&id).and_then(|c| Some((c, c.ladder?))) else {
            return;
        };
        if child.channel == Channel::Closed {
            return;
        }
        let next = match child.rung.until() {
            Some(until) if child.phase == Child::Stopping => until,
            _ => ladder.stop_at,
        };
        let left = next.before(child.times(&self.state.limits).hop).since(self.state.now);
        if left.is_zero() {
            return;
        }
        // Whom nobody else has cancelled has failed itself.
        let cause = ladder.cause.unwrap_or(Cause { canceller: id, reason: Reason::Failure });
        self.send(Link::Child(id), Message::Cancel { left, cause });
    }

    /// What a dead child left behind gets SIGTERM when it is found, and SIGKILL at this deadline.
    fn enter_sweeping(&mut self, id: ActorId) {
        self.plan(id, None);
        if self.state.has(Defect::SubtreeNotKilled) {
            self.change(id, ChildChange::Emptied);
            return;
        }
        let Some(child) = self.state.children.get(&id) else {
            return;
        };
        let times = child.times(&self.state.limits);
        let grace = match child.levels.checked_sub(1) {
            Some(below) => self.bound_of(times, below).saturating_add(times.hop),
            None => times.stop,
        };
        self.hold(id, |_| grace);
        self.emit(Output::Sweep { child: id });
    }

    fn enter_unkillable(&mut self, id: ActorId, from: Child, change: ChildChange) {
        let thread = self.state.children.get(&id).is_some_and(|child| child.role == Role::Thread);
        if from == Child::Unkillable {
            // A thread that starts now finds its channel closed.
            if change == ChildChange::Started && !thread {
                self.signal(id, Signal::Kill);
            } else if change == ChildChange::Exited {
                self.emit(Output::Reap { child: id });
            }
            return;
        }
        self.state.deadlines.set(Timer::Child(id), None);
        self.state.tally.left = self.state.tally.left.saturating_add(1);
        if !(thread && self.state.has(Defect::AbandonedThread)) {
            self.close(id);
            self.end_link(Link::Child(id), Ending::Lost(None));
        }
        self.report(if thread { Event::Leaked(id) } else { Event::Unkillable(id) });
        self.leave_scope(id);
        self.blame(id, if thread { Kind::Leaked } else { Kind::Unkillable });
        // With the error known, it does not count as cancelled, too.
        self.count_silent(id);
    }

    fn enter_gone(&mut self, id: ActorId, change: ChildChange) {
        let Some(child) = self.state.children.get(&id) else {
            return;
        };
        let (was_left, stamp, name) =
            (!self.state.members.contains(&(child.scope, Member::Child(id))), child.stamp, child.name);
        self.state.deadlines.forget(Timer::Child(id));
        if was_left {
            self.state.tally.left = self.state.tally.left.saturating_sub(1);
        } else {
            self.count_silent(id);
            self.close(id);
            self.end_link(Link::Child(id), Ending::Lost(None));
        }
        if change == ChildChange::Reaped {
            self.state.tally.reaped = self.state.tally.reaped.saturating_add(1);
            self.census(Census { actor: id, parent: self.state.me, stamp, came: false, name });
        }
        self.leave_scope(id);
        self.state.children.remove(&id);
        self.report(Event::Gone(id));
    }

    fn leave_scope(&mut self, id: ActorId) {
        let Some(scope) = self.state.children.get(&id).map(|child| child.scope) else {
            return;
        };
        if self.state.has(Defect::SerialLadder) {
            self.begin_next(id);
        }
        if self.state.members.remove(&(scope, Member::Child(id))) {
            self.room.loosen(scope);
        }
    }

    /// Counts what a child that ends without a last word could not count itself.
    fn count_silent(&mut self, id: ActorId) {
        let Some(child) = self.state.children.get(&id) else {
            return;
        };
        let tally = &mut self.state.tally;
        tally.spent = tally.spent.max(child.spent);
        if child.parted {
            return;
        }
        let cancelled = child.ladder.is_some_and(|ladder| ladder.cause.is_some());
        if cancelled && child.levels == 0 && !child.blamed && child.relayed == 0 {
            tally.cancelled = tally.cancelled.saturating_add(1);
        }
    }

    /// Records the error that explains a child's end, once.
    pub(super) fn blame(&mut self, id: ActorId, kind: Kind) {
        let Some(child) = self.state.children.get_mut(&id) else {
            return;
        };
        if child.blamed {
            return;
        }
        child.blamed = true;
        let scope = child.scope;
        self.failed(scope, Error::new(kind, id, Payload::default()));
    }

    /// Closes a child's channel from this side.
    pub(super) fn close(&mut self, id: ActorId) {
        let has_one = |child: &ChildRecord| child.role.speaks() && child.channel != Channel::Dialling;
        let has_one = self.state.children.get(&id).is_some_and(|child| has_one(child));
        if has_one && self.change_channel(Link::Child(id), ChannelChange::Lost) {
            self.emit(Output::Close { link: Link::Child(id) });
            self.end_names(Link::Child(id));
        }
    }

    pub(super) fn signal(&mut self, child: ActorId, signal: Signal) {
        self.emit(Output::Signal { child, signal });
    }

    /// Gives the state just entered its deadline: a span from now, but not later than the plan allows.
    ///
    /// Who looks late, because it was stopped, gives nobody up at once, and the tasks that wait for it no sooner.
    pub(super) fn hold(&mut self, id: ActorId, span: impl Fn(&Times) -> Duration) {
        let (now, given) = (self.state.now, self.given());
        #[cfg(feature = "defects")]
        let endless = self.state.has(Defect::NoDeadlineAfterAck);
        let Some(child) = self.state.children.get_mut(&id) else {
            return;
        };
        let plan = child.ladder.map(|ladder| (ladder.latest(child.phase), ladder.end_at));
        let (latest, end_at) = plan.unwrap_or((Instant::MAX, Instant::MAX));
        let latest = if latest == end_at { latest.max(given) } else { latest };
        let until = Deadline::within(now, span(child.times(&self.state.limits)), latest);
        #[cfg(feature = "defects")]
        let until = if endless && child.phase == Child::Acked { Deadline::never() } else { until };
        child.rung = Rung::Teardown { since: now, until };
        self.state.deadlines.set(Timer::Child(id), Some(until.at()));
        if let Some(tasks) = self.state.deadlines.at(Timer::Tasks).filter(|_| until.at() > end_at) {
            self.state.deadlines.set(Timer::Tasks, Some(tasks.max(given)));
        }
    }
}
