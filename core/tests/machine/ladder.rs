//! One child's ladder as it is promised: the order of the rungs, and the time of each, computed here once more.

use core::time::Duration;

use windrow_core::{
    ActorId, Cause, Child, Event, Input, Instant, Life, Limits, Link, Message, Output, Reason, Role, Signal,
    Spec, Times, Until, VERSIONS, Wait,
};

use super::watch::{Seen, ensure, given};

/// The account of one child.
#[derive(Clone, Hash)]
pub(crate) struct Kid {
    role: Role,
    levels: u8,
    times: Times,
    /// Both sides have greeted, and neither has closed.
    pub(crate) open: bool,
    closed: bool,
    /// It said its last word.
    parted: bool,
    /// Its spawn was answered.
    answered: bool,
    /// By when it must be up, and by when at the latest if it asks for more time.
    boot: Instant,
    boot_max: Instant,
    /// When its end began.
    began: Option<Instant>,
    /// The deadline that its parent had then, or would have had.
    planned: Instant,
    asks: u8,
    terms: u8,
    kills: u8,
    purged: bool,
    dead: bool,
    /// When it would be given up but for the time that a late look has given, and that time.
    late: (Instant, Duration),
    reaps: u8,
    /// Gone or given up: nothing is awaited of it.
    pub(crate) settled: bool,
    gone: bool,
}

impl Kid {
    pub(crate) fn new(spec: &Spec, now: Instant, limits: &Limits) -> Self {
        Self {
            role: spec.role,
            levels: spec.levels.unwrap_or(0),
            times: spec.times.unwrap_or_default(),
            open: false,
            closed: false,
            parted: false,
            answered: false,
            boot: now.after(limits.boot),
            boot_max: now.after(limits.boot_max),
            began: None,
            planned: Instant::MAX,
            asks: 0,
            terms: 0,
            kills: 0,
            purged: false,
            dead: false,
            late: (Instant::MAX, Duration::ZERO),
            reaps: 0,
            settled: false,
            gone: false,
        }
    }

    /// Checks one step.
    pub(crate) fn see(
        &mut self,
        id: ActorId,
        seen: &Seen<'_>,
        (deadline, cause): (Option<Instant>, Option<Cause>),
    ) -> Result<(), String> {
        let was = seen.before.child(id);
        self.plan(id, seen, deadline);
        if self.began == Some(seen.now)
            && was.is_some_and(|(phase, _)| matches!(phase, Child::Booting | Child::Up))
        {
            self.see_first_rung(id, seen, deadline, cause)?;
        }
        self.listen(id, seen)?;
        self.see_start(id, seen);
        for output in seen.outputs {
            self.see_output(id, output, seen)?;
        }
        self.see_time(id, seen, deadline)
    }

    /// Notes when the child's end began.
    fn plan(&mut self, id: ActorId, seen: &Seen<'_>, deadline: Option<Instant>) {
        let ends = seen.machine.waits().any(|wait| {
            let ending = matches!(wait.why, windrow_core::Why::Child(phase) if phase > Child::Up);
            wait.on == windrow_core::On::Child(id) && ending
        });
        let moved = seen.outputs.iter().any(|output| match output {
            Output::Signal { child, .. } | Output::Reap { child } | Output::Sweep { child } => *child == id,
            _ => false,
        });
        if self.began.is_none() && (ends || moved) {
            self.began = Some(seen.now);
            let bound = seen.machine.teardown_bound();
            self.planned = seen.now.after(bound).min(deadline.unwrap_or(Instant::MAX));
        }
    }

    /// A child has one channel: whoever greets again on it, or in its name, has no other.
    fn listen(&mut self, id: ActorId, seen: &Seen<'_>) -> Result<(), String> {
        if let Input::Received { link: Link::Child(by), message: Message::Hello { versions, actor } } =
            seen.input
            && by == id
        {
            let refused =
                |output: &Output| matches!(output, Output::Close { .. } | Output::Report(Event::Stray(_)));
            let hears = self.open && !self.dead && seen.before.life != Life::Ended;
            let again = hears && !seen.outputs.iter().any(refused);
            ensure!(!again, "35: {id} greets on a channel that is open, and is let in");
            if actor == id && VERSIONS.common(versions).is_some() {
                self.open = !self.closed;
            }
        }
        Ok(())
    }

