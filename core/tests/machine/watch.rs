//! What is promised of a machine after every step, order and time alike, told from outside: inputs, outputs, waits.
//!
//! It keeps its own account of each child and of the actor's deadline, and knows nothing of the machine's inside.

use core::time::Duration;
use std::collections::BTreeMap;

use windrow_core::{
    ActorId, Cause, Child, End, Event, Input, Instant, Life, Link, Machine, Message, On, Outcome, Output,
    Signal, Until, Wait, Why,
};

use super::ladder::Kid;
use super::talks::Talks;

/// Gives up with a text unless something holds.
macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(format!($($text)+));
        }
    };
}
pub(crate) use ensure;

/// What a look gives that comes late: a message's time, if it is late by that.
pub(crate) fn given(late: Duration, hop: Duration) -> Duration {
    if late < hop { Duration::ZERO } else { hop }
}

/// The account of one machine.
#[derive(Clone, Default, Hash)]
pub(crate) struct Watch {
    /// The actor's own deadline, once it has one.
    pub(crate) deadline: Option<Instant>,
    /// When its teardown began.
    pub(crate) began: Option<Instant>,
    /// By how much ticks came too late since then, and what may have been given for that.
    pub(crate) late: Duration,
    pub(crate) done: Option<Instant>,
    /// The user's signals, one of each action.
    signals: Vec<(Signal, Instant)>,
    /// Why it was cancelled first.
    cause: Option<Cause>,
    has_parent: bool,
    /// It said so.
    ready: bool,
    pub(crate) kids: BTreeMap<ActorId, Kid>,
    talks: Talks,
}

/// A machine as it was before a step.
pub(crate) struct Before {
    pub(crate) rank: (u8, u64),
    pub(crate) life: Life,
    pub(crate) due: Option<Instant>,
    pub(crate) waits: Vec<Wait>,
}

impl Before {
    pub(crate) fn of(machine: &Machine) -> Self {
        Self {
            rank: machine.rank(),
            life: machine.life(),
            due: machine.poll_timeout(),
            waits: machine.waits().collect(),
        }
    }

    /// Gives a child's state and its deadline.
    pub(crate) fn child(&self, id: ActorId) -> Option<(Child, Until)> {
        self.waits.iter().find_map(|wait| match (wait.on, wait.why) {
            (On::Child(child), Why::Child(phase)) if child == id => Some((phase, wait.until)),
            _ => None,
        })
    }
}

/// One step, seen from outside.
pub(crate) struct Seen<'a> {
    pub(crate) before: &'a Before,
    pub(crate) now: Instant,
    /// The time of the input, which is earlier than the present where a clock went back, or a tick says until when facts are here.
    pub(crate) at: Instant,
    pub(crate) input: Input,
    pub(crate) outputs: &'a [Output],
    pub(crate) machine: &'a Machine,
}

impl Watch {
    pub(crate) fn new(has_parent: bool) -> Self {
        Self { has_parent, ..Self::default() }
    }