    /// More time to start is counted from the word for it: no less than there was, and no more than there is.
    fn see_start(&mut self, id: ActorId, seen: &Seen<'_>) {
        let waited =
            seen.before.child(id).is_some_and(|(phase, _)| matches!(phase, Child::Starting | Child::Booting));
        match seen.input {
            Input::Started { child, .. } | Input::NotStarted { child, .. } => self.answered |= child == id,
            Input::Received { link, message: Message::Bye(_) } if link == Link::Child(id) => {
                self.parted |= self.open;
            }
            Input::Received { link, message: Message::Extend { by } }
                if link == Link::Child(id) && self.open && !self.parted && waited =>
            {
                self.boot = seen.now.after(by).min(self.boot_max).max(self.boot);
            }
            _ => {}
        }
    }

    /// Who is up and cancelled is asked if it hears and there is time, stopped if not, killed if there is none at all.
    fn see_first_rung(
        &self,
        id: ActorId,
        seen: &Seen<'_>,
        deadline: Option<Instant>,
        cause: Option<Cause>,
    ) -> Result<(), String> {
        let booting = seen.before.child(id).is_some_and(|(phase, _)| phase == Child::Booting);
        let own = match seen.input {
            Input::Tick => booting,
            Input::Exited { child, .. } => child == id,
            Input::LinkLost { link } | Input::Garbled { link } => link == Link::Child(id),
            Input::Received { link, message: Message::Bye(_) | Message::Hello { .. } } => {
                link == Link::Child(id)
            }
            // A word that breaks the protocol costs the channel.
            Input::Received { link, message: Message::Context { .. } } => {
                link == Link::Child(id) && seen.outputs.contains(&Output::Close { link })
            }
            _ => false,
        };
        if own {
            return Ok(());
        }
        let (stop_at, kill_at, _) = self.latest(seen, deadline);
        let hears = !speaks(self.role) || !self.closed;
        let asked = seen.outputs.iter().any(|output| self.asks(id, output));
        let killed = seen.outputs.contains(&Output::Signal { child: id, signal: Signal::Kill });
        let stopped = seen.outputs.contains(&Output::Signal { child: id, signal: Signal::Term });
        let time = stop_at > seen.now.after(self.times.hop);
        let expected = (kill_at > seen.now && hears && time, kill_at > seen.now && !(hears && time));
        // One that is stopped before it could greet may find the cancel when it does.
        let asked_first = asked && !(booting && stopped);
        // A command that a signal ends is told by SIGTERM, unless that was SIGINT. Its own scope may have ended before by another cause.
        let meant = match seen.input {
            Input::Signalled(signal) => Some(Reason::Signal(signal.number())),
            Input::Received { message: Message::Cancel { cause, .. }, .. } => Some(cause.reason),
            _ => cause.map(|cause| cause.reason),
        };
        let told = matches!(meant, Some(Reason::Signal(signal)) if signal != Signal::Int.number());
        let told = told && self.role == Role::Command && (asked_first, stopped) == (false, expected.0);
        ensure!(
            told || (asked_first, stopped) == expected,
            "{id}: the wrong first rung: asked {asked}, stopped {stopped}"
        );
        ensure!(killed == (kill_at <= seen.now), "{id}: killed {killed} at once, latest {kill_at}");
        Ok(())
    }

    fn asks(&self, id: ActorId, output: &Output) -> bool {
        match output {
            Output::Signal { child, signal: Signal::Int } => *child == id,
            Output::Send { link, message: Message::Cancel { .. }, .. } => *link == Link::Child(id),
            _ => false,
        }
    }

    /// Gives the latest SIGTERM, SIGKILL and giving up, by the law of the ladder.
    fn latest(&self, seen: &Seen<'_>, deadline: Option<Instant>) -> (Instant, Instant, Instant) {
        let flush = seen.machine.limits().times.flush;
        let end = self.planned.min(deadline.unwrap_or(Instant::MAX)).before(flush);
        let kill = end.before(if self.role == Role::Thread { Duration::ZERO } else { self.times.kill });
        let patience = self.times.bound(self.levels) + self.times.hop;
        let stop = kill.before(self.times.stop).min(self.began.unwrap_or(seen.now).after(patience));
        (stop, kill, end)
    }