    /// Checks one step and takes it into account.
    pub(crate) fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        if let Some((number, text)) = seen.machine.broken_invariant() {
            return Err(format!("{number}: {text}"));
        }
        self.see_end(seen)?;
        self.see_deadline(seen);
        self.see_urgent(seen)?;
        self.see_rank(seen)?;
        self.see_bounds(seen)?;
        for output in seen.outputs {
            if let Output::Spawn { child, spec, .. } = output {
                ensure!(!seen.before.life.is_teardown(), "8: a spawn after teardown began");
                self.kids.insert(*child, Kid::new(spec, seen.now, seen.machine.limits()));
            }
        }
        for (id, kid) in &mut self.kids {
            kid.see(*id, seen, (self.deadline, self.cause))?;
        }
        self.see_cause(seen)?;
        self.see_words(seen)?;
        self.talks.see(seen)
    }

    /// The last output is the last.
    fn see_end(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        ensure!(self.done.is_none() || seen.outputs.is_empty(), "an output after Done");
        let place = seen.outputs.iter().position(|output| matches!(output, Output::Done(_)));
        if let Some(place) = place {
            ensure!(place + 1 == seen.outputs.len(), "Done is not the last output");
            ensure!(seen.machine.poll_timeout().is_none(), "43: a deadline after the end");
            self.done = Some(seen.now);
        }
        ensure!(
            self.done.is_some() == (seen.machine.life() == Life::Ended),
            "Done and the end of life are not one"
        );
        Ok(())
    }

    /// Computes the actor's own deadline anew, by the rule: X = min(X, now + min(left, P(levels))).
    fn see_deadline(&mut self, seen: &Seen<'_>) {
        let times = seen.machine.limits().times;
        let bound = seen.machine.teardown_bound();
        let hurry = times.kill + times.flush;
        let mut left = bound;
        let mut asked = seen.outputs.iter().any(|o| matches!(o, Output::Report(Event::Cancelling(_))));
        if let Input::Received { link: Link::Parent, message: Message::Cancel { left: told, .. } } =
            seen.input
        {
            asked |= acked(seen.outputs);
            left = told.min(bound);
        }
        if let Input::Received { link: Link::Child(_) | Link::Peer(_), message } = seen.input
            && let Message::Cancel { left: told, .. } = message
            && seen.outputs.iter().all(|output| !refuses(output))
            && seen.before.life != Life::Ended
        {
            asked = true;
            left = told.min(bound);
        }
        if let Input::Signalled(signal) = seen.input
            && seen.before.life != Life::Ended
            && (signal != Signal::Term || !self.has_parent)
        {
            let recent = |at: Instant| seen.now < at.after(times.hop);
            let with_the_first = self.signals.first().is_some_and(|(_, at)| recent(*at));
            let again = |(known, at): &(Signal, Instant)| *known == signal && recent(*at);
            let counted = !with_the_first && !self.signals.iter().any(again);
            if counted {
                self.signals.push((signal, seen.now));
            }
            if counted && self.signals.len() == 2 {
                asked |= seen.before.life.is_teardown();
                left = hurry;
            }
        }
        let near = |at: &mut Option<Instant>, to: Instant| *at = Some(at.map_or(to, |at| at.min(to)));
        if asked {
            near(&mut self.deadline, seen.now.after(left));
        }
        let broke = |life| matches!(life, Life::ShieldBroken | Life::Flushing | Life::Exiting | Life::Ended);
        if broke(seen.machine.life()) && !broke(seen.before.life) {
            near(&mut self.deadline, seen.now.after(hurry.min(times.bound(seen.machine.levels()))));
        }
        if seen.machine.life().is_teardown() && self.began.is_none() {
            self.began = Some(seen.now);
            self.late = Duration::ZERO;
        }
    }

    /// What ends an actor whatever its state: a signal of the user's, the loss of its parent, its parent's cancel.
    fn see_urgent(&self, seen: &Seen<'_>) -> Result<(), String> {
        let lost = seen.outputs.contains(&Output::Close { link: Link::Parent });
        let urgent = match seen.input {
            Input::Signalled(_) => true,
            Input::LinkLost { link: Link::Parent } | Input::Garbled { link: Link::Parent } => lost,
            Input::Received { link: Link::Parent, message: Message::Cancel { .. } } => acked(seen.outputs),
            _ => false,
        };
        let life = seen.machine.life();
        ensure!(!urgent || life.is_teardown(), "23: {:?} did not end a life that is {life:?}", seen.input);
        let third = self.signals.len() >= 3;
        ensure!(!third || life == Life::Ended, "the third signal did not end a life that is {life:?}");
        Ok(())
    }

    /// In teardown no step raises the rank, and a tick that is due lowers it.
    fn see_rank(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let due = seen.before.due.is_some_and(|due| due <= seen.at);
        let ticked = seen.input == Input::Tick && due;
        if ticked {
            let late = seen.before.due.map_or(Duration::ZERO, |due| seen.now.since(due));
            self.late += late + given(late, seen.machine.limits().times.hop);
            let kept = |wait: &&Wait| {
                let teardown = matches!(wait.until, Until::Teardown(_));
                teardown && wait.until.at() <= Some(seen.at) && seen.before.waits.contains(wait)
            };
            if let Some(wait) = seen.machine.waits().find(|wait| kept(&wait)) {
                return Err(format!("30: a deadline passed and did nothing: {wait}"));
            }
        }
        if !seen.before.life.is_teardown() {
            return Ok(());
        }
        let (old, new) = (seen.before.rank, seen.machine.rank());
        ensure!(new <= old, "the rank rose from {old:?} to {new:?}");
        let described = seen.outputs.iter().any(|output| matches!(output, Output::DescribedAll { .. }));
        ensure!(!ticked || new < old || described, "a due tick left the rank at {old:?}");
        Ok(())
    }

    fn see_bounds(&self, seen: &Seen<'_>) -> Result<(), String> {
        let most = seen.machine.limits().outputs();
        ensure!(seen.outputs.len() <= most, "{} outputs where {most} are allowed", seen.outputs.len());
        if !seen.before.life.is_teardown() || !seen.machine.life().is_teardown() {
            return Ok(());
        }
        if seen.machine.life() == Life::Ended {
            // One that was made to end leaves all as it is.
            return Ok(());
        }
        for wait in seen.machine.waits() {
            let bounded = matches!(wait.until, Until::Teardown(deadline) if deadline.at() < Instant::MAX);
            ensure!(bounded, "29: {wait}");
            if let Why::Life(_) = wait.why {
                ensure!(
                    wait.until.at() <= self.deadline.max(Some(wait.since)),
                    "after the actor's deadline: {wait}"
                );
            }
        }
        Ok(())
    }

    /// The first cause stays, whoever cancels after that.
    fn see_cause(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        for output in seen.outputs {
            match *output {
                Output::Report(Event::Cancelling(cause)) => {
                    ensure!(self.cause.is_none(), "20: it is cancelled again, by {cause}");
                    self.cause = Some(cause);
                }
                Output::Done(Outcome { end: End::Cancelled(cause), .. }) => {
                    let first = self.cause;
                    ensure!(
                        first.is_none_or(|first| first == cause),
                        "20: it ends by {cause}, not by {first:?}"
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What is said to the parent, and when.
    fn see_words(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        for (place, output) in seen.outputs.iter().enumerate() {
            let Output::Send { link: Link::Parent, message, .. } = output else {
                continue;
            };
            let life = seen.machine.life();
            match message {
                Message::Ack => {
                    let told = seen.outputs[..place]
                        .iter()
                        .any(|output| matches!(output, Output::Report(Event::Cancelling(_))));
                    let real = seen.before.life.is_teardown() || told;
                    ensure!(life.is_teardown() && real, "18: an ack before the cancellation is real");
                }
                Message::Bye(_) => {
                    ensure!(
                        self.kids.values().all(|kid| kid.settled),
                        "7: a last word while a child is there"
                    );
                }
                Message::Ready => {
                    ensure!(!self.ready, "it says twice that it is ready");
                    self.ready = true;
                }
                Message::Extend { .. } => ensure!(!self.ready, "it asks for time to start, and is ready"),
                _ => {}
            }
        }
        Ok(())
    }
}

fn refuses(output: &Output) -> bool {
    matches!(output, Output::Close { .. } | Output::Report(Event::Stray(_)))
}

fn acked(outputs: &[Output]) -> bool {
    outputs
        .iter()
        .any(|output| matches!(output, Output::Send { link: Link::Parent, message: Message::Ack, .. }))
}