    fn see_output(&mut self, id: ActorId, output: &Output, seen: &Seen<'_>) -> Result<(), String> {
        match *output {
            Output::Signal { child, signal } if child == id => self.see_signal(id, signal, seen),
            Output::Send { link, message: Message::Cancel { left, .. }, .. } if link == Link::Child(id) => {
                let booting = seen.before.child(id).is_some_and(|(phase, _)| phase == Child::Booting);
                ensure!(!self.closed, "{id}: a cancel on a channel that is closed");
                ensure!(self.asks == 0 && (self.terms == 0 || booting), "15: {id} is asked again");
                ensure!(self.kills == 0 && !self.dead, "{id} is asked after SIGKILL or its death");
                ensure!(!left.is_zero(), "{id} is asked without time");
                self.asks += 1;
                Ok(())
            }
            Output::Recall { child } if child == id => {
                ensure!(!self.answered, "8: the spawn of {id} is recalled, and was answered");
                Ok(())
            }
            Output::Close { link } if link == Link::Child(id) => {
                (self.open, self.closed) = (false, true);
                Ok(())
            }
            Output::Reap { child } if child == id => {
                ensure!(self.dead, "3: {id} is reaped before its exit was seen");
                ensure!(self.reaps == 0, "1: {id} is reaped twice");
                let left = matches!(seen.input, Input::Swept { child, alive: 1.., .. } if child == id);
                ensure!(!left, "{id} is reaped while something of it is alive");
                self.reaps += 1;
                Ok(())
            }
            Output::Report(Event::Exited(child, _)) if child == id => {
                ensure!(!self.dead, "11: {id} exits twice");
                self.dead = true;
                Ok(())
            }
            Output::Report(Event::Gone(child)) if child == id => {
                (self.settled, self.gone) = (true, true);
                Ok(())
            }
            Output::Report(Event::Leaked(child)) if child == id => {
                ensure!(self.role == Role::Thread, "{id} is no thread");
                ensure!(self.closed, "the channel of {id} stays open");
                self.settled = true;
                Ok(())
            }
            Output::Report(Event::Unkillable(child)) if child == id => {
                ensure!(self.role != Role::Thread, "{id} is a thread: it is leaked");
                let died = self.dead || self.kills > 0;
                let unstarted = seen.before.child(id).is_some_and(|(phase, _)| phase.is_under_way());
                ensure!(died || unstarted, "{id} is given up without SIGKILL");
                self.settled = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn see_signal(&mut self, id: ActorId, signal: Signal, seen: &Seen<'_>) -> Result<(), String> {
        ensure!(!self.gone && self.reaps == 0, "2: {signal:?} to {id} after it was reaped");
        ensure!(self.see_timer(id, seen), "26: {signal:?} to {id} before the deadline of the rung before");
        if self.dead {
            let found = matches!(seen.input, Input::Swept { child, fresh: 1.., .. } if child == id);
            match signal {
                Signal::Term => ensure!(found && !self.purged, "{id}: SIGTERM without anything new to stop"),
                Signal::Kill => {
                    ensure!(found || !self.purged, "{id}: a second SIGKILL without anything new");
                    self.purged = true;
                }
                _ => return Err(format!("{signal:?} to the dead {id}")),
            }
            return Ok(());
        }
        ensure!(signal != Signal::Kill || self.role != Role::Thread, "{id} is a thread: nobody can kill it");
        let taken = match signal {
            Signal::Int => (&mut self.asks, self.terms + self.kills),
            Signal::Term => (&mut self.terms, self.kills),
            _ => (&mut self.kills, 0),
        };
        ensure!(*taken.0 == 0, "25: {signal:?} to {id} twice");
        ensure!(taken.1 == 0, "25: {signal:?} to {id} after a higher rung");
        *taken.0 += 1;
        Ok(())
    }

    /// A tick moves a child that is ending only after the deadline of the state that it was in.
    fn see_timer(&self, id: ActorId, seen: &Seen<'_>) -> bool {
        match seen.before.child(id) {
            Some((phase, Until::Teardown(until))) if seen.input == Input::Tick && phase > Child::Up => {
                until.at() <= seen.now
            }
            _ => true,
        }
    }

    /// A child that is on no ladder has its boot deadline, and behind a shield the point at which that breaks.
    fn see_free(&self, wait: Wait, seen: &Seen<'_>, deadline: Option<Instant>) -> Result<(), String> {
        let times = seen.machine.limits().times;
        let breaks = |deadline: Instant| deadline.before(times.flush).before(times.kill).before(times.stop);
        let shield = deadline.filter(|_| matches!(wait.until, Until::Teardown(_))).map(breaks);
        let boot =
            matches!(wait.why, windrow_core::Why::Child(phase) if phase < Child::Up).then_some(self.boot);
        let expected = boot.into_iter().chain(shield).min();
        ensure!(wait.until.at() == expected, "34: neither the boot deadline nor the shield's: {wait}");
        Ok(())
    }

    /// The deadline of a child's state is a span from its beginning, cut by the plan; neither sooner nor later.
    fn see_time(&mut self, id: ActorId, seen: &Seen<'_>, deadline: Option<Instant>) -> Result<(), String> {
        let waits = seen.machine.waits().find(|wait| wait.on == windrow_core::On::Child(id));
        let Some(wait) = waits else {
            ensure!(self.settled, "{id} is not waited for");
            return Ok(());
        };
        let windrow_core::Why::Child(phase) = wait.why else {
            return Err(format!("not a wait for a child: {wait}"));
        };
        if phase <= Child::Up {
            return self.see_free(wait, seen, deadline);
        }
        let Until::Teardown(until) = wait.until else {
            return Err(format!("29: no deadline of teardown: {wait}"));
        };
        let (stop, kill, end) = self.latest(seen, deadline);
        let times = &self.times;
        let sweep = match self.levels.checked_sub(1) {
            Some(below) => times.bound(below) + times.hop,
            None => times.stop,
        };
        let (span, latest) = match phase {
            Child::Asked => (times.ack, stop),
            Child::Acked => (Duration::MAX, stop),
            Child::Parting => (times.flush + times.kill + times.hop, stop),
            Child::Stopping if self.role == Role::Command && self.asks == 0 => {
                (times.bound(0) + times.hop + times.stop, kill)
            }
            Child::Stopping => (times.stop, kill),
            Child::Sweeping => (sweep, kill),
            // It is given up when whoever was asked for it can still be killed, and then what that made.
            Child::Withdrawn => (times.ack, kill.before(end.since(kill))),
            Child::Unanswered | Child::Killing | Child::Purging | Child::Reaping => (times.kill, end),
            Child::Queued
            | Child::Starting
            | Child::Early
            | Child::Booting
            | Child::Up
            | Child::Unkillable
            | Child::Gone => {
                return Err(format!("{id}: {phase:?} is no state of teardown"));
            }
        };
        let least = self.least(id, phase, (latest, end), seen);
        let expected = wait.since.after(span).min(latest.max(wait.since.after(least))).max(wait.since);
        ensure!(
            until.at().max(wait.since) == expected,
            "27: {id}: {phase:?} until {}, not {expected}",
            until.at()
        );
        self.late = (end, least);
        Ok(())
    }

    /// Who looks late by a message's time gives nobody up at once: the last state before that has as much. It is not taken back, unless for a plan with less time.
    fn least(&self, id: ActorId, phase: Child, ends: (Instant, Instant), seen: &Seen<'_>) -> Duration {
        let (latest, end) = ends;
        let entered = seen.before.child(id).is_none_or(|(before, _)| before != phase);
        match seen.before.due {
            _ if latest < end => Duration::ZERO,
            Some(due) if entered && seen.input == Input::Tick => {
                given(seen.now.since(due), seen.machine.limits().times.hop)
            }
            _ if entered || end < self.late.0 => Duration::ZERO,
            _ => self.late.1,
        }
    }
}

fn speaks(role: Role) -> bool {
    role.speaks()
}
